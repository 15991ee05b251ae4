"""The alert rules: they parse, name what there is, fire when they shall and not otherwise, and each leads to its remedy."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.boards.queries import FAILED
from proxy.config import Secret, load

from .monitored import ROOT, RULES, faults, labels_of_series, promtool

CASES = RULES.with_name("rules_test.yaml")
PAGE = ROOT / "docs/monitoring.md"


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


ALERTS = [rule for rule in rules() if "alert" in rule]


def test_the_rules_are_well_formed_and_do_what_the_cases_say() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", CASES)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_each_alert_is_seen_to_fire_and_not_to_fire(alert: dict[str, Any]) -> None:
    cases = [
        bool(test["exp_alerts"])
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for test in case["alert_rule_test"]
        if test["alertname"] == alert["alert"]
    ]
    assert set(cases) == {True, False}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_each_alert_says_what_is_wrong_and_where_the_remedy_stands(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook_url"}
    path, _, anchor = told["runbook_url"].partition("#")
    assert ROOT / path == PAGE
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", PAGE.read_text(), re.M | re.S))
    section = {name.lower(): text for name, text in sections.items()}[anchor]
    assert alert["alert"].lower() == anchor
    assert len(section.split()) > 25, "what it means, and what to do"


def test_the_page_s_own_settings_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLWAY_METRICS_KEY", "sk-of-a-test")
    ours, theirs = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    gateway, server = tmp_path / "tollway.yaml", tmp_path / "prometheus.yml"
    gateway.write_text(ours + "keys: [{name: app, key: sk-tw-of-a-test-that-is-long}]\n")
    config = load(str(gateway), os.environ).config
    assert config.telemetry.metrics_key == Secret("sk-of-a-test")
    server.write_text(theirs)
    promtool("check", "config", "--syntax-only", server)


def test_each_remedy_is_of_an_alert() -> None:
    described = re.findall(r"^### (Tollway\w+)$", PAGE.read_text(), re.M)
    assert described == [alert["alert"] for alert in ALERTS]


def test_every_expression_names_what_there_is() -> None:
    series = labels_of_series()
    for rule in rules():
        assert faults(rule["expr"], series) == [], rule
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for rule in rules() for name in re.findall(r"job:\w+:\w+", rule["expr"])}
    assert used == recorded


def test_boards_and_alerts_agree_on_what_an_error_is() -> None:
    assert FAILED in RULES.read_text()
