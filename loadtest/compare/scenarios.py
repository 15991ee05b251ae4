"""What is measured: loads that every side gets in turn, round by round."""

from dataclasses import dataclass

from .bodies import KB
from .sides import DIRECT, HIT, PLAIN

PACE_US = 10_000
BARE = "sglang-router-bare"

EVERY = frozenset({HIT, PLAIN, BARE})
FORMS = frozenset({HIT, PLAIN})


@dataclass(frozen=True)
class Scenario:
    """One load. ``group`` is its name on the command line; ``extra`` the sides that take part besides the plain peers.

    ``rate`` 0 is a closed loop; ``limit`` ends one after so many requests; ``scale`` stretches the plan's seconds; with ``once`` one
    round is enough, as it is for slow peers with ``slow_once``.
    """

    name: str
    group: str
    what: str
    prompt: int = KB
    chunks: int = 50
    pace_us: int | None = None
    connections: int = 16
    rate: float = 0
    limit: int = 0
    scale: float = 1
    extra: frozenset[str] = frozenset()
    once: bool = False
    slow_once: bool = False

    @property
    def streamed(self) -> bool:
        return self.pace_us is not None

    def takes(self, side: str) -> bool:
        """Whether that side takes part."""
        return side in self.extra or side not in EVERY | {DIRECT}


SCENARIOS = (
    Scenario("c16", "chat", "1 KB chat, 16 connections", extra=EVERY),
    Scenario("c64", "chat", "1 KB chat, 64 connections", connections=64, extra=EVERY),
    Scenario("10kb", "sizes", "10 KB prompt, 16 connections", prompt=10 * KB, extra=frozenset({PLAIN})),
    Scenario("100kb", "sizes", "100 KB prompt, 16 connections", prompt=100 * KB, extra=frozenset({PLAIN})),
    Scenario("1mb", "sizes", "1 MB prompt, 16 connections", prompt=1000 * KB, extra=frozenset({PLAIN}), once=True),
    Scenario("c1", "connections", "1 KB chat, 1 connection", connections=1, once=True),
    Scenario("c4", "connections", "1 KB chat, 4 connections", connections=4, once=True),
    Scenario("c256", "connections", "1 KB chat, 256 connections", connections=256, once=True),
    Scenario(
        "paced",
        "paced",
        "100 streams at once, 500 chunks at 10 ms",
        chunks=500,
        pace_us=PACE_US,
        connections=100,
        limit=100,
        slow_once=True,
    ),
    Scenario("burst", "burst", "burst of 500 chunks, 16 connections", chunks=500, pace_us=0, slow_once=True),
    Scenario(
        "rate50",
        "latency",
        "1 KB chat at 50 req/s",
        connections=64,
        rate=50,
        extra=frozenset({*FORMS, DIRECT}),
        slow_once=True,
    ),
    Scenario(
        "rate1000", "latency", "1 KB chat at 1,000 req/s", connections=64, rate=1000, extra=frozenset({*FORMS, DIRECT})
    ),
    Scenario(
        "ttft",
        "ttft",
        "10 new streams/s, 50 chunks at 10 ms",
        pace_us=PACE_US,
        connections=64,
        rate=10,
        scale=1.6,
        extra=frozenset({DIRECT}),
        slow_once=True,
    ),
)

GROUPS = (*dict.fromkeys(scenario.group for scenario in SCENARIOS), "memory")

BY_SIZE = {KB: "c16", 10 * KB: "10kb", 100 * KB: "100kb", 1000 * KB: "1mb"}
"""Scenarios of the plot of prompt sizes, by bytes."""

BY_CONNECTIONS = {1: "c1", 4: "c4", 16: "c16", 64: "c64", 256: "c256"}
"""Scenarios of the plot of connections."""
