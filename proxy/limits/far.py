"""The meter of a stream that is far from every limit and in no ledger: bytes leave as they come, and their tokens are estimated.

An exact count would decide nothing there. Where little is left a ``LiveMeter`` goes on, which counts.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from ..errors import TollwayError
from ..protocols import Clock
from ..wire.endpoints import Dialect
from .meter import CHECKPOINT_SECONDS, UNDECODED, Extend, LiveMeter
from .streamed import BYTES_PER_TOKEN, StreamedText, last_boundary

Told = Callable[[int], None]
Ample = Callable[[int], int]
"""How many tokens, at least so many, may be asked for at once without anybody missing them; 0: none, since a limit is near."""

MakeNear = Callable[[int], LiveMeter]
"""Makes the meter that goes on, from what is left of the granted tokens."""


LEAST = len("\r\n\r\n")
"""Bytes after which an event may say something."""

LOOK = 16 * 1024
"""Bytes of whole events after which the last one is looked at again: until then the others are taken to be like the one before."""

SPREAD = 4
"""So many times the share of text that the last event had, others may have: what is granted must last for as much."""


class FarMeter:
    """Implements ``context.StreamMeter``. More is asked for when what was granted is used up, and nothing waits for the answer, since so
    much is left."""

    __slots__ = (
        "_ample", "_asked", "_asking", "_begun", "_clock", "_due", "_enough", "_envelope", "_extend", "_granted", "_make_near", "_near",
        "_next", "_passed", "_share", "_spend", "_spent", "_text", "_unseen", "error", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        *,
        dialect: Dialect,
        reserved: int,
        extend: Extend,
        ample: Ample,
        near: MakeNear,
        spend: Told | None,
        clock: Clock,
    ) -> None:
        """As for ``LiveMeter``, but that figures are estimates, and ``spend`` is told every 2 s only."""
        self.error: TollwayError | None = None
        self.waiting = False
        self._text = StreamedText(dialect)
        self._envelope = 0
        """Bytes around the text of an event; 0: not known yet."""
        self._passed = 0
        """Bytes of text so far, each event's at least a token's."""
        self._begun = b""
        """Of an event under way, what has left."""
        self._granted = reserved
        self._extend = extend
        self._ample = ample
        self._asking: asyncio.Future[TollwayError | None] | None = None
        self._asked = 0
        self._make_near = near
        self._near: LiveMeter | None = None
        self._spend = spend
        self._spent = 0
        self._clock = clock
        self._due = clock() + CHECKPOINT_SECONDS
        """When ``spend`` is told again."""
        self._next = 0
        """Bytes of text that use up what is granted."""
        self._share = 0.0
        """Bytes of text in a byte of the event that was looked at last."""
        self._unseen = 0
        """Bytes of whole events since then."""
        self._enough = 0
        """So many of them make it look again; 0: every read does."""

    def feed(self, data: bytes) -> bytes:
        """``data``, while no limit is near."""
        unseen = self._unseen + len(data)
        if unseen < self._enough and data[-2:] == b"\n\n" and self._clock() < self._due:
            self._unseen = unseen
            return data
        if self._near is not None:
            return self._as_near(self._near.feed(data))
        return self._looked_at(data)

    def finish(self) -> bytes:
        """See ``StreamMeter``: nothing waits here."""
        return self._as_near(self._near.finish()) if self._near is not None else b""

    async def more(self) -> bytes:
        """See ``StreamMeter``."""
        return self._as_near(await self._near.more()) if self._near is not None else b""

    def close(self) -> None:
        """The stream has ended, however it did. Idempotent."""
        asking, self._asking = self._asking, None
        if asking is not None and not asking.cancel() and not asking.cancelled():
            asking.exception()
        if self._near is not None:
            self._near.close()

    # ---- far ----------------------------------------------------------------------------------------------------------

    def _looked_at(self, data: bytes) -> bytes:
        """Of what it completes, the last line says how many tokens there are in so many bytes."""
        begun, before = self._begun, self._passed + int(self._unseen * self._share)
        seen = begun + data if begun else data
        passed, end = before, len(seen)
        if seen[-2:] != b"\n\n":
            end = last_boundary(seen, 0, end)
            self._begun = seen[end:]
        elif begun:
            self._begun = b""
        if end > LEAST:
            line = end - 1 - seen.rfind(b"\n", 0, end - LEAST)
            text = line - self._envelope
            if text < 0 or not self._envelope:
                text = line - self._learnt(seen[end - line : end])
            share = (text if text > BYTES_PER_TOKEN else BYTES_PER_TOKEN) / line
            passed += int(end * share)
            if text >= 0:
                # What is shorter than an event with text, such as a comment, says nothing of those that follow.
                self._share = share
        self._passed, self._unseen = passed, 0
        if self._clock() >= self._due:
            self._tell_spent()
        if not self._goes_on():
            # The next meter has not seen what this one has let go of, and looks at this read itself.
            self._begun, self._passed = begun, before
            return self._hand_over(data)
        if self._begun or not self._envelope:
            # Where an event is under way, and before the first with a text, every read says something.
            self._enough = 0
        else:
            self._enough = min(LOOK, int((self._next - passed) / (SPREAD * self._share)))
        return data

    def _learnt(self, event: bytes) -> int:
        """The least bytes around a text so far, ``event`` looked at; 0 before the first."""
        self._text.text_of(event)
        self._envelope = self._text.envelope
        return self._envelope

    def _tell_spent(self) -> None:
        """Every 2 s a part of what has passed is used, not held. Half of it: what is used stays used, so it must not be too much."""
        self._due = self._clock() + CHECKPOINT_SECONDS
        safe = self._passed // (2 * BYTES_PER_TOKEN)
        if self._spend is not None and safe > self._spent:
            self._spend(safe - self._spent)
            self._spent = safe

    def _goes_on(self) -> bool:
        """Is enough granted, or asked for, or may more be?"""
        if len(self._begun) > UNDECODED:
            return False
        asking = self._asking
        if asking is None and self._passed < self._next:
            return True
        if asking is not None and asking.done():
            refused, self._asking = asking.result(), None
            if refused is not None:
                return False
            self._granted += self._asked
        missing = self._passed // BYTES_PER_TOKEN - self._granted
        if missing < 0:
            self._next = self._granted * BYTES_PER_TOKEN
            return True
        if self._asking is None:
            self._asked = self._ample(missing)
            if not self._asked:
                return False
            self._asking = asyncio.ensure_future(self._extend(self._asked))
        self._next = (self._granted + self._asked) * BYTES_PER_TOKEN
        return missing <= self._asked

    # ---- near ---------------------------------------------------------------------------------------------------------

    def _hand_over(self, data: bytes) -> bytes:
        """A limit is near, or was: from here on tokens are counted."""
        near = self._make_near(max(0, self._granted - self._passed // BYTES_PER_TOKEN))
        near.go_on(self._begun, self._asking, self._asked)
        self._near, self._asking, self._begun, self._enough = near, None, b"", 0
        return self._as_near(near.feed(data))

    def _as_near(self, out: bytes) -> bytes:
        near = self._near
        assert near is not None
        self.waiting, self.error = near.waiting, near.error
        return out


def stream_meter(
    *,
    dialect: Dialect,
    counted: Callable[[], tuple[Callable[[str], int], float]],
    reserved: int | None,
    extend: Extend,
    ample: Ample,
    step: int,
    checkpoint: Told | None,
    spend: Told | None,
    clock: Clock,
) -> FarMeter | LiveMeter:
    """The meter of one stream. ``counted``: how a text's tokens are counted and what they are multiplied by, asked for when needed.

    What is told to a ledger is money, and so counted everywhere.
    """
    most = ample(0)
    if reserved is None or checkpoint is not None or not most:
        return _counting(dialect, counted, extend, max(step, most), checkpoint, spend, clock, reserved)
    near = partial(_counting, dialect, counted, extend, step, None, spend, clock)
    return FarMeter(dialect=dialect, reserved=reserved, extend=extend, ample=ample, near=near, spend=spend, clock=clock)


def _counting(
    dialect: Dialect,
    counted: Callable[[], tuple[Callable[[str], int], float]],
    extend: Extend,
    step: int,
    checkpoint: Told | None,
    spend: Told | None,
    clock: Clock,
    reserved: int | None,
) -> LiveMeter:
    count, factor = counted()
    return LiveMeter(
        dialect=dialect,
        count=count,
        factor=factor,
        reserved=reserved,
        extend=extend,
        step=step,
        checkpoint=checkpoint,
        spend=spend,
        clock=clock,
    )
