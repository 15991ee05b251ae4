"""What ``deploy/`` makes of itself: the chart rendered by Helm, the manifests as they lie there, and the pods in both."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

helm_python = pytest.importorskip(
    "helm_python", reason="Helm's wheel is for Linux on x86-64 alone", exc_type=ImportError
)

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
CHART = DEPLOY / "helm" / "tollway"
EXAMPLES = sorted((DEPLOY / "helm" / "examples").glob("*.yaml"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The dashboards are 200 KB of text."""

Object = dict[str, Any]


@cache
def _chart() -> Any:
    return helm_python.Chart.load(CHART)


def values_of(name: str) -> Object:
    """The values of an example; ``default`` is none at all."""
    if name == "default":
        return {}
    values: Object = yaml.safe_load((DEPLOY / "helm" / "examples" / f"{name}.yaml").read_text())
    return values


def merged(base: Object, changes: Object) -> Object:
    """``base`` with ``changes``, as Helm merges: maps by key, everything else replaced."""
    found = copy.deepcopy(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = merged(found[key], value) if both else value
    return found


def texts(values: Object, release: str = "tollway") -> dict[str, str]:
    """File of the chart to what it renders to."""
    found: dict[str, str] = _chart().render(values, name=release, namespace="edge")
    return found


def rendered(values: Object, release: str = "tollway") -> list[Object]:
    """Every object that the chart makes of the values."""
    return [item for name, text in texts(values, release).items() if name.endswith(".yaml") for item in documents(text)]


def documents(text: str) -> list[Object]:
    """The documents of a YAML text, without empty ones."""
    return [item for item in yaml.load_all(text, Loader=FAST) if item]


@cache
def everything() -> tuple[tuple[str, list[Object]], ...]:
    """(name, objects) of each values file, of none, and of each manifest. Not to be changed: all tests share them."""
    names = ("default", *(file.stem for file in EXAMPLES))
    charts = [(f"chart:{name}", rendered(values_of(name))) for name in names]
    return (*charts, *((file.name, documents(file.read_text())) for file in MANIFESTS))


def one(objects: list[Object], kind: str, name: str | None = None) -> Object:
    """The only object of a kind, or of a kind and a name."""
    found = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, [item["metadata"]["name"] for item in found]
    return found[0]


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """(kind/name, pod spec) of everything that makes pods."""
    for item in objects:
        template = item.get("spec", {}).get("template")
        if isinstance(template, dict) and "spec" in template:
            yield f"{item['kind']}/{item['metadata']['name']}", template["spec"]


def configurations(objects: list[Object]) -> Iterator[tuple[str, str]]:
    """(name, text) of each gateway configuration in a ConfigMap."""
    for item in objects:
        if item["kind"] == "ConfigMap" and "tollway.yaml" in item["data"]:
            yield item["metadata"]["name"], item["data"]["tollway.yaml"]
