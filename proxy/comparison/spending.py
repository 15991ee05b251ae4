"""What the questions cost, in whole micro-dollars, and a purse out of which more is never promised than is in it."""

import math
import threading

from msgspec import Struct

from ..wire.values import Json, count, obj

MICRO = 1_000_000


class Price(Struct, frozen=True):
    """US dollars per million tokens, which is micro-dollars a token."""

    input: float
    output: float

    def of(self, prompt: int, output: int) -> int:
        """Micro-dollars, rounded up once."""
        # What binary fractions add beyond the exact product must not become a micro-dollar.
        return math.ceil(round(prompt * self.input + output * self.output, 6))


class Tariff(Struct, frozen=True):
    """Prices of one model by the target that answers, as ``provider/model``; ``""``: wherever it is answered."""

    places: dict[str, Price]

    @property
    def dearest(self) -> Price:
        """What a question can cost at most, whoever answers."""
        return Price(
            max(price.input for price in self.places.values()), max(price.output for price in self.places.values())
        )

    def at(self, place: str) -> Price:
        """Of one target; of one that nobody had named the dearest."""
        return self.places.get(place) or self.dearest


class Usage(Struct, frozen=True):
    """Tokens as the provider reports them; thoughts are part of the output."""

    prompt: int
    output: int


def usage_in(value: Json) -> Usage | None:
    """The ``usage`` of a chat answer; ``None`` where it says nothing that can be counted."""
    found = obj(value)
    prompt, output = count(found.get("prompt_tokens")), count(found.get("completion_tokens"))
    return Usage(prompt, output) if prompt is not None and output is not None else None


class Purse:
    """Holds a bound for each question that is under way and takes what it came to. ``cap`` in micro-dollars, ``None``: none.

    Threads wait in ``hold`` while what others hold may come back.
    """

    def __init__(self, cap: int | None, spent: int = 0) -> None:
        self._cap = cap
        self._spent = spent
        self._held = 0
        self._empty = False
        self._changed = threading.Condition()

    @property
    def spent(self) -> int:
        """Micro-dollars, of earlier runs too."""
        return self._spent

    @property
    def empty(self) -> bool:
        """Was something refused?"""
        return self._empty

    def hold(self, bound: int) -> bool:
        """Sets ``bound`` aside; false: it is not there, and nothing that comes back can change that. Then all else is refused, too."""
        with self._changed:
            while True:
                if self._empty:
                    return False
                if self._cap is None or self._spent + self._held + bound <= self._cap:
                    self._held += bound
                    return True
                if self._held == 0:
                    self._empty = True
                    self._changed.notify_all()
                    return False
                self._changed.wait()

    def settle(self, bound: int, spent: int) -> None:
        """What was held comes back, less what was spent."""
        with self._changed:
            self._held -= bound
            self._spent += spent
            self._changed.notify_all()
