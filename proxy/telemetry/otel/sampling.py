"""Which requests are traced. Decided once, at the start, from the trace id alone, so that all who share a trace decide alike."""

from msgspec import Struct

_WHOLE = 1 << 64


class Sampler(Struct, frozen=True, kw_only=True):
    """``ratio`` of the traces that begin here, 0 to 1; of those that began elsewhere what the caller decided, if it is ``heeded``."""

    ratio: float = 1.0
    heeded: bool = True

    @property
    def bound(self) -> int:
        """A trace is recorded when the lower 64 bits of its id are below."""
        return round(self.ratio * _WHOLE)


def lower_half(trace_id: int) -> int:
    """The bits that decide."""
    return trace_id & (_WHOLE - 1)


ALWAYS, NEVER = Sampler(ratio=1.0, heeded=False), Sampler(ratio=0.0, heeded=False)

NAMED: dict[str, tuple[float | None, bool]] = {
    "always_on": (1.0, False),
    "always_off": (0.0, False),
    "traceidratio": (None, False),
    "parentbased_always_on": (1.0, True),
    "parentbased_always_off": (0.0, True),
    "parentbased_traceidratio": (None, True),
}
"""``OTEL_TRACES_SAMPLER``: its ratio (``None``: from ``OTEL_TRACES_SAMPLER_ARG``), and whether the caller is heeded."""
