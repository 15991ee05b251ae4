"""What happened to one request, in seconds of one monotonic clock; everything that is reported is worked out from these."""

from array import array

from msgspec import Struct, field

from .phases import Phase


def _times() -> "array[float]":
    return array("d")


class Timeline(Struct, kw_only=True, eq=False):
    """``due``: when it should have been sent, which is where its times begin; ``sent``: when it was.

    ``taken``: when the generator turned to it; between this and ``sent`` it waited for a free place. ``chunks``: when each piece of
    output was read, the first token first. ``error`` is empty for a whole answer.
    """

    number: int
    side: int
    phase: Phase
    due: float
    taken: float
    sent: float = 0.0
    ended: float = 0.0
    chunks: "array[float]" = field(default_factory=_times)
    status: int = 0
    error: str = ""
    message: str = ""
    finished: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached: bool = False
    overhead: float | None = None

    @property
    def good(self) -> bool:
        """Did a whole answer come?"""
        return not self.error

    @property
    def ttft(self) -> float | None:
        """Until the first piece of output; ``None``: not streamed."""
        return self.chunks[0] - self.due if self.chunks else None

    @property
    def latency(self) -> float:
        """Until the end of the answer."""
        return self.ended - self.due

    @property
    def tokens(self) -> int:
        """Of output: as the server reported them, else one for each piece."""
        return self.output_tokens if self.output_tokens is not None else len(self.chunks)

    @property
    def tpot(self) -> float | None:
        """(end to end - first token) / (tokens - 1); ``None``: there was no second token, or no stream."""
        first = self.ttft
        return None if first is None or self.tokens < 2 else (self.latency - first) / (self.tokens - 1)

    @property
    def gaps(self) -> list[float]:
        """Between neighbouring pieces of output."""
        times = self.chunks
        return [times[at] - times[at - 1] for at in range(1, len(times))]
