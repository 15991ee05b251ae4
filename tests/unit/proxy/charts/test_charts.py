"""Scales, plots and pages: numbers land where they belong, and words stay words."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import charts
from proxy.charts import Axis, Column, Dot, Dots, Guide, Line
from proxy.charts.scale import linear, logarithmic

NUMBERS = st.lists(st.floats(-1e9, 1e9), max_size=20)


@given(NUMBERS)
def test_a_linear_scale_holds_its_values_between_round_ends(values: list[float]) -> None:
    scale = linear(values)
    assert scale.low < scale.high
    room = (scale.high - scale.low) * 1e-6
    assert all(scale.low - room <= value <= scale.high + room for value in values)
    assert 2 <= len(scale.ticks) <= 12
    assert all(scale.low - room <= tick <= scale.high + room for tick in scale.ticks)
    assert list(scale.ticks) == sorted(set(scale.ticks))
    assert len({charts.shown(tick) for tick in scale.ticks}) == len(scale.ticks) or scale.high - scale.low < 1e-4 * abs(
        scale.high
    )


@given(st.lists(st.floats(1e-9, 1e9), max_size=20))
def test_a_logarithmic_scale_ends_within_some_decades(values: list[float]) -> None:
    scale = logarithmic(values)
    assert 0 < scale.low < scale.high
    assert math.log10(scale.high / scale.low) <= 7
    assert len(scale.ticks) <= 10
    assert all(0 <= scale.share(value) <= 1 for value in values)
    assert scale.share(scale.low) == 0
    assert scale.share(scale.high) == pytest.approx(1)


@given(NUMBERS, st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_what_is_more_is_not_further_left(values: list[float], one: float, other: float) -> None:
    scale = linear(values)
    low, high = sorted((one, other))
    assert 0 <= scale.share(low) <= scale.share(high) <= 1


def test_given_ends_are_kept() -> None:
    scale = linear([3, 80], low=0, high=100)
    assert (scale.low, scale.high, scale.ticks) == (0, 100, (0, 20, 40, 60, 80, 100))


def test_round_ticks() -> None:
    assert linear([0, 9.3]).ticks == (0, 2, 4, 6, 8, 10)
    assert logarithmic([170, 690]).ticks == (150, 200, 300, 500, 700)
    assert [charts.shown(value) for value in (0, 0.05, 1.5, 1234, 2_500_000)] == ["0", "0.05", "1.5", "1,234", "2.5M"]
    assert [charts.shown(value) for value in (322.5, 1002.5, 1_125_000)] == ["322.5", "1,002.5", "1.125M"]


def drawn(*layers: charts.Layer, guides: Sequence[Guide] = ()) -> ET.Element:
    x, y = Axis(label="x", low=0, high=10), Axis(label="y", low=0, high=10)
    return ET.fromstring(charts.plot("A plot", layers, x=x, y=y, guides=guides))


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def test_a_line_goes_through_its_points() -> None:
    root = drawn(Line(name="", points=[(0, 0), (5, 5), (10, 10)]))
    path = next(node for node in root.iter("path"))
    (x0, y0), (x1, y1), (x2, y2) = places(path.get("d", ""))
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y0 - y1 == pytest.approx(y1 - y2)
    assert x0 < x1
    assert y0 > y1


def test_dots_whiskers_and_their_words() -> None:
    dots = [
        Dot(x=5, y=5, label="a <b>", tip="five & five", y_range=(2, 8), x_range=(4, 6)),
        Dot(x=9.9, y=1, label="far right"),
    ]
    root = drawn(Dots(name="", dots=dots, slot=3))
    circle, other = (node for node in root.iter("circle"))
    assert circle.findtext("title") == "five & five"
    assert other.findtext("title") == "far right"
    whiskers = [node for node in root.iter("line") if "whisker" in (node.get("class") or "")]
    assert len(whiskers) == 2
    words = {node.text: node for node in root.iter("text")}
    assert words["a <b>"].get("text-anchor") == "start"
    assert words["far right"].get("text-anchor") == "end"


def test_a_legend_names_what_there_is_more_than_one_of() -> None:
    one, two = Line(name="first", points=[(0, 1)]), Line(name="second", points=[(0, 2)], slot=2, dashed=True)
    assert "first" not in [node.text for node in drawn(one).iter("text")]
    assert {"first", "second"} <= {node.text for node in drawn(one, two).iter("text")}


def test_guides_stay_inside() -> None:
    root = drawn(Line(name="", points=[]), guides=[Guide(label="objective", x=9.9), Guide(label="level", y=5)])
    guides = [node for node in root.iter("line") if node.get("class") == "guide"]
    assert len(guides) == 2
    words = {node.text: node for node in root.iter("text")}
    assert words["objective"].get("text-anchor") == "end"


def test_crosses_and_areas() -> None:
    root = drawn(Dots(name="", dots=[Dot(x=1, y=1)], cross=True), Line(name="", points=[(0, 1), (5, 2)], area=True))
    kinds = [(node.get("class") or "").split()[0] for node in root.iter("path")]
    assert sorted(kinds) == ["area", "cross", "line"]


@given(st.text())
def test_words_stay_words(words: str) -> None:
    document = charts.page(
        words, charts.notice(words), charts.table([Column(heading=words)], [[words]]), subtitle=words
    )
    root = ET.fromstring(document.partition("\n")[2])
    assert {node.tag for node in root.iter()} <= {
        "html", "head", "meta", "title", "style", "body", "main", "header", "h1", "p", "div", "table", "thead", "tbody", "tr", "th",
    }  # fmt: skip


def test_slots_begin_again() -> None:
    classes = [
        node.get("class") or ""
        for slot in (1, 8, 9)
        for node in drawn(Line(name="", points=[(0, 0)], slot=slot)).iter("path")
    ]
    assert [each.split()[1] for each in classes] == ["s1", "s8", "s1"]
