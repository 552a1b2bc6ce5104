"""Matrix: NLL of every generation on what each round brought to be tested by, in; what was forgotten, words and a heat-map out.

A row is a version, the base above all; a column is a suite: the test conversations that came with one round. Reading down a column
shows whether what was learned once is still there. The last row is the version that is judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter

from heedful.drawing.scale import number
from heedful.evaluation.charts import heat_map
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.intervals import Interval, estimate_ratio
from heedful.modeling.likelihood import Nll

MATRIX_JSON = "matrix.json"


@dataclass(frozen=True, slots=True)
class Suite:
    """Test conversations that came with the round of `dataset`; `label` names the files that came with it."""

    dataset: str
    label: str
    conversations: int


@dataclass(frozen=True, slots=True)
class Generation:
    """A version, or the base with depth 0. `depth` counts the adapters of its stack."""

    model: str
    depth: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Nats a token, over `n` conversations with `tokens` supervised tokens."""

    nll: float
    n: int
    tokens: int
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The judged version on a suite, beside the best earlier generation: `nats` a token more, below zero less."""

    dataset: str
    best: str
    best_nll: float
    nll: float
    nats: float
    interval: Interval | None
    n: int
    bounds: Interval | None = None  # one-sided

    @property
    def share(self) -> float:
        return self.nats / self.best_nll


@dataclass(frozen=True, slots=True)
class Matrix:
    """`cells[row][column]` is None where a version was not measured, for instance on what came after it."""

    generations: tuple[Generation, ...]
    suites: tuple[Suite, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    forgotten: tuple[Forgotten, ...]
    words: str


_adapter = TypeAdapter(Matrix)


Scores = Mapping[tuple[str, str], Nll]  # by model and dataset of the suite


def build_matrix(
    generations: Sequence[Generation], suites: Sequence[Suite], scores: Scores, unusable: Sequence[str] = ()
) -> Matrix:
    """What is not in `scores` was not measured. `unusable` versions are only named."""
    cells = tuple(tuple(to_cell(scores.get((one.model, suite.dataset))) for suite in suites) for one in generations)
    found = [compare(generations, suite, scores) for suite in suites]
    forgotten = tuple(one for one in found if one is not None)
    words = in_words(forgotten, {suite.dataset: suite.label for suite in suites})
    if unusable:
        words += f" Not compared, for they cannot be loaded any more: {', '.join(unusable)}."
    return Matrix(tuple(generations), tuple(suites), cells, forgotten, words)


def to_cell(score: Nll | None) -> Cell | None:
    if score is None or not isfinite(score.nats_per_token):
        return None
    nats, tokens = [nats for nats, _ in score.per_sample], [float(count) for _, count in score.per_sample]
    return Cell(score.nats_per_token, len(score.per_sample), score.tokens, estimate_ratio(nats, tokens).interval)


def compare(generations: Sequence[Generation], suite: Suite, scores: Scores) -> Forgotten | None:
    """None where no earlier version was measured on the suite: there was nothing to forget."""
    judged = scores.get((generations[-1].model, suite.dataset))
    earlier = {one.model: scores.get((one.model, suite.dataset)) for one in generations[:-1] if one.depth > 0}
    known = {model: score for model, score in earlier.items() if score is not None}
    if judged is None or not known:
        return None
    best = min(known, key=lambda model: known[model].nats_per_token)
    lost = estimate_gain(known[best], judged)  # how much the earlier one saves
    if lost.value is None:
        return None
    before, after = known[best].nats_per_token, judged.nats_per_token
    return Forgotten(suite.dataset, best, before, after, lost.value, lost.interval, lost.n, lost.bounds)


def in_words(forgotten: Sequence[Forgotten], labels: Mapping[str, str]) -> str:
    if not forgotten:
        return "There is no earlier round whose lessons could have been forgotten."
    worst = max(forgotten, key=lambda one: one.share)
    what = f"{labels[worst.dataset]} ({worst.dataset})"
    numbers = f"{worst.nll:.3f} against {worst.best_nll:.3f} nats a token of {worst.best}, {worst.share:+.1%}"
    if worst.nats <= 0:
        return f"Nothing of the earlier rounds was forgotten; the nearest to it is {what}: {numbers}."
    if worst.interval is None or worst.interval[0] <= 0:
        return f"The most that may have been forgotten is of {what}: {numbers}. It may be chance."
    return f"The most that was forgotten is of {what}: {numbers}, more than chance explains."


def matrix_to_json(matrix: Matrix) -> str:
    return _adapter.dump_json(matrix, indent=2).decode() + "\n"


def matrix_as_dict(matrix: Matrix) -> dict[str, Any]:
    found: dict[str, Any] = _adapter.dump_python(matrix, mode="json")
    return found


def plot(matrix: Matrix) -> Markup:
    """A row a generation, a column a suite; the colour is how far a cell is above the best of its column."""
    values = [[None if cell is None else cell.nll for cell in row] for row in matrix.cells]
    return heat_map([one.model for one in matrix.generations], [suite.label for suite in matrix.suites], values)


def table(matrix: Matrix) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the same as text; the last row says what was forgotten."""
    lost = {one.dataset: f"{one.nats:+.3f} ({one.share:+.1%})" for one in matrix.forgotten}
    rows = [
        [one.model, str(one.depth), *("–" if cell is None else number(cell.nll) for cell in row)]
        for one, row in zip(matrix.generations, matrix.cells, strict=True)
    ]
    rows.append(["forgotten", "", *(lost.get(suite.dataset, "–") for suite in matrix.suites)])
    return ["generation", "depth", *(suite.label for suite in matrix.suites)], rows
