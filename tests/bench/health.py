"""What health costs a request: microseconds to ask who takes requests, to enter, and to note what became of it.

``python -m tests.bench.health [--json]``. Targets: nothing rests: < 0.5 us; 20 candidates, some of which rest: 3 us; enter: 1.5 us.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from random import Random

from proxy.errors import RawHeaders
from proxy.health.board import HealthBoard
from proxy.policy.faults import Fault
from proxy.policy.routes import Breaker
from proxy.policy.targets import Candidate, Limits, Target

LIMITS = Limits(connect=1.0, first_byte=None, idle=10.0, total=10.0)
CANDIDATES = tuple(
    Candidate(target=Target(provider=f"provider{number}", model="some-model", limits=LIMITS), model="public")
    for number in range(20)
)
PLAIN: RawHeaders = tuple((b"x-header-%d" % number, b"value") for number in range(16))
LIMITED: RawHeaders = (
    *PLAIN,
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-ratelimit-reset-requests", b"6ms"),
    (b"x-ratelimit-limit-tokens", b"2000000"),
    (b"x-ratelimit-remaining-tokens", b"1999000"),
    (b"x-ratelimit-reset-tokens", b"30ms"),
)


def board() -> HealthBoard:
    """The fourth provider has three keys, the others one."""
    keys = {candidate.target.provider: 1 for candidate in CANDIDATES} | {"provider3": 3}
    return HealthBoard(Breaker(), provider_keys=keys, clock=time.monotonic, rng=Random(1))


def opened(*indices: int) -> HealthBoard:
    """With these targets open."""
    made = board()
    for index in indices:
        for _ in range(5):
            lease = made.enter(CANDIDATES[index])
            assert lease is not None
            lease.failed(Fault(kind="connect"))
            lease.close()
    return made


def steps() -> dict[str, Callable[[], object]]:
    """What is measured."""
    well, two, all_open = board(), opened(5, 6), opened(*range(20))
    first, keyed = CANDIDATES[0], CANDIDATES[3]

    def attempt(headers: RawHeaders) -> None:
        lease = well.enter(first)
        assert lease is not None
        lease.answered(200, headers)
        lease.first_output(0.3)
        lease.close()

    return {
        "ready, nothing rests": lambda: well.ready(CANDIDATES),
        "ready, two are open": lambda: two.ready(CANDIDATES),
        "ready, all are open": lambda: all_open.ready(CANDIDATES),
        "enter": lambda: well.enter(first),
        "enter, three keys": lambda: well.enter(keyed),
        "enter, three keys and a hint": lambda: well.enter(keyed, hint="conversation"),
        "a whole attempt": lambda: attempt(PLAIN),
        "a whole attempt, limits in its head": lambda: attempt(LIMITED),
        "ttft": lambda: well.ttft(first),
        "95th percentile": lambda: well.percentile(first, 0.95),
    }


def measure(*, count: int = 20_000, rounds: int = 7) -> dict[str, float]:
    """Every figure, in microseconds: the best of ``rounds``."""
    figures: dict[str, float] = {}
    for name, step in steps().items():
        gc.collect()
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(count):
                step()
            figures[name] = min(figures.get(name, float("inf")), (time.perf_counter() - began) / count * 1e6)
    return figures


def main() -> None:
    """Prints the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON object")
    chosen = options.parse_args()
    figures = measure()
    if chosen.json:
        print(json.dumps({name: round(value, 3) for name, value in figures.items()}))
        return
    for name, value in figures.items():
        print(f"{name:36s} {value:6.2f} us")


if __name__ == "__main__":
    main()
