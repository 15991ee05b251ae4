"""The peers, each in an environment of its own below build/, from the package registries alone, pinned by version and hash.

An environment is made anew when its lock or the interpreter changes. What cannot be installed is left out, with the reason.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = HERE / "locks"
BUILD = HERE / "build"
INSTALL_S = 900
REASON_LENGTH = 160


class NotInstalled(Exception):
    """A peer that is left out; its text is the reason, in one line."""


def python_peer(name: str) -> Path:
    """The environment of a peer from PyPI, whose lock is locks/<name>.txt."""
    lock = LOCKS / f"{name}.txt"
    home, made = BUILD / name, _digest(lock, sys.version)
    if _is_made(home, made):
        return home
    if uv := shutil.which("uv"):
        _run(name, uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home))
        _run(
            name,
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            str(home / "bin/python"),
            "--require-hashes",
            "-r",
            str(lock),
        )
    else:
        _run(name, sys.executable, "-m", "venv", "--clear", str(home))
        pip = (str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(name, *pip, "--require-hashes", "-r", str(lock))
    (home / ".made").write_text(made)
    return home


def node_peer(name: str) -> Path:
    """The folder of a peer from npm, whose lock is locks/<name>/package-lock.json. No script of a package is run."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise NotInstalled("node and npm are not on the PATH")
    locks = [LOCKS / name / file for file in ("package.json", "package-lock.json")]
    home, made = BUILD / name, _digest(locks[1], node)
    if _is_made(home, made):
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    for lock in locks:
        shutil.copy(lock, home)
    _run(name, npm, "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(home))
    (home / ".made").write_text(made)
    return home


def pinned(name: str, package: str) -> str:
    """The version of ``package`` in the lock of a peer from PyPI."""
    for line in (LOCKS / f"{name}.txt").read_text().splitlines():
        if line.startswith(f"{package}=="):
            return line.removeprefix(f"{package}==").split()[0]
    raise ValueError(f"{package} is not in the lock of {name}")


def _digest(lock: Path, interpreter: str) -> str:
    return hashlib.sha256(lock.read_bytes() + interpreter.encode()).hexdigest()


def _is_made(home: Path, made: str) -> bool:
    stamp = home / ".made"
    return stamp.exists() and stamp.read_text() == made


def _run(name: str, *command: str) -> None:
    BUILD.mkdir(exist_ok=True)
    try:
        done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{name} could not be installed: {error}"[:REASON_LENGTH]) from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if "error" in line.lower()] or said or [f"status {done.returncode}"]
        raise NotInstalled(f"{name} could not be installed: {errors[0]}"[:REASON_LENGTH])
