"""The plugin that runs what failed once more: when it does, and that it hides nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

GOOD = "def test_good():\n    pass\n"
BAD = "def test_bad():\n    assert False\n"
IN_TEARDOWN = "import pytest\n\n@pytest.fixture\ndef left():\n    yield\n    assert False\n\ndef test_both(left):\n    assert False\n"


def run(folder: Path, text: str, *arguments: str, look: bool = True) -> subprocess.CompletedProcess[str]:
    """pytest over one module, as a part of `make test` or as the last step of it."""
    (folder / "test_it.py").write_text(text)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    env.pop("SECOND_LOOK", None)
    if look:
        env["SECOND_LOOK"] = str(folder / "again")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.support.second_look"]
    return subprocess.run(
        [*command, "--rootdir", str(folder), *(arguments or ["test_it.py"])],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def listed(folder: Path) -> list[str]:
    return [line for file in (folder / "again").glob("*.txt") for line in file.read_text().splitlines()]


def test_a_failure_is_listed_shown_and_judged_at_the_end(tmp_path: Path) -> None:
    found = run(tmp_path, GOOD + "\n\n" + BAD)
    assert found.returncode == 0
    assert "1 failed, 1 passed" in found.stdout
    assert "to be run again, alone" in found.stdout
    assert listed(tmp_path) == ["test_it.py::test_bad"]
    [file] = (tmp_path / "again").glob("*.txt")
    assert run(tmp_path, BAD, f"@{file}", look=False).returncode == 1
    assert run(tmp_path, BAD.replace("assert False", "pass"), f"@{file}", look=False).returncode == 0


def test_names_with_spaces_are_found_again(tmp_path: Path) -> None:
    text = 'import pytest\n\n@pytest.mark.parametrize("x", ["a b [c]", "d"])\ndef test_x(x):\n    assert x == "d"\n'
    assert run(tmp_path, text).returncode == 0
    [file] = (tmp_path / "again").glob("*.txt")
    found = run(tmp_path, text, f"@{file}", look=False)
    assert found.returncode == 1
    assert "1 failed" in found.stdout


def test_a_test_that_fails_twice_over_is_one(tmp_path: Path) -> None:
    assert run(tmp_path, IN_TEARDOWN).returncode == 0
    assert listed(tmp_path) == ["test_it.py::test_both"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("".join(BAD.replace("bad", f"bad_{number}") + "\n\n" for number in range(6)), 1),
        ("import nothing_of_that_name\n", 2),
        ("def nothing():\n    pass\n", 5),
    ],
    ids=["too many", "not collected", "no test"],
)
def test_what_gets_no_second_look(tmp_path: Path, text: str, code: int) -> None:
    assert run(tmp_path, text).returncode == code
    assert listed(tmp_path) == []


def test_without_a_folder_a_failure_is_a_failure(tmp_path: Path) -> None:
    found = run(tmp_path, BAD, look=False)
    assert found.returncode == 1
    assert "again" not in found.stdout


def test_nothing_failed(tmp_path: Path) -> None:
    assert run(tmp_path, GOOD).returncode == 0
    assert not (tmp_path / "again").exists()
