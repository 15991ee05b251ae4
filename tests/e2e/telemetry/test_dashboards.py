"""The dashboards: what Grafana is given, and that each query means something to a real Prometheus that scrapes a real gateway."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana import boards
from tests.support.observed import metrics_text
from tests.support.processes import Gateway, Mock, config_for, free_port, running
from tests.support.rawhttp import Client, chat, eventually, request

from .monitored import ROOT, RULES, Prometheus, faults, labels_of_series, named, prometheus, promtool, shown

FILES = sorted((ROOT / "deploy/grafana").glob("*.json"))
KEY = "sk-scrape-canary"
UNITS = {
    "bytes", "currencyUSD", "dateTimeFromNow", "ops", "percentunit", "reqps", "s", "short",
}  # fmt: skip
SEEN_ONLY_WITH_MORE = {
    "By key (telemetry.key_metrics)": "switched off",
    "Shadows": "no route has one",
    "Is the semantic cache right?": "it needs an embedder",
}
"""Rows that need more than the traffic here."""

QUIET = {
    "Objectives that are met", "Waiting for a limit, p95", "Trials of a changed configuration",
    "Calls to the state store that failed", "Store errors", "What should not be", "Told apart by a guard", "Semantic",
    "Inputs of embeddings", "Semantic hits", "Would have been wrong", "Given up, keys at rest",
}  # fmt: skip
"""Panels about what did not happen."""


def board(file: Path) -> Any:
    return json.loads(file.read_text())


def panels(file: Path) -> list[Any]:
    return [panel for panel in board(file)["panels"] if panel["type"] != "row"]


def queries(file: Path) -> Iterator[tuple[str, str, str]]:
    """(panel, expression, legend), and what the variables and annotations ask."""
    for panel in panels(file):
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for annotation in board(file)["annotations"]["list"]:
        yield annotation["name"], annotation["expr"], annotation["textFormat"]


def filled(expression: str, window: str = "5m") -> str:
    """As Grafana sends it, everything chosen."""
    text = re.sub(r"\$__(rate_interval|range)", window, expression)
    return re.sub(r'"\$(job|route|provider|model)"', '".*"', text)


def test_there_are_four() -> None:
    assert {file.stem for file in FILES} == set(boards.BOARDS) == {"overview", "cost", "reliability", "cache"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_are_what_is_written_now(file: Path) -> None:
    assert file.read_text() == boards.text(file.stem), "python -m deploy.grafana.boards"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_can_be_imported_anywhere(file: Path) -> None:
    found = board(file)
    assert found["uid"] == f"tollway-{file.stem}"
    assert found["schemaVersion"] >= 36
    assert found["description"]
    assert "id" not in found, "Grafana gives it its own"
    variables = {variable["name"]: variable for variable in found["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "route", "provider", "model"]
    assert variables["datasource"]["type"] == "datasource"
    for name in ("job", "route", "provider", "model"):
        assert variables[name]["includeAll"], name
        assert variables[name]["multi"], name
    assert {source["uid"] for source in sources(found)} == {"${datasource}"}, "no source of somebody's own"


def sources(value: Any) -> Iterator[Any]:
    """Every data source that is named somewhere in it."""
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from sources(each)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_are_apart_and_say_what_they_are(file: Path) -> None:
    everything = board(file)["panels"]
    numbers = [panel["id"] for panel in everything]
    assert len(set(numbers)) == len(numbers)
    for panel in everything:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24, panel["title"]
    for one, other in combinations(everything, 2):
        a, b = one["gridPos"], other["gridPos"]
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, (one["title"], other["title"])
    for panel in panels(file):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    first = [panel for panel in everything if panel["gridPos"]["y"] == 0]
    assert [panel["type"] for panel in first] == ["stat"] * 6, "figures first"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_query_names_what_there_is(file: Path) -> None:
    series = labels_of_series()
    for title, expression, legend in queries(file):
        assert named(expression), title
        assert faults(expression, series) == [], title
        groups = " ".join(re.findall(r"\bby \(([^)]*)\)", expression))
        single = frozenset({"instance"}) if "changes(" in expression else frozenset()
        assert shown(legend) <= set(re.findall(r"\w+", groups)) | single, (title, legend)
        assert '$job"' in expression, f"{title}: of all jobs, whichever is chosen"


def test_a_query_of_something_else_is_found_out() -> None:
    series = labels_of_series()
    assert faults("sum (rate(tollway_request_total[5m]))", series) == ["tollway_request_total is no metric"]
    assert faults('tollway_requests_total{key="a", route="b"}', series) == ["tollway_requests_total has no ['key']"]
    assert faults("sum by (le, key) (rate(tollway_overhead_seconds_bucket[5m]))", series) == [
        "tollway_overhead_seconds_bucket has no ['key'] to group by"
    ]
    assert faults("sum by (le) (rate(tollway_overhead_seconds_sum[5m]))", series) != []


def test_every_expression_parses(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:number{index}:is", "expr": filled(expression)}
        for index, (_, expression, _) in enumerate(query for file in FILES for query in queries(file))
    ]
    assert len(rules) > 90
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


# ---- beside a real Prometheus ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watched(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Prometheus]]:
    """A gateway with a budget, limits, a cache and a fallback, and a Prometheus that reads its metrics with a key."""
    health = free_port()
    config = config_for(
        mock.url,
        server={"health_port": health},
        telemetry={"metrics_key": KEY, "access_log": "off"},
        keys=[
            {"name": "app", "key": "sk-tw-test-key", "budget": {"usd": 20, "per": "month"}},
            {"name": "poor", "key": "sk-tw-poor-key", "limits": {"rpm": 1}},
        ],
        cache={"exact": {"ttl": "1h"}},
        storage={"type": "sqlite", "path": str(tmp_path_factory.mktemp("ledger") / "tollway.db")},
        health={"enabled": True},
        retry={"attempts": 2},
    )
    folder = tmp_path_factory.mktemp("prometheus")
    with running(config) as gateway, prometheus(f"127.0.0.1:{health}", key=KEY, folder=folder) as server:
        yield gateway, server


async def drive(port: int, turn: int) -> None:
    """A bit of everything that happens on a usual day."""
    async with await Client.open(port) as client:
        for index in range(20):
            for data in (
                chat(headers={"x-mock-tokens": "4"}, messages=[{"role": "user", "content": f"{turn}/{index}"}]),
                chat(messages=[{"role": "user", "content": f"again {turn}/{index // 2}"}]),
                chat(stream=True, headers={"x-mock-tokens": "4"}, user=f"{turn}/{index}"),
            ):
                await client.send(data)
                assert (await client.answer()).status == 200
        for data, status in (
            (chat(headers={"x-mock-fault": "status:503"}, user=f"{turn}"), 503),
            (chat(headers={"x-mock-fault": "context-length"}, user=f"{turn}"), 400),
            (request("POST", "/v1/chat/completions", b"{"), 400),
            (chat(headers={"cache-control": "no-store"}, user=f"{turn}"), 200),
        ):
            await client.send(data)
            assert (await client.answer()).status == status
        for _ in range(3):
            await client.send(chat(key="sk-tw-poor-key", user=f"{turn}"))
            await client.answer()


async def test_every_panel_of_a_usual_day_has_something_to_show(watched: tuple[Gateway, Prometheus]) -> None:
    gateway, server = watched
    await eventually(lambda: server.ask("up == 1"), 15)
    for turn in range(2):
        await drive(gateway.port, turn)
        after = f"sum(tollway_requests_total) >= {(turn + 1) * 67}"
        await eventually(lambda: server.ask(after), 10)  # noqa: B023
    empty = []
    for file in FILES:
        row = ""
        for panel in board(file)["panels"]:
            row = panel["title"] if panel["type"] == "row" else row
            if panel["type"] == "row" or row in SEEN_ONLY_WITH_MORE or panel["title"] in QUIET:
                continue
            empty += [
                (file.stem, panel["title"], target["expr"])
                for target in panel["targets"]
                if not server.ask(filled(target["expr"], "30s"))
            ]
    assert not empty, "\n".join(map(str, empty))


async def test_every_query_can_be_asked(watched: tuple[Gateway, Prometheus]) -> None:
    """What only fails with data: labels on both sides that do not match one to one, series twice."""
    _, server = watched
    await eventually(lambda: server.ask("up == 1"), 15)
    for file in FILES:
        for title, expression, _ in queries(file):
            assert isinstance(server.ask(filled(expression, "30s")), list), title


async def test_the_rules_can_be_followed(watched: tuple[Gateway, Prometheus]) -> None:
    _, server = watched

    def rules() -> list[Any]:
        found = server.get("rules")
        return [rule for group in found["groups"] for rule in group["rules"]] if found is not None else []

    await eventually(lambda: (found := rules()) and all(rule["health"] == "ok" for rule in found), 15)
    written = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len(rules()) == len(written)
    firing = {rule["name"] for rule in rules() if rule["type"] == "alerting" and rule["state"] == "firing"}
    assert firing == set(), "nothing is wrong here"


def test_the_page_is_what_prometheus_would_call_clean(watched: tuple[Gateway, Prometheus], mock: Mock) -> None:
    with running(config_for(mock.url)) as gateway:
        text = metrics_text(gateway)
    assert "_created" not in text
    names = re.findall(r"^# TYPE (\w+)", text, re.M)
    assert len(set(names)) == len(names)
    assert {f"# HELP {name} " in text for name in names} == {True}
