"""Bytes pass a meter unchanged, and it sees what is in them."""

import gzip

import pytest

from proxy.errors import UpstreamCut
from proxy.relay.metered import MeteredExchange
from proxy.wire.usage import Usage
from tests.support.fakes import FakeExchange


class Noting:
    """Keeps what it is fed."""

    def __init__(self) -> None:
        self.seen = b""
        self.closed = 0

    @property
    def usage(self) -> Usage | None:
        return None

    def feed(self, data: bytes) -> None:
        self.seen += data

    def close(self) -> None:
        self.closed += 1


async def read(exchange: MeteredExchange) -> bytes:
    parts = [await exchange.read()]
    while not exchange.ended:
        parts.append(await exchange.read())
    return b"".join(parts)


async def test_plain_bytes() -> None:
    meter = Noting()
    exchange = MeteredExchange(FakeExchange(b"one", b"two"), meter)
    assert await read(exchange) == b"onetwo"
    assert (meter.seen, meter.closed) == (b"onetwo", 1)


async def test_compressed_bytes_pass_compressed() -> None:
    meter, packed = Noting(), gzip.compress(b"what the provider said")
    exchange = MeteredExchange(FakeExchange(packed[:9], packed[9:], headers=((b"content-encoding", b"gzip"),)), meter)
    assert await read(exchange) == packed
    assert (meter.seen, meter.closed) == (b"what the provider said", 1)


async def test_a_cut_is_passed_on_and_closes_nothing() -> None:
    meter = Noting()
    exchange = MeteredExchange(FakeExchange(b"one", UpstreamCut("cut")), meter)
    assert await exchange.read() == b"one"
    with pytest.raises(UpstreamCut):
        await exchange.read()
    assert meter.closed == 0
