"""The gateway of docs/examples in front of a mock, the commands of their pages, and their programs as modules."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.docs.blocks import blocks_of
from tests.support.processes import ROOT, Gateway, Mock, free_port, running

EXAMPLES = ROOT / "docs" / "examples"
POOR = "sk-tw-demo-poor"
"""A key whose budget is spent before the first answer."""


@pytest.fixture(scope="package")
def upstream() -> Iterator[Mock]:
    """Slow enough for streams to be stopped, and for plain answers to be under way at the same time."""
    found = Mock("--pace", "15", "--first-token", "15")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture(scope="package")
def examples(upstream: Mock) -> Iterator[Gateway]:
    """``docs/examples/tollway.yaml`` as it is, on a port of ours and with a key that is out of money."""
    config: dict[str, Any] = yaml.safe_load((EXAMPLES / "tollway.yaml").read_text())
    config["server"]["port"] = free_port()
    config["keys"].append({"name": "poor", "key": POOR, "budget": {"usd": 0.000001, "per": "day"}})
    with running(config, environ={"DEMO_UPSTREAM": upstream.url}) as gateway:
        yield gateway


@pytest.fixture
def environ(examples: Gateway) -> dict[str, str]:
    """What a program is run with: ``python`` is this one."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "TOLLWAY_"))},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OPENAI_BASE_URL": examples.url,
        "PYTHONUNBUFFERED": "1",
    }


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(examples: Gateway, environ: dict[str, str], tmp_path: Path) -> Run:
    """Runs the commands of an example's page, in a folder that has ``docs`` and can be written to."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "docs").symlink_to(ROOT / "docs")

    def run(name: str, told: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
        script = commands(name).replace("http://127.0.0.1:8080/v1", examples.url)
        done = subprocess.run(
            ["bash", "-euc", script], cwd=folder, env=environ, input=told, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def commands(name: str) -> str:
    """The one shell block of an example's page. What it installs is installed."""
    (block,) = (block for block in blocks_of(f"docs/examples/{name}/README.md") if block.language == "sh")
    return block.text.replace("npm ci\n", "")


def shown(name: str) -> str:
    """The output that an example's page shows."""
    (block,) = (block for block in blocks_of(f"docs/examples/{name}/README.md") if not block.language)
    return block.text


@pytest.fixture
def module(examples: Gateway, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Loads a program of the examples as a module, with a key of the example."""

    def load(path: str) -> ModuleType:
        file = EXAMPLES / path
        monkeypatch.setenv("OPENAI_BASE_URL", examples.url)
        monkeypatch.setenv("OPENAI_API_KEY", f"sk-tw-demo-{file.parent.name}")
        spec = spec_from_file_location(f"example_{file.stem}", file)
        assert spec is not None
        assert spec.loader is not None
        found = module_from_spec(spec)
        spec.loader.exec_module(found)
        return found

    return load


@pytest.fixture(scope="module")
def node() -> None:
    """Node, and the locked packages of the example. Missing: a failure under ``CI=true``, else a skip."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("node and npm are not on the PATH")
        pytest.skip("AI SDK NOT TESTED: node and npm are not on the PATH")
    folder = EXAMPLES / "ai-sdk"
    if not (folder / "node_modules" / "ai").exists():
        done = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done.stderr
