"""Prometheus's own tools for the tests, and what an expression names."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry

from proxy.telemetry.caching import CacheMetrics
from proxy.telemetry.metrics import Metrics
from tests.support.processes import free_port

ROOT = Path(__file__).parents[3]
RULES = ROOT / "deploy/prometheus/rules.yaml"

SCRAPED = frozenset({"job", "instance", "namespace"})
"""Labels that Prometheus adds."""

_SELECTOR = re.compile(r"(?<!:)\b(tollway_\w+|asyncio_tasks)\b(?:\{([^}]*)\})?")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_GROUPED = re.compile(r"\bby \(([\w, ]+)\) ?\(")
_LEGEND = re.compile(r"\{\{ ?(\w+) ?\}\}")


def tool(name: str) -> str:
    """``promtool`` or ``prometheus``: beside the interpreter, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not there: it comes with Debian's package prometheus")
    return found


def promtool(*arguments: str | Path) -> str:
    """What it printed; fails when it found fault."""
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def labels_of_series() -> Mapping[str, frozenset[str]]:
    """Every series that a gateway can have, by name, with its labels."""
    metrics = Metrics(CollectorRegistry(), known_models=lambda _: True)
    found: dict[str, frozenset[str]] = {}
    for metric in (*vars(metrics).values(), *vars(CacheMetrics(CollectorRegistry())).values()):
        kind = getattr(metric, "_type", None)
        if kind is None:
            continue
        labels, name = frozenset(metric._labelnames), metric._name
        if kind == "histogram":
            found |= {name + "_bucket": labels | {"le"}, name + "_sum": labels, name + "_count": labels}
        else:
            found[name + "_total" if kind == "counter" else name] = labels
    budget = frozenset({"scope", "name", "period"})
    found |= {"tollway_budget_limit_usd": budget, "tollway_budget_remaining_usd": budget}
    return found | {"tollway_budgets_unlisted": frozenset(), "tollway_build_info": frozenset({"version"})}


def named(expression: str) -> list[tuple[str, frozenset[str]]]:
    """(series, labels matched) for each place where the expression names one of ours."""
    bare = re.sub(r"\bby \([^)]*\)|\bon \([^)]*\)", "", expression)
    return [(name, frozenset(_MATCHER.findall("".join(f"{m}" for m in rest)))) for name, rest in _selectors(bare)]


def _selectors(expression: str) -> list[tuple[str, str]]:
    return [(match[1], match[2] or "") for match in _SELECTOR.finditer(expression)]


def grouped(expression: str) -> Iterator[tuple[frozenset[str], str]]:
    """(labels, what they group) for each aggregation."""
    for match in _GROUPED.finditer(expression):
        depth, at = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(expression[at], 0)
            at += 1
        yield frozenset(match[1].replace(" ", "").split(",")), expression[match.end() : at - 1]


def shown(legend: str) -> frozenset[str]:
    """Labels that a legend shows."""
    return frozenset(_LEGEND.findall(legend))


def faults(expression: str, series: Mapping[str, frozenset[str]]) -> list[str]:
    """What it names that is not there."""
    found = []
    for name, labels in named(expression):
        if name not in series:
            found.append(f"{name} is no metric")
        elif labels - series[name] - SCRAPED:
            found.append(f"{name} has no {sorted(labels - series[name] - SCRAPED)}")
    for labels, within in grouped(expression):
        for name, _ in named(within):
            missing = labels - series.get(name, labels) - SCRAPED
            if missing:
                found.append(f"{name} has no {sorted(missing)} to group by")
    return found


class Prometheus:
    """A real one that scrapes one gateway twice a second and follows our rules. ``ask`` is its query API."""

    def __init__(self, target: str, *, key: str, folder: Path) -> None:
        self.port = free_port()
        settings = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": "tollway",
                    "static_configs": [{"targets": [target]}],
                    "authorization": {"credentials": key},
                }
            ],
        }
        path = folder / "prometheus.yml"
        path.write_text(json.dumps(settings))
        self.output = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            [
                tool("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=warn",
            ],
            stdout=self.output,
            stderr=subprocess.STDOUT,
        )

    def get(self, path: str, **query: str) -> Any:
        """``data`` of an API answer; ``None`` while it is not up."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(query)}", timeout=5) as answer:
                found = json.load(answer)
        except HTTPError as error:
            if error.code == 503:
                return None
            raise AssertionError(f"{query}: {error.read()!r}") from error
        except URLError:
            return None
        assert found["status"] == "success", found
        return found["data"]

    def ask(self, expression: str) -> list[Any]:
        """The series of an expression now."""
        found = self.get("query", query=expression)
        return found["result"] if found is not None else []

    def close(self) -> None:
        """Ends it."""
        self.child.terminate()
        self.child.wait(10)
        self.output.close()


@contextlib.contextmanager
def prometheus(target: str, *, key: str, folder: Path) -> Iterator[Prometheus]:
    """One for a module."""
    found = Prometheus(target, key=key, folder=folder)
    try:
        yield found
    finally:
        found.close()
