"""Charts: points in, inline SVG out. No script and nothing from outside; colours are the page's, by class name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from jinja2 import Environment
from markupsafe import Markup

from heedful.drawing.scale import Scale, number, spread, ticks
from heedful.evaluation.checks import SHARE, CheckResult

Point = tuple[float, float]

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 44  # margins that hold axis labels and legend
STRIP_WIDTH, STRIP_HEIGHT, STRIP_EDGE = 150, 22, 6

_templates = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


@dataclass(frozen=True, slots=True)
class Series:
    """One curve. `look` is its class in the style sheet; `dots` marks every point."""

    name: str
    look: str
    points: tuple[Point, ...]
    dots: bool = False


def series_from(rows: Iterable[dict[str, object]], key: str, name: str, look: str, dots: bool = False) -> Series:
    """The curve of `key` over `step`. Rows without the key, or with a number that is not finite, have no point."""
    points = ((row.get("step"), row.get(key)) for row in rows)
    kept = ((float(x), float(y)) for x, y in points if isinstance(x, int | float) and isinstance(y, int | float))
    return Series(name, look, tuple((x, y) for x, y in kept if isfinite(x) and isfinite(y)), dots)


LINE_CHART = _templates.from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ y_label }} over {{ x_label }}">
{% for at, text in y_ticks %}
<line class="grid" x1="{{ left }}" x2="{{ right }}" y1="{{ at }}" y2="{{ at }}"/>
<text class="tick" x="{{ left - 8 }}" y="{{ at + 4 }}" text-anchor="end">{{ text }}</text>
{% endfor %}
{% for at, text in x_ticks %}
<line class="axis" x1="{{ at }}" x2="{{ at }}" y1="{{ bottom }}" y2="{{ bottom + 5 }}"/>
<text class="tick" x="{{ at }}" y="{{ bottom + 19 }}" text-anchor="middle">{{ text }}</text>
{% endfor %}
<line class="axis" x1="{{ left }}" x2="{{ right }}" y1="{{ bottom }}" y2="{{ bottom }}"/>
<text class="tick" x="{{ (left + right) / 2 }}" y="{{ height - 6 }}" text-anchor="middle">{{ x_label }}</text>
<text class="tick" x="0" y="14">{{ y_label }}</text>
{% for curve in curves %}
<line class="curve {{ curve.look }}" x1="{{ curve.legend }}" x2="{{ curve.legend + 22 }}" y1="10" y2="10"/>
<text class="legend" x="{{ curve.legend + 28 }}" y="14">{{ curve.name }}</text>
<polyline class="curve {{ curve.look }}" points="{{ curve.path }}"/>
{% for x, y in curve.dots %}
<circle class="dot {{ curve.look }}" cx="{{ x }}" cy="{{ y }}" r="3.2"/>
{% endfor %}
{% endfor %}
{% if lowest %}
<circle class="lowest" cx="{{ lowest.x }}" cy="{{ lowest.y }}" r="7"/>
<text class="legend" x="{{ lowest.x }}" y="{{ lowest.y - 13 }}" text-anchor="{{ lowest.anchor }}">{{ lowest.text }}</text>
{% endif %}
</svg>""")


def line_chart(series: Sequence[Series], x_label: str, y_label: str) -> Markup:
    """All curves on common axes; the lowest point of the last one is ringed. Empty when there is no point at all."""
    drawn = [one for one in series if one.points]
    if not drawn:
        return Markup()
    x_ticks = ticks(*spread([x for one in drawn for x, _ in one.points]), wanted=8)
    y_ticks = ticks(*spread([y for one in drawn for _, y in one.points]))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    across, up = Scale(x_ticks[0], x_ticks[-1], LEFT, right), Scale(y_ticks[0], y_ticks[-1], bottom, TOP)
    return Markup(
        LINE_CHART.render(
            width=WIDTH,
            height=HEIGHT,
            left=LEFT,
            right=right,
            bottom=bottom,
            x_label=x_label,
            y_label=y_label,
            x_ticks=[(across(x), number(x)) for x in x_ticks],
            y_ticks=[(up(y), number(y)) for y in y_ticks],
            curves=[curve(one, across, up, place) for one, place in zip(drawn, legend_places(drawn), strict=True)],
            lowest=lowest_point(drawn[-1], across, up) if drawn[-1].dots else None,
        )
    )


def curve(series: Series, across: Scale, up: Scale, legend: int) -> dict[str, object]:
    pixels = [(across(x), up(y)) for x, y in series.points]
    path = " ".join(f"{x},{y}" for x, y in pixels)
    return {"name": series.name, "look": series.look, "path": path, "dots": pixels if series.dots else [], "legend": legend}


def legend_places(series: Sequence[Series]) -> list[int]:
    """Where each legend entry begins, so that the row ends at the right margin. Seven pixels a character is wide enough."""
    widths = [28 + 7 * len(one.name) + 18 for one in series]
    return [WIDTH - RIGHT - sum(widths[i:]) for i in range(len(widths))]


