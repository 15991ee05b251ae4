"""``LimitStore`` of one worker: counters in its own memory, decided in one step because nothing here ever waits.

Counters are bounded by what is in use: one that says nothing any more is dropped. Time never goes back here, whatever the clock does.
"""

from collections import deque
from collections.abc import Sequence

from ..policy.rules import Charge, Denial, Grant, Level, Reservation, Rule
from ..protocols import Clock
from .counters import Counter, Money, counter_of, end_of

SOON = 1.0
"""Seconds after which to ask again for what requests under way hold: nobody knows when they end."""

MOMENT = 0.001
"""The shortest wait worth naming, in seconds: more than rounding takes away."""

_LOOKED_AT = 1_000
"""Counters that ``renew`` looks at for idle ones."""

_Key = tuple[str, str]


class _Held(Reservation, kw_only=True):
    """A reservation as this store keeps it: when it lapses, what ``spend`` said for each grant, and whether it is over."""

    lease: float
    deadline: float
    spent: list[int] | None = None
    over: bool = False


class MemoryLimitStore:
    """All counters of one process.

    ``share``: among how many processes each limit is divided, rounded up; for the time without the shared store.
    """

    def __init__(self, clock: Clock, wall: Clock, *, share: int = 1) -> None:
        """``clock``: monotonic seconds; ``wall``: unix seconds, only for when a calendar period ends."""
        self._clock = clock
        self._wall = wall
        self._share = share
        self._latest = clock()
        self._behind = 0.0
        """Seconds that the clock was put back in all."""
        self._counters: dict[_Key, Counter] = {}
        self._rounds: deque[_Key] = deque()
        """Every counter's key, in the order in which they are looked at for idle ones."""
        self._open: dict[str, _Held] = {}
        self._lapses = float("inf")
        """No reservation lapses before."""
        self._seeded = False

    @property
    def counters(self) -> int:
        """How many are kept."""
        return len(self._counters)

    @property
    def reservations(self) -> int:
        """How many are under way."""
        return len(self._open)

    async def reserve(self, ident: str, charges: Sequence[Charge], lease: float) -> Reservation | Denial:
        """See ``LimitStore``. Of several rules that refuse, the one that does so for longest is named."""
        now = self._now()
        if ident in self._open:
            self._give_back(self._open.pop(ident), now)
        counters, share, seeded = self._counters, self._share, self._seeded
        denial: Denial | None = None
        grants: list[Grant] = []
        for charge in charges:
            rule = charge.rule
            if not seeded and rule.ledgered:
                if _lenient(rule):
                    grants.append(Grant(rule, 0, rule.limit, 0.0, charge.window))
                else:
                    denial = _longer(denial, Denial(rule, charge.amount, 0, SOON, "unseeded"))
                continue
            window = charge.window
            counter = counters.get((rule.ident, window) if window else rule.key) or self._make(rule, window, now)
            limit = rule.limit if share == 1 else -(-rule.limit // share)
            if now >= counter.until:
                counter.advance(now, limit)
            room = limit - counter.used - counter.held
            amount = charge.amount
            if amount > room or amount < 0:
                given = _given(charge, room)
                if given is None:
                    denial = _longer(denial, self._denial(rule, min(amount, charge.least), room, counter, now))
                    continue
                amount = given
            if rule.unit == "requests":
                counter.add(amount)
            else:
                counter.held += amount
            grants.append(Grant(rule, amount, room - amount, counter.reset(now), window))
        if denial is not None:
            self._undo(grants, now)
            return denial
        deadline = now + lease
        if deadline < self._lapses:
            self._lapses = deadline
        held = self._open[ident] = _Held(ident=ident, grants=grants, lease=lease, deadline=deadline)
        return held

    async def extend(self, reservation: Reservation, amounts: Sequence[int]) -> Denial | None:
        """See ``LimitStore``. Nothing more is held for a reservation that is over."""
        held = self._find(reservation)
        if held is None:
            asked = [
                (grant.rule, amount) for grant, amount in zip(reservation.grants, amounts, strict=True) if amount > 0
            ]
            return Denial(*asked[0], 0, None) if asked else None
        now = self._now()
        denial: Denial | None = None
        taken: list[tuple[Grant, Counter, int]] = []
        for grant, amount in zip(held.grants, amounts, strict=True):
            rule = grant.rule
            if amount <= 0 or rule.unit == "requests" or (rule.ledgered and not self._seeded):
                continue
            counter = self._counter(rule, grant.window, now)
            room = self._limit(rule) - counter.used - counter.held
            if amount > room and not (rule.shadow or rule.soft):
                denial = _longer(denial, self._denial(rule, amount, room, counter, now))
                continue
            counter.held += amount
            taken.append((grant, counter, amount))
        if denial is not None:
            for _, counter, amount in taken:
                counter.held -= amount
            return denial
        if held.ident not in self._open:
            self._keep_open(held, held.lease, now)
        for grant, counter, amount in taken:
            grant.held += amount
            grant.left = self._limit(grant.rule) - counter.used - counter.held
            grant.reset = counter.reset(now)
        return None

    async def spend(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """See ``LimitStore``."""
        held = self._find(reservation)
        if held is None:
            return
        now = self._now()
        spent = held.spent = held.spent or [0] * len(held.grants)
        for place, (grant, amount) in enumerate(zip(held.grants, amounts, strict=True)):
            rule = grant.rule
            if amount <= 0 or rule.unit in ("requests", "slots") or (rule.ledgered and not self._seeded):
                continue
            counter = self._counter(rule, grant.window, now)
            freed = min(amount, grant.held)
            counter.held -= freed
            grant.held -= freed
            counter.add(amount)
            spent[place] += amount

    async def settle(self, reservation: Reservation, used: Sequence[int]) -> None:
        """See ``LimitStore``. Requests were used when they were reserved, whatever is said here."""
        held = self._open.pop(reservation.ident, None) or self._find(reservation)
        if held is None:
            return
        now = self._now()
        counters, spent = self._counters, held.spent
        held.over = True
        if spent is not None:
            used = [max(amount, 0) - before for amount, before in zip(used, spent, strict=True)]
        for place, grant in enumerate(held.grants):
            rule = grant.rule
            if rule.unit == "requests" or (rule.ledgered and not self._seeded):
                continue
            window = grant.window
            counter = counters.get((rule.ident, window) if window else rule.key) or self._make(rule, window, now)
            if now >= counter.until:
                counter.advance(now, self._limit(rule))
            counter.held -= grant.held
            grant.held = 0
            amount = used[place]
            if amount > 0 or spent is not None:
                counter.add(amount)

    async def renew(self, reservations: Sequence[Reservation], lease: float) -> None:
        """See ``LimitStore``. One that had lapsed is under way again, but what it held is gone."""
        now = self._now()
        for reservation in reservations:
            held = self._find(reservation)
            if held is not None:
                self._keep_open(held, lease, now)
        self._drop_idle(_LOOKED_AT, now)

    async def levels(self, rules: Sequence[tuple[Rule, str]]) -> Sequence[Level]:
        """See ``LimitStore``."""
        now = self._now()
        found = []
        for rule, window in rules:
            counter = self._counters.get((rule.ident, window) if window else rule.key)
            if counter is None:
                found.append(Level(0, 0, 0.0))
                continue
            counter.advance(now, self._limit(rule))
            found.append(Level(counter.used, counter.held, counter.reset(now)))
        return found

    async def seed(self, used: Sequence[tuple[str, str, int]]) -> None:
        """See ``LimitStore``."""
        now = self._now()
        for ident, window, amount in used:
            if (ident, window) not in self._counters:
                self._keep((ident, window), Money(self._ends(window, now), max(amount, 0)))
        self._seeded = True

    async def close(self) -> None:
        """See ``LimitStore``: there is nothing to let go of."""

    def sweep(self) -> None:
        """Gives back what lapsed reservations held and drops every idle counter. Without it both happen as calls come."""
        self._drop_idle(len(self._rounds), self._now())

    # ---- time -------------------------------------------------------------------------------------------------------

    def _now(self) -> float:
        """Seconds that never go back. What has lapsed by then is given back first."""
        now = self._clock() + self._behind
        if now < self._latest:
            self._behind += self._latest - now
            now = self._latest
        self._latest = now
        if now >= self._lapses:
            self._lapse(now)
        return now

    def _lapse(self, now: float) -> None:
        """Ends what was not renewed. A look at all reservations finds when there will be something to find again."""
        for held in [held for held in self._open.values() if held.deadline <= now]:
            self._give_back(self._open.pop(held.ident), now)
        self._lapses = min((held.deadline for held in self._open.values()), default=float("inf"))

    def _give_back(self, held: _Held, now: float) -> None:
        for grant in held.grants:
            if grant.rule.unit != "requests":
                self._counter(grant.rule, grant.window, now).held -= grant.held
                grant.held = 0

    def _keep_open(self, held: _Held, lease: float, now: float) -> None:
        held.deadline = now + lease
        self._open[held.ident] = held
        self._lapses = min(self._lapses, held.deadline)

    def _ends(self, window: str, now: float) -> float:
        end = end_of(window)
        return float("inf") if end is None else now + end - self._wall()

    # ---- counters ---------------------------------------------------------------------------------------------------

    def _counter(self, rule: Rule, window: str, now: float) -> Counter:
        """The counter of a rule, as it is now. Another method of limiting is another counter."""
        counter = self._counters.get((rule.ident, window) if window else rule.key) or self._make(rule, window, now)
        if now >= counter.until:
            counter.advance(now, self._limit(rule))
        return counter

    def _make(self, rule: Rule, window: str, now: float) -> Counter:
        ends = self._ends(window, now) if rule.method == "money" else now
        counter = self._keep(
            (rule.ident, window) if window else rule.key, counter_of(rule, self._limit(rule), ends, now)
        )
        self._drop_idle(min(2, len(self._rounds) - 1), now)
        return counter

    def _keep(self, key: _Key, counter: Counter) -> Counter:
        self._counters[key] = counter
        self._rounds.append(key)
        return counter

    def _drop_idle(self, count: int, now: float) -> None:
        """Looks at the next ``count`` counters, each in its turn. Two for each that is made keep them below twice those in use."""
        rounds = self._rounds
        for _ in range(min(count, len(rounds))):
            key = rounds.popleft()
            if self._counters[key].idle(now):
                del self._counters[key]
            else:
                rounds.append(key)

    def _limit(self, rule: Rule) -> int:
        return rule.limit if self._share == 1 else -(-rule.limit // self._share)

    # ---- decisions --------------------------------------------------------------------------------------------------

    def _find(self, reservation: Reservation) -> _Held | None:
        """What is kept of a reservation. One that lapsed is found in the caller's hands: what it used must still count."""
        held = self._open.get(reservation.ident)
        if held is None and isinstance(reservation, _Held) and not reservation.over:
            return reservation
        return held

    def _undo(self, grants: list[Grant], now: float) -> None:
        for grant in grants:
            if grant.rule.ledgered and not self._seeded:
                continue
            counter = self._counter(grant.rule, grant.window, now)
            if grant.rule.unit == "requests":
                counter.undo(grant.held)
            else:
                counter.held -= grant.held

    def _denial(self, rule: Rule, need: int, room: int, counter: Counter, now: float) -> Denial:
        """``rule`` refuses ``need``. More than the rule's own limit is never granted; more than this process's share may be, later."""
        if rule.method == "money" or need > rule.limit:
            return Denial(rule, need, max(room, 0), None)
        wait = counter.wait(need - room, now)
        return Denial(rule, need, max(room, 0), SOON if wait is None else max(wait, MOMENT))


def _lenient(rule: Rule) -> bool:
    """Does it only count, never refuse a request?"""
    return rule.shadow or (rule.soft and rule.method == "money")


def _given(charge: Charge, room: int) -> int | None:
    """What is granted of a charge that does not simply fit; ``None``: it is refused."""
    amount = max(charge.amount, 0)
    if amount <= room or _lenient(charge.rule):
        return amount
    left = max(room, 0)
    return min(amount, left) if charge.least <= left else None


def _longer(one: Denial | None, other: Denial) -> Denial:
    """The refusal that lasts longer; never to be lifted is longest."""
    if one is None or (
        one.retry_after is not None and (other.retry_after is None or other.retry_after > one.retry_after)
    ):
        return other
    return one
