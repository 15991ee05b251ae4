"""The sides of the comparison, one row of the tables each: the gateway in three forms, every peer, and no proxy at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from ..bench.load import Meter
from ..bench.servers import BenchError, Server, gateway
from .install import NotInstalled
from .load import Bodies, Varied
from .peers import KEY, PEERS, Peer, Place

FAR = 1_000_000_000_000  # a limit that is counted and never reached
OURS, HIT, PLAIN, DIRECT = "tollway", "tollway-hit", "tollway-plain", "direct"

PRODUCT = """\
keys: [{{name: compare, key: {key}, limits: {{rpm: {far}, tpm: {far}}}}}]
cache: {{exact: {{ttl: 1h}}}}
telemetry: {{prometheus: true, access_log: "{folder}/access.log"}}
"""
"""Key, count, both limits, exact cache, metrics and access log; routing and its provider are the bench's."""

PLAIN_PRODUCT = """\
keys: [{{name: compare, key: {key}}}]
telemetry: {{prometheus: true, access_log: "{folder}/access-plain.log"}}
"""


@dataclass(frozen=True)
class Side:
    """One row: a running server, and how it is asked. ``capacity`` is how many requests a second of CPU carried while it warmed up."""

    name: str
    title: str
    server: Server
    headers: tuple[str, ...] = ()
    varied: bool = True
    slow: bool = False
    warm_s: float = 1.0
    capacity: float = 0

    def asked(self, load: Varied) -> Varied:
        """The load as this side is to get it."""
        hits = () if self.varied else (self.server.name,)
        return replace(load, headers=self.headers, varied=self.varied, hits=hits)


@dataclass(frozen=True)
class Described:
    """What a row is, for the page: its version and settings, or why it is missing."""

    name: str
    title: str
    version: str
    settings: str
    missing: str = ""


def product(place: Place) -> Server:
    """The gateway with the whole product on."""
    more = PRODUCT.format(key=KEY, far=FAR, folder=place.folder)
    return gateway(place.cores, place.folder, upstream=place.upstream, name=OURS, more=more)


def plain(place: Place) -> Server:
    """The gateway without limits and cache."""
    more = PLAIN_PRODUCT.format(key=KEY, folder=place.folder)
    return gateway(place.cores, place.folder, upstream=place.upstream, name=PLAIN, more=more)


GATEWAY = Peer(
    OURS,
    "Tollway",
    "this checkout",
    "1 worker; a virtual key, token count, rpm and tpm limits, exact cache (a miss), routing, metrics, access log",
    product,
)
GATEWAY_PLAIN = Peer(
    PLAIN,
    "Tollway, plain",
    "this checkout",
    "the same without limits and cache; key, count, metrics, access log",
    plain,
)
GATEWAY_HIT = Described(
    HIT, "Tollway, exact hit", "this checkout", "the first, asked the same again: its cache answers"
)


def described(names: Sequence[str], missing: Mapping[str, str]) -> list[Described]:
    """All rows, those that are missing too."""
    peers = [GATEWAY_PLAIN, *(PEERS[name] for name in names)]
    rows: list[Peer | Described] = [GATEWAY, GATEWAY_HIT, *peers]
    return [Described(row.name, row.title, row.version, row.settings, missing.get(row.name, "")) for row in rows]


@contextmanager
def one(peer: Peer, place: Place) -> Iterator[Side]:
    """One peer alone, ready, for as long as it is looked at."""
    with peer.start(place) as server:
        server.wait_ready()
        yield Side(peer.name, peer.title, server, headers=peer.headers(place), slow=peer.slow, warm_s=peer.warm_s)


def start(
    peers: Sequence[Peer], place: Place, stack: ExitStack, upstream: Server, tell: Callable[[str], None]
) -> tuple[list[Side], dict[str, str]]:
    """All sides, ready, and the reasons of those that cannot take part. The gateway must; it has its hit beside it."""
    sides: list[Side] = []
    missing: dict[str, str] = {}
    for peer in peers:
        tell(f"starting {peer.title} ...")
        try:
            sides.append(stack.enter_context(one(peer, place)))
        except (NotInstalled, BenchError) as error:
            if peer is GATEWAY:
                raise
            missing[peer.name] = str(error).splitlines()[0]
            tell(f"{peer.title} is left out: {error}")
            continue
        if peer is GATEWAY:
            sides.append(Side(HIT, GATEWAY_HIT.title, sides[-1].server, varied=False))
    sides.append(Side(DIRECT, "direct", upstream))
    return sides, missing


def warm(sides: Sequence[Side], meter: Meter, files: Bodies, stretch: float = 1) -> tuple[list[Side], dict[str, str]]:
    """The sides after their first requests, each with what it carried, and the reasons of those that did not answer."""
    found: list[Side] = []
    missing: dict[str, str] = {}
    for side in sides:
        try:
            found.append(_warmed(side, meter, files, side.warm_s * stretch))
        except BenchError as error:
            if side.name == OURS:
                raise
            missing[side.name] = str(error).splitlines()[0]
    return found, missing


def _warmed(side: Side, meter: Meter, files: Bodies, seconds: float) -> Side:
    chat = side.asked(Varied(files.file(), connections=16, seconds=seconds, warmup=0))
    if side.varied:
        meter.run(side.server, replace(chat, body=files.file(chunks=50, pace_us=0), seconds=seconds / 2))
    else:
        meter.run(side.server, replace(chat, connections=1, limit=1, hits=()))
    outcome = meter.run(side.server, chat)
    return replace(side, capacity=outcome.requests / outcome.cpu)
