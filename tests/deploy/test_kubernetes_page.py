"""docs/kubernetes.md: its values are the chart's, its commands name what is there, its files render, its code runs."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from .policies import violations
from .rendered import CHART, DEPLOY, Object, configurations, everything, pods, rendered

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs" / "kubernetes.md").read_text()
SCHEMA: Object = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Object = yaml.safe_load((CHART / "values.yaml").read_text())


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def leaves(properties: Object, values: Object, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, default) of every value that is the chart's own and not Kubernetes'."""
    for name, value in values.items():
        part = properties[name]
        if "$ref" in part:
            part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
        if "properties" in part and name != "config":
            yield from leaves(part["properties"], value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


VALUES = dict(leaves(SCHEMA["properties"], DEFAULTS))
SECTION = PAGE.partition("### Values\n")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")] for line in SECTION.splitlines() if line.startswith("| `")
]


def test_every_value_is_described_once_and_no_other() -> None:
    named = [name for row in ROWS for name in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(named) == sorted(VALUES)


def shown(value: Any) -> str:
    if value in ("", [], {}, None):
        return "—"
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`" if len(text) <= 34 else "in `values.yaml`"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_described_default_is_the_default(row: list[str]) -> None:
    told = [shown(VALUES[name]) for name in re.findall(r"`([^`]+)`", row[0])]
    assert row[1] == (told[0] if len(set(told)) == 1 else ", ".join(told))


def test_every_example_is_described() -> None:
    told = set(re.findall(r"^\| `(\w[\w-]*\.yaml)` \|", PAGE, re.MULTILINE))
    assert told == {file.name for file in (DEPLOY / "helm" / "examples").iterdir()}


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if text.startswith("# values.yaml")])
def test_the_values_render_and_keep_the_policies(text: str) -> None:
    found = list(pods(rendered(yaml.safe_load(text))))
    assert found
    assert [said for _, pod in found for said in violations(pod)] == []


def test_the_adapters_rule_asks_for_our_metric() -> None:
    (text,) = (text for text in blocks("yaml") if "prometheus-adapter" in text)
    (rule,) = yaml.safe_load(text)["rules"]["custom"]
    assert rule["seriesQuery"].startswith(DEFAULTS["autoscaling"]["metricName"] + "{")
    assert set(rule["resources"]["overrides"]) == {"namespace", "pod"}


def commands() -> Iterator[list[str]]:
    for block in blocks("bash"):
        for line in block.replace("\\\n", " ").strip().splitlines():
            yield shlex.split(line.replace("$(", "<").replace(")", ">"))


def test_the_commands_name_what_is_there() -> None:
    seen = set()
    for words in commands():
        program, verb, *rest = words
        seen.add(f"{program} {verb}")
        for flag, file in pairwise(rest):
            if flag == "-f":
                assert (ROOT / file).is_file(), file
        if program == "helm":
            assert (ROOT / rest[1]) == CHART
            for flag, setting in pairwise(rest):
                assert flag != "--set" or setting.partition("=")[0] in VALUES
    assert seen == {"kubectl create", "kubectl apply", "helm install", "curl --unix-socket"}


def test_the_secret_has_what_the_manifests_ask_for() -> None:
    (create,) = (words for words in commands() if words[:3] == ["kubectl", "create", "secret"])
    made = {word.partition("=")[2].partition("=")[0] for word in create if word.startswith("--from-literal=")}
    asked = set()
    for name, objects in everything():
        if name in ("chart:default", "chart:minimal") or not name.startswith("chart:"):
            asked |= {
                key for _, text in configurations(objects) for key in re.findall(r"/run/secrets/tollway/([\w-]+)", text)
            }
            asked |= set(re.findall(r"'secretKeyRef': \{'name': 'tollway', 'key': '([\w-]+)'", str(objects)))
    assert made == asked


def test_every_manifest_is_applied_on_the_page() -> None:
    applied = {Path(words[3]).name for words in commands() if words[:2] == ["kubectl", "apply"]}
    assert applied == {file.name for file in (DEPLOY / "kubernetes").iterdir()}
