"""Made-up runs for the tests of the comparison's figures, page and README."""

from collections.abc import Sequence

from loadtest.bench.load import Outcome
from loadtest.bench.meter import Memory
from loadtest.compare.measure import Cell, Plan
from loadtest.compare.memory import Footprint
from loadtest.compare.record import Record
from loadtest.compare.run import recorded

PEERS = ("nginx", "sglang-router", "portkey", "litellm")
REQUESTS = 1000


def outcome(side: str, us: float, *, p50: float = 100, foreign: float = 0.0, chunks: int = 0) -> Outcome:
    """One run that cost ``us`` a request (and a chunk), with this median latency and time to the first token."""
    quantiles = {"p50": p50, "p99": 3 * p50}
    series = {"latency_us": quantiles, "ttft_us": quantiles, "chunk_delay_us": quantiles}
    return Outcome(side, REQUESTS, chunks, us * REQUESTS / 1e6, 2.0, foreign, series)


def cell(scenario: str, side: str, *us: float, p50: Sequence[float] = (), **more: float) -> Cell:
    """A cell with a round for each cost."""
    chunks = REQUESTS if scenario in {"paced", "burst"} else 0
    latencies = p50 or [100.0] * len(us)
    rounds = [outcome(side, each, p50=late, chunks=chunks, **more) for each, late in zip(us, latencies, strict=True)]
    return Cell(scenario, side, rounds)


def footprint(side: str, *, idle: float, each: float) -> Footprint:
    """Idle bytes, and bytes of each of 1,000 streams."""
    full = Memory(int(idle + each * 1000), int(idle + each * 1000))
    return Footprint(side, 1000, Memory(int(idle), int(idle)), Memory(int(idle), int(idle)), full)


def cells(*, ours: float = 100) -> list[Cell]:
    """Every scenario: the gateway at ``ours`` µs, its hit at 60, nginx at 15, the Rust router at 95 and so on."""
    found = []
    for scenario in ("c16", "c64"):
        found += [cell(scenario, side, *us) for side, us in COSTS(ours).items()]
        found.append(cell(scenario, "tollway-hit", 60, 60, 60))
    found += [cell("10kb", "tollway", 150, 150, 150), cell("100kb", "tollway", 450, 450, 450)]
    found += [cell("paced", "tollway", 18, 18, 18), cell("paced", "nginx", 10, 10, 10)]
    found += [cell("burst", "tollway", 300, 300, 300)]
    for scenario in ("rate1000", "ttft"):
        found.append(cell(scenario, "tollway", 100, 100, 100, p50=(400, 450, 500)))
        found.append(cell(scenario, "direct", 1, 1, 1, p50=(100, 100, 100)))
    found.append(Cell("rate1000", "litellm", [], "saturated: carries 110 req/s"))
    return found


def COSTS(ours: float) -> dict[str, tuple[float, float, float]]:  # noqa: N802 - a table
    return {
        "tollway": (ours, ours, ours),
        "nginx": (15, 15, 15),
        "sglang-router": (95, 95, 95),
        "portkey": (1200, 1200, 1200),
        "litellm": (9000, 9000, 9000),
    }


def record(
    found: Sequence[Cell] | None = None, *, missing: dict[str, str] | None = None, quick: bool = False
) -> Record:
    """A whole run."""
    memory = [footprint("tollway", idle=68e6, each=32e3), footprint("nginx", idle=7e6, each=18e3)]
    return recorded(Plan(), quick, PEERS, found if found is not None else cells(), memory, missing or {}, [])
