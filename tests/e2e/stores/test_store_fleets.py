"""A store of several servers: the master that Sentinels name, a cluster, passwords, TLS."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import trustme

from proxy.state.link import StateLink
from proxy.state.push import MISSED
from proxy.state.settings import LinkSettings
from tests.support.processes import free_port
from tests.support.rawhttp import eventually as eventually_true
from tests.support.tcp_proxy import tcp_proxy
from tests.support.valkey import Server, server

from .conftest import charge, fleet, granted, pushing, rule

pytestmark = pytest.mark.e2e


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(stack: ExitStack, *arguments: str, mode: tuple[str, ...] = ()) -> Server:
    found = Server("valkey", *arguments, mode=mode)
    stack.callback(found.close)
    return found


async def eventually(server: Server, words: tuple[str, ...], expected: bytes, within: float = 10.0) -> None:
    """Asks until the reply has ``expected`` in it."""
    deadline = time.monotonic() + within
    while expected not in (reply := await asyncio.to_thread(server.ask, *words)):
        assert time.monotonic() < deadline, reply
        await asyncio.sleep(0.05)


async def test_sentinel_promotes_a_replica(closing: ExitStack) -> None:
    master = started(closing, "--repl-diskless-sync-delay", "0")
    replica = started(closing, "--replicaof", "127.0.0.1", str(master.port))
    await eventually(replica, ("INFO", "replication"), b"master_link_status:up")
    sentinels = [
        started(
            closing,
            mode=(
                f"sentinel monitor main 127.0.0.1 {master.port} 1",
                "sentinel down-after-milliseconds main 300",
                "sentinel failover-timeout main 2000",
            ),
        )
        for _ in range(2)
    ]
    for sentinel in sentinels:
        await eventually(sentinel, ("SENTINEL", "REPLICAS", "main"), str(replica.port).encode())
    settings = LinkSettings(
        url="redis://", sentinels=("127.0.0.1:1", *(f"127.0.0.1:{each.port}" for each in sentinels)), service="main"
    )
    async with fleet(settings) as found:
        assert not (await granted(found.store, charge(rule()))).local
        master.kill()
        await found.until(up=False, within=2)
        assert (await granted(found.store, charge(rule()))).local
        await eventually(replica, ("ROLE",), b"master", within=15)
        await found.until(up=True, within=3)
        assert not (await granted(found.store, charge(rule()))).local
        # The old master comes back, to become a replica: nobody goes there.
        master.restart()
        assert not (await granted(found.store, charge(rule()))).local
        assert (await found.store.levels([(rule(), "")]))[0].used >= 2


async def test_a_demoted_master_is_left(closing: ExitStack) -> None:
    """It still answers, and takes no writes: the Sentinel is asked again at once."""
    one, other = started(closing), started(closing)
    sentinel = started(closing, mode=(f"sentinel monitor main 127.0.0.1 {one.port} 1",))
    settings = LinkSettings(url="redis://", sentinels=(f"127.0.0.1:{sentinel.port}",), service="main")
    async with fleet(settings) as found:
        await granted(found.store, charge(rule()))
        sentinel.ask("SENTINEL", "REMOVE", "main")
        sentinel.ask("SENTINEL", "MONITOR", "main", "127.0.0.1", str(other.port), "1")
        one.ask("REPLICAOF", "127.0.0.1", str(other.port))
        assert (await granted(found.store, charge(rule()))).local
        await found.until(up=False, within=0.5)
        await found.until(up=True, within=3)
        assert not (await granted(found.store, charge(rule()))).local
        assert b"tollway" in other.ask("KEYS", "*")


async def test_a_sentinel_with_the_stores_password_beside_one_that_hangs(closing: ExitStack) -> None:
    master = started(closing, "--requirepass", "sesame")
    guarded, hangs = (
        started(closing, mode=(f"sentinel monitor main 127.0.0.1 {master.port} 1", 'requirepass "sesame"'))
        for _ in range(2)
    )
    hangs.stop()
    sentinels = (f"127.0.0.1:{hangs.port}", f"127.0.0.1:{guarded.port}")
    async with fleet(LinkSettings(url="redis://:sesame@", sentinels=sentinels, service="main")) as found:
        assert not (await granted(found.store, charge(rule()))).local


@pytest.fixture(scope="module")
def lasting() -> Iterator[list[Server]]:
    """A cluster that takes two seconds to make, for the tests that leave it as it was."""
    with ExitStack() as stack:
        yield three_masters(stack)


@pytest.fixture
def cluster(lasting: list[Server]) -> list[Server]:
    """Three masters with nothing in them."""
    for node in lasting:
        assert node.ask("FLUSHALL").startswith(b"+OK")
    return lasting


def three_masters(stack: ExitStack) -> list[Server]:
    """Which of them has our slot is the first one's to find out."""
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes", "--cluster-node-timeout", "1000")
    buses = [free_port() for _ in range(3)]
    nodes = [started(stack, *options, "--cluster-port", str(bus)) for bus in buses]
    for node, (first, last) in zip(nodes, ((0, 5460), (5461, 10922), (10923, 16383)), strict=True):
        assert node.ask("CLUSTER", "ADDSLOTSRANGE", first, last).startswith(b"+OK")
    for number, (node, bus) in enumerate(zip(nodes, buses, strict=True)):
        node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
    deadline = time.monotonic() + 15
    while not all(b"cluster_state:ok" in node.ask("CLUSTER", "INFO") for node in nodes):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return nodes


