"""How a target stands, in one word and in figures."""

from collections.abc import Iterator

from ..policy.targets import Candidate
from .cells import Account, Cell
from .changes import KeyHealth, State, TargetHealth
from .keys import Pair
from .register import Register

A_MOMENT = 1.0
"""Seconds until a full target is likely to have a place."""


def state_of(register: Register, candidate: Candidate, now: float) -> State:
    """Of a target as one route names it."""
    target = candidate.target
    cell = register.get((target.provider, target.model))
    if cell is None:
        return _keys_state(register.account(target.provider), now)
    return _state(cell, candidate.capacity, now)


def back_in(register: Register, candidate: Candidate, now: float, *, key: int = -1) -> float:
    """Seconds until it may take requests; ``key``: with that key."""
    target = candidate.target
    cell = register.get((target.provider, target.model))
    if cell is None:
        return max(register.account(target.provider).blocked_until(now) - now, 0.0)
    until = cell.blocked_until(now)
    if 0 <= key < len(cell.pairs):
        until = max(until, cell.pairs[key].blocked_until(now))
    full = candidate.capacity and cell.taken >= candidate.capacity
    return max(until - now, A_MOMENT if full else 0.0)


def shown(register: Register, now: float) -> list[TargetHealth]:
    """Every target that is known, by name."""
    return [_shown(cell, now) for cell in sorted(register.cells, key=lambda cell: cell.place)]


def states(register: Register, now: float) -> Iterator[tuple[str, str, State]]:
    """(provider, model, state) of every target that is known, in no order: a fraction of what ``shown`` costs."""
    for cell in register.cells:
        provider, model = cell.place
        yield provider, model, _state(cell, cell.capacity, now)


def _state(cell: Cell, capacity: int, now: float) -> State:
    breaker = cell.breaker
    if breaker.until > now:
        return "open"
    if breaker.until and breaker.probing(now):
        return "probing"
    if cell.keys_until(now) > now:
        of_all = _keys_state(cell.account, now)
        if of_all != "ready":
            return of_all
        resting = any(max(pair.key.rest.until, pair.rest.until, pair.out_until) > now for pair in cell.pairs)
        return "cooling" if resting else "probing"
    if capacity and cell.taken >= capacity:
        return "full"
    return "ready"


def _keys_state(account: Account, now: float) -> State:
    """Of a provider whose keys concern all of its targets."""
    if account.blocked_until(now) <= now:
        return "ready"
    return "no_key" if any(key.rest.until > now for key in account.keys) else "probing"


def _shown(cell: Cell, now: float) -> TargetHealth:
    provider, model = cell.place
    state = _state(cell, cell.capacity, now)
    return TargetHealth(
        provider=provider,
        model=model,
        state=state,
        reason=""
        if state in {"ready", "full"}
        else cell.reason
        if cell.breaker.until
        else _key(cell.pairs[0], now).reason,
        inflight=cell.inflight,
        waiting=cell.room.waiting if cell.room is not None else 0,
        ttft=cell.latency.peak(now),
        p50=cell.latency.percentile(0.5, now),
        p95=cell.latency.percentile(0.95, now),
        back_in=max(cell.blocked_until(now) - now, 0.0),
        openings=cell.breaker.times,
        keys=tuple(_key(pair, now) for pair in cell.pairs),
    )


def _key(pair: Pair, now: float) -> KeyHealth:
    pair.read()
    back = pair.blocked_until(now)
    reason = ""
    if back > now:
        by_rest = {
            pair.key.rest.blocked_until(now): pair.key.rest.reason,
            pair.rest.blocked_until(now): pair.rest.reason,
        }
        reason = by_rest.get(back, "limits")
    return KeyHealth(
        key=pair.key.index,
        usable=back <= now,
        left=pair.left if now < pair.said_until else 1.0,
        back_in=max(back - now, 0.0),
        reason=reason,
    )
