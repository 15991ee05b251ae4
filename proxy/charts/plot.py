"""One SVG plot: axes, lines, dots with whiskers, guides and a legend.

Colours are classes (``s1`` … ``s8``) that the page's style sheet fills for light and dark; a series keeps its slot in every plot.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from .markup import Markup, element, joined, number, text
from .scale import Scale, linear, logarithmic, shown

WIDTH, HEIGHT = 600.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 20.0, 14.0, 46.0
SLOTS = 8
"""Colours there are; further series begin again."""

_LETTER = 6.6
"""Width of a letter of the legend, about."""

Pair = tuple[float, float]


class Axis(Struct, frozen=True, kw_only=True):
    """``label`` names the quantity with its unit. Given ends are kept, others are made round."""

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    show: Callable[[float], str] = shown

    def scale(self, values: Sequence[float]) -> Scale:
        """The scale for these values."""
        return logarithmic(values) if self.log else linear(values, low=self.low, high=self.high)


class Line(Struct, frozen=True, kw_only=True):
    """Points joined in order. ``slot`` is the colour, 1 to 8; ``dashed`` tells it apart without colour."""

    name: str
    points: Sequence[Pair]
    slot: int = 1
    dashed: bool = False
    area: bool = False
    """Is the surface below it tinted?"""


class Dot(Struct, frozen=True, kw_only=True):
    """A point; ``label`` stands beside it, ``tip`` is shown by a pointer that rests on it; ranges are drawn as whiskers."""

    x: float
    y: float
    label: str = ""
    tip: str = ""
    x_range: Pair | None = None
    y_range: Pair | None = None


class Dots(Struct, frozen=True, kw_only=True):
    """Points that are not joined. ``cross`` draws them as crosses (what failed)."""

    name: str
    dots: Sequence[Dot]
    slot: int = 1
    size: float = 3.0
    cross: bool = False


class Guide(Struct, frozen=True, kw_only=True):
    """A thin line across the plot at ``x`` or ``y``, with a word at its end."""

    label: str
    x: float | None = None
    y: float | None = None


Layer = Line | Dots


class _Frame(Struct, frozen=True):
    """The scales and where on the picture their values lie."""

    x: Scale
    y: Scale

    def at(self, x: float, y: float) -> Pair:
        return (
            LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - self.y.share(y) * (HEIGHT - TOP - BOTTOM),
        )


def plot(
    title: str, layers: Sequence[Layer], *, x: Axis, y: Axis, description: str = "", guides: Sequence[Guide] = ()
) -> Markup:
    """The picture as one ``svg`` element. ``title`` and ``description`` are what a screen reader says."""
    xs = [value for layer in layers for value in _values(layer, 0)] + [g.x for g in guides if g.x is not None]
    ys = [value for layer in layers for value in _values(layer, 1)] + [g.y for g in guides if g.y is not None]
    frame = _Frame(x.scale(xs), y.scale(ys))
    named = [layer for layer in layers if layer.name]
    drawn = [
        _grid(frame, x, y),
        *(_guide(guide, frame) for guide in guides),
        *(_line(layer, frame) if isinstance(layer, Line) else _dots(layer, frame) for layer in layers),
    ]
    legend = _legend(named) if len(named) > 1 else Markup("")
    height = HEIGHT + (22 if legend else 0)
    return element(
        "svg",
        element("title", text(title)),
        element("desc", text(description or title)),
        *drawn,
        legend,
        viewBox=f"0 0 {number(WIDTH)} {number(height)}",
        role="img",
        class_="plot",
        aria_label=title,
    )


def _values(layer: Layer, axis: int) -> list[float]:
    if isinstance(layer, Line):
        return [point[axis] for point in layer.points]
    found = []
    for dot in layer.dots:
        found.append((dot.x, dot.y)[axis])
        found.extend((dot.x_range, dot.y_range)[axis] or ())
    return found


def _grid(frame: _Frame, x: Axis, y: Axis) -> Markup:
    """Hairlines at the ticks of ``y``, numbers at those of both, and the axes' names."""
    parts = []
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    for tick in frame.y.ticks:
        _, at = frame.at(frame.x.low, tick)
        parts.append(element("line", x1=LEFT, x2=right, y1=at, y2=at, class_="grid"))
        parts.append(_words(y.show(tick), LEFT - 8, at + 4, anchor="end"))
    for tick in frame.x.ticks:
        at, _ = frame.at(tick, frame.y.low)
        parts.append(element("line", x1=at, x2=at, y1=floor, y2=floor + 4, class_="axis"))
        parts.append(_words(x.show(tick), at, floor + 18, anchor="middle"))
    parts.append(element("line", x1=LEFT, x2=right, y1=floor, y2=floor, class_="axis"))
    parts.append(_words(x.label, (LEFT + right) / 2, HEIGHT - 8, anchor="middle", kind="name"))
    middle = (TOP + floor) / 2
    parts.append(
        element(
            "text",
            text(y.label),
            x=14,
            y=middle,
            text_anchor="middle",
            class_="name",
            transform=f"rotate(-90 14 {number(middle)})",
        )
    )
    return joined(*parts)


