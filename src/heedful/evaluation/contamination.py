"""Contamination: evaluation prompts and training conversations in; the prompts that training has shown already, out.

A model that was trained on the questions it is tested with proves nothing by its answers. A prompt counts as seen when training
holds the same chat up to there, the same question of five words or more, thirteen words of it in a row, or a message that
shares most of its three-word pieces; case and punctuation do not matter. What is written anew in other words is not found.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from heedful.config import GateSettings
from heedful.conversation import Conversation, Message
from heedful.evaluation.checks import Check, CheckResult
from heedful.evaluation.intervals import NOTHING, Estimate
from heedful.evaluation.judging import judge
from heedful.evaluation.prompts import Prompt

WORD = re.compile(r"\w+")
QUESTION, RUN = 5, 13  # words
PIECE, ALIKE = 3, 0.6  # words; share of the pieces of both that both have (Jaccard)
LONG = 8  # words; in shorter messages, alike pieces are chance

Words = tuple[str, ...]

SEEN_PROMPTS = Check(
    name="seen_prompts",
    title="Prompts that training has shown",
    meaning="Evaluation prompts that stand in the training data. They are left out of all other checks; many of them mean that the "
    "model was trained for the test.",
    unit="share of prompts",
    direction="lower",
    limit=0.1,
    blocking=True,
    slack=0.0,
    least=1,
)


def find_seen(prompts: Sequence[Prompt], training: Iterable[Conversation]) -> list[Prompt]:
    """Those of `prompts` that occur in `training`, in order."""
    last = [words(prompt.messages[-1].content) for prompt in prompts]
    chats: dict[tuple[Words, ...], list[int]] = {}
    questions: dict[Words, list[int]] = {}
    runs: dict[Words, list[int]] = {}
    for number, (prompt, text) in enumerate(zip(prompts, last, strict=True)):
        chats.setdefault(chat(prompt.messages), []).append(number)
        if len(text) >= QUESTION:
            questions.setdefault(text, []).append(number)
        for run in runs_of(text):
            runs.setdefault(run, []).append(number)
    seen: set[int] = set()
    pieces = Pieces([text if len(text) >= LONG else () for text in last])
    for conversation in training:
        seen |= met(conversation, chats, questions, runs)
        for message in conversation.messages:
            if message.role == "user":
                seen |= pieces.alike(words(message.content))
    return [prompts[number] for number in sorted(seen)]


class Pieces:
    """Three-word pieces of all prompts, for messages that are worded almost like one."""

    def __init__(self, prompts: Sequence[Words]) -> None:
        self._own = [pieces_of(text) for text in prompts]
        self._places: dict[Words, list[int]] = {}
        for number, own in enumerate(self._own):
            for piece in own:
                self._places.setdefault(piece, []).append(number)

    def alike(self, text: Words) -> set[int]:
        """Numbers of the prompts that share ALIKE of the pieces with `text`."""
        theirs = pieces_of(text)
        shared = Counter(number for piece in theirs for number in self._places.get(piece, ()))
        return {number for number, both in shared.items() if both >= ALIKE * (len(theirs) + len(self._own[number]) - both)}


def pieces_of(text: Words) -> set[Words]:
    return {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}


def met(
    conversation: Conversation,
    chats: dict[tuple[Words, ...], list[int]],
    questions: dict[Words, list[int]],
    runs: dict[Words, list[int]],
) -> set[int]:
    """Numbers of the prompts that one training conversation holds."""
    found: set[int] = set()
    turns = [message for message in conversation.messages if message.role != "system"]
    said = [words(message.content) for message in turns]
    for place, (message, text) in enumerate(zip(turns, said, strict=True)):
        if message.role == "user":
            found.update(chats.get(tuple(said[: place + 1]), ()), questions.get(text, ()))
            found.update(number for run in runs_of(text) for number in runs.get(run, ()))
    return found


def chat(messages: Sequence[Message]) -> tuple[Words, ...]:
    return tuple(words(message.content) for message in messages if message.role != "system")


def words(text: str) -> Words:
    return tuple(WORD.findall(text.casefold()))


def runs_of(text: Words) -> Iterable[Words]:
    return (text[start : start + RUN] for start in range(len(text) - RUN + 1))


def judge_seen(seen: int, drawn: int, gate: GateSettings) -> CheckResult:
    """Nothing is estimated: all prompts were looked at, so the bounds are the value."""
    share = Estimate(seen / drawn, drawn, None, (seen / drawn, seen / drawn)) if drawn else NOTHING
    return judge(SEEN_PROMPTS, gate, share, NOTHING)
