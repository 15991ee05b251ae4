"""The pepper: made once whoever starts first, kept private, and never made anew where that would lock everybody out."""

import logging
import multiprocessing
import stat
from pathlib import Path

import pytest

from proxy.identity.pepper import SIZE, PepperError, fingerprint, load_pepper


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal" / "pepper"
    first = load_pepper(path, has_keys=False)
    assert len(first) == SIZE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_pepper(path, has_keys=False) == first
    assert load_pepper(path, has_keys=True) == first
    assert [found.name for found in path.parent.iterdir()] == ["pepper"], "nothing is left beside it"


def _load(path: Path, start: object, found: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    found.put(load_pepper(path, has_keys=False))  # type: ignore[attr-defined]


def test_processes_that_start_at_once_get_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, found = context.Event(), context.Queue()
    children = [context.Process(target=_load, args=(tmp_path / "pepper", start, found)) for _ in range(4)]
    for child in children:
        child.start()
    start.set()
    peppers = {found.get(timeout=60) for _ in children}
    for child in children:
        child.join(60)
    assert len(peppers) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["pepper"]


def test_a_loser_of_the_race_takes_the_winners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pepper"
    import os

    real = os.link

    def beaten(draft: Path, target: Path) -> None:
        target.write_bytes(b"w" * SIZE)
        target.chmod(0o600)
        real(draft, target)

    monkeypatch.setattr(os, "link", beaten)
    assert load_pepper(path, has_keys=False) == b"w" * SIZE
    assert [found.name for found in tmp_path.iterdir()] == ["pepper"]


def test_a_missing_one_beside_keys_is_an_error_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PepperError, match="put it back from a backup") as caught:
        load_pepper(tmp_path / "pepper", has_keys=True)
    assert "storage.pepper" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"short", b"x" * (SIZE + 1)])
def test_half_a_file_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "pepper"
    path.write_bytes(data)
    with pytest.raises(PepperError, match="does not hold 32 bytes"):
        load_pepper(path, has_keys=False)
    assert path.read_bytes() == data


def test_what_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "pepper"
    pepper = load_pepper(path, has_keys=False)
    caplog.clear()
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert load_pepper(path, has_keys=True) == pepper
    assert "chmod 600" in caplog.text
    assert pepper.hex() not in caplog.text


def test_a_folder_that_cannot_be_written_to_says_what_to_do(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(PepperError, match=r"storage\.pepper|cannot be read"):
        load_pepper(blocked / "pepper", has_keys=False)


def test_a_fingerprint_tells_two_apart() -> None:
    assert fingerprint(b"a" * 32) == fingerprint(b"a" * 32) != fingerprint(b"b" * 32)
    assert 0 <= fingerprint(b"a" * 32) < 2**63
