"""Two kinds of plots as SVG text: bars and lines, on logarithmic scales. Labelled axes with units; light and dark by the viewer's choice."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH = 760
TOP, BOTTOM = 60, 46
BAR, GAP = 20, 10
LABELS, VALUES = 170, 150  # room left of the bars for names, right of them for figures
PLOT_HEIGHT = 340
LEFT, RIGHT = 70, 170  # of a line plot: figures of the axis, names of the lines
NAME_GAP = 15  # between the names of two lines

STYLE = """\
svg { font: 13px system-ui, sans-serif; background: #fff; --ink: #1f2328; --faint: #d1d9e0; --soft: #59636e; --main: #0969da;
  --c1: #cf222e; --c2: #1a7f37; --c3: #8250df; --c4: #9a6700; --c5: #bf3989; --c6: #1b7c83; --c7: #57606a; --bar: #8c959f; }
@media (prefers-color-scheme: dark) { svg { background: #0d1117; --ink: #e6edf3; --faint: #30363d; --soft: #9198a1; --main: #58a6ff;
  --c1: #ff7b72; --c2: #3fb950; --c3: #bc8cff; --c4: #d29922; --c5: #f778ba; --c6: #56d4dd; --c7: #9198a1; --bar: #6e7681; } }
text { fill: var(--ink); } .soft { fill: var(--soft); } .title { font-weight: 600; font-size: 15px; }
.grid { stroke: var(--faint); } .end { text-anchor: end; } .middle { text-anchor: middle; }
"""


@dataclass(frozen=True)
class Bar:
    """One bar; without ``value`` its ``note`` stands there instead. ``ours`` is told apart by its colour."""

    label: str
    value: float | None
    note: str = ""
    ours: bool = False


@dataclass(frozen=True)
class Line:
    """One line through points (x, y), both above 0. ``colour`` counts; the same number is the same colour in every plot."""

    label: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    ours: bool = False


@dataclass(frozen=True)
class Scale:
    """A logarithmic scale from values to places."""

    low: float
    high: float
    first: float
    last: float

    @classmethod
    def over(cls, values: Sequence[float], first: float, last: float) -> "Scale":
        """Whole powers of ten around the values."""
        low, high = min(values), max(values)
        lowest = 10 ** math.floor(math.log10(low))
        highest = 10 ** math.ceil(math.log10(high))
        return cls(lowest, highest if highest > lowest else lowest * 10, first, last)

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self) -> list[float]:
        """The powers of ten."""
        powers = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
        return [10.0**power for power in powers]


def number(value: float) -> str:
    """Three digits that matter, thousands told apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def bars(title: str, axis: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on a logarithmic scale; ``axis`` says what is measured, with its unit."""
    values = [row.value for row in rows if row.value]
    height = TOP + len(rows) * (BAR + GAP) + BOTTOM
    base = height - BOTTOM
    scale = Scale.over(values or [1.0], LABELS, WIDTH - VALUES)
    parts = [_text(16, 26, title, "title")]
    for tick in scale.ticks():
        parts += [
            _rule(scale(tick), TOP - 8, scale(tick), base),
            _text(scale(tick), base + 16, number(tick), "soft middle"),
        ]
    parts.append(_text((scale.first + scale.last) / 2, base + 36, f"{axis}, logarithmic", "soft middle"))
    for place, row in enumerate(rows):
        top = TOP + place * (BAR + GAP)
        parts.append(_text(LABELS - 10, top + 15, row.label, "end"))
        if not row.value:
            parts.append(_text(LABELS + 6, top + 15, row.note or "not measured", "soft"))
            continue
        colour = "--main" if row.ours else "--bar"
        width = round(max(2.0, scale(row.value) - LABELS), 1)
        parts.append(f'<rect x="{LABELS}" y="{top}" width="{width}" height="{BAR}" fill="var({colour})"/>')
        parts.append(_text(LABELS + width + 8, top + 15, f"{number(row.value)} {row.note}".strip()))
    return _picture(height, title, parts)


def lines(title: str, x_axis: str, y_axis: str, rows: Sequence[Line], x_names: Mapping[float, str]) -> str:
    """Lines on two logarithmic scales, each with its name at its end; ``x_names`` are the labels below the points."""
    points = [point for row in rows for point in row.points]
    height = TOP + PLOT_HEIGHT + BOTTOM
    base, right = TOP + PLOT_HEIGHT, WIDTH - RIGHT
    across = Scale(min(x_names), max(x_names), LEFT, right)
    up = Scale.over([y for _, y in points] or [1.0], base, TOP)
    parts = [_text(16, 26, title, "title"), _text(16, 44, f"{y_axis}, logarithmic", "soft")]
    for tick in up.ticks():
        parts += [_rule(LEFT, up(tick), right, up(tick)), _text(LEFT - 8, up(tick) + 4, number(tick), "soft end")]
    for x, name in x_names.items():
        parts += [_rule(across(x), TOP, across(x), base), _text(across(x), base + 18, name, "soft middle")]
    parts.append(_text((LEFT + right) / 2, base + 38, f"{x_axis}, logarithmic", "soft middle"))
    drawn = [row for row in rows if row.points]
    names = _apart([up(row.points[-1][1]) for row in drawn])
    for row, name_y in zip(drawn, names, strict=True):
        colour = "--main" if row.ours else f"--c{row.colour % 7 + 1}"
        path = " ".join(f"{across(x)},{up(y)}" for x, y in row.points)
        width = 3 if row.ours else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="var({colour})" stroke-width="{width}"/>')
        parts += [
            f'<circle cx="{across(x)}" cy="{up(y)}" r="{width + 1}" fill="var({colour})"/>' for x, y in row.points
        ]
        end = across(row.points[-1][0])
        parts.append(f'<text x="{end + 12}" y="{name_y + 4}" style="fill: var({colour})">{escape(row.label)}</text>')
    return _picture(height, title, parts)


def _apart(places: Sequence[float]) -> list[float]:
    """The same places, moved down where two names would touch."""
    found = dict.fromkeys(range(len(places)), 0.0)
    least = -math.inf
    for index in sorted(found, key=lambda index: places[index]):
        least = max(places[index], least + NAME_GAP)
        found[index] = round(least, 1)
    return list(found.values())


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text x="{round(x, 1)}" y="{round(y, 1)}" class="{kind}">{escape(words)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="grid"/>'


def _picture(height: int, title: str, parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n"
        f'<rect width="100%" height="100%" fill="none"/>\n{body}\n</svg>\n'
    )
