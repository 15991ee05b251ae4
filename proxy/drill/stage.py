"""Plays the cases: mocks on loopback, the real gateway in front of them, a client, and the judge."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import orjson
from msgspec import Struct

from ..config import Config
from ..mock.controls import Controls
from ..mock.server import Running, Settings, start
from .cases import Case
from .client import ask
from .derive import MARK, Addresses, document, model_name, patience_of, place_of
from .expect import Patience
from .judge import Verdict, judge
from .process import Gateway
from .seen import Received, Seen, understood

AT_ONCE = 8
"""Requests at the same time: what waits for a time limit does not hold up the others."""

JOURNAL = 900
"""Upstream calls of one gateway's life; the mock remembers a few more."""


class Played(Struct, frozen=True, kw_only=True):
    """One case with what came of it."""

    case: Case
    seen: Seen
    verdict: Verdict


async def play(
    config: Config, cases: Sequence[Case], *, folder: Path, seconds: float, told: Callable[[int], None]
) -> list[Played]:
    """Every case, in order. ``seconds``: the longest time limit; ``told`` hears how many are done. Raises ``StartFailed``."""
    patience = patience_of(config, seconds)
    truths: dict[tuple[str, bool, int], str] = {}
    played: list[Played] = []
    async with _mocks() as (mock, addresses):
        for batch in _batches(cases):
            answers = await _batch(config, batch, mock, addresses, folder=folder, seconds=seconds, patience=patience)
            _learn(truths, batch, answers)
            for case, seen in zip(batch, answers, strict=True):
                known = {
                    index: text
                    for (name, stream, index), text in truths.items()
                    if (name, stream) == (case.shape.name, case.stream)
                }
                played.append(Played(case=case, seen=seen, verdict=judge(case, seen, known, patience)))
            told(len(played))
    return played


@asynccontextmanager
async def _mocks() -> AsyncIterator[tuple[Running, Addresses]]:
    """One mock that listens, a port that refuses and one that never answers."""
    async with AsyncExitStack() as stack:
        origins: dict[str, str] = {}
        found: dict[str, Running] = {}
        for name, fault in (("mock", ""), ("shut", "refused"), ("stuck", "black-hole")):
            running = found[name] = await start(settings=Settings(controls=Controls(fault=fault)))
            stack.push_async_callback(running.stop)
            origins[name] = running.url.removesuffix("/v1")
        yield found["mock"], Addresses(**origins)


def _batches(cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
    """As many cases as one gateway's calls fit into the mock's journal."""
    batch: list[Case] = []
    calls = 0
    for case in cases:
        most = case.shape.attempts + 1
        if batch and calls + most > JOURNAL:
            yield batch
            batch, calls = [], 0
        batch.append(case)
        calls += most
    if batch:
        yield batch


async def _batch(
    config: Config,
    batch: Sequence[Case],
    mock: Running,
    addresses: Addresses,
    *,
    folder: Path,
    seconds: float,
    patience: Patience,
) -> list[Seen]:
    key, port = f"sk-tw-drill-{secrets.token_hex(16)}", _free_port()
    file = folder / "drill.json"
    file.write_bytes(orjson.dumps(document(config, batch, addresses, key=key, port=port, seconds=seconds)))
    loop = asyncio.get_running_loop()
    longest = patience.total + 10

    def one(case: Case) -> Received:
        return ask(port, key, model_name(case), stream=case.stream, patience=longest)

    gateway, pool = Gateway(file, port, folder), ThreadPoolExecutor(AT_ONCE)
    try:
        gateway.start()
        await loop.run_in_executor(pool, gateway.ready)
        order = sorted(batch, key=lambda case: not case.fault.silence)
        futures = {case.number: loop.run_in_executor(pool, one, case) for case in order}
        received = {number: await future for number, future in futures.items()}
    finally:
        gateway.stop()
        pool.shutdown(cancel_futures=True)
    counts = _calls(mock)
    return [_seen(case, received[case.number], counts.get(case.number, ())) for case in batch]


def _seen(case: Case, received: Received, places: Sequence[int]) -> Seen:
    place = place_of(received.headers.get("x-tollway-provider", ""))
    struck = sum(index in case.where.faulty for index in places)
    if case.where.once:
        struck = min(struck, 1)
    return understood(received, stream=case.stream, place=place, calls=len(places), struck=struck)


def _calls(mock: Running) -> dict[int, list[int]]:
    """Case number to the places that were called for it, in order."""
    found: dict[int, list[int]] = {}
    for entry in mock.received():
        for name, value in entry.headers:
            if name.lower() == MARK.encode():
                number, _, place = value.decode().partition(".")
                found.setdefault(int(number), []).append(int(place))
    return found


def _learn(truths: dict[tuple[str, bool, int], str], batch: Iterable[Case], answers: Iterable[Seen]) -> None:
    """The text of each place that was asked alone and well."""
    for case, seen in zip(batch, answers, strict=True):
        if case.where.alone is not None and seen.kind == "answer":
            truths[case.shape.name, case.stream, case.where.alone] = seen.text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
