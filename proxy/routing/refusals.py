"""The errors of a request for which no target is left: which rule left out which, and what to do about it."""

from collections.abc import Sequence

from ..errors import InvalidRequest, NoHealthyTarget, PermissionDenied, TollwayError, retry_after
from ..policy.targets import Candidate, Rejection
from ..protocols import Board

KEYS_OWN = frozenset(("providers", "regions", "max_price", "stability"))
"""Rules of the key: its owner can change them, the request cannot."""

_FIXES = {
    "providers": "the key's owner can add a provider to its providers",
    "regions": "the key's owner can add a region to its regions",
    "max_price": "the key's owner can raise its max_price, or the gateway's owner set prices under catalogue.models",
    "stability": "use a stable model, or have the key's owner lift the limit with stability: any",
    "capability": "leave out what needs it, or name a model that can do it",
    "context": "shorten the prompt, ask for less output, or name a model with a larger context",
    "max_output": "ask for less output, or name a model that gives more",
}
"""Rule to the advice; the advice for a header of the request is to leave it out."""

_MOST = 10
"""Targets that are named."""

_LONGEST_WAIT = 300.0


def nothing_left(model: str, rejections: Sequence[Rejection]) -> TollwayError:
    """No target of ``model`` passed the filters: 403 where the key alone stands in the way, else 400."""
    rules = list(dict.fromkeys(each.filter for each in rejections))
    if rules == ["providers"] and len(rejections) == 1:
        provider = rejections[0].candidate.target.provider
        return PermissionDenied(
            f"This key may not use provider {provider!r}; its owner can add it to the key's providers."
        )
    if rules == ["stability"] and len(rejections) == 1:
        words = rejections[0].reason.partition(" is limited to stable models, and this one is ")[2]
        return PermissionDenied(
            f"This key is limited to stable models, and `{model}` is {words}. Use a stable one; its owner can lift the limit "
            "with stability: any.",
            param="model",
            code="model_not_stable",
        )
    told = [f"{each.candidate.place}: {each.reason} ({each.filter})" for each in rejections[:_MOST]]
    if len(rejections) > _MOST:
        told.append(f"and {len(rejections) - _MOST} more")
    fixes = [_FIXES.get(rule, f"leave out {rule}") for rule in rules if rule != "retired"]
    message = (
        f"No target of `{_short(model)}` can take this request. {'; '.join(told)}. To fix it: {'; or '.join(fixes)}."
    )
    if KEYS_OWN.issuperset(rules):
        code = "model_not_stable" if rules == ["stability"] else None
        return PermissionDenied(message, param="model", code=code)
    code = "context_length_exceeded" if set(rules) <= {"context", "retired"} else "no_capable_target"
    return InvalidRequest(message, param="model", code=code)


def nobody_ready(model: str, candidates: Sequence[Candidate], board: Board, *, bound: str = "") -> NoHealthyTarget:
    """Every target rests or is full: 503 with each one's state, and when to come back."""
    wait = min(max(board.back_in(candidates), 1.0), _LONGEST_WAIT)
    told = [f"{each.place}: {_STATES.get(state := board.state(each), state)}" for each in candidates[:_MOST]]
    why = f" It can go nowhere else: {bound}." if bound else ""
    return NoHealthyTarget(
        f"No target of `{_short(model)}` takes requests now. {'; '.join(told)}.{why} Send it again in {wait:.0f} s.",
        headers=retry_after(wait),
    )


_STATES = {
    "open": "resting after failures",
    "probing": "being tried with one request after failures",
    "cooling": "it asked to be left alone",
    "no_key": "all of its keys are spent or refused",
    "full": "as many requests are under way as it may have",
    "ready": "taken by others a moment ago",
}


def bound_elsewhere(model: str, provider: str, *, known: bool) -> InvalidRequest:
    """What the request continues is kept by one provider, and the name that it asks for does not lead there."""
    why = (
        f"`{_short(model)}` has no target there"
        if known
        else f"the gateway's configuration has no provider {provider!r} any more"
    )
    return InvalidRequest(
        f"This request continues something that provider {provider!r} keeps, and {why}. Name the model that began it, or start anew "
        "without what it refers to.",
        param="model",
        code="bound_elsewhere",
    )


def _short(model: str) -> str:
    return model if len(model) <= 256 else model[:256] + "…"
