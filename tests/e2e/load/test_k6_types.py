"""The k6 scripts are typed: against the definitions of the oldest and of the newest k6 that they run on, and the check finds mistakes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .running_k6 import SCRIPTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

PROJECTS = {"jsconfig.json": "@types/k6", "jsconfig.1.json": "k6-1-types"}


@pytest.fixture(scope="module")
def compiler() -> Path:
    """The locked TypeScript. Without npm: a failure under ``CI=true``, else a skip."""
    npm = shutil.which("npm")
    if npm is None:
        reason = "K6 SCRIPTS NOT TYPE-CHECKED: npm is not on the PATH"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    locked = json.loads((SCRIPTS / "package-lock.json").read_text())["packages"]
    for name in ("typescript", *PROJECTS.values()):
        installed = SCRIPTS / "node_modules" / name / "package.json"
        if (
            not installed.exists()
            or json.loads(installed.read_text())["version"] != locked[f"node_modules/{name}"]["version"]
        ):
            done = subprocess.run([str(npm), "ci"], cwd=SCRIPTS, capture_output=True, text=True, timeout=150)
            assert done.returncode == 0, done.stderr
            break
    return SCRIPTS / "node_modules" / ".bin" / "tsc"


def check(compiler: Path, project: Path) -> subprocess.CompletedProcess[str]:
    """What the compiler says of a folder."""
    return subprocess.run([str(compiler), "--project", str(project)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("project", PROJECTS)
def test_the_scripts_have_no_type_errors(project: str, compiler: Path) -> None:
    done = check(compiler, SCRIPTS / project)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("project", PROJECTS)
def test_a_mistake_is_found(project: str, compiler: Path, tmp_path: Path) -> None:
    for name in ("jsconfig.json", "jsconfig.1.json", "smoke.js"):
        shutil.copy(SCRIPTS / name, tmp_path)
    shutil.copytree(SCRIPTS / "lib", tmp_path / "lib")
    (tmp_path / "node_modules").symlink_to(SCRIPTS / "node_modules")
    script = tmp_path / "smoke.js"
    script.write_text(script.read_text().replace("r.status === 200", 'r.status === "200"'))
    done = check(compiler, tmp_path / project)
    assert done.returncode != 0
    assert "smoke.js" in done.stdout


def test_both_majors_are_those_that_are_named() -> None:
    wanted = json.loads((SCRIPTS / "package.json").read_text())["devDependencies"]
    assert wanted["@types/k6"].startswith("2.")
    assert wanted["k6-1-types"].startswith("npm:@types/k6@1.1.")
    newest = json.loads((SCRIPTS / "jsconfig.1.json").read_text())
    assert newest["compilerOptions"]["types"] == ["k6-1-types"]
