"""What is asked, as bytes that are ready before the first request is due.

A synthetic prompt begins with a mark of its own, so that no cache on the way answers in the model's place; what is behind the mark is
drawn from the seed. Prompts of a data set are sent as they are.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Protocol

import msgspec
from msgspec import Struct

from ..wire.values import Json
from .dataset import Entry
from .lengths import Lengths

_WORDS = (
    "road", "river", "stone", "light", "water", "table", "paper", "green", "small", "early", "north", "south", "bridge", "market",
    "garden", "winter", "summer", "letter", "number", "silver", "window", "morning", "evening", "village", "station", "harbour",
    "journey", "distance", "and", "or", "the", "a", "of", "to", "in", "on", "with", "from", "under", "between",
)  # fmt: skip
_MARK = "\x00mark\x00"
_MARK_TOKENS = 10
"""Tokens of a mark and of the question around the words, about."""
_POOL = 512
"""Synthetic bodies that are made; after them the words begin again, with other marks."""

_ENCODER = msgspec.json.Encoder()


class Shape(Struct, frozen=True, kw_only=True):
    """What every request has in common. ``limit_field``: the field that limits the answer."""

    model: str
    stream: bool = True
    usage: bool = True
    limit_field: str = "max_tokens"
    extra: Mapping[str, Json] = {}

    def body(self, request: Mapping[str, Json], limit: int | None) -> bytes:
        """A chat request; ``request`` holds its messages, ``extra`` fields win over all others."""
        made: dict[str, Json] = {"model": self.model, **request}
        if limit is not None:
            made[self.limit_field] = limit
        made["stream"] = self.stream
        if self.stream and self.usage:
            made["stream_options"] = {"include_usage": True}
        return _ENCODER.encode({**made, **self.extra})


class Prompts(Protocol):
    """Bodies by number."""

    def body(self, number: int, side: int) -> bytes:
        """The request of that number, as one of the sides that are compared sends it."""

    def input_tokens(self, number: int) -> int | None:
        """How many tokens were asked for, where the server does not tell; ``None``: nobody knows."""

    def estimate(self) -> tuple[float, float | None]:
        """Tokens of a prompt and of an answer on average; ``None``: the answers are not limited."""


class Synthetic:
    """``distinct`` prompts that come again and again, or a new one for every request."""

    def __init__(
        self,
        shape: Shape,
        *,
        prompt: Lengths,
        answer: Lengths | None,
        seed: int,
        run: int = 0,
        distinct: int | None = None,
    ) -> None:
        chance = Random(seed)  # noqa: S311 - words, no secrets
        self._label = f"{chance.getrandbits(32):08x}-{run}"
        self._distinct = distinct
        self._mean = prompt.mean, None if answer is None else answer.mean
        self._lengths: list[int] = []
        self._cut: list[tuple[bytes, bytes]] = []
        for _ in range(min(distinct or _POOL, _POOL)):
            length, limit = prompt.draw(chance), None if answer is None else answer.draw(chance)
            words = " ".join(chance.choices(_WORDS, k=max(length - _MARK_TOKENS, 1)))
            body = shape.body({"messages": [{"role": "user", "content": f"{_MARK}Go on: {words}"}]}, limit)
            head, _, tail = body.partition(_ENCODER.encode(_MARK)[1:-1])
            self._cut.append((head, tail))
            self._lengths.append(length)

    def body(self, number: int, side: int) -> bytes:
        """Its words behind its mark; the sides get marks of equal length."""
        if self._distinct is not None:
            number, side = number % self._distinct, 0
        head, tail = self._cut[number % len(self._cut)]
        return b"%b[%b-%08d-%d] %b" % (head, self._label.encode(), number, side, tail)

    def input_tokens(self, number: int) -> int | None:
        """As drawn."""
        if self._distinct is not None:
            number %= self._distinct
        return self._lengths[number % len(self._lengths)]

    def estimate(self) -> tuple[float, float | None]:
        """The means of what was asked for."""
        return self._mean


class Written:
    """The prompts of a data set in their order, from the first again after the last."""

    def __init__(self, shape: Shape, entries: Sequence[Entry], *, answer: Lengths | None, seed: int) -> None:
        """``answer`` limits those that bring no limit of their own."""
        chance = Random(seed)  # noqa: S311 - lengths, no secrets
        limits = [
            entry.output_tokens or (answer.draw(chance) if answer is not None and not entry.limited else None)
            for entry in entries
        ]
        self._bodies = [shape.body(entry.request, limit) for entry, limit in zip(entries, limits, strict=True)]
        known = [limit for limit in limits if limit is not None]
        # Four bytes a token: what English takes, about.
        prompt = sum(map(len, self._bodies)) / len(self._bodies) / 4
        self._mean = prompt, sum(known) / len(known) if len(known) == len(entries) else None

    def body(self, number: int, side: int) -> bytes:
        """As it was written."""
        return self._bodies[number % len(self._bodies)]

    def input_tokens(self, number: int) -> int | None:
        """Not known."""
        return None

    def estimate(self) -> tuple[float, float | None]:
        """From the size of the bodies; of the answers, what they are limited to."""
        return self._mean


class Sided:
    """The same prompts to sides that name the model differently."""

    def __init__(self, sides: Sequence[Prompts]) -> None:
        self._sides = sides

    def body(self, number: int, side: int) -> bytes:
        """As that side wants it."""
        return self._sides[side].body(number, side)

    def input_tokens(self, number: int) -> int | None:
        """Of either side."""
        return self._sides[0].input_tokens(number)

    def estimate(self) -> tuple[float, float | None]:
        """Of either side."""
        return self._sides[0].estimate()
