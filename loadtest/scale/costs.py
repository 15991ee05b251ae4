"""What one of everything costs: measured figures, and what has to be assumed, kept in a file in which each says which it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

KEPT = Path(__file__).parents[1] / "results" / "scale-costs.json"


class Figure(Struct, frozen=True, kw_only=True):
    """A number, its unit, whether it was measured, and how or where it is written."""

    value: float
    unit: str
    source: Literal["measured", "documented", "assumed"]
    how: str


class Costs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The values alone. A request is a chat of 1 KB with the whole product on and its counters in Valkey. Microseconds are CPU."""

    request_us: float
    prompt_us: float
    """For each further KB of the prompt."""
    hit_us: float
    """A request that the cache answers."""
    event_us: float
    """One event of a stream at the pace of a model."""
    worker_mb: float
    stream_kib: float
    """An open stream with its upstream connection."""

    valkey_us: float
    """For a request, all its calls together."""
    valkey_calls: float
    valkey_commands: float
    valkey_in_bytes: float
    valkey_out_bytes: float

    entry_us: float
    """PostgreSQL, for a settled request in a batch of ten."""
    entry_batched_us: float
    """The same in a batch of 500."""
    wal_bytes: float
    disk_bytes: float
    log_bytes: float
    metrics_bytes: float
    """One scrape of one pod."""

    flushes_per_s: float
    """Transactions of one worker's ledger."""
    state_timeout_s: float
    late_settlements: float
    """That one worker keeps for a Valkey that is gone."""
    journal_bytes: float
    journal_line_bytes: float
    lookup_s: float
    """Between two lookups of one name by one worker."""

    workers_full: float
    """Share of their cores that workers may use while a zone is lost."""
    valkey_full: float
    database_full: float
    database_wal: float
    """Bytes of WAL a second that one server takes."""
    database_cores: float
    ports: float
    """Connections at once from one address to one address and port."""
    destinations: float
    """Addresses of all providers together."""
    takeover_s: float
    """Until a replica of Valkey serves."""
    core_month_usd: float


def read(path: Path = KEPT) -> dict[str, Figure]:
    """The figures by name."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Figure])


def write(figures: Mapping[str, Figure], path: Path = KEPT) -> None:
    """Keeps them."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(dict(figures)), indent=1) + b"\n")


def values(figures: Mapping[str, Figure]) -> Costs:
    """The values alone. Raises ``msgspec.ValidationError`` where one is missing or not known."""
    return msgspec.convert({name: figure.value for name, figure in figures.items()}, Costs)
