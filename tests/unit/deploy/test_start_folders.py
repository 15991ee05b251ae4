"""A start that finds no place to write: under a read-only root without ``/tmp`` there is none, and that is said with the fix."""

import errno
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import pytest

from proxy import server
from proxy.config import Config
from proxy.config.server import Server, Telemetry
from proxy.config.stores import State
from proxy.state import embedded
from proxy.telemetry.shared import DIRECTORY

SEVERAL = Config(server=Server(workers=2))


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary folder can be made."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.delenv(DIRECTORY, raising=False)
    monkeypatch.setattr(tempfile, "mkdtemp", refuse)


@pytest.mark.usefixtures("full")
def test_the_metrics_of_several_workers_need_a_folder() -> None:
    with pytest.raises(
        server.StartError, match="metrics of several workers need one: mount a tmpfs at /tmp, or name a folder"
    ):
        server.shared_metrics(SEVERAL).__enter__()


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("config", [Config(), Config(server=Server(workers=2), telemetry=Telemetry(prometheus=False))])
def test_one_worker_or_no_metrics_need_none(config: Config) -> None:
    with server.shared_metrics(config):
        assert DIRECTORY not in os.environ


@pytest.mark.usefixtures("full")
def test_the_embedded_store_needs_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "check_embedded", lambda: None)
    with pytest.raises(server.StartError, match="the embedded state store needs one"):
        server.started(Config(state=State(type="embedded"))).__enter__()


def test_a_folder_that_was_named_is_used_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    with server.shared_metrics(SEVERAL):
        assert os.environ[DIRECTORY] == str(tmp_path)
    assert tmp_path.is_dir()


def test_a_folder_that_was_named_and_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path / "no"))
    with pytest.raises(
        server.StartError, match=r"names .*/no, which is not a folder that can be written to: make it, or unset"
    ):
        server.shared_metrics(SEVERAL).__enter__()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tollway: start failed: The database is not there.", False),
        ("ASGI lifespan startup failed", False),
        ("Unexpected exit from worker-1", True),
    ],
)
def test_granian_does_not_repeat_what_the_worker_said(text: str, told: bool) -> None:
    record = logging.LogRecord("_granian", logging.ERROR, "", 0, text, None, None)
    assert server.Once().filter(record) is told
