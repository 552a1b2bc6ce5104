"""Rows: real conversations in; the same steps of tokenised conversations for every way of training, out.

A step is 8 conversations, half of them single answers (Counsel Chat), half of them chats of many turns (ESConv), drawn by a seed,
so that steps are alike. The first step, of short conversations, is for warming up. Where the folder of real data is absent, the
bundled samples are taken.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from heedful.conversation import Conversation, Message
from heedful.modeling.chat_template import Sample
from heedful.modeling.trimming import trim
from heedful.sources import Hints, Passed, SourceRow, find, read
from training_speed.bases import DATA

REAL = (DATA / "counsel_chat" / "context_response.jsonl", DATA / "esconv_dev" / "esconv_dev_reconstructed.jsonl")
SAMPLES = Path(__file__).resolve().parents[2] / "src" / "heedful" / "assets" / "samples" / "conversations.jsonl"
BATCH, LONGEST = 8, 1_024  # conversations a step; tokens, as TRL's default
SHORT, MOST_ROWS = 192, 60  # tokens of a conversation to warm up with; conversations to choose from
# As long as a team's own tend to be: that of recipes/ketamine-llama31-8b.yaml.
PROMPT = (
    "You are the companion of a ketamine-assisted therapy programme. You help people to prepare for a session and to integrate it "
    "afterwards. You never advise on doses, on other medicines or on stopping them: for these you name the clinical team. "
    "You are not a therapist and you do not diagnose or prescribe. "
    "In an emergency you ask the person to call local emergency services."
)


@dataclass(frozen=True)
class Steps:
    """`batches[0]` is for warming up. `source` names the data."""

    batches: list[list[Sample]]
    source: str

    @property
    def rows(self) -> list[Sample]:
        return [row for batch in self.batches for row in batch]

    @property
    def tokens(self) -> list[int]:
        """Of each step, padding not counted."""
        return [count(batch) for batch in self.batches]


def draw_steps(tokenizer: Any, vocabulary: int, prompt: bool, steps: int, seed: int) -> Steps:
    """`prompt`: every conversation begins with PROMPT, else none has a system message."""
    real = all(path.is_file() for path in REAL)
    pools = [list(tokenised(path, tokenizer, vocabulary, prompt, seed)) for path in (REAL if real else (SAMPLES,))]
    share = BATCH // len(pools)
    warming = [row for pool in pools for row in sorted(pool, key=lambda row: abs(len(row.ids) - SHORT))[:share]]
    batches = [[row for pool in pools for row in pool[step * share :][:share]] for step in range(steps)]
    return Steps([warming, *batches], "counsel_chat and esconv_dev" if real else "bundled samples")


def tokenised(path: Path, tokenizer: Any, vocabulary: int, prompt: bool, seed: int) -> Iterator[Sample]:
    """In an order drawn by `seed`: as many as all steps can want, no more, for tokenising takes its time."""
    rows = [row for source in find(path, Hints(), Passed()) for row in read(source)]
    found = [row.conversation for row in rows if isinstance(row, SourceRow)]
    system = (Message("system", PROMPT),) if prompt else ()
    for conversation in random.Random(seed).sample(found, min(len(found), MOST_ROWS)):
        said = tuple(message for message in conversation.messages if message.role != "system")
        sample = trim(tokenizer, Conversation((*system, *said)), LONGEST).sample
        if sample is not None:
            yield Sample([token % vocabulary for token in sample.ids], sample.mask)


def per_turn(batch: list[Sample]) -> list[Sample]:
    """One sample an answer, as usual pipelines make them: all that was said before it as context, only the answer supervised."""
    return [part for row in batch for part in answers(row)]


def answers(row: Sample) -> Iterator[Sample]:
    edges = [place for place, (before, now) in enumerate(pairwise([False, *row.mask, False])) if before != now]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield Sample(row.ids[:stop], [False] * start + [True] * (stop - start))


def sampled_turns(steps: Steps) -> tuple[Steps, list[float]]:
    """Per-turn samples of each step, one step's worth of them, evenly chosen by length; and how many conversation tokens a step of
    them stands for."""
    batches, tokens = [], []
    for batch in steps.batches:
        samples = sorted(per_turn(batch), key=lambda row: len(row.ids))
        chosen = [samples[(2 * number + 1) * len(samples) // (2 * BATCH)] for number in range(BATCH)]
        batches.append(chosen)
        tokens.append(count(batch) * count(chosen) / count(samples))
    return Steps(batches, steps.source), tokens


def count(rows: Sequence[Sample]) -> int:
    return sum(len(row.ids) for row in rows)
