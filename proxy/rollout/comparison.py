"""What is compared when one request was answered twice: once for the client, once by a shadow. Figures only, no content."""

from typing import Protocol

from msgspec import Struct


class Side(Struct, frozen=True, kw_only=True):
    """One of the two answers. Times in seconds since it was asked for; ``output`` in tokens, ``cost`` in micro-dollars.

    ``outcome``: ``ok``, a fault as in ``policy.faults``, or another word for why there was no answer. ``first``: to the first token,
    0 where the answer was no stream. ``cost`` ``None``: unknown.
    """

    provider: str
    model: str
    outcome: str
    status: int
    duration: float
    first: float = 0.0
    output: int = 0
    cost: int | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """Both answers to one request. ``route`` and ``model`` are configured names: what was asked for, and what it was copied to."""

    request_id: str
    route: str
    model: str
    stream: bool
    answer: Side
    shadow: Side


class ShadowRecords(Protocol):
    """Where comparisons end up. Never blocks, never raises."""

    def skipped(self, route: str, model: str, reason: str) -> None:
        """A copy was due and was not sent."""

    def compared(self, comparison: Comparison) -> None:
        """A copy was sent and has ended."""
