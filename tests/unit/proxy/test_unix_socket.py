"""Whose path the gateway may take for its socket, and whose it leaves alone."""

import contextlib
import os
import socket
from pathlib import Path

import pytest

from proxy.unix_socket import UnixSocketError, answers, clear_path


def bound(path: Path, backlog: int | None = None) -> socket.socket:
    """A socket at the path, which listens if a backlog is given."""
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(path))
    if backlog is not None:
        found.listen(backlog)
    return found


def test_a_free_path_is_free(tmp_path: Path) -> None:
    clear_path(tmp_path / "s")
    assert not answers(tmp_path / "s")


def test_a_socket_of_the_dead_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bound(path).close()
    assert path.is_socket()
    clear_path(path)
    assert not path.exists()


@pytest.mark.parametrize("busy", [False, True])
def test_a_socket_of_the_living_stays(tmp_path: Path, busy: bool) -> None:
    """Also where it is too busy to take another connection."""
    path = tmp_path / "s"
    with contextlib.ExitStack() as stack:
        stack.enter_context(bound(path, 0 if busy else 8))
        for _ in range(3 * busy):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(str(path))
        with pytest.raises(UnixSocketError, match=r"is taken: stop what listens there or set server\.uds"):
            clear_path(path)
        assert path.is_socket()


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_is_no_socket_stays(tmp_path: Path, what: str) -> None:
    path = tmp_path / "s"
    if what == "file":
        path.write_text("precious")
    elif what == "folder":
        path.mkdir()
    else:
        dead = tmp_path / "elsewhere"
        bound(dead).close()
        path.symlink_to(dead)
    with pytest.raises(UnixSocketError, match=r"is no socket and is left alone; remove it, or set server\.uds"):
        clear_path(path)
    assert os.path.lexists(path)


@pytest.mark.parametrize("what", ["nothing", "file"])
def test_a_folder_is_wanted(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "run"
    if what == "file":
        folder.touch()
    with pytest.raises(UnixSocketError, match=r"is not a folder that can be written to; make it, or set server\.uds"):
        clear_path(folder / "s")
