"""Which targets may serve a request at all: first what its key permits, then what the request itself asks for and needs.

Each candidate that is left out says which rule did it, by the rule's own name.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from ..context import Principal
from ..policy.routes import PriceCeiling
from ..policy.scopes import EVERYTHING, within
from ..policy.targets import NEEDS, Candidate, Rejection
from ..protocols import Standing
from .lifecycle import said

MICRO = 1_000_000

SURE = 0.75
"""Of the likely size of a prompt, what it surely has."""

Sifted = tuple[tuple[Candidate, ...], tuple[Rejection, ...]]
"""Who is left, in their order, and who is not."""


class Ceiling(Struct, frozen=True, gc=False):
    """``most`` micro-dollars per million tokens, set by ``rule``."""

    rule: str
    output: bool
    most: int


class Demand(Struct, frozen=True, kw_only=True):
    """What one request asks for and needs. ``prompt`` and ``output`` (of one choice) in tokens, ``needs`` in bits; 0: not looked at."""

    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    stable_only: bool = False
    ceilings: tuple[Ceiling, ...] = ()
    needs: int = 0
    prompt: int = 0
    output: int = 0


NO_DEMAND = Demand()


def restricted(principal: Principal) -> bool:
    """Does the key keep its requests from some targets?"""
    return (
        principal.providers != EVERYTHING
        or principal.regions != EVERYTHING
        or principal.max_price is not None
        or principal.stable_only
    )


def ceilings_of(price: PriceCeiling | None, names: tuple[str, str]) -> tuple[Ceiling, ...]:
    """``names``: what the rules for input and output are called."""
    if price is None:
        return ()
    pairs = ((price.input, False, names[0]), (price.output, True, names[1]))
    return tuple(Ceiling(name, output, round(most * MICRO)) for most, output, name in pairs if most is not None)


def permitted(candidates: Sequence[Candidate], principal: Principal, standings: dict[str, Standing]) -> Sifted:
    """By the key. ``standings``: of those that are not simply stable, by their place."""
    ceilings = ceilings_of(principal.max_price, ("max_price", "max_price"))
    left: list[Candidate] = []
    out: list[Rejection] = []
    for each in candidates:
        found = _refused(each, principal, standings) or _too_dear(each, ceilings)
        if found is None:
            left.append(each)
        else:
            out.append(Rejection(each, *found))
    return tuple(left), tuple(out)


def _refused(each: Candidate, principal: Principal, standings: dict[str, Standing]) -> tuple[str, str] | None:
    region = each.facts.region
    if not within(principal.providers, each.target.provider):
        return "providers", f"the key may not use provider {each.target.provider!r}"
    if not within(principal.regions, region):
        return "regions", f"the key may not use {_region(region)}"
    if principal.stable_only and each.place in standings:
        return "stability", f"the key is limited to stable models, and this one is {said(standings[each.place])}"
    return None


def able(candidates: Sequence[Candidate], demand: Demand, standings: dict[str, Standing]) -> Sifted:
    """By the request. A prompt that may be too long for all is left to the largest of them, unless it is surely too long."""
    left: list[Candidate] = []
    out: list[Rejection] = []
    for each in candidates:
        found = _unwanted(each, demand, standings) or _incapable(each, demand)
        if found is None:
            left.append(each)
        else:
            out.append(Rejection(each, *found))
    if not left and demand.prompt:
        left, out = _spared(out, demand)
    return tuple(left), tuple(out)


def _unwanted(each: Candidate, demand: Demand, standings: dict[str, Standing]) -> tuple[str, str] | None:
    region = each.facts.region
    if demand.providers and not _wanted(demand.providers, each.target.provider):
        return "x-tollway-providers", f"provider {each.target.provider!r} is not wanted"
    if demand.regions and not _wanted(demand.regions, region):
        return "x-tollway-regions", f"{_region(region)} is not wanted"
    if demand.stable_only and each.place in standings:
        return "x-tollway-stable-only", f"it is {said(standings[each.place])}"
    return _too_dear(each, demand.ceilings)


def _incapable(each: Candidate, demand: Demand) -> tuple[str, str] | None:
    facts = each.facts
    missing = facts.lacks & demand.needs
    if missing:
        words = ", ".join(word for bit, word in NEEDS.items() if bit & missing)
        return "capability", f"it has no {words}"
    if facts.context and demand.prompt + demand.output > facts.context:
        asked = f"about {demand.prompt} tokens" + (f" and {demand.output} of output" if demand.output else "")
        return "context", f"{asked} do not fit into its {facts.context}"
    if facts.max_output and demand.output > facts.max_output:
        return "max_output", f"{demand.output} tokens of output are more than its {facts.max_output}"
    return None


def _spared(out: list[Rejection], demand: Demand) -> tuple[list[Candidate], list[Rejection]]:
    by_size = [each for each in out if each.filter == "context"]
    if not by_size:
        return [], out
    largest = max(by_size, key=lambda each: each.candidate.facts.context)
    if demand.prompt * SURE + demand.output > largest.candidate.facts.context:
        return [], out
    return [largest.candidate], [each for each in out if each is not largest]


def _too_dear(each: Candidate, ceilings: tuple[Ceiling, ...]) -> tuple[str, str] | None:
    """A price that nobody knows is above every ceiling; a path that names no model has none."""
    if not each.target.model:
        return None
    for ceiling in ceilings:
        price = each.facts.output_price if ceiling.output else each.facts.input_price
        if price < 0 or price > ceiling.most:
            kind = "output" if ceiling.output else "input"
            known = f"is ${price / MICRO:g} per million tokens" if price >= 0 else "is not known"
            return ceiling.rule, f"its price of {kind} {known}, the ceiling is ${ceiling.most / MICRO:g}"
    return None


def _wanted(globs: tuple[str, ...], name: str) -> bool:
    """One of the globs, if there are any but those with ``!``, and none of those."""
    asked = False
    matched = False
    for glob in globs:
        if glob[0] == "!":
            if fnmatchcase(name, glob[1:]):
                return False
        else:
            asked = True
            matched = matched or fnmatchcase(name, glob)
    return matched or not asked


def _region(region: str) -> str:
    return f"region {region!r}" if region else "a target whose region is not known"
