"""``LimitStore`` of a fleet: counters in Valkey or Redis, every call one script and one round trip.

Only the scripts (``*.lua``) decide. This module packs what they need to know of each rule, and keeps what a store that was emptied
must be told again. Raises ``StoreDown`` where the store is; ``failover.py`` says what happens then.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from ..policy.rules import Charge, Denial, Grant, Level, Method, Reservation, Rule
from ..protocols import Clock
from ..state.link import StateLink
from ..state.script import Script, read
from ..state.settings import TAG
from .counters import end_of

KINDS: dict[Method, str] = {"window": "w", "steady": "s", "slots": "c", "money": "m"}

LINGER = 8 * 86_400
"""Seconds for which money is remembered after its calendar period."""

SEEDER = 5_000
"""Milliseconds for which one process alone may seed."""

RENEWED = 250
"""Reservations of one call of ``renew``: it shall not keep the store from others for long."""

SEEDED = 1_000
"""Counters of one call of ``seed``."""

_MICRO = 1_000_000

_encode = msgspec.msgpack.Encoder().encode
_numbers = msgspec.msgpack.Decoder(list[int]).decode


def _script(name: str) -> Script:
    return read(__package__, "common.lua", f"{name}.lua")


RESERVE, EXTEND, SPEND, SETTLE, RENEW, RESTORE, LEVELS, SEED = SCRIPTS = tuple(
    _script(name) for name in ("reserve", "extend", "spend", "settle", "renew", "restore", "levels", "seed")
)
"""What a ``StateLink`` for this store loads."""


class Held(Reservation, kw_only=True):
    """A reservation as this store keeps it: what ``spend`` said for each grant, and whether it is over."""

    lease: float
    spent: list[int]
    over: bool = False


class RedisLimitStore:
    """All counters of a fleet. Time is the server's; ``wall`` (unix seconds) only tells when a calendar period ends."""

    def __init__(self, link: StateLink, wall: Clock) -> None:
        self._link = link
        self._wall = wall
        self._ends: dict[str, float] = {}

    async def reserve(self, ident: str, charges: Sequence[Charge], lease: float) -> Reservation | Denial:
        """See ``LimitStore``. Of several rules that refuse, the one that does so for longest is named."""
        asked = [
            (*self._terms(charge.rule, charge.window), charge.amount, charge.least, _lenient(charge.rule),
             charge.rule.ledgered, charge.rule.unit == "requests")
            for charge in charges
        ]  # fmt: skip
        answer = await self._run(RESERVE, (ident, int(lease * _MICRO), asked))
        if not answer[0]:
            return _denial(answer, charges[answer[1] - 1].rule)
        grants = [
            Grant(charge.rule, given, left, self._reset(charge.rule, charge.window, pause), charge.window)
            for charge, given, left, pause in zip(charges, answer[1::3], answer[2::3], answer[3::3], strict=True)
        ]
        return Held(ident=ident, grants=grants, lease=lease, spent=[0] * len(grants))

    async def extend(self, reservation: Reservation, amounts: Sequence[int]) -> Denial | None:
        """See ``LimitStore``. Nothing more is held for a reservation that is over."""
        held = _held(reservation)
        wanted = [(grant, amount) for grant, amount in zip(held.grants, amounts, strict=True) if _kept(grant)]
        if not any(amount > 0 for _, amount in wanted):
            return None
        if held.over:
            return next(Denial(grant.rule, amount, 0, None) for grant, amount in wanted if amount > 0)
        asked = [
            (*self._terms(grant.rule, grant.window), grant.rule.ledgered, not (grant.rule.shadow or grant.rule.soft),
             grant.held, spent, amount)
            for (grant, amount), spent in zip(wanted, _spent(held), strict=True)
        ]  # fmt: skip
        answer = await self._run(EXTEND, (held.ident, int(held.lease * _MICRO), asked))
        if not answer[0]:
            return _denial(answer, wanted[answer[1] - 1][0].rule)
        for (grant, _), taken, left, pause in zip(wanted, answer[1::3], answer[2::3], answer[3::3], strict=True):
            if taken >= 0:
                grant.held += taken
                grant.left = left
                grant.reset = self._reset(grant.rule, grant.window, pause)
        return None

    async def spend(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """See ``LimitStore``."""
        held = _held(reservation)
        if held.over:
            return
        asked = []
        for place, (grant, amount) in enumerate(zip(held.grants, amounts, strict=True)):
            if not _kept(grant):
                continue
            taken = amount if amount > 0 and grant.rule.unit != "slots" else 0
            asked.append((*self._terms(grant.rule, grant.window), grant.rule.ledgered, taken))
            grant.held -= min(taken, grant.held)
            held.spent[place] += taken
        if any(row[-1] for row in asked):
            await self._run(SPEND, (held.ident, asked))

    async def settle(self, reservation: Reservation, used: Sequence[int]) -> None:
        """See ``LimitStore``. Requests were used when they were reserved, whatever is said here."""
        held = _held(reservation)
        if held.over:
            return
        held.over = True
        packed = self.settlement(held, used, again=not isinstance(reservation, Held))
        for grant in held.grants:
            grant.held = 0
        if packed is not None:
            await self._link.run(SETTLE, packed)

    def settlement(self, held: Held, used: Sequence[int], *, again: bool) -> bytes | None:
        """The whole of a settlement, to be sent by ``resend``; ``None``: nothing was held. ``again``: it may have been sent before."""
        asked = [
            (*self._terms(grant.rule, grant.window), grant.rule.ledgered, spent, amount)
            for grant, spent, amount in zip(held.grants, held.spent, used, strict=True)
            if _kept(grant)
        ]
        return _encode((held.ident, again, asked)) if asked else None

    async def resend(self, settlement: bytes) -> None:
        """Settles what could not be settled when it was due."""
        await self._link.run(SETTLE, settlement)

    async def renew(self, reservations: Sequence[Reservation], lease: float) -> None:
        """See ``LimitStore``. What the store has lost is held again; one that had lapsed is under way again, but what it held is gone."""
        waiting = iter([held for held in map(_held, reservations) if not held.over and any(map(_kept, held.grants))])
        while part := list(islice(waiting, RENEWED)):
            forgotten = await self._run(RENEW, (int(lease * _MICRO), [held.ident for held in part]))
            lost = [part[place - 1] for place in forgotten]
            again = [(held.ident, self._again(held)) for held in lost if not held.over]
            if again:
                await self._link.run(RESTORE, _encode((int(lease * _MICRO), again)))

    async def levels(self, rules: Sequence[tuple[Rule, str]]) -> Sequence[Level]:
        """See ``LimitStore``."""
        answer = await self._run(LEVELS, [self._terms(rule, window) for rule, window in rules])
        return [
            Level(used, held, self._reset(rule, window, pause) if pause else 0.0)
            for (rule, window), used, held, pause in zip(rules, answer[::3], answer[1::3], answer[2::3], strict=True)
        ]

    async def seed(self, used: Sequence[tuple[str, str, int]]) -> None:
        """See ``LimitStore``. In parts; only the last one says that the store is seeded."""
        figures = [(_key("m", ident, window), self._stays(window), max(amount, 0)) for ident, window, amount in used]
        for start in range(0, max(len(figures), 1), SEEDED):
            complete = start + SEEDED >= len(figures)
            await self._link.run(SEED, _encode((complete, figures[start : start + SEEDED])))

    async def wants_seed(self) -> bool:
        """Has the store forgotten what the database knows, and is it this process that shall tell it? Then it has 5 s for ``seed``."""
        if await self._link.call("EXISTS", f"{TAG}:seeded"):
            return False
        return await self._link.call("SET", f"{TAG}:seeder", "1", "NX", "PX", SEEDER) is not None

    async def close(self) -> None:
        """See ``LimitStore``: the connection is its owner's to close."""

    # ---- what the scripts are told ----------------------------------------------------------------------------------

    async def _run(self, script: Script, argument: object) -> list[int]:
        reply = await self._link.run(script, _encode(argument))
        return _numbers(reply) if isinstance(reply, bytes) else []

    def _terms(self, rule: Rule, window: str) -> tuple[str, str, int, int]:
        """The counter's key and kind, the seconds of its period (of money: that it stays), and the limit."""
        kind = KINDS[rule.method]
        return _key(kind, rule.ident, window), kind, self._stays(window) if kind == "m" else rule.period, rule.limit

    def _again(self, held: Held) -> list[tuple[object, ...]]:
        kept = [grant for grant in held.grants if _kept(grant)]
        return [
            (*self._terms(grant.rule, grant.window), grant.held, spent)
            for grant, spent in zip(kept, _spent(held), strict=True)
        ]

    def _reset(self, rule: Rule, window: str, pause: int) -> float:
        """Seconds, from the microseconds that a script told, or until the calendar period ends."""
        if rule.method != "money":
            return pause / _MICRO
        ends = self._end(window)
        return max(ends - self._wall(), 0.0) if ends else 0.0

    def _stays(self, window: str) -> int:
        """Seconds that a counter of money stays; 0: for ever."""
        ends = self._end(window)
        return max(int(ends - self._wall()), 0) + LINGER if ends else 0

    def _end(self, window: str) -> float:
        """When a calendar period ends, in unix seconds; 0: never. There are few at a time."""
        ends = self._ends.get(window)
        if ends is None:
            if len(self._ends) > 64:
                self._ends.clear()
            ends = self._ends[window] = end_of(window) or 0.0
        return ends


def _key(kind: str, ident: str, window: str) -> str:
    return f"{TAG}:{kind}:{ident}:{window}" if window else f"{TAG}:{kind}:{ident}"


def _lenient(rule: Rule) -> bool:
    """Does it only count, never refuse a request?"""
    return rule.shadow or (rule.soft and rule.method == "money")


def _kept(grant: Grant) -> bool:
    """Is something held of it? Requests were used at once."""
    return grant.rule.unit != "requests"


def _held(reservation: Reservation) -> Held:
    """A reservation of this store's; one that came from elsewhere knows of nothing spent."""
    if isinstance(reservation, Held):
        return reservation
    return Held(ident=reservation.ident, grants=reservation.grants, lease=60.0, spent=[0] * len(reservation.grants))


def _spent(held: Held) -> Iterable[int]:
    return [spent for grant, spent in zip(held.grants, held.spent, strict=True) if _kept(grant)]


def _denial(answer: Sequence[int], rule: Rule) -> Denial:
    """From what a script says of the rule at ``answer[1]``, which is ``rule``."""
    _, _, need, left, pause, unseeded = answer
    return Denial(rule, need, left, None if pause < 0 else pause / _MICRO, "unseeded" if unseeded else "limit")
