"""Where the state store is: what URLs say, where nodes of a cluster send."""

import asyncio
import subprocess
import sys

import pytest

from proxy.state.address import Address, moved, nodes, parse, split
from proxy.state.locate import locate
from proxy.state.settings import LinkSettings, StoreDown

HERE = Address(host="10.0.0.1", port=7000, username="u", password="p")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", Address()),
        ("redis://store", Address(host="store")),
        ("redis://store:7000/3", Address(host="store", port=7000, db=3)),
        ("redis://:p%40ss@store", Address(host="store", password="p@ss")),
        ("redis://me:pass@store", Address(host="store", username="me", password="pass")),
        ("redis://[::1]:7000", Address(host="::1", port=7000)),
        ("redis://store?username=me&password=p%20w", Address(host="store", username="me", password="p w")),
        ("unix:///run/state.sock", Address(path="/run/state.sock")),
        ("unix://:pass@/run/state.sock?db=2", Address(path="/run/state.sock", password="pass", db=2)),
    ],
)
def test_what_a_url_says(url: str, expected: Address) -> None:
    assert parse(LinkSettings(url=url)) == expected


def test_rediss_is_tls_with_a_checked_name() -> None:
    found = parse(LinkSettings(url="rediss://store:7000"))
    assert found.tls is not None
    assert found.tls.check_hostname


@pytest.mark.parametrize(
    "url", ["", "store:6379", "http://store", "rediss+x://store", "redis://store/x", "redis://store?db=x"]
)
def test_a_url_that_says_nothing(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        parse(LinkSettings(url=url))


@pytest.mark.parametrize(
    ("message", "host", "port"),
    [
        ("MOVED 3999 127.0.0.1:6381", "127.0.0.1", 6381),
        ("MOVED 3999 ::1:6381", "::1", 6381),
        ("MOVED 3999 :6381", "10.0.0.1", 6381),
    ],
)
def test_a_node_sends_elsewhere(message: str, host: str, port: int) -> None:
    assert moved(HERE, message) == Address(host=host, port=port, username="u", password="p")


def test_the_nodes_of_a_cluster() -> None:
    slots = [
        [0, 5460, [b"127.0.0.1", 7001, b"a"], [b"127.0.0.1", 7004, b"d"]],
        [5461, 10922, [b"", 7002, b"b"]],
        [10923, 16383, [b"127.0.0.1", 7001, b"a"]],
    ]
    assert [(node.host, node.port) for node in nodes(HERE, slots)] == [("127.0.0.1", 7001), ("10.0.0.1", 7002)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("one:7000", ("one", 7000)),
        ("one", ("one", 26379)),
        ("[::1]:7000", ("::1", 7000)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
    ],
)
def test_a_sentinel_as_it_is_configured(written: str, expected: tuple[str, int]) -> None:
    assert split(written) == expected


async def test_known_nodes_come_before_the_url() -> None:
    other = Address(host="other")
    settings = LinkSettings(url="redis://10.0.0.1:7000", cluster=True)
    assert await locate(settings, HERE, [other], 1.0) == [other, HERE]
    assert await locate(settings, HERE, [other, HERE], 1.0) == [other, HERE]


async def test_sentinels_that_are_not_there() -> None:
    settings = LinkSettings(url="redis://", sentinels=("127.0.0.1:1", "127.0.0.1:2"), service="main")
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreDown, match="no Sentinel names a master of main"):
        await locate(settings, HERE, [], 0.5)
    assert asyncio.get_running_loop().time() - began < 0.6


def test_a_url_is_read_without_redis_py() -> None:
    code = (
        "import sys; from proxy.state.address import parse; from proxy.state.settings import LinkSettings; "
        "parse(LinkSettings(url='redis://me:pass@store:7000/3')); sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