def lowest_point(series: Series, across: Scale, up: Scale) -> dict[str, object]:
    x, y = min(series.points, key=lambda point: point[1])
    at = across(x)
    anchor = "end" if at > WIDTH - 120 else "start" if at < LEFT + 60 else "middle"
    return {"x": at, "y": up(y), "anchor": anchor, "text": f"lowest: {y:.3f}"}


STRIP = _templates.from_string("""\
<svg class="strip" viewBox="0 0 {{ width }} {{ height }}" width="{{ width }}" height="{{ height }}"
 role="img" aria-label="{{ label }}">
<line class="axis" x1="{{ zero }}" x2="{{ one }}" y1="{{ middle }}" y2="{{ middle }}"/>
{% if interval %}
<line class="interval" x1="{{ interval[0] }}" x2="{{ interval[1] }}" y1="{{ middle }}" y2="{{ middle }}"/>
{% endif %}
<line class="threshold" x1="{{ threshold }}" x2="{{ threshold }}" y1="2" y2="{{ height - 2 }}"/>
{% if base is not none %}
<circle class="dot hollow" cx="{{ base }}" cy="{{ middle }}" r="4"/>
{% endif %}
{% if value is not none %}
<circle class="dot tuned" cx="{{ value }}" cy="{{ middle }}" r="4"/>
{% endif %}
</svg>""")


def strip(check: CheckResult) -> Markup:
    """Base, tuned, interval and threshold of a share on one line from 0 to 100 %. Empty for other units."""
    if not check.unit.startswith(SHARE):
        return Markup()
    across = Scale(0, 1, STRIP_EDGE, STRIP_WIDTH - STRIP_EDGE)
    return Markup(
        STRIP.render(
            width=STRIP_WIDTH,
            height=STRIP_HEIGHT,
            middle=STRIP_HEIGHT / 2,
            zero=across(0),
            one=across(1),
            label=f"{check.title}: value, interval and threshold between 0 and 100%",
            interval=None if check.interval is None else [across(edge) for edge in check.interval],
            threshold=across(check.threshold),
            base=None if check.base_value is None else across(check.base_value),
            value=None if check.value is None else across(check.value),
        )
    )


HEAT = _templates.from_string("""\
<svg class="heat" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="nats a token of each row on each column">
{% for at, text in columns %}
<text class="tick" x="{{ at }}" y="18" text-anchor="middle">{{ text }}</text>
{% endfor %}
{% for at, text in rows %}
<text class="tick" x="{{ left - 8 }}" y="{{ at }}" text-anchor="end">{{ text }}</text>
{% endfor %}
{% for cell in cells %}
<rect class="heat-{{ cell.level }}" x="{{ cell.x }}" y="{{ cell.y }}" width="{{ cell.width }}" height="{{ cell.height }}"/>
<text class="legend" x="{{ cell.middle }}" y="{{ cell.base }}" text-anchor="middle">{{ cell.text }}</text>
{% endfor %}
</svg>""")

HEAT_LEFT, HEAT_TOP, HEAT_ROW = 110, 28, 30
HEAT_STEPS = (0.005, 0.02, 0.05, 0.1, 0.2)  # above the best of the column, as a share of it


def heat_map(rows: Sequence[str], columns: Sequence[str], values: Sequence[Sequence[float | None]]) -> Markup:
    """`values[row][column]`, lower is better; None stays empty. The colour says how far a value is above the best of its column."""
    wide = (WIDTH - HEAT_LEFT) / max(1, len(columns))
    best = [min((v for v in column if v is not None), default=None) for column in zip(*values, strict=True)]
    cells = [
        {
            "x": round(HEAT_LEFT + place * wide, 2),
            "y": HEAT_TOP + place_of_row * HEAT_ROW,
            "width": round(wide - 2, 2),
            "height": HEAT_ROW - 2,
            "middle": round(HEAT_LEFT + (place + 0.5) * wide - 1, 2),
            "base": HEAT_TOP + place_of_row * HEAT_ROW + 19,
            "level": heat_level(value, best[place]),
            "text": f"{value:.3f}",
        }
        for place_of_row, row in enumerate(values)
        for place, value in enumerate(row)
        if value is not None
    ]
    return Markup(
        HEAT.render(
            width=WIDTH,
            height=HEAT_TOP + HEAT_ROW * len(rows),
            left=HEAT_LEFT,
            columns=[(round(HEAT_LEFT + (place + 0.5) * wide, 2), shortened(name, wide)) for place, name in enumerate(columns)],
            rows=[(HEAT_TOP + place * HEAT_ROW + 19, shortened(name, HEAT_LEFT)) for place, name in enumerate(rows)],
            cells=cells,
        )
    )


def heat_level(value: float, best: float | None) -> int:
    """0 is within half a per cent of the best."""
    above = 0.0 if not best else (value - best) / best
    return sum(above > step for step in HEAT_STEPS)


def shortened(text: str, width: float) -> str:
    """Seven pixels a character."""
    most = max(3, int(width / 7))
    return text if len(text) <= most else f"{text[: most - 1]}…"
