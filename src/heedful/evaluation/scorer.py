"""Scorer: one decorated function (Answer) -> bool or float that declares what it measures and where its limit is.

    @scorer(title="Empty replies", ..., direction="lower", limit=0.0)
    def empty_replies(answer: Answer) -> bool: ...

A new check is one new file in `scorers/`; nothing else changes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heedful.companion.turn import Reply
from heedful.evaluation.checks import Check, Direction
from heedful.evaluation.intervals import Estimate, estimate_mean, estimate_share
from heedful.evaluation.prompts import Prompt
from heedful.guards.reply.cleaning import EMPTY


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked and what came back. `reply.raw` is what the model wrote, `reply.text` what a person would see."""

    prompt: Prompt
    reply: Reply

    @property
    def said(self) -> str:
        """The model's own words: the clean text, or nothing where the companion's fallback stands in for an empty reply."""
        return "" if EMPTY in self.reply.cleaned else self.reply.text


Score = Callable[[Answer], bool | float]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A check over replies. `flag` is said of a single reply that trips it."""

    check: Check
    flag: str
    score: Score

    def trips(self, answer: Answer) -> bool:
        """Whether this one reply is to be flagged. Graded scores flag nothing; they speak about the whole."""
        score = self.score(answer)
        return isinstance(score, bool) and score is (self.check.direction == "lower")


_table: dict[str, Scorer] = {}


def scorer(
    *, title: str, meaning: str, flag: str, unit: str, direction: Direction, limit: float, blocking: bool
) -> Callable[[Score], Scorer]:
    """Declare a check; its name is the function's."""

    def declare(score: Score) -> Scorer:
        name = getattr(score, "__name__", "")
        assert name not in _table, f"two scorers are called {name}"
        _table[name] = Scorer(Check(name, title, meaning, unit, direction, limit, blocking), flag, score)
        return _table[name]

    return declare


def declared() -> tuple[Scorer, ...]:
    """All declared scorers, blocking ones first."""
    return tuple(sorted(_table.values(), key=lambda known: not known.check.blocking))


def measure(known: Scorer, answers: Sequence[Answer]) -> Estimate:
    """Score every reply. Marks give a share with Wilson's interval, numbers a mean with a bootstrap interval."""
    scores = [known.score(answer) for answer in answers]
    if all(isinstance(score, bool) for score in scores):
        return estimate_share([bool(score) for score in scores])
    return estimate_mean([float(score) for score in scores])
