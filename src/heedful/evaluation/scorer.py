"""Scorer: one decorated function that declares what it measures. Replies of one model in, a score each and an estimate out.

    @scorer(title="Empty replies", ..., unit="share of replies", direction="lower", limit=0.0, blocking=True)
    def empty_replies(answer: Answer) -> bool | None: ...

A mark (bool) or a number; None where the reply says nothing of it. `@set_scorer` is for what is computed over all replies at once,
such as embeddings. A new scorer is one new function in `scorers/`; a pack may set other limits or switch it off (see `policy`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, Unpack

from heedful.companion.turn import Reply
from heedful.evaluation.checks import Check, Direction
from heedful.evaluation.intervals import NOTHING, Estimate, estimate_mean, estimate_share
from heedful.evaluation.prompts import Prompt
from heedful.guards.reply.cleaning import EMPTY, clean


@dataclass(frozen=True, slots=True)
class Answer:
    """What was asked and what came back. `reply.raw` is what the model wrote, `reply.text` what a person would see."""

    prompt: Prompt
    reply: Reply

    @property
    def said(self) -> str:
        """The model's own words, clean. Nothing where the companion's fallback stands in for an empty reply."""
        if self.reply.guard.answered:
            cleaned = clean(self.reply.raw, self.reply.finish_reason)
            return "" if EMPTY in cleaned.reasons else cleaned.text
        return "" if EMPTY in self.reply.cleaned else self.reply.text


Score = bool | float | None
Scores = Sequence[Score]
Whole = Callable[[Sequence[Answer], Scores], Estimate]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A check over replies. `flag` is said of a single reply that trips it.

    named: it reads only prompts that name it; else all. together: a score only means something beside those of other replies.
    estimate: of answers that have a score, with those scores.
    """

    check: Check
    flag: str
    scores: Callable[[Sequence[Answer]], Scores]
    estimate: Whole
    named: bool = False
    together: bool = False

    def reads(self, prompt: Prompt) -> bool:
        return not self.named or self.check.name in prompt.scorers

    def trips(self, score: Score) -> bool:
        """Whether one reply with this score is to be flagged. Graded scores flag nothing; they speak about the whole."""
        return isinstance(score, bool) and score is (self.check.direction == "lower")


@dataclass(frozen=True, slots=True)
class Measured:
    """One scorer over the replies of one model.

    whole: all that it reads. parts: each suite by its name, and each of its kinds as `suite/kind`. scores: by the id of the prompt,
    for paired comparisons; a reply to which it does not apply is absent.
    """

    scorer: str
    whole: Estimate
    parts: Mapping[str, Estimate]
    scores: Mapping[str, bool | float]


_table: dict[str, Scorer] = {}


def share_or_mean(answers: Sequence[Answer], scores: Scores) -> Estimate:
    """Marks give a share with Wilson's interval, numbers a mean with a bootstrap interval."""
    if all(isinstance(score, bool) for score in scores):
        return estimate_share([bool(score) for score in scores])
    return estimate_mean([float(score) for score in scores if score is not None])


class Declaration(TypedDict):
    """What both decorators are told. `limit`, `blocking` and `slack` are the check's, unless a pack says otherwise."""

    title: str
    meaning: str
    flag: str
    unit: str
    direction: Direction
    limit: float
    blocking: bool
    slack: NotRequired[float]
    named: NotRequired[bool]
    together: NotRequired[bool]
    estimate: NotRequired[Whole]


def set_scorer(**told: Unpack[Declaration]) -> Callable[[Callable[[Sequence[Answer]], Scores]], Scorer]:
    """Declare a scorer over all replies at once; its name is the function's."""

    def declare(scores: Callable[[Sequence[Answer]], Scores]) -> Scorer:
        return add(getattr(scores, "__name__", ""), told, scores)

    return declare


def scorer(**told: Unpack[Declaration]) -> Callable[[Callable[[Answer], Score]], Scorer]:
    """Declare a scorer of single replies; its name is the function's."""

    def declare(score: Callable[[Answer], Score]) -> Scorer:
        def each(answers: Sequence[Answer]) -> Scores:
            return [score(answer) for answer in answers]

        return add(getattr(score, "__name__", ""), told, each)

    return declare


def add(name: str, told: Declaration, scores: Callable[[Sequence[Answer]], Scores]) -> Scorer:
    assert name not in _table, f"two scorers are called {name}"
    check = Check(
        name=name,
        title=told["title"],
        meaning=told["meaning"],
        unit=told["unit"],
        direction=told["direction"],
        limit=told["limit"],
        blocking=told["blocking"],
        slack=told.get("slack"),
    )
    estimate, named, together = told.get("estimate", share_or_mean), told.get("named", False), told.get("together", False)
    _table[name] = Scorer(check, told["flag"], scores, estimate, named, together)
    return _table[name]


def declared() -> tuple[Scorer, ...]:
    """All declared scorers, blocking ones first, by name."""
    return tuple(sorted(_table.values(), key=lambda known: (not known.check.blocking, known.check.name)))


def score_all(known: Scorer, answers: Sequence[Answer]) -> Scores:
    """A score for every answer, in order; None where the scorer does not read the prompt or has nothing to say of the reply."""
    read = [answer for answer in answers if known.reads(answer.prompt)]
    found = iter(known.scores(read))
    return [next(found) if known.reads(answer.prompt) else None for answer in answers]


def measure(known: Scorer, answers: Sequence[Answer], scores: Scores | None = None) -> Measured:
    """Score every reply once (or take `scores`, as `score_all` gives them); then count the whole, each suite and each kind."""
    marks = score_all(known, answers) if scores is None else scores
    scored = [(answer, mark) for answer, mark in zip(answers, marks, strict=True) if mark is not None]
    groups: dict[str, list[tuple[Answer, bool | float]]] = {}
    for answer, mark in scored:
        for part in (answer.prompt.suite, f"{answer.prompt.suite}/{answer.prompt.kind}"):
            groups.setdefault(part, []).append((answer, mark))
    return Measured(
        scorer=known.check.name,
        whole=estimate_of(known, scored),
        parts={part: estimate_of(known, group) for part, group in sorted(groups.items())},
        scores={answer.prompt.id: mark for answer, mark in scored},
    )


def estimate_of(known: Scorer, scored: Sequence[tuple[Answer, bool | float]]) -> Estimate:
    if not scored:
        return NOTHING
    return known.estimate([answer for answer, _ in scored], [score for _, score in scored])
