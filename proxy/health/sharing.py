"""Health shared between workers: each tells what it finds out, hears the others, and reads what still holds when it begins to listen.

Seconds that remain travel, never clocks. Nothing of a request waits for this, and while the store is down each worker knows only what
it sees itself.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, Protocol

from msgspec import DecodeError, Meta, Struct, convert, json, structs

from ..policy.faults import FaultKind
from .board import HealthBoard
from .changes import Change, Kind

_log = logging.getLogger("tollway.health")

CHANNEL = "{tollway}:health:changes"
"""Where words of health are said: whoever listens for other changes need not hear them."""

ENDS, SUBJECTS = "{tollway}:health:ends", "{tollway}:health:subjects"
"""What still holds: a sorted set of subjects by when it ends (the store's own clock), and a hash of what was said of each."""

KEPT = 1024
"""Subjects that the store keeps; what ends first goes first."""

WAITING = 1000
"""Words that wait to be sent; the oldest are given up."""

LONG = 4096
"""Characters of a word that is still looked at."""

MISSED = ""
"""What the listener hears when words may have been lost."""

WRITE = """
local told = redis.call('TIME')
local now = told[1] * 1000 + math.floor(told[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local ended = redis.call('ZCOUNT', KEYS[1], '-inf', now)
local over = math.max(redis.call('ZCARD', KEYS[1]) - ARGV[4], ended)
local gone = over > 0 and redis.call('ZRANGE', KEYS[1], 0, over - 1) or {}
for _, subject in ipairs(gone) do
  redis.call('ZREM', KEYS[1], subject)
  redis.call('HDEL', KEYS[2], subject)
end
redis.call('PEXPIRE', KEYS[1], 3600000)
redis.call('PEXPIRE', KEYS[2], 3600000)
"""
"""Keeps ``ARGV[3]`` of the subject ``ARGV[1]`` for ``ARGV[2]`` milliseconds, of at most ``ARGV[4]`` subjects."""

READ = """
local told = redis.call('TIME')
local now = told[1] * 1000 + math.floor(told[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], now + 1, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local answer = {}
for number = 1, #found, 2 do
  answer[number] = redis.call('HGET', KEYS[2], found[number]) or ''
  answer[number + 1] = tonumber(found[number + 1]) - now
end
return answer
"""
"""What still holds: what was said, and milliseconds, in turn."""


class Link(Protocol):
    """The way to the store, as ``proxy/state`` makes it."""

    def call(self, *words: bytes | str | int) -> Coroutine[Any, Any, object]:
        """One command and its reply."""


class Words(Protocol):
    """Words said to all workers, as ``proxy/state`` carries them, on ``CHANNEL``."""

    async def publish(self, kind: str) -> None:
        """Says one."""

    def listen(self, callback: Callable[[str], None]) -> None:
        """Calls back with each word, and with ``MISSED`` after each time that some may have been lost."""


class Word(Struct, frozen=True, kw_only=True):
    """A ``Change`` as it travels, and who sends it. What does not fit is not heard."""

    sender: Annotated[str, Meta(max_length=64)]
    kind: Kind
    provider: Annotated[str, Meta(max_length=256)]
    model: Annotated[str, Meta(max_length=512)]
    key: Annotated[int, Meta(ge=-1, le=1000)] = -1
    seconds: Annotated[float, Meta(ge=0, le=3600)] = 0.0
    times: Annotated[int, Meta(ge=0, le=1000)] = 0
    asked: bool = False
    reason: FaultKind | Literal[""] = ""


_decoder = json.Decoder(Word)


class SharedHealth:
    """``sender``: a name that no other worker has."""

    def __init__(self, board: HealthBoard, link: Link, words: Words, *, sender: str) -> None:
        self._board = board
        self._link = link
        self._words = words
        self._sender = sender
        self._outgoing: deque[Change] = deque(maxlen=WAITING)
        self._awake = asyncio.Event()
        self._missed = False
        self._failing = False
        board.listen(self._tell)

    async def run(self) -> None:
        """For ever: sends what is found out here, and reads what was missed."""
        self._words.listen(self._hear)
        while True:
            await self._awake.wait()
            self._awake.clear()
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 - whatever the store is down of, the next words must be sent
                if not self._failing:
                    _log.warning("health is not shared for now: %s", type(error).__name__)
                self._failing = True
            else:
                self._failing = False

    async def _catch_up(self) -> None:
        while self._outgoing or self._missed:
            if self._missed:
                self._missed = False
                await self._read()
            if self._outgoing:
                await self._send(self._outgoing.popleft())

    # ---- telling ----------------------------------------------------------------------------------------------------

    def _tell(self, change: Change) -> None:
        self._outgoing.append(change)
        self._awake.set()

    async def _send(self, change: Change) -> None:
        try:
            word = convert({**structs.asdict(change), "sender": self._sender}, Word)
            text = json.encode(word).decode()
            subject = json.encode([change.provider, change.model, change.key])
        except ValueError:
            # A model's name that is too long, or no text.
            return
        await self._words.publish(text)
        if change.kind in {"opened", "rested"}:
            length = int(change.seconds * 1000)
            await self._link.call("EVAL", WRITE, 2, ENDS, SUBJECTS, subject, length, text, KEPT)
        elif change.kind in {"closed", "freed"}:
            await self._link.call("ZREM", ENDS, subject)
            await self._link.call("HDEL", SUBJECTS, subject)

    # ---- hearing ----------------------------------------------------------------------------------------------------

    def _hear(self, text: str) -> None:
        if text == MISSED:
            self._missed = True
            self._awake.set()
            return
        self._heed(text)

    def _heed(self, text: str | bytes, seconds: float | None = None) -> None:
        """Does as if it had found out itself what another worker says; ``seconds`` instead of those that the word names."""
        if len(text) > LONG:
            return
        try:
            word = _decoder.decode(text)
        except (DecodeError, UnicodeError):
            return
        if word.sender == self._sender:
            return
        figures = structs.asdict(word)
        del figures["sender"]
        change = Change(**figures)
        self._board.heard(change if seconds is None else structs.replace(change, seconds=seconds))

    async def _read(self) -> None:
        """What the others found out before, and still holds."""
        found = await self._link.call("EVAL", READ, 2, ENDS, SUBJECTS, KEPT)
        if not isinstance(found, list):
            return
        for text, length in zip(found[::2], found[1::2], strict=False):
            if isinstance(text, bytes) and isinstance(length, int):
                self._heed(text, length / 1000)