def owner_of(nodes: list[Server]) -> Server:
    """The node that answers for our keys."""
    (found,) = [node for node in nodes if not node.ask("GET", "{tollway}").startswith(b"-")]
    return found


async def test_a_cluster_is_found_from_any_of_its_nodes(cluster: list[Server]) -> None:
    for node in cluster:
        async with fleet(LinkSettings(url=node.url, cluster=True)) as found:
            assert not (await granted(found.store, charge(rule()))).local
    owner = owner_of(cluster)
    assert b":r:" not in owner.ask("KEYS", "*")
    assert b"{tollway}:w:key/k/rpm" in owner.ask("KEYS", "*")
    async with fleet(LinkSettings(url=owner.url, cluster=True)) as found:
        assert (await found.store.levels([(rule(), "")]))[0].used == 3


async def test_our_slot_moves_to_another_node(cluster: list[Server]) -> None:
    owner = owner_of(cluster)
    other = next(node for node in cluster if node is not owner)
    slot = int(owner.ask("CLUSTER", "KEYSLOT", "{tollway}")[1:-2])
    async with fleet(LinkSettings(url=owner.url, cluster=True)) as found:
        await granted(found.store, charge(rule()))
        owner.ask("FLUSHALL")
        name = other.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()
        for node in cluster:
            assert node.ask("CLUSTER", "SETSLOT", slot, "NODE", name).startswith(b"+OK")
        deadline = time.monotonic() + 5
        while (await granted(found.store, charge(rule()))).local:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert b"{tollway}:w:key/k/rpm" in other.ask("KEYS", "*")


async def test_a_cluster_whose_first_node_is_gone(closing: ExitStack) -> None:
    """The others were learnt from it; where our slot's own node is gone nobody can help."""
    cluster = three_masters(closing)
    owner = owner_of(cluster)
    first = next(node for node in cluster if node is not owner)
    async with fleet(LinkSettings(url=first.url, cluster=True)) as found:
        first.kill()
        owner.ask("CLIENT", "KILL", "TYPE", "normal")
        await asyncio.sleep(0.05)
        await found.until(up=True, within=5)
        deadline = time.monotonic() + 10
        while (await granted(found.store, charge(rule()))).local:
            assert time.monotonic() < deadline, found.errors
            await asyncio.sleep(0.05)


async def test_words_are_heard_all_over_a_cluster(cluster: list[Server]) -> None:
    one, other = (LinkSettings(url=node.url, cluster=True) for node in cluster[:2])
    async with pushing(one) as (push, heard), pushing(other) as (_, elsewhere):
        await eventually_true(lambda: heard == elsewhere == [MISSED])
        await push.publish("keys")
        await eventually_true(lambda: heard == elsewhere == [MISSED, "keys"])


async def test_a_password(closing: ExitStack) -> None:
    guarded = started(closing, "--requirepass", "open: sesame/?")
    async with fleet(f"redis://:open%3A%20sesame%2F%3F@127.0.0.1:{guarded.port}/2") as found:
        assert not (await granted(found.store, charge(rule()))).local
    async with fleet(f"redis://default:open%3A%20sesame%2F%3F@127.0.0.1:{guarded.port}") as found:
        assert (await found.store.levels([(rule(), "")]))[0].used == 0, "the other was database 2"


@pytest.mark.parametrize("who", ["", ":wrong@", "nobody:wrong@"])
async def test_a_wrong_password_is_a_store_that_is_down(closing: ExitStack, who: str) -> None:
    guarded = started(closing, "--requirepass", "sesame")
    errors: list[str] = []
    link = StateLink(LinkSettings(url=f"redis://{who}127.0.0.1:{guarded.port}"), on_error=errors.append)
    assert not await link.open()
    assert errors == ["wrongpass" if who else "noauth"]
    await link.close()


async def test_tls_with_a_name_that_is_checked(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    right, wrong = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    authority.issue_cert("127.0.0.1").configure_cert(right)
    authority.issue_cert("store.example").configure_cert(wrong)
    async with tcp_proxy(valkey.port, tls=right) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}"
        async with fleet(LinkSettings(url=url, ca_file=str(ca_file))) as found:
            assert not (await granted(found.store, charge(rule()))).local
        assert not await _opens(LinkSettings(url=url)), "an authority that nobody named"
    async with tcp_proxy(valkey.port, tls=wrong) as proxy:
        assert not await _opens(LinkSettings(url=f"rediss://127.0.0.1:{proxy.port}", ca_file=str(ca_file)))


async def _opens(settings: LinkSettings) -> bool:
    link = StateLink(settings)
    try:
        return await link.open()
    finally:
        await link.close()


def test_the_fixture_servers_differ() -> None:
    with server("valkey") as one, server("redis") as other:
        assert b"valkey_version" in one.ask("INFO", "server")
        assert b"redis_version:6" in other.ask("INFO", "server")
