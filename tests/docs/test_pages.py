"""The pages say what the code does: every name that users meet is on its page, and the tables equal the code."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from prometheus_client import CollectorRegistry

import middleware
from proxy import context, errors
from proxy.cache.barred import Barred
from proxy.cache.fitness.verdicts import Unfit
from proxy.cli import COMMANDS
from proxy.context import RequestContext
from proxy.errors import TollwayError
from proxy.semantic.layer import REASONS as SEMANTIC_REASONS
from proxy.telemetry.caching import CacheMetrics
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.otel.exported import OtelMetrics
from proxy.wire.endpoints import PREFIXES, SOCKETS, SURFACE

ROOT = Path(__file__).parents[2]


def page(name: str) -> str:
    path = ROOT / "docs" / f"{name}.md"
    if not path.is_file():
        pytest.fail(f"docs/{name}.md is missing")
    return path.read_text(encoding="utf-8")


def words(name: str) -> set[str]:
    """Everything in code marks on a page, and the lines of its code blocks."""
    text = page(name)
    marked = re.findall(r"`([^`\n]+)`", text)
    return {*marked, *(word for mark in marked for word in re.split(r"[\s,|]+", mark))}


def metric_names() -> set[str]:
    registry = CollectorRegistry()
    Metrics(registry, known_models=lambda _: False)
    CacheMetrics(registry)
    OtelMetrics(registry)
    names = set()
    for family in registry.collect():
        names.add(family.name + "_total" if family.type == "counter" else family.name)
    return names


def error_classes(base: type[TollwayError] = TollwayError) -> list[type[TollwayError]]:
    return [base, *(found for sub in base.__subclasses__() for found in error_classes(sub))]


def nodes(holding: str) -> Iterator[tuple[Path, ast.AST]]:
    """(file, node) of the syntax trees of all served files that hold this text: the others need not be parsed."""
    for package in ("proxy", "middleware"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "mock" not in path.parts and holding in text:
                for node in ast.walk(ast.parse(text)):
                    yield path, node


@cache
def error_codes() -> frozenset[str]:
    codes = {cls.default_code for cls in error_classes() if cls.default_code is not None}
    for path, node in nodes("code="):
        if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
            if isinstance(node.value.value, str) and "cli" not in path.parts:
                codes.add(node.value.value)
    return frozenset(codes)


@cache
def gateway_headers() -> frozenset[str]:
    found = set()
    for _, node in nodes("x-tollway-"):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str):
            text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
            if re.fullmatch(r"x-tollway-[a-z-]*[a-z]", text):
                found.add(text)
    return frozenset(found)


def test_the_lists_are_not_empty() -> None:
    assert len(metric_names()) > 15
    assert len(error_codes()) > 20
    assert "x-tollway-request-id" in gateway_headers()


def test_every_metric_is_on_its_page() -> None:
    assert metric_names() - words("metrics") == set()


def test_the_page_of_metrics_invents_none() -> None:
    mentioned = {word for word in words("metrics") if re.fullmatch(r"tollway_[a-z_]+", word)}
    series = {name + end for name in metric_names() for end in ("", "_bucket", "_count", "_sum")}
    assert mentioned - series == set()


def test_every_error_code_is_on_its_page() -> None:
    assert error_codes() - words("errors") == set()


def test_every_error_status_is_on_its_page() -> None:
    text = page("errors")
    assert {cls.status for cls in error_classes() if str(cls.status) not in text and cls.status != 499} == set()


def test_every_command_is_on_its_page() -> None:
    text = page("cli")
    assert {name for name in COMMANDS if f"tollway {name}" not in text} == set()


def test_every_header_of_ours_is_on_its_page() -> None:
    assert gateway_headers() - words("headers") == set()


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path, _ in SURFACE])
def test_every_endpoint_is_on_its_page(method: str, path: str) -> None:
    assert any(path in line and method in line for line in page("surface").splitlines())


def test_sockets_and_prefixes_are_on_the_page() -> None:
    text = page("surface")
    assert [path for path in (*SOCKETS, *PREFIXES) if path not in text] == []


def test_the_order_of_the_chain_is_the_chains() -> None:
    order = [link.__module__.rsplit(".", 1)[1] for link in middleware.CHAIN] + ["streaming"]
    names = re.findall(r"^[*#|\s]*\d+\.\s*[*`]*(\w+)", page("request-life"), re.MULTILINE)
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert " → ".join(order) in (middleware.__doc__ or "")


def test_the_context_table_is_the_struct() -> None:
    table = (context.__doc__ or "").split("=\n")
    rows = [line.split() for line in table[2].splitlines() if line and not line.startswith("=")]
    assert [row[0] for row in rows] == [field.name for field in msgspec.structs.fields(RequestContext)]


def test_the_tree_of_errors_is_the_classes() -> None:
    named = set(re.findall(r"\b([A-Z]\w+)\b", (errors.__doc__ or "").split("TollwayError", 1)[1]))
    classes = {cls.__name__ for cls in error_classes() if cls.__module__ == errors.__name__} - {"TollwayError"}
    assert classes - named == set()


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for path in (ROOT / "docs").rglob("*.md"):
        if "node_modules" in path.parts:
            continue
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if not (path.parent / target).exists():
                broken.append((path.name, target))
    assert broken == []


def test_every_reason_of_the_cache_is_on_its_page() -> None:
    found = {*get_args(Barred), *get_args(Unfit), *SEMANTIC_REASONS.values()} - {""}
    for folder in ("cache", "semantic"):
        for path in (ROOT / "proxy" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "reason":
                    found |= {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)}
    reasons = {word for word in found if isinstance(word, str) and word}
    assert {"key_off", "no_neighbour", "embedder_timeout", "live_tools", "finish_reason"} <= reasons
    assert reasons - words("cache") == set()
