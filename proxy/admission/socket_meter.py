"""The meter of a WebSocket: each response that ends on it is used at once, and the next one must be there."""

from collections.abc import Awaitable, Callable

from ..errors import TollwayError
from ..wire.stream import read_realtime_usage
from ..wire.usage import NO_USAGE, Usage

Used = Callable[[Usage, int], Awaitable[TollwayError | None]]
"""Told what one more response came to, in tokens and micro-dollars; the error to end the socket with when that was the last."""


class SocketMeter:
    """Implements ``context.StreamMeter`` over frames. All of them leave; what ends is the socket."""

    def __init__(
        self, *, used: Used, costing: Callable[[Usage], int | None] | None, checkpoint: Callable[[int], None] | None
    ) -> None:
        self.error: TollwayError | None = None
        self.waiting = False
        self._used = used
        self._costing = costing
        self._checkpoint = checkpoint
        self._usage = NO_USAGE
        self._before = NO_USAGE

    def feed(self, data: bytes) -> bytes:
        """One frame of the provider's."""
        if b'"usage"' in data:
            self._usage = read_realtime_usage(data, self._usage)
            self.waiting = self._usage is not self._before
        return data

    def finish(self) -> bytes:
        """See ``StreamMeter``: nothing is kept here."""
        return b""

    async def more(self) -> bytes:
        """Settles what has ended since, and asks for as much again."""
        self.waiting = False
        now, before = self._usage, self._before
        self._before = now
        if self._checkpoint is not None:
            self._checkpoint(now.output)
        more = Usage(input=now.input - before.input, output=now.output - before.output)
        self.error = await self._used(more, self._cost(now) - self._cost(before))
        return b""

    def close(self) -> None:
        """See ``StreamMeter``: nothing is under way."""

    def _cost(self, usage: Usage) -> int:
        return (self._costing(usage) or 0) if self._costing is not None else 0
