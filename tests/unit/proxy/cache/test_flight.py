"""A flight in bad weather: leaders cancelled at every moment, clients coming and going at random, and always an end for everybody."""

import asyncio
from random import Random

import pytest

from proxy.cache.flight import Flight, Flights, concerns_leader
from proxy.cache.recording import Recording
from proxy.context import Controls, RequestContext
from proxy.errors import (
    BudgetExceeded,
    ClientGone,
    DeadlineExceeded,
    GatewayDraining,
    InternalError,
    InvalidRequest,
    NoHealthyTarget,
    RateLimited,
    TollwayError,
    UpstreamAuthFailed,
    UpstreamCut,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from tests.support.asgi import Client
from tests.support.caches import STREAM, USAGE, Asked, Lane, LiveExchange
from tests.support.clock import turns, virtual

PLAIN = b"".join(STREAM).replace(USAGE, b"")


@pytest.mark.parametrize(
    ("error", "own"),
    [
        (RateLimited("x"), True),
        (BudgetExceeded("x"), True),
        (DeadlineExceeded("x"), True),
        (GatewayDraining(), True),
        (ClientGone("x"), True),
        (InvalidRequest("x"), True),
        (InternalError(), True),
        (KeyError("x"), True),
        (None, True),
        (NoHealthyTarget("x"), False),
        (UpstreamUnavailable("x"), False),
        (UpstreamTimeout("x"), False),
        (UpstreamCut("x"), False),
        (UpstreamAuthFailed("x"), False),
    ],
)
def test_whose_failure_it_is(error: BaseException | None, own: bool) -> None:
    assert concerns_leader(error, RequestContext(request_id="r")) is own


@pytest.mark.parametrize("limit", [{"first_byte": 1.0}, {"timeout": 1.0}, {"deadline": 1.0}, {"retries": 0}])
def test_a_request_with_limits_of_its_own_fails_for_itself(limit: dict[str, float]) -> None:
    ctx = RequestContext(request_id="r", controls=Controls(**limit))  # type: ignore[arg-type]
    assert concerns_leader(UpstreamTimeout("x"), ctx)


def test_an_old_flights_end_is_not_the_new_ones() -> None:
    flights: Flights = {}
    client = Client()
    old, new = (
        Flight(b"k", RequestContext(request_id=name), client.receive, client.send, Recording(10), flights)
        for name in ("old", "new")
    )
    flights[b"k"] = new
    old.forget()
    assert flights == {b"k": new}
    new.forget()
    assert flights == {}


async def end_of(asked: list[Asked]) -> None:
    """Everybody ends, cancelled or not."""
    await asyncio.wait_for(asyncio.gather(*(each.task for each in asked), return_exceptions=True), 5.0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("moment", range(24))
async def test_a_leader_that_is_cancelled_at_any_moment_leaves_a_clean_sky(moment: int, stream: bool) -> None:
    """From outside, without a reason; behind it are two followers, of which each has an end."""
    lane = Lane(*(LiveExchange(*STREAM, over=True) for _ in range(3)))
    leader = lane.ask(stream=True)
    await turns(2)
    followers = [lane.ask(stream=stream), lane.ask(stream=True)]
    await turns(moment)
    leader.task.cancel()
    await end_of([leader, *followers])
    assert lane.caching.flights == {}
    for each in followers:
        told = each.client
        assert told.ended or told.body.count(b'"error"') == 1
    assert (await lane.answered(stream=True)).client.body == PLAIN


@virtual
async def test_whatever_happens_everybody_has_an_end() -> None:
    """Two hundred afternoons: who comes late, who leaves, whose limit passes, which provider fails, all at random."""
    for seed in range(200):
        await _afternoon(Random(seed))


async def _afternoon(rng: Random) -> None:
    lane = Lane()
    asked: list[Asked] = []

    async def provider() -> None:
        """Answers whoever asks, slowly; sometimes it breaks off, or does not answer."""
        while True:
            await lane.upstream.arrivals.get()
            exchange = LiveExchange()
            fate = rng.random()
            if fate < 0.15:
                lane.upstream.give(UpstreamUnavailable("Refused."))
                continue
            lane.upstream.give(exchange)
            for read in STREAM if fate > 0.3 else STREAM[:2]:
                await asyncio.sleep(rng.choice((0.0, 0.5, 20.0)))
                exchange.feed(read)
            exchange.end()

    giving = asyncio.create_task(provider())
    errors: tuple[TollwayError, ...] = (RateLimited("x"), DeadlineExceeded("x"), UpstreamTimeout("x"))
    for _ in range(rng.randint(2, 12)):
        asked.append(lane.ask(stream=rng.random() < 0.7, include_usage=rng.random() < 0.3))
        await asyncio.sleep(rng.choice((0.0, 0.1, 3.0)))
        victim = rng.choice(asked)
        if rng.random() < 0.3:
            victim.client.leave()
        elif rng.random() < 0.3 and not victim.task.done():
            victim.ctx.interrupt(rng.choice(errors))
    async with asyncio.timeout(1000):
        await asyncio.gather(*(each.task for each in asked))
    giving.cancel()
    assert lane.caching.flights == {}
    assert lane.telemetry.bugs == []
    assert len(lane.telemetry.records) == len(asked), "each settled once"
    for each in asked:
        _check(each)


def _check(asked: Asked) -> None:
    client, stream = asked.client, asked.ctx.request.stream
    assert len(client.starts) <= 1
    if asked.ctx.outcome == "ok":
        assert client.ended
        body = client.body.replace(b": keepalive\n\n", b"")
        assert body.count(b"Hello") or body.startswith(STREAM[0])
        if stream:
            assert body.endswith(b"data: [DONE]\n\n")
            assert (USAGE in body or b'"total_tokens":5' in body) == bool(asked.ctx.request.stream_options)
    elif asked.ctx.outcome != "client_closed":
        assert client.body.count(b'"error"') == 1
