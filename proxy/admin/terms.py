"""What types cannot say about limits, budgets, scopes and amounts that came in a body; each refusal names its path."""

from collections.abc import Sequence
from ipaddress import ip_network

from msgspec import UNSET, UnsetType

from ..errors import InvalidRequest
from ..money.amounts import InvalidAmount, micro_dollars
from ..policy.rules import MICRO
from ..policy.terms import Budget, Limits
from ..wire.values import Json
from .times import moment

MOST_GRANTED = 1_000_000_000_000 * MICRO
"""Micro-dollars that one account may ever be given: a billion dollars a thousand times, far inside 64 bits."""


def invalid(path: str, message: str) -> InvalidRequest:
    """A value that cannot be; ``message`` goes on from the path."""
    return InvalidRequest(f"{path} {message}", param=path, code="invalid_value")


def amount(given: str | float, path: str) -> int:
    """Micro-dollars above 0. Raises ``InvalidRequest``."""
    try:
        return micro_dollars(given)
    except InvalidAmount as error:
        raise InvalidRequest(f"{path}: {error}", param=path, code="invalid_value") from None


def budgets_of(one: Budget | UnsetType | None, more: tuple[Budget, ...] | UnsetType) -> tuple[Budget, ...] | None:
    """``budget`` and ``budgets`` as one tuple; ``None`` where neither was named. Raises ``InvalidRequest``."""
    if one is UNSET and more is UNSET:
        return None
    listed = () if isinstance(more, UnsetType) else more
    if isinstance(one, Budget):
        if listed:
            raise invalid("budget", "and budgets were both given: put it into budgets.")
        listed = (one,)
    seen: set[str] = set()
    for index, budget in enumerate(listed):
        if budget.per in seen:
            raise invalid(f"budgets[{index}]", f"is the second one per {budget.per}: keep one.")
        seen.add(budget.per)
        if list(budget.alerts) != sorted(set(budget.alerts)) or len(budget.alerts) > 10:
            raise invalid(f"budgets[{index}].alerts", "must be at most ten fractions, rising.")
    return listed


def check_limits(limits: Limits | UnsetType) -> None:
    """Raises ``InvalidRequest`` for behaviours that exclude each other."""
    if isinstance(limits, UnsetType):
        return
    if "concurrency" in limits.steady:
        raise invalid("limits.steady", "names concurrency, which is no rate: remove it.")
    for name in ("steady", "shadow", "soft", "closed", "open"):
        modes = getattr(limits, name)
        if len(set(modes)) != len(modes):
            raise invalid(f"limits.{name}", "names a limit twice.")
    both = sorted(set(limits.closed) & set(limits.open))
    if both:
        raise invalid("limits.open", f"names {both[0]}, which is also under closed: choose one.")


def check_networks(networks: Sequence[str] | UnsetType) -> None:
    """Raises ``InvalidRequest`` for what is no address and no range."""
    if isinstance(networks, UnsetType):
        return
    for index, network in enumerate(networks):
        try:
            ip_network(network, strict=False)
        except ValueError:
            raise invalid(f"networks[{index}]", "is not an address or a range such as 10.0.0.0/8.") from None


def expiry(text: str | None, now: float) -> float | None:
    """Unix seconds of ``expires``, which is still to come; a date stands for its end."""
    if text is None:
        return None
    seconds = moment(text, "expires", end=True)
    if seconds <= now:
        raise invalid("expires", "is past already.")
    return seconds


def with_numbers(body: Json) -> Json:
    """``body`` with the dollars of budgets and plan as numbers where they came as text, as other amounts may."""
    if not isinstance(body, dict):
        return body
    changed = dict(body)
    if isinstance(body.get("budget"), dict):
        changed["budget"] = _number(body["budget"], "usd", "budget.usd")
    listed = body.get("budgets")
    if isinstance(listed, list):
        changed["budgets"] = [_number(item, "usd", f"budgets[{index}].usd") for index, item in enumerate(listed)]
    if isinstance(body.get("plan"), dict):
        changed["plan"] = _number(body["plan"], "included_usd", "plan.included_usd")
    return changed


def _number(holder: Json, name: str, path: str) -> Json:
    if not isinstance(holder, dict) or not isinstance(holder.get(name), str):
        return holder
    try:
        return {**holder, name: micro_dollars(holder[name], zero=True) / MICRO}
    except InvalidAmount as error:
        raise InvalidRequest(f"{path}: {error}", param=path, code="invalid_value") from None
