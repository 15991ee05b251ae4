"""Routes as a drill sees them, and which places a fault is put on."""

from typing import Any

import pytest

from proxy.drill.cases import cases_of
from proxy.drill.faults import DRILLED
from proxy.drill.shape import shapes_of

from .build import config, route, shape


def labels(fault: str, *names: str, **settings: Any) -> list[str]:
    found = [case.where.label for case in cases_of([shape(*names, **settings)], [DRILLED[fault]]) if not case.stream]
    return [label for label in found if label != "nowhere" and not label.startswith("only ")]


def test_own_targets_come_before_those_of_fallbacks() -> None:
    models = {"r": route("a", "b", fallbacks=["s"]), "s": route("c/big", fallbacks=["t"]), "t": route("a/old")}
    found = shapes_of(config(models))[0]
    assert [(place.name, place.role, place.route) for place in found.places] == [
        ("a/m", "own", "r"),
        ("b/m", "own", "r"),
        ("c/big", "fallback", "s"),
        ("a/old", "fallback", "t"),
    ]
    assert [node.fallbacks for node in found.nodes] == [(1,), (2,), ()]


def test_fallbacks_for_one_fault_are_kept_apart() -> None:
    models = {"r": route("a", fallbacks_for={"context_length": ["s"], "content_policy": ["c/other"]}), "s": route("b")}
    found = shapes_of(config(models))[0]
    assert [place.role for place in found.places] == ["own", "context_length", "content_policy"]
    assert found.places[2].name == "c/other"
    assert (found.nodes[0].context_length, found.nodes[0].content_policy) == ((1,), (2,))


def test_a_wildcard_is_asked_for_a_model_of_its_first_provider() -> None:
    found = shapes_of(config({"*": {"targets": [{"provider": "b", "model": "*"}]}}))[0]
    assert (found.name, found.asked, found.places[0].model) == ("*", "claude-haiku-4-5", "claude-haiku-4-5")


def test_without_routes_each_provider_is_one() -> None:
    assert [found.name for found in shapes_of(config({}))] == ["a/*", "b/*", "c/*"]


def test_tries_and_pauses_come_from_the_route_else_from_all() -> None:
    models = {"r": route("a", retry={"attempts": 4, "base": 1, "longest": 3}), "s": route("b")}
    first, second = shapes_of(config(models, retry={"attempts": 2, "base": 0.5}))
    assert (first.attempts, first.pauses) == (4, 1 + 2 + 3)
    assert (second.attempts, second.pauses) == (2, 0.5)


@pytest.mark.parametrize(
    ("fault", "names", "settings", "expected"),
    [
        ("reset", ("a",), {}, ["the first try", "the target"]),
        ("reset", ("a",), {"retry": {"attempts": 1}}, ["the target"]),
        ("bad-key", ("a",), {}, ["the target"]),
        ("reset", ("a", "b"), {}, ["target 1 of 2", "all 2 targets"]),
        ("reset", ("a", "b", "c"), {}, ["target 1 of 3", "targets 1-2 of 3", "all 3 targets"]),
        (
            "reset",
            ("a", "b", "c"),
            {"policy": "weighted"},
            ["target 1 of 3", "target 2 of 3", "target 3 of 3", "all 3 targets"],
        ),
        ("bad-key", ("a/x", "a/y", "b"), {}, ["targets 1-2 of 3", "all 3 targets"]),
        (
            "refused",
            ("a/x", "b", "a/y"),
            {"policy": "weighted"},
            ["targets 1, 3 of 3", "target 2 of 3", "all 3 targets"],
        ),
        ("reset", ("a",), {"fallbacks": ["b/m"]}, ["the first try", "the target", "everywhere"]),
    ],
)
def test_where_a_fault_is_put(
    fault: str, names: tuple[str, ...], settings: dict[str, Any], expected: list[str]
) -> None:
    assert labels(fault, *names, **settings) == expected


def test_every_place_is_first_asked_when_it_is_well() -> None:
    rows = cases_of([shape("a", "b")], [DRILLED["reset"]])
    assert [(case.where.alone, case.stream) for case in rows[:6]] == [
        (None, False), (None, True), (0, False), (0, True), (1, False), (1, True),
    ]  # fmt: skip
    assert [case.number for case in rows] == list(range(len(rows)))


def test_a_fault_of_streams_is_not_put_on_plain_requests() -> None:
    rows = cases_of([shape("a")], [DRILLED["error-first"]])
    assert {case.stream for case in rows if case.fault.name == "error-first"} == {True}
