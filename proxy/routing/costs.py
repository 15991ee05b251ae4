"""What a request would cost at a target: its prices times the tokens that are likely, those of a warm prompt cache at their own price."""

from collections.abc import Sequence

from ..policy.targets import Asking, Candidate

UNKNOWN = float("inf")
"""The cost where a price that matters is not known: dearer than everything."""

DOLLAR = 10**12
"""Costs are whole numbers of it: micro-dollars for a million tokens, times tokens."""


def expected_costs(candidates: Sequence[Candidate], asking: Asking) -> list[float]:
    """To the operator, one for each, ``DOLLAR`` to the dollar; ``UNKNOWN`` where the catalogue has no price for what is used."""
    prompt, output = asking.prompt, asking.output
    cached = min(asking.cached, prompt)
    fresh = prompt - cached
    costs: list[float] = []
    for candidate in candidates:
        facts = candidate.facts
        price, output_price, cached_price = facts.input_price, facts.output_price, facts.cached_price
        if (price < 0 and prompt) or (output_price < 0 and output):
            costs.append(UNKNOWN)
        elif cached_price < 0:
            costs.append(prompt * price + output * output_price)
        else:
            costs.append(fresh * price + cached * cached_price + output * output_price)
    return costs


def cheapest(candidates: Sequence[Candidate], asking: Asking) -> Candidate:
    """The one of the least expected cost; of equals, and of those without a known price, the first named."""
    costs = expected_costs(candidates, asking)
    return candidates[costs.index(min(costs))]
