"""Learning curve: test NLL at several sizes of the training data in; numbers as JSON, a page with a plot, and words out.

Each size holds all smaller ones, so that a step of the curve is what the added conversations brought.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter

from heedful.drawing.page import page_templates
from heedful.drawing.scale import number
from heedful.evaluation.charts import Series, line_chart
from heedful.evaluation.gain import estimate_gain
from heedful.evaluation.intervals import Estimate, Interval, estimate_ratio
from heedful.modeling.likelihood import Nll

CURVE_JSON, CURVE_HTML = "learning-curve.json", "learning-curve.html"


@dataclass(frozen=True, slots=True)
class Trial:
    """One training: on so many conversations (0 is the base alone), and what came of it on the test split."""

    conversations: int
    steps: int
    seconds: float
    validation_nll: float | None
    test: Nll


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """`test_nll` in nats a token over `n` test conversations. `saved`: how much lower than at the size before, by conversation."""

    conversations: int
    steps: int
    seconds: float
    validation_nll: float | None
    test_nll: float | None
    n: int
    interval: Interval | None
    saved: float | None
    saved_interval: Interval | None


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """`left_out`: sizes that were asked for and are more than there is."""

    dataset: str
    base: str
    created_at: str
    seed: int
    left_out: tuple[int, ...]
    points: tuple[CurvePoint, ...]
    words: str


_adapter = TypeAdapter(LearningCurve)


def draw_points(trials: Sequence[Trial]) -> tuple[CurvePoint, ...]:
    """In the order of the trials, each compared with the one before."""
    before: list[Trial | None] = [None, *trials[:-1]]
    return tuple(draw_point(trial, earlier) for trial, earlier in zip(trials, before, strict=True))


def draw_point(trial: Trial, before: Trial | None) -> CurvePoint:
    nats, tokens = [nats for nats, _ in trial.test.per_sample], [float(count) for _, count in trial.test.per_sample]
    found = estimate_ratio(nats, tokens)
    saved = Estimate(None, 0, None) if before is None else estimate_gain(trial.test, before.test)
    return CurvePoint(
        conversations=trial.conversations,
        steps=trial.steps,
        seconds=round(trial.seconds, 1),
        validation_nll=trial.validation_nll,
        test_nll=found.value,
        n=found.n,
        interval=found.interval,
        saved=saved.value,
        saved_interval=saved.interval,
    )


def last_step_words(points: Sequence[CurvePoint]) -> str:
    """Whether more conversations are worth collecting, as far as the last step of the curve tells."""
    saved, interval = (points[-1].saved, points[-1].saved_interval) if points else (None, None)
    if saved is None:
        return "The test NLL of the last two sizes could not be compared: a number was not finite, or there is only one size."
    step = f"The step from {points[-2].conversations} to {points[-1].conversations} conversations"
    if interval is None or interval[0] <= 0 <= interval[1]:
        return f"{step} changed the test NLL by {number(-saved)}, which may be chance: the curve is flat there."
    if saved > 0:
        return f"{step} lowered the test NLL by {number(saved)}, more than chance explains: more conversations are likely to help."
    return f"{step} raised the test NLL by {number(-saved)}: look at what was added, or train with --preset careful."


def curve_to_json(curve: LearningCurve) -> str:
    return _adapter.dump_json(curve, indent=2).decode() + "\n"


def curve_as_dict(curve: LearningCurve) -> dict[str, Any]:
    found: dict[str, Any] = _adapter.dump_python(curve, mode="json")
    return found


def curve_to_html(curve: LearningCurve) -> str:
    """One self-contained page."""
    return (
        page_templates("heedful.evaluation").get_template("learning_curve.html.jinja").render(curve=curve, plot=plot(curve.points))
    )


def plot(points: Sequence[CurvePoint]) -> Markup:
    """Test NLL over conversations, between the edges of its 95 % interval."""
    edges = [(float(point.conversations), point.interval) for point in points if point.interval is not None]
    measured = tuple((float(point.conversations), point.test_nll) for point in points if point.test_nll is not None)
    series = [
        Series("95% interval", "muted", tuple((x, interval[0]) for x, interval in edges)),
        Series("", "muted", tuple((x, interval[1]) for x, interval in edges)),
        Series("test NLL", "strong", measured, dots=True),
    ]
    return line_chart(series, "conversations to learn from", "nats a token")
