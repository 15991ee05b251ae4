"""What a request costs by the catalogue and the account's plan: quotes before it, the version that names the prices.

A quote carries the prices it was made from, so that a request is settled at the prices that held when it began. Looking one up
again costs two dictionary lookups; a catalogue that changes (a refresh, a reload) empties the memory.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from fractions import Fraction
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import structs

from .. import catalogue
from ..catalogue import Book, ModelInfo
from ..catalogue.model import PRICES
from ..context import NO_QUOTE, Principal, Quote, Target
from ..policy.terms import AT_COST, Plan
from ..wire.usage import Usage
from .tariff import FREE, UNKNOWN, WHOLE, Rates, Tariff, factor_of, of_list, of_model, price_up, rounded_up

AT_LIST = WHOLE
_PLANS = 4096
_QUOTES = 4096


class Priced(Quote, frozen=True, gc=False, kw_only=True):
    """A quote with what it was made from. ``customer`` prices are multiplied with ``factor``; ``operator`` is what we pay."""

    customer: Tariff
    factor: Fraction
    operator: Tariff
    provider: str
    model: str
    version: str
    below_tier: tuple[int, int]
    """``rates`` of a prompt to which no tier applies."""

    def rates(self, prompt: int) -> tuple[int, int]:
        """Micro-dollars to the customer for a million plain tokens of input, and of output, behind a prompt of ``prompt`` tokens; 0
        where unknown."""
        customer = self.customer
        if customer.tier is None:
            return self.below_tier
        return _plain(customer.at(prompt), self.factor)

    def charge(self, usage: Usage, share: Fraction = WHOLE) -> int | None:
        """Micro-dollars to the customer for ``share`` of a whole answer with ``usage``; ``None``: price unknown."""
        total = self.customer.total(usage)
        return None if total is None else rounded_up(total, self.factor, share)

    def whole(self, usage: Usage) -> tuple[int | None, int | None]:
        """Micro-dollars to the customer for a whole answer, and to the operator."""
        due = spent = self.customer.total(usage)
        charge = None if due is None else rounded_up(due, self.factor)
        if self.operator is self.customer:
            if self.factor is AT_LIST:
                return charge, charge
        else:
            spent = self.operator.total(usage)
        return charge, None if spent is None else rounded_up(spent, AT_LIST)


class _Table:
    """Quotes of one plan."""

    __slots__ = ("factor", "lists", "quotes", "version")

    def __init__(self, plan: Plan, version: str) -> None:
        self.factor = factor_of(plan.markup)
        self.lists = [(glob, of_list(price)) for glob, price in plan.prices.items()]
        self.version = version
        self.quotes: dict[tuple[str, str, str], Priced] = {}

    def listed(self, model: str) -> Tariff | None:
        """The plan's own price of a public model name: the first glob that matches."""
        return next((tariff for glob, tariff in self.lists if fnmatchcase(model, glob)), None)


class PriceList:
    """Prices for every plan. One event loop.

    ``info``: the catalogue's row of a target; ``free``: does this configured provider cost nothing where no price is known
    (see ``self_hosted``)? ``unknown``: what a quote says of a price that nobody knows: ``deny`` (not known) or ``free`` (0).
    """

    def __init__(
        self,
        *,
        info: Callable[[Target], ModelInfo | None],
        free: Callable[[str], bool],
        unknown: Literal["deny", "free"] = "deny",
        book: Callable[[], Book] = catalogue.current,
    ) -> None:
        self._info = info
        self._free = free
        self._unknown = unknown
        self._current = book
        self._book: Book | None = None
        self._edition = ""
        self._plans: dict[int, tuple[Plan, _Table]] = {}
        self._tables: dict[str, _Table] = {}

    def quote(self, principal: Principal, model: str, target: Target | None) -> Quote:
        """See ``protocols.Pricing``: tiers and classes at their dearest, so that a hold covers whatever is reported."""
        if target is None:
            return NO_QUOTE
        known = self._plans.get(id(principal.plan)) if self._current() is self._book else None
        table = known[1] if known is not None else self._table(principal.plan)
        asked = (model, target.provider, target.model)
        found = table.quotes.get(asked)
        if found is None:
            if len(table.quotes) >= _QUOTES:
                table.quotes.clear()
            found = table.quotes[asked] = self._quote(table, model, target)
        return found

    def version(self, principal: Principal) -> str:
        """The catalogue with all overrides, and the plan: two short digests, the same wherever both are the same."""
        return self._table(principal.plan).version

    def operator(self, target: Target) -> Tariff:
        """What the operator pays for ``target``."""
        info = self._info(target)
        tariff = of_model(info) if info is not None else UNKNOWN
        if tariff.rates.input is None and tariff.rates.output is None and self._free(target.provider):
            return FREE
        return tariff

    def _quote(self, table: _Table, model: str, target: Target) -> Priced:
        info, operator = self._info(target), self.operator(target)
        listed = table.listed(model)
        customer, factor = (operator, table.factor) if listed is None else (listed, AT_LIST)
        inputs, outputs = customer.dearest()
        known = inputs is not None and outputs is not None
        return Priced(
            price_up(inputs or 0, factor) if known else 0,
            price_up(outputs or 0, factor) if known else 0,
            known or self._unknown == "free",
            (info.max_output or 0) if info is not None else 0,
            customer=customer,
            factor=factor,
            operator=operator,
            provider=target.provider,
            model=target.model,
            version=table.version,
            below_tier=_plain(customer.rates, factor),
        )

    def _table(self, plan: Plan) -> _Table:
        if self._current() is not self._book:
            self._reopen()
        found = self._plans.get(id(plan))
        if found is not None:
            return found[1]
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        version = f"{self._edition}.{_plan_name(plan)}"
        if version not in self._tables and len(self._tables) >= _PLANS:
            self._tables.clear()
        table = self._tables.setdefault(version, _Table(plan, version))
        # The plan is kept, so that its id stays its own.
        self._plans[id(plan)] = (plan, table)
        return table

    def _reopen(self) -> None:
        self._book = self._current()
        self._edition = _edition(self._book)
        self._plans.clear()
        self._tables.clear()


def _plain(rates: Rates, factor: Fraction) -> tuple[int, int]:
    return price_up(rates.input or 0, factor), price_up(rates.output or 0, factor)


def _edition(book: Book) -> str:
    """Short and stable: the digest of every price in the book."""
    digest = blake2b(digest_size=5)
    for row in sorted((info.provider, info.id, *(_or_none(getattr(info, name)) for name in PRICES)) for info in book):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def _plan_name(plan: Plan) -> str:
    """Only what decides prices: an allowance does not."""
    priced = structs.replace(plan, included_usd=0.0, prepaid=False)
    if priced == AT_COST:
        return "cost"
    # Not sorted: the order of the globs decides.
    return blake2b(msgspec.json.encode(priced), digest_size=4).hexdigest()


def _or_none(price: int | None) -> int:
    """Unknown is not 0."""
    return -1 if price is None else price
