"""The plots: well formed, labelled with units, in true proportion, and readable on light and dark pages."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from loadtest.compare.svg import NAME_GAP, Bar, Line, Scale, bars, lines, number

SVG = "{http://www.w3.org/2000/svg}"


def texts(picture: str) -> list[str]:
    return [found.text or "" for found in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_bars_stand_in_proportion_and_what_has_none_says_why() -> None:
    rows = [
        Bar("ours", 200, ours=True),
        Bar("R & Q <1>", 20),
        Bar("slow", 2000),
        Bar("gone", None, "saturated: 90 req/s"),
    ]
    root = ElementTree.fromstring(bars("Cost", "CPU per request, µs", rows))
    drawn = [found for found in root.iter(f"{SVG}rect") if found.get("x")]
    widths = [float(found.get("width", "")) for found in drawn]
    assert len(widths) == 3
    assert widths[0] - widths[1] == pytest.approx(widths[2] - widths[0], abs=0.3)  # a factor of ten each
    assert "var(--main)" in (drawn[0].get("fill") or "")
    assert "var(--main)" not in (drawn[1].get("fill") or "")
    said = [found.text for found in root.iter(f"{SVG}text")]
    assert {"R & Q <1>", "saturated: 90 req/s", "CPU per request, µs, logarithmic", "Cost"} <= set(said)


def test_lines_lie_on_their_axes_and_carry_their_names() -> None:
    rows = [Line("ours", [(1, 50), (16, 500)], ours=True), Line("other", [(1, 5), (16, 500)]), Line("none", [])]
    picture = lines("Cost", "connections", "CPU per request, µs", rows, {1.0: "1", 4.0: "4", 16.0: "16"})
    root = ElementTree.fromstring(picture)
    first, second = (found.get("points", "").split() for found in root.iter(f"{SVG}polyline"))
    assert first[1] == second[1]
    assert float(first[0].split(",")[1]) < float(second[0].split(",")[1])  # dearer is higher
    said = texts(picture)
    assert {"ours", "other", "connections, logarithmic", "CPU per request, µs, logarithmic", "16"} <= set(said)
    assert "none" not in said


def test_a_line_keeps_its_colour_when_others_are_gone() -> None:
    def colours(*rows: Line) -> dict[str, str]:
        root = ElementTree.fromstring(lines("Cost", "x", "y", rows, {1.0: "1", 2.0: "2"}))
        return {found.text or "": found.get("style", "") for found in root.iter(f"{SVG}text") if found.get("style")}

    one, two = Line("one", [(1, 10), (2, 20)], 1), Line("two", [(1, 30), (2, 40)], 2)
    assert colours(one, two)["two"] == colours(two)["two"] != colours(one)["one"]


def test_names_at_the_same_place_do_not_cover_each_other() -> None:
    rows = [Line(name, [(1, 10), (2, value)]) for name, value in (("a", 20), ("b", 20), ("c", 21))]
    root = ElementTree.fromstring(lines("Cost", "x", "y", rows, {1.0: "1", 2.0: "2"}))
    places = sorted(float(found.get("y", "")) for found in root.iter(f"{SVG}text") if found.text in {"a", "b", "c"})
    assert len(places) == 3
    assert all(below - above >= NAME_GAP - 0.1 for above, below in pairwise(places))


def test_every_colour_has_a_dark_form() -> None:
    style = bars("Cost", "µs", [Bar("one", 1)])
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    named = set(re.findall(r"(--[\w]+):", light))
    assert named
    assert named == set(re.findall(r"(--[\w]+):", dark))
    assert set(re.findall(r"var\((--[\w]+)\)", style)) <= named


@pytest.mark.parametrize(
    ("values", "ticks"), [([3, 40], [1, 10, 100]), ([10, 10], [10, 100]), ([0.05, 0.5], [0.01, 0.1, 1])]
)
def test_a_scale_ends_at_powers_of_ten(values: list[float], ticks: list[float]) -> None:
    scale = Scale.over(values, 0, 100)
    assert scale.ticks() == pytest.approx(ticks)
    assert [scale(scale.ticks()[0]), scale(scale.ticks()[-1])] == [0, 100]


@pytest.mark.parametrize(("value", "said"), [(12345.6, "12,346"), (99.96, "100"), (1.234, "1.23"), (0.1234, "0.12")])
def test_numbers_show_the_digits_that_matter(value: float, said: str) -> None:
    assert number(value) == said
