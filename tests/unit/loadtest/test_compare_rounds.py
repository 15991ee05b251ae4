"""Rounds: sides in turns, disturbed runs again, slow sides once where that is enough, saturated ones not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from loadtest.bench.load import Load, Meter, Outcome
from loadtest.bench.servers import BenchError, Server
from loadtest.compare.load import Bodies
from loadtest.compare.measure import Cell, Plan, load_of, measured
from loadtest.compare.scenarios import BY_CONNECTIONS, BY_SIZE, GROUPS, SCENARIOS, Scenario
from loadtest.compare.sides import Side, warm
from tests.unit.loadtest.runs import outcome

Answers = Mapping[str, Sequence[Outcome | BenchError]]


@dataclass
class FakeServer:
    name: str


@dataclass
class FakeMeter:
    """Answers runs from lists, by side; the last answer goes on."""

    answers: Answers
    asked: list[str] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    def run(self, server: FakeServer, load: Load) -> Outcome:
        known = self.answers[server.name]
        found = known[min(self.asked.count(server.name), len(known) - 1)]
        self.asked.append(server.name)
        self.loads.append(load)
        if isinstance(found, BenchError):
            raise found
        return found


def side(name: str, **more: Any) -> Side:
    return Side(name, name, cast(Server, FakeServer(name)), **({"capacity": 5000.0} | more))


def measure(
    scenario: Scenario, sides: list[Side], answers: Answers, folder: Path, **plan: Any
) -> tuple[dict[str, Cell], FakeMeter]:
    meter = FakeMeter(answers)
    cells = measured(scenario, sides, Plan(**plan), cast(Meter, meter), Bodies(folder))
    return {cell.side: cell for cell in cells}, meter


CHAT = Scenario("c16", "chat", "chat")


def test_sides_take_turns(tmp_path: Path) -> None:
    answers = {"a": [outcome("a", 10)], "b": [outcome("b", 20)]}
    cells, meter = measure(CHAT, [side("a"), side("b")], answers, tmp_path, rounds=3)
    assert meter.asked == ["a", "b", "a", "b", "a", "b"]
    assert [len(cell.outcomes) for cell in cells.values()] == [3, 3]


def test_a_disturbed_run_is_repeated_at_once_and_the_calmer_one_kept(tmp_path: Path) -> None:
    answers = {"a": [outcome("a", 10, foreign=0.5), outcome("a", 12), outcome("a", 14)]}
    cells, meter = measure(CHAT, [side("a")], answers, tmp_path, rounds=2, tries=2)
    assert meter.asked == ["a"] * 3
    assert [each.cpu_us_per_request for each in cells["a"].outcomes] == [12, 14]
    assert [each.foreign for each in cells["a"].repeated] == [0.5]


def test_a_run_is_not_repeated_for_ever(tmp_path: Path) -> None:
    answers = {"a": [outcome("a", 10, foreign=0.5)]}
    cells, meter = measure(CHAT, [side("a")], answers, tmp_path, rounds=1, tries=2)
    assert meter.asked == ["a", "a"]
    assert cells["a"].disturbed == 0.5


def test_a_side_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    answers: Answers = {"a": [BenchError("a: 3 broken\nmore")], "b": [outcome("b", 20)]}
    cells, meter = measure(CHAT, [side("a"), side("b")], answers, tmp_path, rounds=2)
    assert (cells["a"].note, cells["a"].outcomes) == ("a: 3 broken", [])
    assert meter.asked == ["a", "b", "b"]


def test_a_side_that_carries_too_little_is_not_asked_at_that_rate(tmp_path: Path) -> None:
    scenario = Scenario("rate", "latency", "rate", rate=1000)
    cells, meter = measure(scenario, [side("a", capacity=1100.0)], {}, tmp_path)
    assert cells["a"].note == "saturated: carries 1,100 req/s"
    assert meter.asked == []


@pytest.mark.parametrize(
    "answer", [outcome("a", 10, p50=300_000), outcome("a", 10)], ids=["late", "fewer than planned"]
)
def test_a_side_that_falls_behind_is_saturated(tmp_path: Path, answer: Outcome) -> None:
    rate = 250 if answer.series["latency_us"]["p50"] > 1000 else 1000  # 1,000 answers in 3.5 s
    cells, _ = measure(Scenario("rate", "latency", "rate", rate=rate), [side("a")], {"a": [answer]}, tmp_path)
    assert cells["a"].note == f"saturated: answered 1,000 of {rate * 3.5:,.0f}"
    assert cells["a"].outcomes == []


def test_slow_sides_run_once_where_that_is_enough(tmp_path: Path) -> None:
    scenario = Scenario("paced", "paced", "paced", pace_us=10_000, limit=10, slow_once=True)
    answers = {"a": [outcome("a", 10)], "b": [outcome("b", 20)]}
    _, meter = measure(scenario, [side("a", slow=True), side("b")], answers, tmp_path, rounds=3)
    assert meter.asked == ["a", "b", "b", "b"]


def test_only_the_exact_hit_is_asked_the_same_again(tmp_path: Path) -> None:
    sides = [side("tollway"), side("tollway-hit", varied=False, headers=("x: 1",))]
    answers = {each.name: [outcome(each.name, 10)] for each in sides}
    scenario = Scenario("c16", "chat", "chat", extra=frozenset({"tollway-hit"}))
    _, meter = measure(scenario, sides, answers, tmp_path, rounds=1)
    ours, hit = meter.loads
    assert (ours.varied, ours.hits) == (True, ())  # type: ignore[attr-defined]
    assert (hit.varied, hit.hits, hit.headers) == (False, ("tollway-hit",), ("x: 1",))  # type: ignore[attr-defined]


def test_a_side_that_does_not_answer_while_it_warms_is_left_out(tmp_path: Path) -> None:
    meter = FakeMeter({"a": [BenchError("a answered nothing")], "b": [outcome("b", 20)]})
    found, missing = warm([side("a"), side("b")], cast(Meter, meter), Bodies(tmp_path))
    assert [(each.name, each.capacity) for each in found] == [("b", 50_000)]
    assert missing == {"a": "a answered nothing"}
    with pytest.raises(BenchError):
        warm([side("tollway")], cast(Meter, FakeMeter({"tollway": [BenchError("x")]})), Bodies(tmp_path))


def test_a_quick_run_shortens_the_paced_streams_alone(tmp_path: Path) -> None:
    plan, files = Plan(paced_chunks=7), Bodies(tmp_path)
    bodies = {each.name: load_of(each, plan, files).body.read_bytes() for each in SCENARIOS}
    assert b'"max_tokens":7,' in bodies["paced"]
    assert b'"max_tokens":500,' in bodies["burst"]


def test_plots_and_command_line_name_scenarios_that_exist() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    assert {*BY_SIZE.values(), *BY_CONNECTIONS.values()} <= names
    assert len(names) == len(SCENARIOS)
    assert set(GROUPS) == {scenario.group for scenario in SCENARIOS} | {"memory"}
