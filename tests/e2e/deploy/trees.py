"""The images' trees, built by the Dockerfile's own lines in a clean folder with an empty environment, and processes from them."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.deploy.dockerfile import FILE, ROOT, Stage, carry_out_copies, stages

NOBODY = 65532
"""The user of the images. Whoever is root becomes it to start a gateway; else the tests' own user is unprivileged enough."""

LOCKS = ("deploy/image/sidecar.txt", "deploy/image/server.txt", "requirements/build.txt")
WHEELS = ROOT / "tests/.cache/image-wheels"
MEMORY, ROOM = "/dev/shm", 2 << 30
"""Both trees and what it takes to build them are 0.7 GB."""

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def identity() -> dict[str, Any]:
    """Options for ``subprocess`` that make a process unprivileged."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class Tree(NamedTuple):
    """One target's tree as it would stand in the image."""

    target: str
    folder: Path

    @property
    def site(self) -> Path:
        """Where the packages are."""
        return self.folder / "lib" / f"python{VERSION}" / "site-packages"

    @property
    def command(self) -> str:
        """The images' entry point."""
        return str(self.folder / "bin/tollway")

    def run(
        self, *arguments: str, stdin: str = "", environ: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        """A command of it, with no environment but ``environ``, from ``/``, as nobody."""
        return subprocess.run(
            arguments,
            input=stdin,
            env=dict(environ),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            **identity(),
        )

    def python(self, code: str) -> str:
        """What ``code`` prints under its interpreter."""
        done = self.run(str(self.folder / "bin/python"), "-IB", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str, environ: Mapping[str, str] = {}, deaf: bool = False) -> "Started":
        """The entry point in the background; ``deaf``: SIGTERM is ignored until it says otherwise."""
        return Started(self, *arguments, environ=environ, deaf=deaf)


class Started:
    """A process of a tree, its output in a file."""

    def __init__(self, tree: Tree, *arguments: str, environ: Mapping[str, str], deaf: bool) -> None:
        self._output = tempfile.TemporaryFile("w+")
        ears = ["env", "--ignore-signal=TERM"] if deaf else []
        self.child = subprocess.Popen(
            [*ears, tree.command, *arguments],
            env={"HOME": "/nonexistent", **environ},
            cwd="/",
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **identity(),
        )

    def log(self) -> str:
        """Everything printed so far."""
        self._output.seek(0)
        return self._output.read()

    def close(self) -> int:
        """Ends it as a kubelet does. Returns the exit code."""
        self.child.terminate()
        try:
            return self.child.wait(20)
        finally:
            self.child.kill()
            self._output.close()

    def __enter__(self) -> "Started":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def runtime() -> str:
    """An interpreter of this version at a place that nobody may enter, too, as an image has one."""
    name = f"python{VERSION}"
    found = [Path(sys.base_exec_prefix, "bin", name), Path("/usr/bin", name), Path("/usr/local/bin", name)]
    for path in found:
        try:
            subprocess.run([path, "-IS", "-c", "import ssl, sqlite3"], check=True, cwd="/", timeout=20, **identity())
        except (OSError, subprocess.SubprocessError):
            continue
        return str(path)
    raise AssertionError(f"user {NOBODY} may run none of {', '.join(map(str, found))}: tests as root need one of them")


def with_pip(folder: Path) -> dict[str, str]:
    """What a build stage has, as an environment: programs, an interpreter, its pip. The runtime's own, so that patch levels agree."""
    spec = importlib.util.find_spec("pip")
    assert spec is not None, "this environment has no pip: the group dev brings one"
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, folder / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHON": runtime(), "PYTHONPATH": str(folder)}


def wheels(stage: Mapping[str, str]) -> Path:
    """The locked wheels, fetched once for these locks and this Python."""
    names = [ROOT / name for name in LOCKS]
    digest = hashlib.sha256(b"".join(name.read_bytes() for name in names)).hexdigest()[:16]
    folder = WHEELS / f"{Path(stage['PYTHON']).name}-{digest}"
    if not (folder / "complete").exists():
        options = [option for name in names for option in ("-r", str(name))]
        command = [stage["PYTHON"], "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--only-binary", ":all:", "--require-hashes", "-d", str(folder), *options]
        environ = {**os.environ, **stage}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    return folder


def roomy() -> str | None:
    """A folder in memory, where it may hold programs: ten thousand files are slow to write, and to remove, on a busy disk."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    return MEMORY if not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize > ROOM else None


def built(folder: Path) -> dict[str, Tree]:
    """Both trees below ``folder``. Each RUN of the Dockerfile is run as it stands there, but for places and the interpreter."""
    _, found = stages(FILE.read_text())
    source = folder / "source"
    carry_out_copies(found["source"], source)
    stage = with_pip(folder / "stage")
    (folder / "tmp").mkdir()
    environ = {**stage, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels(stage)), "TMPDIR": str(folder / "tmp")}
    trees = {target: Tree(target, folder / target / "tollway") for target in ("sidecar", "server")}
    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(lambda tree: build(found[f"{tree.target}-tree"], tree, source, environ), trees.values()))
    return trees


def build(stage: Stage, tree: Tree, source: Path, environ: Mapping[str, str]) -> None:
    """Carries out the one RUN of ``stage``."""
    (step,) = stage.all("RUN")
    words = [word for word in step.words if not word.startswith("--mount=")]
    inside = {"/opt/tollway": str(tree.folder), "/usr/bin/python${PYTHON}": environ["PYTHON"]}
    command = [inside.get(word, word) for word in words]
    done = subprocess.run(
        command, cwd=source, env=dict(environ), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
