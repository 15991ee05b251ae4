"""What one admitted request holds: grown while its stream runs, turned into use as it is delivered, settled once at the end."""

from collections.abc import Awaitable, Sequence
from sys import maxsize

from msgspec import Struct

from ..context import Quote, RequestContext
from ..errors import TollwayError
from ..policy.rules import Denial, Reservation, Rule
from ..protocols import LimitStore
from ..wire.usage import NO_USAGE, Usage
from .asking import Asked, affordable, cost
from .leases import Leases
from .refusal import refusal

FAR = 64
"""A limit is far where so many times as much is left as is asked for."""

AMPLE = 4096
"""Output tokens that are asked for at once far from every limit."""

LEAST = 256
"""Fewer are not worth a question; a limit that has no more to give is near."""


class Holding(Struct, gc=False):
    """One reservation and how many output tokens each of its grants covers."""

    reservation: Reservation
    asked: Asked
    quote: Quote
    store: LimitStore
    leases: Leases
    short: bool = False
    """May the answer cost more than hard budgets have granted, unless it is capped?"""
    bound: int | None = None
    """Output tokens that the request as it is sent allows, whoever answers; ``None``: as many as each model has."""
    cover: list[int | None] | None = None
    """Output tokens that each grant stands for, once somebody has asked."""
    sent_prompt: bool = False
    """Has the prompt been told as spent?"""

    @property
    def covered(self) -> list[int | None]:
        """Output tokens that each grant stands for; worked out where somebody asks."""
        if self.cover is None:
            grants = self.reservation.grants
            self.cover = [_covered(grant.rule, grant.held, self.asked, self.quote) for grant in grants]
        return self.cover

    @property
    def spends(self) -> bool:
        """Is there a budget or a balance among its rules?"""
        return any(grant.rule.unit == "micro_usd" for grant in self.reservation.grants)

    @property
    def money(self) -> int | None:
        """The most micro-dollars that a budget or balance has granted; ``None`` where there is none."""
        most = None
        for grant in self.reservation.grants:
            if grant.rule.method == "money" and (most is None or grant.held > most):
                most = grant.held
        return most

    @property
    def output(self) -> int | None:
        """Output tokens that every rule which binds a stream has granted; ``None`` where none does."""
        bound = [
            covered
            for covered, grant in zip(self.covered, self.reservation.grants, strict=True)
            if covered is not None and not grant.rule.shadow and not grant.rule.soft
        ]
        return min(bound) if bound else None

    @property
    def money_output(self) -> int | None:
        """Output tokens that hard budgets and balances have granted; ``None`` where there is none."""
        bound = [
            covered
            for covered, grant in zip(self.covered, self.reservation.grants, strict=True)
            if covered is not None and grant.rule.method == "money" and not grant.rule.soft and not grant.rule.shadow
        ]
        return min(bound) if bound else None

    def ample(self, need: int) -> int:
        """How many more output tokens, at least ``need``, may be asked for at once without anybody missing them; 0: none."""
        most = self._spare() // FAR
        return max(need, min(AMPLE, most)) if most >= max(need, LEAST) else 0

    def _spare(self) -> int:
        """Output tokens that every rule which binds a stream has left, beside those that are held."""
        spare = maxsize
        for grant in self.reservation.grants:
            rule = grant.rule
            if rule.shadow or rule.soft:
                continue
            if rule.unit == "micro_usd":
                left = affordable(self.quote, 0, grant.left)
            elif rule.unit == "tokens" or rule.unit == "output_tokens":
                left = grant.left
            else:
                continue
            if left is not None and left < spare:
                spare = left
        return spare

    async def extend(self, tokens: int) -> TollwayError | None:
        """Asks for ``tokens`` more output; the error to end the stream with when a rule refuses."""
        have = self.output
        goal = (have if have is not None else 0) + tokens
        quote, amounts, later = self.quote, [], list(self.covered)
        for index, grant in enumerate(self.reservation.grants):
            covered = self.covered[index]
            if covered is None or covered >= goal:
                amounts.append(0)
                continue
            later[index] = goal
            more = goal - covered
            if grant.rule.unit == "micro_usd":
                more = max(0, cost(quote, self.asked.input, goal) - grant.held)
            amounts.append(more)
        denial = await self.store.extend(self.reservation, amounts)
        if denial is not None:
            return refusal(denial)
        self.cover = later
        return None

    async def requote(self, quote: Quote, *, stream: bool, whole: bool, begun: bool) -> TollwayError | None:
        """The same request at another target: its prices, and its longest answer, must be held. The error when a rule refuses.

        A ``stream`` can be ended, so that of an answer without a bound less will do; one that has ``begun`` keeps what it was granted.
        ``whole``: an answer that leaves in one piece, so that something must bound it. Never gives back: of targets that are tried at
        once the dearest may answer.
        """
        asked, longest = self.asked, self._longest(quote)
        denial = self._unbounded() if longest is None and whole else None
        if denial is None:
            denial = await self._top_up(quote, asked.paid if longest is None else longest, begun=begun)
            if denial is not None and stream and not asked.capped:
                denial = await self._top_up(quote, min(asked.least, longest or asked.least), begun=begun)
        if denial is not None:
            return refusal(denial)
        known = self.quote
        if quote.output_price > known.output_price or quote.input_price > known.input_price:
            self.quote, self.cover = _dearer(known, quote), None
        return None

    def _longest(self, quote: Quote) -> int | None:
        """Output tokens that the longest answer at a target may have; ``None``: nobody knows."""
        if not self.asked.paid:
            return 0
        known = [bound for bound in (self.bound, quote.max_output) if bound]
        return min(known, default=None)

    def _unbounded(self) -> Denial | None:
        """A hard budget, for which an answer is too much that nothing bounds."""
        for grant in self.reservation.grants:
            if grant.rule.method == "money" and not (grant.rule.soft or grant.rule.shadow):
                return Denial(grant.rule, grant.held + grant.left, grant.left, None)
        return None

    async def _top_up(self, quote: Quote, output: int, *, begun: bool) -> Denial | None:
        """Asks for what ``output`` tokens cost there and is not held yet."""
        amounts = []
        for covered, grant in zip(self.covered, self.reservation.grants, strict=True):
            more = 0
            if grant.rule.unit == "micro_usd":
                tokens = max(output, covered or 0) if begun else output
                more = max(0, cost(quote, self.asked.input, tokens) - grant.held)
            amounts.append(more)
        return await self.store.extend(self.reservation, amounts) if any(amounts) else None

    async def spend(self, more: int) -> None:
        """``more`` output tokens have been delivered, and the prompt was read: they are used now, not held."""
        prompt, self.sent_prompt = (0 if self.sent_prompt else self.asked.input), True
        by_unit = {"tokens": prompt + more, "input_tokens": prompt, "output_tokens": more}
        await self.store.spend(self.reservation, [by_unit.get(grant.rule.unit, 0) for grant in self.reservation.grants])

    async def used(self, usage: Usage, micro_usd: int) -> TollwayError | None:
        """One more response of a socket came to so much: it is used now, and as much is asked for again.

        Money must be there in full, since nobody can cap the next response; tokens may be asked for until none are left.
        """
        by_unit = {
            "tokens": usage.input + usage.output,
            "input_tokens": usage.input,
            "output_tokens": usage.output,
            "micro_usd": micro_usd,
        }
        amounts = [by_unit.get(grant.rule.unit, 0) for grant in self.reservation.grants]
        await self.store.spend(self.reservation, amounts)
        short = None
        for index, grant in enumerate(self.reservation.grants):
            if not amounts[index]:
                continue
            asked = [amount if place == index else 0 for place, amount in enumerate(amounts)]
            denial = await self.store.extend(self.reservation, asked)
            if denial is not None and (grant.rule.method == "money" or grant.held <= 0):
                short = short or refusal(denial)
        return short

    def settle(self, ctx: RequestContext) -> Awaitable[None]:
        """The end: what was used stays used, the rest is given back. A request that reached no provider used a request and, where the
        cache answered it at a price, that."""
        charge = (ctx.settled.charge or 0) if ctx.settled is not None else 0
        amounts = amounts_of(self.reservation, ctx.usage if ctx.attempts else NO_USAGE, charge)
        self.leases.remove(self.reservation)
        return self.store.settle(self.reservation, amounts)

    def settle_as(self, amounts: Sequence[int]) -> Awaitable[None]:
        """The end, for each grant with what it comes to."""
        self.leases.remove(self.reservation)
        return self.store.settle(self.reservation, amounts)


