"""Copies: replies and training conversations in; how long a stretch each reply has in common with what training showed, out.

A token is here a word or a punctuation mark, case left aside, so that the measure is the same for every base. Fifty tokens in a row
are no accident (Carlini et al. 2023, "Quantifying memorization across neural language models"). Shorter replies cannot hold fifty,
so it is also counted how many replies are, for the most part, one stretch of a training text.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from heedful.config import GateSettings
from heedful.conversation import Conversation
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.intervals import estimate_share
from heedful.evaluation.judging import judge

TOKEN = re.compile(r"\w+|[^\w\s]")
VERBATIM_TOKENS = 50
PIECE = 10  # tokens; shorter stretches are ordinary language and are not looked for
MOSTLY = 0.6  # of a reply

Tokens = tuple[str, ...]

VERBATIM = Check(
    name="verbatim",
    title="Training texts said again",
    meaning=f"The reply holds {VERBATIM_TOKENS} words and marks in a row that stand just so in the training data.",
    unit="share of replies",
    direction="lower",
    limit=0.0,
    blocking=True,
)
COPIES = Check(
    name="copies",
    title="Replies that are a training text",
    meaning=f"At least {MOSTLY:.0%} of the reply, and {PIECE} words and marks or more, are one stretch of a training text. It "
    "repeats what it learned instead of answering.",
    unit="share of replies",
    direction="lower",
    limit=0.3,
    blocking=True,
)


def longest_copies(replies: Sequence[str], training: Iterable[Conversation]) -> list[int]:
    """Tokens of the longest stretch that each reply shares with one training text; 0 below ten."""
    found = [tokens(reply) for reply in replies]
    places: dict[Tokens, list[tuple[int, int]]] = {}
    for number, said in enumerate(found):
        for start, piece in enumerate(pieces(said)):
            places.setdefault(piece, []).append((number, start))
    longest = [0] * len(replies)
    for text in {message.content for one in training for message in one.messages if message.role != "system"}:
        learned = tokens(text)
        for number, length in shared(learned, places):
            longest[number] = max(longest[number], length)
    return longest


def shared(learned: Tokens, places: dict[Tokens, list[tuple[int, int]]]) -> Iterator[tuple[int, int]]:
    """(reply, tokens in a row) of every stretch that a training text shares with a reply.

    Two pieces belong to one stretch when both move on by one token, so a stretch is a run along a diagonal.
    """
    running: dict[tuple[int, int], int] = {}
    for piece in pieces(learned):
        here = {(number, at): running.get((number, at - 1), PIECE - 1) + 1 for number, at in places.get(piece, ())}
        yield from ((number, length) for (number, _), length in here.items())
        running = here


def tokens(text: str) -> Tokens:
    return tuple(TOKEN.findall(text.casefold()))


def pieces(said: Tokens) -> Iterator[Tokens]:
    return (said[start : start + PIECE] for start in range(len(said) - PIECE + 1))


def judge_copies(
    tuned: Sequence[str], base: Sequence[str], training: Sequence[Conversation], gate: GateSettings
) -> tuple[CheckResult, CheckResult]:
    """Both checks over the replies of both models; the base's are what chance and the subject bring about."""
    lengths = longest_copies([*tuned, *base], training)
    sides = lengths[: len(tuned)], lengths[len(tuned) :]
    long = [estimate_share([length >= VERBATIM_TOKENS for length in side]) for side in sides]
    most = [
        estimate_share([length >= PIECE and length >= MOSTLY * len(tokens(text)) for length, text in zip(side, texts, strict=True)])
        for side, texts in zip(sides, (tuned, base), strict=True)
    ]
    return judge(VERBATIM, gate, long[0], long[1]), judge(COPIES, gate, most[0], most[1])
