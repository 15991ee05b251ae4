"""What tokens cost: prices by class, the exact sum, rounded up once. Pure arithmetic in integers.

Prices are micro-dollars per million tokens, so a sum of price times tokens is in millionths of a micro-dollar.
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil

from msgspec import Struct

from ..catalogue import ModelInfo
from ..policy.terms import ListPrice
from ..wire.usage import Usage

MILLION = 1_000_000
WHOLE = Fraction(1)


class Rates(Struct, frozen=True):
    """The price of each class of tokens, micro-dollars per million; ``None``: not known."""

    input: int | None
    cached: int | None
    cache_write: int | None
    output: int | None

    def total(self, usage: Usage) -> int | None:
        """Millionths of a micro-dollar; ``None`` where tokens of a class without a known price flowed.

        The classes are disjoint: ``usage.input`` includes what was read from and written to the cache, ``usage.output`` includes
        reasoning. Audio and image tokens cost what their class costs: the catalogue has no prices of their own.
        """
        cached, written, output = usage.cached, usage.cache_write, usage.output
        plain = usage.input - cached - written
        if cached <= 0 >= written and self.input is not None and self.output is not None:
            # Nearly every request.
            return (plain * self.input if plain > 0 else 0) + (output * self.output if output > 0 else 0)
        total = 0
        for tokens, price in (
            (plain, self.input),
            (cached, self.cached),
            (written, self.cache_write),
            (output, self.output),
        ):
            if tokens > 0:
                if price is None:
                    return None
                total += tokens * price
        return total

    def dearest_input(self) -> int | None:
        """The most that a token of the prompt can cost; ``None`` where its price is not known."""
        known = [price for price in (self.input, self.cached, self.cache_write) if price is not None]
        return max(known) if self.input is not None else None


class Tariff(Struct, frozen=True):
    """Prices of one model. Above ``above`` prompt tokens the ``tier`` holds for all tokens of the request."""

    rates: Rates
    above: int | None = None
    tier: Rates | None = None

    def total(self, usage: Usage) -> int | None:
        """As ``Rates.total``, at the rates that hold for a prompt of this length."""
        return (self.rates if self.tier is None else self.at(usage.input)).total(usage)

    def at(self, prompt: int) -> Rates:
        """The rates for a prompt of so many tokens."""
        if self.tier is not None and self.above is not None and prompt > self.above:
            return self.tier
        return self.rates

    def dearest(self) -> tuple[int | None, int | None]:
        """The most that a token of input and of output can cost."""
        inputs, outputs = self.rates.dearest_input(), self.rates.output
        if self.tier is not None:
            inputs = _most(inputs, self.tier.dearest_input())
            outputs = _most(outputs, self.tier.output)
        return inputs, outputs


FREE = Tariff(Rates(0, 0, 0, 0))
UNKNOWN = Tariff(Rates(None, None, None, None))


def of_model(info: ModelInfo) -> Tariff:
    """The provider's own prices. A class without a price of its own costs what it stands in for: a cached token an input token.

    An embedding has no output, so that its missing price is none.
    """
    output = 0 if info.output_price is None and info.mode == "embedding" else info.output_price
    rates = Rates(
        info.input_price,
        _first(info.cached_price, info.input_price),
        _first(info.cache_write_price, info.input_price),
        output,
    )
    if info.tier_above is None:
        return Tariff(rates)
    tier_input = _first(info.tier_input_price, info.input_price)
    tier = Rates(
        tier_input,
        _first(info.tier_cached_price, tier_input),
        _first(info.tier_cache_write_price, tier_input),
        _first(info.tier_output_price, output),
    )
    return Tariff(rates, info.tier_above, tier)


def of_list(price: ListPrice) -> Tariff:
    """A plan's own price, in dollars per million tokens there; parts that are not set follow ``input``."""
    whole = _micro(price.input)
    return Tariff(
        Rates(
            whole,
            whole if price.cached_input is None else _micro(price.cached_input),
            whole if price.cache_write is None else _micro(price.cache_write),
            _micro(price.output),
        )
    )


def factor_of(markup: float) -> Fraction:
    """What a provider's price is multiplied with: exact, by the decimal text of the percentage (12.5 is 1.125)."""
    return (100 + Fraction(repr(markup))) / 100 if markup else WHOLE


@lru_cache(maxsize=1024)
def share_of(percent: float) -> Fraction:
    """A percentage as a factor, as exact."""
    return Fraction(repr(percent)) / 100


def rounded_up(total: int, factor: Fraction, share: Fraction = WHOLE) -> int:
    """Micro-dollars of ``total`` millionths times ``factor``, of which ``share`` is due, rounded up: the one rounding of a request."""
    if factor is WHOLE is share:
        return -(-total // MILLION)
    above, below = factor.as_integer_ratio()
    part, whole = share.as_integer_ratio()
    return -(-total * above * part // (MILLION * below * whole))


def price_up(price: int, factor: Fraction) -> int:
    """A price per million tokens times ``factor``, rounded up: for quotes, which must not be too low."""
    above, below = factor.as_integer_ratio()
    return -(-price * above // below)


def _micro(dollars: float) -> int:
    """Rounded up: a price of less than a millionth of a dollar is not 0."""
    return ceil(Fraction(repr(dollars)) * MILLION)


def _first(price: int | None, instead: int | None) -> int | None:
    return instead if price is None else price


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