def amounts_of(reservation: Reservation, usage: Usage, charge: int = 0) -> Sequence[int]:
    """What each grant comes to; ``charge`` in micro-dollars."""
    amounts = []
    for grant in reservation.grants:
        unit = grant.rule.unit
        if unit == "tokens":
            amounts.append(usage.input + usage.output)
        elif unit == "micro_usd":
            amounts.append(charge)
        elif unit == "input_tokens":
            amounts.append(usage.input)
        elif unit == "output_tokens":
            amounts.append(usage.output)
        else:
            amounts.append(1 if unit == "requests" else 0)
    return amounts


def _dearer(one: Quote, other: Quote) -> Quote:
    """The dearer of both prices each: nobody knows yet which target answers."""
    return Quote(
        input_price=max(one.input_price, other.input_price),
        output_price=max(one.output_price, other.output_price),
        known=one.known and other.known,
        max_output=max(one.max_output, other.max_output),
    )


def _covered(rule: Rule, held: int, asked: Asked, quote: Quote) -> int | None:
    """Output tokens that ``held`` of one rule stands for; ``None``: the rule does not look at output."""
    if rule.unit == "micro_usd":
        return affordable(quote, asked.input, held)
    if rule.unit == "tokens":
        return max(0, held - asked.input)
    return held if rule.unit == "output_tokens" else None
