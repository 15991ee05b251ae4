"""How long prompts and answers are to be: a number, a range or a distribution, drawn from a seed."""

import math
from random import Random
from typing import Literal

from msgspec import Struct

FORMS = "N, LOW-HIGH, normal:MEAN:STD or lognormal:MEDIAN:SIGMA"
LONGEST = 1_000_000
"""Tokens of one prompt or answer at most."""


class BadLengths(ValueError):
    """No length can be read from it. The text says what is taken."""


class Lengths(Struct, frozen=True):
    """``first`` and ``second`` as the form has them: low and high, mean and standard deviation, median and sigma. In tokens."""

    kind: Literal["uniform", "normal", "lognormal"]
    first: float
    second: float

    @property
    def mean(self) -> float:
        """What it comes to on average, for an estimate."""
        if self.kind == "uniform":
            return (self.first + self.second) / 2
        return self.first if self.kind == "normal" else self.first * math.exp(self.second**2 / 2)

    def draw(self, chance: Random) -> int:
        """One length, 1 at least."""
        if self.kind == "uniform":
            return chance.randint(int(self.first), int(self.second))
        if self.kind == "normal":
            found = chance.gauss(self.first, self.second)
        else:
            found = self.first * math.exp(min(chance.gauss(0.0, self.second), 20.0))
        return min(max(round(found), 1), LONGEST)


def read(text: str) -> Lengths:
    """From one of ``FORMS``. Raises ``BadLengths``."""
    kind, *parts = text.strip().split(":")
    try:
        if not parts:
            low, dash, high = kind.partition("-")
            first, last = int(low), int(high if dash else low)
            if 1 <= first <= last <= LONGEST:
                return Lengths("uniform", first, last)
        elif kind in ("normal", "lognormal") and len(parts) == 2:
            middle, spread = float(parts[0]), float(parts[1])
            if 1 <= middle <= LONGEST and 0 <= spread < (LONGEST if kind == "normal" else 5):
                return Lengths("normal" if kind == "normal" else "lognormal", middle, spread)
    except ValueError:
        pass
    raise BadLengths(f"{text!r} is no length: use {FORMS}, 1 to {LONGEST} tokens")
