"""The rules that bind a caller on a route, put together once: what every request of theirs asks is ready, but for its amounts."""

from collections.abc import Sequence

from msgspec import Struct

from ..context import Quote
from ..policy.rules import Charge, Rule
from .asking import Asked, Calendar, cost

_REMEMBERED = 4096
"""Callers and routes whose rules are kept together."""


class Program(Struct, frozen=True):
    """``rules`` in order. ``ready``: each with its charge where that is the same for every request, else ``None``."""

    rules: tuple[Rule, ...]
    ready: tuple[tuple[Rule, Charge | None], ...]
    money: bool
    """Is there a budget or a balance?"""
    hard: bool
    """One that refuses?"""
    watched: bool
    """Has somebody to be told of grants: shadows, alerts?"""
    metered: bool
    """Does one bind a stream while it runs?"""

    def charges(self, want: Asked, quote: Quote, calendar: Calendar) -> list[Charge]:
        """One charge a rule. Without a client's cap the output part shrinks to what the limit can hold at all."""
        made = []
        prompt = want.input
        for rule, ready in self.ready:
            if ready is not None:
                made.append(ready)
                continue
            unit = rule.unit
            if unit == "micro_usd":
                most = cost(quote, prompt, want.paid)
                least = most if want.least == want.paid else cost(quote, prompt, want.least)
                made.append(Charge(rule, most, least, calendar.window(rule.per)))
                continue
            fixed = 0 if unit == "output_tokens" else prompt
            amount = fixed if unit == "input_tokens" else fixed + want.output
            if not want.capped and fixed < rule.limit < amount:
                amount = rule.limit
            made.append(Charge(rule, amount, amount))
        return made


def program_of(rules: Sequence[Rule]) -> Program:
    """Put together from ``rules``."""
    binding = [rule for rule in rules if not rule.shadow and not rule.soft]
    money = [rule for rule in rules if rule.method == "money"]
    return Program(
        rules=tuple(rules),
        ready=tuple((rule, Charge(rule, 1, 1) if rule.unit in ("requests", "slots") else None) for rule in rules),
        money=bool(money),
        hard=any(rule in binding for rule in money),
        watched=any(rule.shadow or rule.alerts for rule in rules),
        metered=any(rule.unit in ("tokens", "output_tokens", "micro_usd") for rule in binding),
    )


class Programs:
    """Programs by caller and route."""

    def __init__(self, gateway: tuple[Rule, ...], models: dict[str, tuple[Rule, ...]]) -> None:
        self._gateway = gateway
        self._models = models
        self._made: dict[tuple[int, str], tuple[tuple[Rule, ...], Program]] = {}

    def of(self, own: tuple[Rule, ...], route: str) -> Program:
        """The program of a caller whose rules are ``own``."""
        known = self._made.get((id(own), route))
        if known is not None:
            return known[1]
        if len(self._made) >= _REMEMBERED:
            self._made.clear()
        program = program_of(own + self._models.get(route, ()) + self._gateway)
        # The caller's rules are kept, so that their id stays theirs.
        self._made[(id(own), route)] = (own, program)
        return program
