"""Bars: counts in; a histogram, or one bar a line with its words, as inline SVG out. Colours are the page's, by class name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment
from markupsafe import Markup

from heedful.drawing.scale import Scale, number, ticks

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 30, 26, 44  # margins that hold axis labels
WANTED_BARS = 24
LINE, WORDS, FIGURES = 30, 250, 110  # height of a line; widths of its words and of its figures

_templates = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)


@dataclass(frozen=True, slots=True)
class Bar:
    """`note` stands behind the bar, for instance `1,544 (80%)`. `look` is its class in the style sheet."""

    words: str
    value: float
    note: str
    look: str = "strong"


HISTOGRAM = _templates.from_string("""\
<svg class="chart" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ y_label }} by {{ x_label }}">
{% for at, text in y_ticks %}
<line class="grid" x1="{{ left }}" x2="{{ right }}" y1="{{ at }}" y2="{{ at }}"/>
<text class="tick" x="{{ left - 8 }}" y="{{ at + 4 }}" text-anchor="end">{{ text }}</text>
{% endfor %}
{% for bar in bars %}
<rect class="bar strong" x="{{ bar.x }}" y="{{ bar.y }}" width="{{ bar.width }}" height="{{ bar.height }}">
<title>{{ bar.title }}</title></rect>
{% endfor %}
{% for at, text in x_ticks %}
<line class="axis" x1="{{ at }}" x2="{{ at }}" y1="{{ bottom }}" y2="{{ bottom + 5 }}"/>
<text class="tick" x="{{ at }}" y="{{ bottom + 19 }}" text-anchor="middle">{{ text }}</text>
{% endfor %}
<line class="axis" x1="{{ left }}" x2="{{ right }}" y1="{{ bottom }}" y2="{{ bottom }}"/>
<text class="tick" x="{{ (left + right) / 2 }}" y="{{ height - 6 }}" text-anchor="middle">{{ x_label }}</text>
<text class="tick" x="0" y="12">{{ y_label }}</text>
</svg>""")


def histogram(counted: Mapping[int, int], most: int, x_label: str, y_label: str) -> Markup:
    """`counted`: value -> how often. Values above `most` stand together in the last bar. Empty when nothing was counted."""
    if not counted:
        return Markup()
    width = bar_width(min(counted), min(most, max(counted)))
    heights: dict[int, int] = {}
    for value, count in counted.items():
        place = min(value, most) // width
        heights[place] = heights.get(place, 0) + count
    first, last = min(heights), max(heights) + 1
    y_ticks = ticks(0, max(heights.values()))
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    across, up = Scale(first * width, last * width, LEFT, right), Scale(0, y_ticks[-1], bottom, TOP)
    x_ticks = [at for at in ticks(first * width, last * width, wanted=10) if first * width <= at <= last * width]
    more = "+" if max(counted) > most else ""
    return Markup(
        HISTOGRAM.render(
            width=WIDTH, height=HEIGHT, left=LEFT, right=right, bottom=bottom, x_label=x_label, y_label=y_label,
            y_ticks=[(up(at), number(at)) for at in y_ticks],
            x_ticks=[(across(at), f"{at:,.0f}{more if at == last * width else ''}") for at in x_ticks],
            bars=[bar_of(place, count, width, across, up, bottom) for place, count in sorted(heights.items())],
        )
    )  # fmt: skip


def bar_width(low: int, high: int) -> int:
    """A round number of values a bar, at least one."""
    marks = ticks(low, max(high, low + 1), WANTED_BARS)
    return max(1, round(marks[1] - marks[0]))


def bar_of(place: int, count: int, width: int, across: Scale, up: Scale, bottom: int) -> dict[str, object]:
    left, right, top = across(place * width), across((place + 1) * width), up(count)
    span = f"{place * width:,}" if width == 1 else f"{place * width:,} to {(place + 1) * width - 1:,}"
    return {
        "x": round(left + 0.8, 2), "width": round(max(right - left - 1.6, 0.8), 2), "y": top, "height": round(bottom - top, 2),
        "title": f"{span}: {count:,}",
    }  # fmt: skip


LINES = _templates.from_string("""\
<svg class="chart lines" viewBox="0 0 {{ width }} {{ height }}" role="img" aria-label="{{ label }}">
{% for line in lines %}
<text class="legend" x="{{ words - 12 }}" y="{{ line.middle + 4 }}" text-anchor="end">{{ line.bar.words }}</text>
<rect class="bar {{ line.bar.look }}" x="{{ words }}" y="{{ line.top }}" width="{{ line.width }}" height="16"/>
<text class="tick" x="{{ words + line.width + 8 }}" y="{{ line.middle + 4 }}">{{ line.bar.note }}</text>
{% endfor %}
</svg>""")


def lines(bars: Sequence[Bar], label: str) -> Markup:
    """One bar below the other, the longest as wide as there is room. Empty when there is none."""
    highest = max((bar.value for bar in bars), default=0)
    if highest <= 0:
        return Markup()
    across = Scale(0, highest, 0, WIDTH - WORDS - FIGURES)
    drawn = [
        {"bar": bar, "width": max(across(bar.value), 1.5 if bar.value else 0), "top": n * LINE + 7, "middle": n * LINE + 15}
        for n, bar in enumerate(bars)
    ]
    return Markup(LINES.render(width=WIDTH, height=LINE * len(bars), words=WORDS, label=label, lines=drawn))
