"""Which scenarios there are, in the order of the figures table."""

from collections.abc import Callable

from . import cached, failover, in_process, limited, scenarios
from .scenarios import Bench, Row

SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {
    "chat": scenarios.chat,
    "prompts": scenarios.prompts,
    "latency": scenarios.latency,
    "paced": scenarios.paced,
    "delay": scenarios.delay,
    "burst": scenarios.burst,
    "limited": limited.limited,
    "cached": cached.cached,
    "failover": failover.failover,
    "chain": in_process.chain,
    "admission": in_process.admission,
    "store": in_process.store,
    "keys": in_process.keys,
    "ledger": in_process.ledger,
    "translation": in_process.translation,
    "cache": cached.misses,
    "semantic": cached.semantic,
    "memory": scenarios.memory,
    "start": scenarios.start,
}

IN_PROCESS = ("chain", "admission", "store", "keys", "ledger", "translation", "cache", "semantic")
"""Of this gateway only: another server has no part in them."""

OURS = (*IN_PROCESS, "limited", "cached", "failover")
"""What only this gateway's configuration can ask."""

ALONE = ("memory", "start", *IN_PROCESS, "failover")
"""These run first, while no other gateway shares memory pages with the one measured; `failover` has gateways of its own."""
