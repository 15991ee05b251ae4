"""What happens to health, as the board tells those who listen (the log, metrics, other workers), and how it is shown."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

State = Literal["ready", "full", "probing", "cooling", "no_key", "open"]

STATES: tuple[State, ...] = ("ready", "full", "probing", "cooling", "no_key", "open")
"""From well to worst."""

Kind = Literal["opened", "closed", "probing", "unproved", "rested", "freed"]


class Change(Struct, frozen=True, kw_only=True):
    """``opened``, ``closed``: a target's breaker. ``probing``: one try shows whether the target, or the key, is well; ``unproved``: it
    told nothing. ``rested``, ``freed``: a key (``model`` "": for all models).

    ``seconds`` from now; ``key`` -1: the target as a whole; ``times``: how often in a row.
    """

    kind: Kind
    provider: str
    model: str
    key: int = -1
    seconds: float = 0.0
    times: int = 0
    asked: bool = False
    """Did the provider say for how long, or refuse the key?"""
    reason: str = ""
    """The kind of the last fault."""


Listener = Callable[[Change], None]


class KeyHealth(Struct, frozen=True, kw_only=True):
    """One key of a provider for one model. ``left``: the share of its limits that is left as far as is known; ``back_in``: seconds."""

    key: int
    usable: bool
    left: float
    back_in: float
    reason: str


class TargetHealth(Struct, frozen=True, kw_only=True):
    """One target as this process sees it. Times in seconds; ``ttft`` 0 and percentiles ``None``: unknown."""

    provider: str
    model: str
    state: State
    reason: str
    inflight: int
    waiting: int
    ttft: float
    p50: float | None
    p95: float | None
    back_in: float
    openings: int
    """Without a healthy stretch between them."""
    keys: tuple[KeyHealth, ...]
