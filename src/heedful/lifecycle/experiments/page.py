"""Page: a reading in; one HTML page with the course of the difference, for whoever reads no tables, out."""

from collections.abc import Iterable
from math import isfinite

from heedful.drawing.page import page_templates
from heedful.evaluation.charts import Point, Series, line_chart
from heedful.lifecycle.experiments.reading import Course, Reading
from heedful.lifecycle.experiments.words import is_graded, say, show

FIRST = 10  # persons before which the curves would only show that nothing is known


def to_html(reading: Reading) -> str:
    templates = page_templates("heedful.lifecycle.experiments")
    chart = "" if reading.course is None else draw(reading.course)
    looks = {"challenger better": "passed", "champion better": "failed", "stopped for harm": "failed"}
    return templates.get_template("page.jinja").render(
        reading=reading,
        experiment=reading.experiment,
        look=looks.get(reading.verdict, "inconclusive"),
        lines=say(reading),
        chart=chart,
        rows=[
            {
                "finding": one,
                "arms": ["–" if arm.value is None else show(one, arm.value) for arm in one.arms],
                "interval": "–" if one.interval is None else " to ".join(show(one, end, signed=True) for end in one.interval),
                "graded": is_graded(one),
            }
            for one in reading.findings
        ],
    )


def draw(course: Course) -> str:
    count = range(1, len(course.difference) + 1)
    series = [
        Series("no difference", "muted", ((float(FIRST), 0.0), (float(len(count)), 0.0))),
        Series("low end", "other", points(count, course.low)),
        Series("high end", "other", points(count, course.high)),
        Series("difference", "strong", points(count, course.difference)),
    ]
    return line_chart(series if len(count) > FIRST else [], "persons with an outcome", "challenger less champion")


def points(count: Iterable[int], values: Iterable[float]) -> tuple[Point, ...]:
    pairs = ((float(n), float(value)) for n, value in zip(count, values, strict=True))
    return tuple((n, value) for n, value in pairs if n >= FIRST and isfinite(value))
