"""Did a request meet the targets that it was made under?"""

from collections.abc import Mapping
from typing import Literal

from .routes import Slo

Objective = Literal["ttft", "cost"]
Result = Literal["met", "missed"]

BROKEN = frozenset({"upstream_error", "timeout", "internal_error"})
"""Outcomes of requests that got no first token although somebody waited for it."""


def attained(slo: Slo, *, outcome: str, waited: float | None, charge: int | None) -> Mapping[Objective, Result]:
    """The result of each objective that can be judged: what is not known, and what the client called off, is neither.

    ``waited``: seconds to the first output, ``None``: there was none; ``charge``: micro-dollars, ``None``: not known.
    """
    found: dict[Objective, Result] = {}
    if slo.ttft is not None:
        if waited is not None and (outcome == "ok" or outcome == "client_closed"):
            found["ttft"] = "met" if waited <= slo.ttft else "missed"
        elif outcome in BROKEN:
            found["ttft"] = "missed"
    if slo.cost_usd is not None and charge is not None and (charge or outcome == "ok"):
        found["cost"] = "met" if charge <= slo.cost_usd * 1e6 else "missed"
    return found