def _words(words: str, x: float, y: float, *, anchor: str = "start", kind: str = "tick") -> Markup:
    return element("text", text(words), x=x, y=y, text_anchor=anchor, class_=kind)


def _guide(guide: Guide, frame: _Frame) -> Markup:
    if guide.x is not None:
        at, _ = frame.at(guide.x, frame.y.low)
        line = element("line", x1=at, x2=at, y1=TOP, y2=HEIGHT - BOTTOM, class_="guide")
        # A word that would leave the picture stands on the other side of its line.
        late = at > WIDTH - RIGHT - _LETTER * len(guide.label) - 8
        return joined(
            line, _words(guide.label, at + (-5 if late else 5), HEIGHT - BOTTOM - 8, anchor="end" if late else "start")
        )
    _, at = frame.at(frame.x.low, guide.y or 0.0)
    line = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="guide")
    return joined(line, _words(guide.label, WIDTH - RIGHT, at - 4, anchor="end"))


def _line(layer: Line, frame: _Frame) -> Markup:
    if not layer.points:
        return Markup("")
    places = [frame.at(*point) for point in layer.points]
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in places)
    classes = f"line {colour(layer.slot)}" + (" dashed" if layer.dashed else "")
    drawn = element("path", d=path, class_=classes)
    if layer.area:
        floor = number(HEIGHT - BOTTOM)
        closed = f"{path}L{number(places[-1][0])} {floor}L{number(places[0][0])} {floor}Z"
        return joined(element("path", d=closed, class_=f"area {colour(layer.slot)}"), drawn)
    return drawn


def _dots(layer: Dots, frame: _Frame) -> Markup:
    return joined(*(_dot(dot, layer, frame) for dot in layer.dots))


def _dot(dot: Dot, layer: Dots, frame: _Frame) -> Markup:
    x, y = frame.at(dot.x, dot.y)
    parts = []
    for ends in (
        [frame.at(value, dot.y) for value in dot.x_range or ()],
        [frame.at(dot.x, value) for value in dot.y_range or ()],
    ):
        if ends:
            (x1, y1), (x2, y2) = ends
            parts.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"whisker {colour(layer.slot)}"))
    parts.append(_mark(x, y, layer, element("title", text(dot.tip or dot.label)) if dot.tip or dot.label else None))
    if dot.label:
        late = x > WIDTH - RIGHT - _LETTER * len(dot.label) - 10
        parts.append(_words(dot.label, x + (-9 if late else 9), y - 7, anchor="end" if late else "start", kind="label"))
    return joined(*parts)


def _mark(x: float, y: float, layer: Dots, tip: Markup | None = None) -> Markup:
    inner = (tip,) if tip is not None else ()
    if layer.cross:
        r = layer.size
        path = f"M{number(x - r)} {number(y - r)}l{number(2 * r)} {number(2 * r)}m0 {number(-2 * r)}l{number(-2 * r)} {number(2 * r)}"
        return element("path", *inner, d=path, class_=f"cross {colour(layer.slot)}")
    return element("circle", *inner, cx=x, cy=y, r=layer.size, class_=f"dot {colour(layer.slot)}")


def _legend(layers: Sequence[Layer]) -> Markup:
    """A swatch and a name for each, in a row below the plot."""
    parts, at, y = [], LEFT, HEIGHT + 10
    for layer in layers:
        if isinstance(layer, Line):
            classes = f"line {colour(layer.slot)}" + (" dashed" if layer.dashed else "")
            parts.append(element("path", d=f"M{number(at)} {number(y)}h20", class_=classes))
        else:
            parts.append(_mark(at + 10, y, layer))
        parts.append(_words(layer.name, at + 27, y + 4, kind="label"))
        at += 27 + _LETTER * len(layer.name) + 22
    return joined(*parts)


def colour(slot: int) -> str:
    """The class of a colour slot."""
    return f"s{(slot - 1) % SLOTS + 1}"
