"""docs/migrate-from-openai.md, -litellm.md and -openrouter.md: commands, configurations and programs, run in the order of the page."""

import io
import os
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, get_args
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.cli.migrate_litellm import litellm
from proxy.migration.findings import Kind
from tests.support.processes import ROOT, Mock, Process, free_port

PAGES = ("migrate-from-openai.md", "migrate-from-litellm.md", "migrate-from-openrouter.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
KEY = "sk-key-of-the-gateway"
ENDS = {"openai": "/v1", "anthropic": "", "google": "/v1beta", "azure": ""}
"""Providers of the pages to the end of their address at the mock."""


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    upstream = Mock()
    yield upstream
    upstream.close()


class Reader:
    """Pastes what a page shows."""

    def __init__(self, folder: Path, mock: Mock) -> None:
        self.folder = folder
        self.mock = mock
        self.port = free_port()
        self.gateway: Process | None = None
        self.printed: list[str] = []
        self.environ = {
            "NO_COLOR": "1",
            "TOLLWAY_SERVER__PORT": str(self.port),
            "TOLLWAY_PROVIDERS__OPENAI__BASE_URL": mock.url,
        }

    def save(self, text: str) -> None:
        """A block that begins with the name of a file is that file, its providers at the mock."""
        name = re.match(r"# (\S+\.yaml)\n", text)
        if name is None:
            return
        (self.folder / name[1]).write_text(text)
        (self.folder / name[1]).chmod(0o600)
        vendors = re.findall(r"\{use: \w+", text) and re.findall(r"^  (\w+): +\{use:", text, re.MULTILINE)
        for vendor in vendors or ("openai", "anthropic", "azure"):
            self.environ[f"TOLLWAY_PROVIDERS__{vendor.upper()}__BASE_URL"] = self.mock.origin + ENDS[vendor]

    def paste(self, text: str) -> None:
        """Commands, one after the other, in one folder; a gateway that is served runs on."""
        for line in text.splitlines():
            if line.startswith("export "):
                # What the page leaves to its reader.
                for name, value in re.findall(r"(\w+)=(\S+)", line.replace('"', "")):
                    self.environ[name] = KEY if value == "…" else os.path.expandvars(value)
            elif line.startswith("tollway serve"):
                self._serve(line.split()[1:])
            else:
                done = CliRunner().invoke(main, shlex.split(line)[1:], env=self.environ)
                assert done.exit_code == 0, (line, done.output, done.exception)
                self.printed.append(done.output)

    def _serve(self, words: list[str]) -> None:
        self.close()
        self.gateway = Process(words, self.environ, self.folder)
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and self.gateway.child.poll() is None:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError(self.gateway.log())

    def program(self, text: str) -> None:
        """A program against the gateway that runs now."""
        text = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{self.port}", text).replace("the gateway's key", KEY)
        with redirect_stdout(io.StringIO()) as printed:
            names: dict[str, Any] = {}
            exec(compile(text, "the page", "exec"), names)
        names["client"].close()
        assert len(printed.getvalue().split()) > 3, printed.getvalue()

    def close(self) -> None:
        if self.gateway is not None:
            self.gateway.close()
            self.gateway = None


def blocks(page: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in BLOCK.finditer((ROOT / "docs" / page).read_text())]


@pytest.mark.parametrize("page", PAGES)
def test_the_page_works_as_pasted(page: str, mock: Mock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path, mock)
    kinds = []
    try:
        for language, text in blocks(page):
            kinds.append(language)
            if language == "yaml":
                reader.save(text)
            elif language == "sh":
                reader.paste(text)
            else:
                lines = text.splitlines()
                after = [line[1:] for line in lines if language == "python" or not line.startswith("-")]
                reader.program(text if language == "python" else "\n".join(after))
        served = reader.gateway
    finally:
        reader.close()
    assert served is not None
    assert {"yaml", "sh", "diff"} <= set(kinds)
    assert any("valid" in text for text in reader.printed)


@pytest.mark.parametrize("page", PAGES)
def test_two_lines_change(page: str) -> None:
    (diff,) = [text for language, text in blocks(page) if language == "diff"]
    before, after = ([line[1:] for line in diff.splitlines() if line[:1] == sign] for sign in "-+")
    assert len(before) == len(after) == 2
    assert [line.split("=")[0] for line in before] == [line.split("=")[0] for line in after]


def test_the_report_of_the_page_is_what_its_file_gives(
    tmp_path: Path, mock: Mock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path, mock)
    reader.save(next(text for language, text in blocks(PAGES[1]) if language == "yaml"))
    reader.paste("tollway migrate litellm config.yaml --dry-run")
    for path in ("model_list[2].litellm_params.temperature", "litellm_settings.callbacks"):
        assert path in reader.printed[0]


def test_every_kind_and_option_of_the_command_is_on_its_page() -> None:
    text = (ROOT / "docs" / PAGES[1]).read_text()
    assert {kind for kind in get_args(Kind) if f"`{kind}`" not in text} == set()
    named = {name for option in litellm.params for name in option.opts if name.startswith("--")} - {"--out"}
    assert {name for name in named if name not in text} == set()
