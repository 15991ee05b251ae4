"""A gateway with everything on, under k6's soak, and watched from outside: memory, descriptors, tasks, requests under way."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from loadtest.bench import meter
from tests.support.gateways import INPUT, OUTPUT, Books, costed, sqlite_in, wait_up
from tests.support.observed import descriptors, metric, rss, workers
from tests.support.processes import KEY, Gateway, Mock, free_port

from .running_k6 import Ran, k6

LIMITED, LEAVER = "sk-tw-limited", "sk-tw-leaver"
RPM = 60
"""Of the limited key. It is asked for twice as much."""

CACHE_BYTES = "1MiB"
"""Full within the first minute, so that from then on each answer makes another leave."""


def soaked(mock: Mock, failing: Mock, folder: Path) -> dict[str, Any]:
    """Prices and a ledger, a cache that is full soon, a limited key, and a model whose first target fails now and then."""
    one: dict[str, Any] = {"use": "openai", "api_key": "none"}
    return costed(
        mock.url,
        sqlite_in(folder),
        server={"port": free_port()},
        keys=[
            {"name": "app", "key": KEY, "budget": {"usd": 1_000_000, "per": "month"}},
            {"name": "leaver", "key": LEAVER},
            {"name": "limited", "key": LIMITED, "limits": {"rpm": RPM}},
        ],
        providers={
            "mock": {**one, "base_url": mock.url},
            "failing": {**one, "base_url": failing.url},
        },
        models={
            "gpt-4o": {"targets": [{"provider": "mock", "model": "gpt-4o"}]},
            "moves": {
                "policy": "priority",
                "targets": [{"provider": each, "model": "gpt-4o"} for each in ("failing", "mock")],
            },
        },
        cache={"exact": {"max_entry": "64KiB"}, "max_bytes": CACHE_BYTES},
        retry={},
        health={},
        telemetry={"access_log": "stdout"},
    )


BUSY_RATE, BUSY_S = 160, 6
"""A busy moment before anything counts. The most that was ever under way at once decides how much memory the allocators keep, and a machine
that stands still for a second makes such a moment too: without this one that would look like growth."""

LONGEST = 100 * INPUT + 24 * OUTPUT
"""Micro-dollars of the dearest answer that a leaver could have had: the mock's 24 tokens, and a prompt that is far shorter than this."""


@dataclass(frozen=True)
class Sample:
    """The gateway at one moment: bytes of all its processes, and what its worker has open."""

    at: float
    rss: float
    descriptors: float
    tasks: float
    inflight: float


def look(gateway: Gateway) -> Sample:
    """One sample, now."""
    (worker,) = workers(gateway)
    return Sample(
        at=time.monotonic(),
        rss=sum(rss(pid) for pid in meter.tree(gateway.pid)),
        descriptors=descriptors(worker),
        tasks=metric(gateway, "asyncio_tasks"),
        inflight=metric(gateway, "tollway_inflight_requests"),
    )


def growth(samples: list[Sample], of: Callable[[Sample], float], *, window: float) -> float:
    """By how much a figure grew in the last ``window`` seconds: median of their last sixth less that of their first.

    Medians over sixths, because a single look meets whatever is under way at that moment.
    """
    end = samples[-1].at
    seen = [each for each in samples if each.at > end - window]
    early = [of(each) for each in seen if each.at <= end - window * 5 / 6]
    late = [of(each) for each in seen if each.at > end - window / 6]
    return median(late) - median(early)


@dataclass
class Soaked:
    """What a soak left behind. ``runs``: the warm-up and the soak itself, as k6 saw them."""

    runs: list[Ran]
    before: Sample
    """Idle, warm, before the load."""
    samples: list[Sample]
    after: Sample
    """Idle again."""
    cores: float
    """CPU of all the gateway's processes, as a share of one core."""

    def counted(self, metric: str) -> int:
        """Of a counter, by the clients of both runs."""
        return round(sum(run.value(metric, "count") for run in self.runs))


@contextlib.contextmanager
def upstreams() -> Iterator[tuple[Mock, Mock]]:
    """One that streams for a quarter of a second, and one that fails every third request."""
    with contextlib.closing(Mock("--first-token", "30", "--pace", "10")) as slow:
        with contextlib.closing(Mock("--fault", "status:500@3")) as failing:
            yield slow, failing


def soak(gateway: Gateway, mock: Mock, *, rate: int, seconds: int, every: float) -> Soaked:
    """The load for so long; the gateway is looked at ``every`` so many seconds meanwhile, and before and after at rest."""
    wait_up(gateway)
    settings: dict[str, Any] = {"MODEL": "gpt-4o", "LEAVE_MS": 120, "MODEL_FAILOVER": "moves", "ANSWER_S": 5}
    keys = {"key": KEY, "KEY_LIMITED": LIMITED, "KEY_LEAVER": LEAVER}
    warm = k6("soak", url=gateway.url, SEED=1, RATE=BUSY_RATE, DURATION=f"{BUSY_S}s", **keys, **settings).wait()
    before = _idle(gateway, mock)
    samples: list[Sample] = []
    worked, begun = meter.cpu_seconds(gateway.pid), time.monotonic()
    run = k6("soak", url=gateway.url, SEED=2, RATE=rate, DURATION=f"{seconds}s", **keys, **settings)
    try:
        while run.child.poll() is None and time.monotonic() < begun + seconds + 30:
            samples.append(look(gateway))
            time.sleep(every)
        cores = (meter.cpu_seconds(gateway.pid) - worked) / (time.monotonic() - begun)
        ran = run.wait(1)
    finally:
        run.close()
    return Soaked([warm, ran], before, samples, _idle(gateway, mock), cores)


def _idle(gateway: Gateway, mock: Mock, within: float = 15.0) -> Sample:
    """A sample when nothing is under way any more; whatever it is if that does not come."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if not mock.stats()["open"] and not metric(gateway, "tollway_inflight_requests"):
            break
        time.sleep(0.05)
    # Connections that clients left behind close a moment later.
    time.sleep(1.0)
    return look(gateway)


ENDINGS = ("complete", "cached")
"""Of answers that clients got whole."""


async def check_books(soaked: Soaked, books: Books) -> None:
    """Each answer that a client got whole is in the ledger once, at the price of the tokens that the client was told."""
    await books.settled(await books.one("SELECT COUNT(*) AS n FROM entries"))
    await books.check()
    others = "SELECT * FROM entries WHERE key_name <> 'leaver'"
    whole = [row for row in await books.rows(others) if row["ending"] in ENDINGS]
    assert len(whole) == soaked.counted("tollway_answers")
    told = INPUT * soaked.counted("tollway_prompt_tokens") + OUTPUT * soaked.counted("tollway_completion_tokens")
    assert sum(row["charge"] for row in whole) == told > 0
    assert await books.one("SELECT SUM(charge) AS n FROM entries WHERE key_name <> 'leaver'") == told
    left = await books.rows("SELECT * FROM entries WHERE key_name = 'leaver'")
    assert left
    assert {row["ending"] for row in left} <= {"client_left", "client_left_early", "complete"}
    assert all(0 < row["charge"] <= LONGEST for row in left)
