"""What is shipped and what it stands on: the wheel's contents, the locks, the plugin that forbids skips."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from proxy.tokens.bpe import VOCABULARIES

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime.txt", "build.txt", "dev.txt", "local.txt")
PINNED = re.compile(r"([a-z0-9-]+)==([^\s;]+)( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, str]:
    """Package to version. Every line is a pin or a hash of one."""
    found = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        pin = PINNED.fullmatch(line)
        if pin is not None:
            found[pin[1]] = pin[2]
        else:
            assert HASH.fullmatch(line), f"{name}: {line}"
    return found


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def required(group: str) -> list[str]:
    groups = project()["dependency-groups"]
    found: list[str] = []
    for entry in groups[group]:
        found += required(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def check_satisfied(requirements: list[str], versions: dict[str, str]) -> None:
    for requirement in requirements:
        name, *bounds = re.split(r"(?=[<>]|==)|,", re.sub(r"\[.*?\]", "", requirement.partition(";")[0]).strip())
        locked = versions[name.lower().replace("_", "-")]
        for bound in filter(None, bounds):
            if bound.startswith("=="):
                assert numbers(locked) == numbers(bound), requirement
            elif bound.startswith(">="):
                assert numbers(locked) >= numbers(bound), requirement
            else:
                assert numbers(locked) < numbers(bound), requirement


def test_the_locks_satisfy_the_project() -> None:
    described = project()["project"]
    runtime, development = pins("runtime.txt"), pins("dev.txt")
    check_satisfied(described["dependencies"], runtime)
    check_satisfied(required("build"), pins("build.txt"))
    extras = [item for items in described["optional-dependencies"].values() for item in items]
    outside = [item for item in extras if not item.startswith("tollway[")]
    check_satisfied(described["dependencies"] + outside + required("dev"), development)
    assert {name: development[name] for name in runtime} == runtime


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_name_no_host_and_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    assert pins(name)
    assert not re.search(r"://|index-url|find-links|trusted-host| @ ", text)


@pytest.mark.parametrize(
    "folder", ["tests/e2e/sdk/node", "tests/e2e/outside/node", "loadtest/k6", "docs/examples/ai-sdk"]
)
def test_the_node_locks_name_no_host(folder: str) -> None:
    text = (ROOT / folder / "package-lock.json").read_text()
    assert '"resolved"' not in text
    assert '"integrity": "sha512-' in text


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_two_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"proxy", "middleware"}
    assert {"proxy/py.typed", "middleware/py.typed", "proxy/catalogue/models.json"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".so"))]
    modules = {str(path.relative_to(ROOT)) for top in ("proxy", "middleware") for path in (ROOT / top).rglob("*.py")}
    assert modules <= set(names)
    licences = {name.rsplit("/", 1)[1] for name in names if "/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_the_wheel_holds_the_vocabularies_as_published(wheel: zipfile.ZipFile) -> None:
    for name, vocabulary in VOCABULARIES.items():
        data = gzip.decompress(wheel.read(f"proxy/tokens/vocabularies/{name}.tiktoken.gz"))
        assert hashlib.sha256(data).hexdigest() == vocabulary.sha256


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "tollway = proxy.cli:main" in wheel.read(entry).decode()


SKIPPING = """
import pytest
def test_runs(): pass
def test_skips(): pytest.skip("no engine here")
@pytest.mark.xfail(strict=True)
def test_known(): assert False
"""


@pytest.mark.parametrize("text", [SKIPPING, "import pytest\npytest.importorskip('a_module_nobody_has')\n"])
@pytest.mark.parametrize(("ci", "fails"), [("", False), ("false", False), ("true", True)])
def test_a_skip_is_a_failure_where_the_result_counts(tmp_path: Path, text: str, ci: str, fails: bool) -> None:
    (tmp_path / "test_sample.py").write_text(text)
    (tmp_path / "test_sound.py").write_text("def test_runs(): pass\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rs",
            "-p",
            "tests.support.no_skips",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CI": ci},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stdout
    assert ("with CI=true nothing may be skipped" in done.stdout) is fails
    assert ("no engine here" if text is SKIPPING else "a_module_nobody_has") in done.stdout


def test_ci_calls_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert [line for line in lines[1:] if line and not line.startswith(("set ", "cd "))] == ["exec make test"]


def test_every_file_of_tests_runs_in_one_part_of_make_test() -> None:
    """Lists of folders and of files to leave out: nothing falls between them."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    parts = ["soak-short", "computes-1", "computes-2", "waits-1", "waits-2", "waits-3", "alone"]
    dry = subprocess.run(
        ["make", "-n", *parts], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    runs = [
        line.partition(" -p tests.support.second_look")[2] for line in dry.stdout.splitlines() if " -m pytest " in line
    ]
    assert len(runs) == len(parts) + 1
    for file in (ROOT / "tests").rglob("test_*.py"):
        around = {str(each) for each in (file.relative_to(ROOT), *file.relative_to(ROOT).parents)}
        ran = 0
        for run in runs:
            ignored = set(re.findall(r" --ignore (\S+)", run))
            named = set(run.split()) - ignored - {"--ignore"} or {"tests"}
            ran += bool(named & around) and not ignored & around
        assert ran == 1, file
