"""The plan for a million requests a second: it holds, also without a zone or a Valkey, and breaks where docs/scale.md says it does."""

from functools import cache

import pytest
from msgspec import ValidationError
from msgspec.structs import replace

from loadtest.scale import page
from loadtest.scale.costs import Costs, Figure, read, values
from loadtest.scale.plan import BREAKS, Check, Fleet, Workload, bill, broken, checks, placed, planned, without
from loadtest.scale.simulation import Event, Seen, held, simulated

LOAD = Workload()


@cache
def costs() -> Costs:
    return values(read())


@cache
def fleet() -> Fleet:
    return planned(costs(), LOAD)


def seen(bought: Fleet, event: Event = "none", *, seed: int = 1) -> Seen:
    # Valkey is gone for two of five seconds here, which is enough for every queue to show.
    quick = replace(costs(), takeover_s=2.0)
    return simulated(quick, LOAD, bought, event=event, seed=seed, seconds=5.0 if event == "valkey" else 2.0)


@pytest.mark.parametrize("zone_lost", [False, True])
def test_the_plan_holds_on_paper(zone_lost: bool) -> None:
    assert broken(checks(costs(), LOAD, fleet(), zone_lost=zone_lost)) == []


@pytest.mark.parametrize("event", ["none", "zone", "valkey"])
def test_the_plan_holds_when_it_is_simulated(event: Event) -> None:
    found = seen(fleet(), event)
    assert held(found, costs()) == []
    assert (found.alone > 0) == (found.waiting_settlements > 0) == (event == "valkey")
    if event == "valkey":
        assert 0 < found.settled_after < 3


def test_the_simulation_is_as_busy_as_the_arithmetic_says() -> None:
    for event, zone_lost in (("none", False), ("zone", True)):
        found = seen(fleet(), event)
        said = {check.part: check.used for check in checks(costs(), LOAD, fleet(), zone_lost=zone_lost)}
        assert found.workers_busy == pytest.approx(said["workers"], rel=0.05)
        assert found.valkey_busy == pytest.approx(said["valkey"], rel=0.05)


@pytest.mark.parametrize("part", BREAKS)
def test_a_fleet_without_one_part_breaks_where_it_is_said(part: str) -> None:
    less = without(fleet(), part)
    assert BREAKS[part] in broken(checks(costs(), LOAD, less, zone_lost=part == "zone headroom"))


def test_the_headroom_for_a_zone_is_missed_only_when_a_zone_is_lost() -> None:
    less = without(fleet(), "zone headroom")
    assert broken(checks(costs(), LOAD, less)) == []
    assert held(seen(less), costs()) == []
    assert "workers" in held(seen(less, "zone"), costs())


def test_too_few_cells_keep_their_valkey_busy() -> None:
    assert held(seen(without(fleet(), "two thirds of the cells")), costs()) == ["valkey"]


def test_a_tenant_that_is_not_divided_fills_its_cell() -> None:
    whole = without(fleet(), "parts of the largest tenants")
    rates = placed(LOAD, whole.cells, whole.largest_part)
    assert max(rates) == pytest.approx(LOAD.shares()[0] * LOAD.requests_per_s)
    assert "workers" in held(seen(whole), costs())


def test_nothing_is_lost_where_tenants_are_placed() -> None:
    for largest in (100.0, 5_000.0, float("inf")):
        assert sum(placed(LOAD, 50, largest)) == pytest.approx(LOAD.requests_per_s)


def test_a_seed_is_a_run() -> None:
    assert seen(fleet(), seed=3) == seen(fleet(), seed=3) != seen(fleet(), seed=4)


def test_half_the_load_needs_about_half_the_fleet() -> None:
    half = replace(LOAD, requests_per_s=LOAD.requests_per_s / 2)
    less = planned(costs(), half)
    assert less.cells * less.workers == pytest.approx(fleet().cells * fleet().workers / 2, rel=0.1)
    assert bill(costs(), half, less).month_usd == pytest.approx(bill(costs(), LOAD, fleet()).month_usd / 2, rel=0.1)


def test_what_costs_more_needs_more() -> None:
    dearer = replace(costs(), valkey_us=costs().valkey_us * 2)
    assert planned(dearer, LOAD).cells == pytest.approx(2 * fleet().cells, rel=0.05)


def test_the_worst_part_is_named_first() -> None:
    found = [Check(part="a", used=1.1, what=""), Check(part="b", used=0.9, what=""), Check(part="c", used=3, what="")]
    assert broken(found) == ["c", "a"]


def test_every_figure_says_where_it_is_from() -> None:
    figures = read()
    assert {figure.source for figure in figures.values()} == {"measured", "documented", "assumed"}
    assert all(figure.how for figure in figures.values())
    assert figures["request_us"].source == figures["valkey_us"].source == figures["wal_bytes"].source == "measured"


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_figures_that_are_not_those_of_the_plan_are_refused(change: str) -> None:
    figures = read()
    if change == "missing":
        del figures["request_us"]
    else:
        figures["luck"] = Figure(value=1, unit="", source="assumed", how="none")
    with pytest.raises(ValidationError):
        values(figures)


def test_the_page_says_what_is_computed() -> None:
    assert page.written() == page.block(read()), "run: python -m loadtest.scale plan --save"
