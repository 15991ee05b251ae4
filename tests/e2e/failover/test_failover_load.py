"""A short form of ``python -m loadtest.bench --only failover``: a failing target under load, with real processes.

All loads run at once, for five seconds; each test then looks at one of them. Bounds leave room for a busy machine.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from loadtest.bench.lanes import TARGETS, chat, provider, routed
from loadtest.bench.openloop import Reply, calls, failed, load, quantile, rests
from tests.support.processes import KEY, Gateway, Mock, config_for, running

pytestmark = pytest.mark.e2e

SECONDS = 5.0
SETTLED = 2.0
"""By then the gateway must have seen what is wrong."""

REST = 1
"""Seconds that the resting target asks for."""

RATES = {"three": 200, "rests": 60, "straight": 25, "moves": 25}


@dataclass
class Seen:
    """What clients saw, by route, and what mocks received while they asked: by the failing target, the resting one, and all others."""

    replies: Mapping[str, list[Reply]]
    failing: int
    resting: int
    good: int


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """``three``: the first of three targets answers 500; ``rests``: the first of two answers 429 with Retry-After, slowly enough for a
    second probe to show; ``moves`` and ``straight``: the same target after one that fails each time, and alone."""
    with contextlib.ExitStack() as stack:
        failing, resting, good, apart = (stack.enter_context(contextlib.closing(Mock())) for _ in range(4))
        ports = [int(each.origin.rsplit(":", 1)[1]) for each in (failing, resting, good, apart)]
        providers = {
            "one": provider(ports[0], fault="status:500"),
            "two": provider(ports[2]),
            "three": provider(ports[2]),
            "rested": provider(ports[1], fault=f"rate-limit:seconds={REST}", head_delay="100"),
            "broken": provider(ports[3], fault="status:500"),
            "apart": provider(ports[3]),
        }
        models = {
            "three": routed(*TARGETS, policy="weighted"),
            "rests": routed("rested", "apart", policy="priority"),
            "straight": routed("apart"),
            "moves": routed("broken", "apart", policy="priority"),
        }
        usual = config_for(good.url, providers=providers, models=models, retry={}, health={})
        # Here nothing rests and as many requests as there are may move on, so that each one does.
        lavish = config_for(good.url, providers=providers, models=models, retry={"per_second": 100.0})
        gateways = {name: stack.enter_context(running(one)) for name, one in (("usual", usual), ("lavish", lavish))}
        yield Seen(
            asyncio.run(_asked(gateways)),
            failing.stats()["requests"],
            resting.stats()["requests"],
            good.stats()["requests"],
        )


async def _asked(gateways: Mapping[str, Gateway]) -> dict[str, list[Reply]]:
    """All loads at once."""

    def of(route: str) -> "asyncio.Task[list[Reply]]":
        url = gateways["lavish" if route in ("moves", "straight") else "usual"].url
        asked = load(url, KEY, lambda number: chat(number, model=route), rate=RATES[route], seconds=SECONDS)
        return asyncio.ensure_future(asked)

    found = await asyncio.gather(*map(of, RATES))
    return dict(zip(RATES, found, strict=True))


def test_one_of_three_targets_failing_is_hardly_noticed(seen: Seen) -> None:
    replies = seen.replies["three"]
    assert len(replies) == RATES["three"] * SECONDS
    assert failed(replies, after=SETTLED) < 0.5
    tries = seen.failing + seen.good
    assert tries == sum(reply.tries for reply in replies), "the answers say how many tries were made"
    assert tries <= 1.2 * len(replies)
    assert 5 <= seen.failing <= 0.1 * len(replies)


def test_moving_on_adds_little_under_load(seen: Seen) -> None:
    moved, straight = seen.replies["moves"], seen.replies["straight"]
    assert all(reply.good for reply in (*moved, *straight))
    assert {reply.tries for reply in moved} == {2}
    assert {reply.tries for reply in straight} == {1}
    for share, most in ((0.5, 0.05), (0.99, 0.5)):
        took, usual = (quantile((reply.seconds for reply in each), share) for each in (moved, straight))
        assert took - usual < most, f"at {share}"


def test_a_resting_target_sees_one_probe_after_each_rest(seen: Seen) -> None:
    replies = seen.replies["rests"]
    assert failed(replies, after=SETTLED) == 0
    made = calls(replies, "rested")
    assert len(made) == seen.resting, "the answers name each call"
    found = rests(made, needed=1, least=REST - 0.15)
    assert found.early == 0
    assert found.probes >= 2
