"""A hostile upstream at the transports: errors of ours, no hang, no leak, and never bytes of one answer in another.

Spoilt answers and clean requests take turns on the same pools. Every run is repeatable: what fails names its seed.
"""

import asyncio
import random
import time
from collections.abc import Iterable

import pytest
import uvloop

from proxy.protocols import Transport
from tests.contract.transport.exchanges import KINDS, Answered, asked, made, outcome
from tests.support.answering import Plan, finished, planned
from tests.support.answers import build

SHORT = 1_000
"""Seeds of the short form, always the same."""

LONG = 200_000
"""Of the long one, others each time."""


async def spoilt(transport: Transport, plan: Plan, chance: random.Random) -> None:
    """One request that is answered by nonsense, more or less; whatever comes out is an answer or an error of ours."""
    path = plan.path(build(chance, spoilt=chance.randrange(1, 5)))
    fresh = chance.random() < 0.2
    task = asyncio.create_task(outcome(transport, asked(plan.upstream, path), fresh=fresh))
    await finished(task, await plan.said(path), turns=chance.choice([1, 12]))
    plan.forget(path)
    await task


async def clean(transport: Transport, plan: Plan) -> None:
    """One request whose answer is known. It may meet a connection that dies; then it is asked again, fresh, as the relay does."""
    path = plan.path()
    found = await outcome(transport, asked(plan.upstream, path))
    if not isinstance(found, Answered):
        assert found.kind == "UpstreamDropped", found
        found = await outcome(transport, asked(plan.upstream, path), fresh=True)
    assert found == Answered(200, ((b"content-length", b"%d" % len(path)),), path.encode())


async def fuzz(kind: str, seeds: Iterable[int]) -> None:
    """Each seed is a few spoilt answers at once, and a clean one."""
    async with planned() as plan:
        transport = made(kind)
        for seed in seeds:
            chance = random.Random(seed)
            try:
                async with asyncio.timeout(10):
                    await asyncio.gather(*(spoilt(transport, plan, chance) for _ in range(chance.choice([1, 1, 3]))))
                    await clean(transport, plan)
            except BaseException as error:
                error.add_note(f"seed {seed}")
                raise
        async with asyncio.timeout(10):
            await transport.close()
        deadline = time.monotonic() + 5
        while any(not peer.left for peer in plan.upstream.peers if not peer.closed):
            assert time.monotonic() < deadline, "sockets are left"
            await asyncio.sleep(0.01)


def run(kind: str, first: int, number: int) -> None:
    """Seeds from ``first``, on the loop of production; a thousand at a time, because an upstream keeps all that it has heard."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        # What aiohttp leaves to the loop to report is another test's matter.
        runner.get_loop().set_exception_handler(lambda *_: None)
        for begin in range(first, first + number, 1_000):
            runner.run(fuzz(kind, range(begin, min(begin + 1_000, first + number))))


@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_answers(kind: str) -> None:
    run(kind, 0, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_spoilt_answers_for_long(kind: str) -> None:
    run(kind, random.randrange(1 << 40), LONG)
