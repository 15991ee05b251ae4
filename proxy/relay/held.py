"""A stream up to its commit point: what was read is held until the first real output shows that the answer is one.

Harmless events (a role, a ping, an item that is announced) prove nothing; an error, or the end, before any output is a fault.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UpstreamCut
from ..failover.classify import of_event
from ..policy.faults import Fault
from ..policy.routes import SlowStream
from ..protocols import Exchange
from ..wire.endpoints import Dialect
from ..wire.sse import DONE, Framer
from ..wire.stream import StreamDecoder, StreamEvent

if TYPE_CHECKING:
    from .opening import Opening

HELD = 64 * 1024
"""Bytes that are held at most; a stream that says so much is under way."""

CHARACTERS_PER_TOKEN = 4
"""Of text, roughly."""

_OTHER_OUTPUT = re.compile(
    rb'"audio"\s*:\s*\{|"images"\s*:\s*\[\s*\{|"partial_image_b64"|"type"\s*:\s*"response\.(?:output_)?audio'
)
"""Output that is no text."""


class HeldStream:
    """What of a stream was read and has not left; each form of stream says how it is read."""

    __slots__ = ("_dialect", "blind", "data", "decoder", "ended", "events", "exchange", "fault", "opening", "seen")

    def __init__(self, opening: "Opening", exchange: Exchange, dialect: Dialect) -> None:
        self.opening = opening
        self._dialect: Dialect = dialect
        self.exchange = exchange
        self.decoder: StreamDecoder = opening.new_decoder(dialect)
        self.data: bytes | None = None
        """To leave next; ``None``: nothing was read yet."""
        self.seen = b""
        """The same, as the decoder is to see it."""
        self.events: Sequence[StreamEvent] | None = None
        """What ``seen`` came to; ``None``: the decoder has not seen it."""
        self.ended = False
        self.blind = False
        """Is it compressed so that nobody here can read it?"""
        self.fault: Fault | None = None
        """How it failed after its first output."""

    async def read(self) -> None:
        """One read more, into ``data`` and ``seen``; ``events`` are those before it. Raises ``UpstreamError``."""
        raise NotImplementedError

    async def probe(self, slow: SlowStream | None) -> Fault | None:
        """Reads up to the first real output, or until the pace is known. Raises ``UpstreamError`` where there is none."""
        decoder = self.decoder
        while True:
            data, seen, events = await self._more()
            if decoder.tokens or self.blind or len(data) >= HELD or _OTHER_OUTPUT.search(seen) is not None:
                return await self._paced(slow) if slow is not None else None
            if self.ended:
                self.events = [*events, *decoder.close()]
            if decoder.failed or decoder.complete or self.ended:
                return None if decoder.tokens else self._verdict()

    async def _more(self) -> tuple[bytes, bytes, Sequence[StreamEvent]]:
        """One read that is held: everything so far."""
        data, seen, events = self.data, self.seen, self.events or ()
        await self.read()
        assert self.data is not None
        new = self.decoder.feed(self.seen)
        if data is not None:
            same = self.seen is self.data
            self.data, new = data + self.data, [*events, *new]
            self.seen = self.data if same else seen + self.seen
        self.events = new
        return self.data, self.seen, new

    def taken(self) -> tuple[bytes, bytes, Sequence[StreamEvent] | None]:
        """``data``, ``seen`` and ``events``, which are on their way now and no longer kept here."""
        found = self.data or b"", self.seen, self.events
        self.data, self.seen, self.events = b"", b"", None
        return found

    def again(self) -> StreamDecoder:
        """What was held is looked at anew, by this one."""
        self.decoder = self.opening.new_decoder(self._dialect)
        self.events = None
        return self.decoder

    def _verdict(self) -> Fault | None:
        """There was no output. An error, an answer that is empty and says so, or one that broke off?"""
        dialect = self._dialect
        if dialect == "opaque":
            return None
        framer = Framer()
        payloads = [payload for payload in (*framer.feed(self.seen), *framer.close()) if payload]
        for payload in payloads:
            fault = of_event(payload, dialect)
            if fault is not None:
                return fault
        if self.decoder.failed:
            return Fault(kind="error_event", status=200)
        if dialect != "events" and not _finished(payloads, dialect):
            raise UpstreamCut("The provider's stream broke off before its end.")
        return None

    async def _paced(self, slow: SlowStream) -> Fault | None:
        """Holds on until enough has come for the window, or the window is over."""
        loop = asyncio.get_running_loop()
        end, wanted = loop.time() + slow.window, slow.tokens_per_second * slow.window
        decoder = self.decoder
        while self._tokens() < wanted and not decoder.complete and not self.ended and len(self.data or b"") < HELD:
            try:
                async with asyncio.timeout_at(end):
                    await self._more()
            except TimeoutError:
                pass
            if loop.time() >= end:
                tokens = self._tokens()
                return Fault(kind="slow", status=200, detail=f"{tokens}_tokens") if tokens < wanted else None
        return None

    def _tokens(self) -> int:
        """So far: an event has at least one, a long one more."""
        characters = sum(len(event.text) for event in self.events or ())
        return max(self.decoder.tokens, characters // CHARACTERS_PER_TOKEN)


def _finished(payloads: Sequence[bytes], dialect: Dialect) -> bool:
    """Does one of the events end the answer? ``[DONE]`` by itself only ends the stream."""
    reader = StreamDecoder(dialect, eager=True)
    events = [
        event for payload in payloads if payload[:6] != DONE for event in reader.feed(b"data: " + payload + b"\n\n")
    ]
    return any(event.finished for event in events)
