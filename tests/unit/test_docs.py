"""The docs keep up with the code: links lead somewhere, and every code, metric, header, field and command is described."""

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

import middleware
from proxy import errors
from proxy.cli import COMMANDS, main
from proxy.local.health import PATHS
from proxy.telemetry.caching import CacheMetrics
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.otel.exported import OtelMetrics
from proxy.wire.endpoints import SOCKETS, SURFACE
from proxy.wire.headers import CREDENTIALS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [file for file in DOCS.rglob("*.md") if "node_modules" not in file.parts]
PAGES = sorted([*ROOT.glob("*.md"), *WRITTEN, ROOT / "loadtest/README.md"])
SERVED = [ROOT / "proxy", ROOT / "middleware"]


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(file: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", file.read_text(), re.MULTILINE | re.DOTALL)


def anchors(file: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    text = re.sub(r"^```.*?^```", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (file.parent / path).resolve() if path else file
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_every_page_is_in_the_index() -> None:
    index = page("index.md")
    missing = [name for file in WRITTEN if (name := str(file.relative_to(DOCS))) not in index]
    assert missing == ["index.md"]


def classes(base: type[errors.TollwayError]) -> Iterator[type[errors.TollwayError]]:
    for found in base.__subclasses__():
        yield found
        yield from classes(found)


def codes_in_code() -> set[str]:
    """Default codes, and those given where an error is raised."""
    # Errors of one package alone are classes only once it is loaded.
    import_module("proxy.admin.refusals")
    found = {kind.default_code for kind in classes(errors.TollwayError) if kind.default_code is not None}
    for folder in SERVED:
        for file in folder.rglob("*.py"):
            if "mock" in file.parts or "cli" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                    if isinstance(node.value.value, str):
                        found.add(node.value.value)
    return found


def test_every_error_code_is_described_and_no_other() -> None:
    described = set(re.findall(r"^\| \d+ \| `(\w+)`", page("errors.md"), re.MULTILINE))
    assert described == codes_in_code()


def test_every_error_type_and_status_is_described() -> None:
    text = page("errors.md")
    for kind in classes(errors.TollwayError):
        assert f"`{kind.type}`" in text, kind
        assert str(kind.status) in text, kind
        if kind.default_code is not None and kind is not errors.UpstreamCut:
            assert f"| {kind.status} | `{kind.default_code}`" in text, kind


def test_every_metric_is_described_and_no_other() -> None:
    registry = CollectorRegistry()
    Metrics(registry, known_models=lambda _: True)
    CacheMetrics(registry)
    OtelMetrics(registry)
    exposed = {family.name + ("_total" if family.type == "counter" else ""): family for family in registry.collect()}
    rows = dict(re.findall(r"^\| `(tollway_\w+)` \| (\w+) \|", page("metrics.md"), re.MULTILINE))
    assert rows == {name: family.type for name, family in exposed.items()}


def test_metric_labels_are_described() -> None:
    text = page("metrics.md")
    metrics = Metrics(CollectorRegistry(), known_models=lambda _: True)
    for metric in (
        *vars(metrics).values(),
        *vars(CacheMetrics(CollectorRegistry())).values(),
        *vars(OtelMetrics(CollectorRegistry())).values(),
    ):
        names = getattr(metric, "_labelnames", ())
        if names and hasattr(metric, "describe"):
            row = next(line for line in text.splitlines() if f"| `{metric.describe()[0].name}" in line)
            assert ", ".join(names) in row


def headers_in_code() -> set[str]:
    found: set[str] = set()
    for folder in SERVED:
        for file in folder.rglob("*.py"):
            if "mock" not in file.parts and "cli" not in file.parts:
                found.update(re.findall(r"b\"(x-tollway-[a-z-]+[a-z])\"", file.read_text()))
    return found


def test_every_header_of_ours_is_described_and_no_other() -> None:
    text = page("headers.md")
    assert set(re.findall(r"^\| `(x-tollway-[a-z-]+)`", text, re.MULTILINE)) == headers_in_code()
    assert all(f"`{name.decode()}`" in text for name in CREDENTIALS)


def test_every_operation_and_probe_is_described() -> None:
    surface, operations = page("surface.md"), page("operations.md")
    for _, path, _endpoint in SURFACE:
        assert re.search(rf"[ `]{re.escape(path)}`", surface), path
    assert all(f"`{path}`" in surface for path in SOCKETS)
    assert all(f"`{path}`" in operations + page("metrics.md") or f"GET {path}" in page("metrics.md") for path in PATHS)


def test_the_life_of_a_request_has_the_links_in_the_order_of_the_code() -> None:
    text = page("request-life.md")
    links = [link.__module__.rpartition(".")[2] for link in middleware.CHAIN] + ["streaming"]
    assert " ▶ ".join(links) in text
    steps = re.findall(r"^\d\. \*\*(\w+)\*\* \(`middleware/(\w+)\.py`", text, re.MULTILINE)
    assert steps == [(name, name) for name in links]


def test_every_file_that_the_docs_name_exists() -> None:
    for file in PAGES:
        for name in re.findall(r"`((?:proxy|middleware)/[\w/]+(?:\.py|\.json|/))[:`]", file.read_text()):
            if "<" not in name:
                assert (ROOT / name).exists(), f"{file.name}: {name}"


def test_every_command_is_described() -> None:
    text = page("cli.md")
    assert all(f"`tollway {name}" in text for name in COMMANDS)


def commands(file: Path) -> Iterator[list[str]]:
    for block in blocks(file, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True) if "…" not in line else []
            if words and words[0] == "tollway":
                yield words[1:]


TAUGHT = [ROOT / "README.md", *(DOCS / name for name in ("quickstart.md", "cli.md", "bench.md", "compare.md"))]


@pytest.mark.parametrize("file", TAUGHT, ids=lambda f: f.name)
def test_the_commands_in_the_docs_can_be_parsed(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Options that are files are opened when they are parsed.
    (tmp_path / "prompts.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    found = list(commands(file))
    assert found
    for words in found:
        arguments = words[: words.index("<")] if "<" in words else words
        root = click.Context(main, info_name="tollway")
        name, command, rest = main.resolve_command(root, arguments)
        assert command is not None, words
        command.make_context(name, list(rest), parent=root).close()


def test_make_tasks_in_the_docs_exist() -> None:
    tasks = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for file in PAGES:
        assert set(re.findall(r"`make ([a-z]\w+)", file.read_text())) <= tasks, file


@pytest.mark.parametrize("file", [ROOT / "README.md", DOCS / "quickstart.md"], ids=lambda f: f.name)
def test_configurations_in_the_docs_pass_check(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [block for block in blocks(file, "yaml") if block.startswith("# tollway.yaml")]
    assert whole
    for name in ("APP_KEY", "BATCH_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, f"sk-tw-{name.lower()}-of-a-test")
    for block in whole:
        assert len(block.splitlines()) <= 20
        secret = tmp_path / "batch-key"
        secret.write_text("sk-tw-batch-key-of-a-file\n")
        config = tmp_path / "tollway.yaml"
        config.write_text(block.replace("/run/secrets/batch-key", str(secret)))
        result = CliRunner().invoke(main, ["check", "--strict", "--config", str(config)])
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("file", sorted((DOCS / "adr").glob("*.md")), ids=lambda file: file.name)
def test_decisions_are_one_page_with_their_three_parts(file: Path) -> None:
    text = file.read_text()
    assert text.startswith(f"# {int(file.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60


def test_the_sample_link_of_the_docs_compiles_and_the_providers_too() -> None:
    for name in ("writing-a-middleware.md", "writing-a-provider.md"):
        text = page(name)
        for indent, block in re.findall(r"^( *)```python\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL):
            compile("\n".join(line.removeprefix(indent) for line in block.splitlines()), name, "exec")
