"""The live meter of a stream: output tokens are counted as they pass, and limits hold while the stream runs.

Far from the boundary bytes leave undecoded, since a token is at least one byte. Near it events are read one by one, whole ones
leave up to what is granted, and the rest waits for more. Nothing that leaves is changed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil
from sys import maxsize

from ..errors import LimitsUnavailable, TollwayError, retry_after
from ..protocols import Clock
from ..wire.endpoints import Dialect
from .streamed import BYTES_PER_TOKEN, HEAD, StreamedText, boundaries, first_boundary, last_boundary
from .tally import Tally, bytes_of

CHECKPOINT_TOKENS = 200
"""Output that may leave between two checkpoints."""

CHECKPOINT_SECONDS = 2.0

UNDECODED = 64 * 1024
"""Bytes kept undecoded. An event that is larger goes by in parts, and its tokens are guessed."""

GROUP = 16 * 1024
"""Bytes of whole events that are first looked at together."""

EDGE = 3
"""Bytes in which the end of an event may have begun."""

PATIENCE = 5.0
"""Seconds that ``more`` waits for the store, which bounds its own calls far below that."""

Extend = Callable[[int], Awaitable[TollwayError | None]]


class LiveMeter:
    """Implements ``context.StreamMeter`` for one stream of server-sent events, on one event loop.

    What leaves never has more tokens than were granted, but for the rest of an event whose beginning left when it could not
    matter. More is asked for ahead, when less than a quarter of ``step`` is left.
    """

    __slots__ = (
        "_asked", "_asking", "_buffer", "_checked", "_checkpoint", "_clock", "_due", "_ending", "_events", "_extend", "_factor",
        "_free", "_granted", "_hooked", "_large", "_left", "_limit", "_need", "_patience", "_refused", "_rhythm", "_room", "_size",
        "_spend", "_step", "_tally", "_text", "_told", "error", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        *,
        dialect: Dialect,
        count: Callable[[str], int],
        reserved: int | None,
        extend: Extend,
        step: int,
        checkpoint: Callable[[int], None] | None,
        spend: Callable[[int], None] | None,
        clock: Clock,
        factor: float = 1.0,
        patience: float = PATIENCE,
    ) -> None:
        """``count``: exact tokens of a text, ``factor``: what they are multiplied by for a model whose vocabulary is not known.

        ``reserved``: output tokens granted; ``None``: no limit. ``extend``: asks for so many more. ``checkpoint``: told the tokens so
        far, ``spend`` those since it was last told, both at least every 200 tokens or 2 s.
        """
        self.error: TollwayError | None = None
        self.waiting = False
        self._text = StreamedText(dialect)
        self._tally = Tally(count)
        self._factor = factor
        self._clock = clock
        # Bytes not read yet, of which the first ``_left`` have left, and events among them.
        self._buffer: list[bytes] = []
        self._size = self._left = self._events = 0
        # Is an event that is too large going by, and does it generate nothing? Has the body ended?
        self._large = self._free = self._ending = False
        self._extend = extend
        self._step = self._asked = max(1, step)
        self._patience = patience
        self._asking: asyncio.Future[TollwayError | None] | None = None
        self._refused: TollwayError | None = None
        self._need = 0
        self._checkpoint = checkpoint
        self._spend = spend
        self._hooked = checkpoint is not None or spend is not None
        self._rhythm = int(CHECKPOINT_TOKENS / factor)
        self._due = self._rhythm if self._hooked else maxsize
        self._checked = clock()
        self._told = 0
        self._granted = reserved
        self._set_room()

    def go_on(self, begun: bytes, asking: "asyncio.Future[TollwayError | None] | None", asked: int) -> None:
        """Before the first byte: of an event ``begun`` has left, and ``asked`` more tokens may be under way."""
        if begun:
            self._buffer.append(begun)
            self._size = self._left = len(begun)
        if asking is not None:
            self._asking, self._asked = asking, asked
            self._set_room()

    @property
    def tokens(self) -> int:
        """Output tokens that have left so far: exact for what could be read, an event under way not included."""
        self._read_on()
        return self._figure(self._tally.total())

    def feed(self, data: bytes) -> bytes:
        """Of ``data`` and what waited, what may leave now."""
        if self.error is not None:
            return b""
        before = self._size
        self._buffer.append(data)
        self._size = size = before + len(data)
        ceiling = self._tally.ceiling + size
        if self._left != before or ceiling > self._limit or self._large:
            return self._release()
        self._left = size
        if data.endswith(b"\n\n"):
            # At least one: what surrounds its text, as learnt, generated nothing.
            self._events += 1
        if (
            ceiling - self._events * self._text.envelope > self._due
            or size > UNDECODED
            or (self._hooked and self._clock() - self._checked >= CHECKPOINT_SECONDS)
        ):
            self._read_on()
        return data

    def finish(self) -> bytes:
        """The body has ended: what may leave of an event without its blank line. Then, as after ``feed``, look at ``waiting``."""
        self._ending = True
        return self._release() if self.error is None else b""

    async def more(self) -> bytes:
        """Waits for the grant; what may leave then. Refused, ``error`` says why, and it is the last that leaves."""
        while self.waiting:
            if self._asking is None:
                self._ask(max(self._need, self._step if self._refused is None else self._asked // 4))
            assert self._asking is not None
            await asyncio.wait((self._asking,), timeout=self._patience)
            if not self._asking.done():
                self.close()
                return self._last(_unanswered())
            refused = self._take_answer()
            if refused is None:
                return self._release()
            if self._asked <= self._need:
                return self._last(refused)
            # What was refused may be there in part: the last tokens of a limit are worth a few questions.
            self._ask(max(self._need, self._asked // 4))
        return b""

    def close(self) -> None:
        """The stream has ended, however it did. Idempotent."""
        asking, self._asking = self._asking, None
        if asking is not None and not asking.cancel() and not asking.cancelled():
            asking.exception()

    # ---- what may leave ---------------------------------------------------------------------------------------------

    def _release(self) -> bytes:
        """Reads what is there and lets go of what fits. ``done``: read up to there; ``leaving``: leaves up to there."""
        if self._asking is not None and self._asking.done():
            self._take_answer()
        self.waiting = False
        data = b"".join(self._buffer)
        done = self._admit_large(data, 0) if self._large else 0
        if not self._large and not self.waiting:
            done = self._admit_whole(data, done)
        leaving = done
        if not self.waiting:
            done, leaving = (done, len(data)) if self._large else self._admit_rest(data, done)
        out = data[self._left : leaving]
        self._buffer = [data[done:]] if done < len(data) else []
        self._size = len(data) - done
        self._left = max(self._left, leaving) - done
        self._events = 0
        self._tell()
        if self._tally.ceiling + self._size > self._limit:
            self._look_ahead()
        return out

    def _admit_whole(self, data: bytes, done: int) -> int:
        """Offset up to which whole events fit: first in groups, one by one in the group that holds the boundary."""
        while not self.waiting:
            end = last_boundary(data, done, done + GROUP) or first_boundary(data, done)
            if not end:
                break
            if self._fits(*self._text.text_of(data[done:end])):
                done = end
                continue
            for stop in boundaries(data, done, end):
                if not self._fits(*self._text.text_of(data[done:stop])):
                    self.waiting = True
                    break
                done = stop
        return done

    def _admit_rest(self, data: bytes, done: int) -> tuple[int, int]:
        """What of an unfinished event may leave: all of it, or nothing before it is whole."""
        rest = len(data) - done
        if rest > UNDECODED:
            self._large = True
            self._free = not self._text.carries_text(data[done : done + HEAD])
            done = self._admit_large(data, done)
            return done, done if self.waiting else len(data)
        if not rest:
            return done, done
        if self._ending:
            self.waiting = not self._fits(*self._text.text_of_last(data[done:]))
            return (done, done) if self.waiting else (len(data), len(data))
        fits = self._tally.ceiling + rest <= self._room or self._tally.total() + rest <= self._room
        return done, len(data) if fits else done

    def _admit_large(self, data: bytes, done: int) -> int:
        """Offset up to which an event that is too large to be read goes by; some bytes stay in which its end may begin."""
        end = first_boundary(data, done)
        stop = end or (len(data) if self._ending else max(done, len(data) - EDGE))
        self.waiting = not self._fits("", 0 if self._free else -(-(stop - done) // BYTES_PER_TOKEN))
        if self.waiting:
            return done
        self._large = not end
        return stop

    def _fits(self, text: str, guessed: int) -> bool:
        """Takes what some bytes generated, if that is granted. What generates nothing always fits."""
        tally = self._tally
        size = bytes_of(text) + guessed
        if size and tally.ceiling + size > self._room:
            total = tally.with_more(text) + guessed
            if total > self._room:
                self._need = self._figure(total) - (self._granted or 0)
                return False
        if text:
            tally.add(text)
        if guessed:
            tally.charge(guessed)
        return True

    def _last(self, error: TollwayError) -> bytes:
        """The stream ends here, by ``error``; an event that has begun to leave is finished."""
        self.error = error
        self.waiting = False
        data = b"".join(self._buffer)
        end = 0
        if self._left and not self._large:
            end = first_boundary(data, 0) or len(data)
            text, guessed = self._text.text_of_last(data[:end])
            self._tally.add(text)
            self._tally.charge(guessed)
        out = data[self._left : end]
        self._buffer = []
        self._size = self._left = 0
        self._tell()
        return out

    # ---- asking for more --------------------------------------------------------------------------------------------

    def _set_room(self) -> None:
        """``_room``: what is granted, as ``count`` counts; ``_limit``: from where on it is time to ask for more."""
        if self._granted is None:
            self._room = self._limit = maxsize
            return
        self._room = int(self._granted / self._factor)
        asked = self._asking is not None or self._refused is not None
        self._limit = self._room - (0 if asked else min(self._asked, self._granted) // 4)

    def _look_ahead(self) -> None:
        """Asks for more where little is left, exactly counted."""
        if self._asking is None and self._refused is None and self._tally.total() > self._limit:
            self._ask(max(self._step, self._need) if self.waiting else self._step)

    def _ask(self, amount: int) -> None:
        self._asked = amount
        self._asking = asyncio.ensure_future(self._extend(amount))
        self._set_room()

    def _take_answer(self) -> TollwayError | None:
        """What the store said, once it has."""
        asking, self._asking = self._asking, None
        assert asking is not None
        assert self._granted is not None
        self._refused = asking.result()
        if self._refused is None:
            self._granted += self._asked
        self._set_room()
        return self._refused

    # ---- what has left ----------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Reads what has left and was not read yet."""
        if self._left == self._size and self._left and not self._large:
            self._release()

    def _tell(self) -> None:
        """A checkpoint, when one is due. The tokens are counted only where there could be so many."""
        if not self._hooked or (self._tally.ceiling <= self._due and not self._late()):
            return
        total = self._tally.total()
        if total < self._due - self._rhythm // 2 and not self._late():
            return
        self._checked = self._clock()
        self._due = total + self._rhythm
        figure = self._figure(total)
        if figure > self._told:
            if self._checkpoint is not None:
                self._checkpoint(figure)
            if self._spend is not None:
                self._spend(figure - self._told)
            self._told = figure

    def _late(self) -> bool:
        return self._clock() - self._checked >= CHECKPOINT_SECONDS

    def _figure(self, counted: int) -> int:
        return counted if self._factor == 1.0 else ceil(counted * self._factor)


def _unanswered() -> LimitsUnavailable:
    return LimitsUnavailable(
        "The limit's store did not say in time whether more output is left, so the answer ends here; send the request again.",
        headers=retry_after(1),
    )
