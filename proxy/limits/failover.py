"""What a limit does while the shared store is down: refuses (``closed``), lets pass (``open``), or counts here, by a ``share`` of it.

Reservations made meanwhile stay here to their end. What was reserved in the shared store and cannot be settled there waits in a
bounded queue until the store is back; whatever finds no room in it is freed by its lease, and the ledger has the money anyway.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from ..policy.rules import Charge, Denial, Grant, Level, Reservation, Rule
from ..policy.terms import OnFailure
from ..state.link import StateLink
from ..state.settings import StoreDown
from .memory import MemoryLimitStore
from .redis import Held, RedisLimitStore

AGAIN = 1.0
"""Seconds after which a client may ask again for what is ``closed``: the store is looked for as often."""

QUEUE = 10_000
"""Settlements that wait for the store to come back."""

TRIES = 5
"""Times that one is sent while the store says it is there."""

FAREWELL = 1.0
"""Seconds that ``close`` gives the rest of them."""

KNOWN = 50_000
"""Budgets of which is remembered how much was left."""

UNCERTAIN = frozenset({"timeout", "lost"})
"""Failures after which the store may have done what it was asked."""


class Alone(Reservation, kw_only=True):
    """One made here. ``inner`` is the local store's, of the grants at ``places``; the others are not counted."""

    inner: Reservation
    places: list[int]


class FailoverStore:
    """Implements ``LimitStore``: the ``shared`` store, or while its ``link`` is down each rule's ``on_failure``.

    ``local`` divides limits among the expected replicas by itself.
    """

    def __init__(self, link: StateLink, shared: RedisLimitStore, local: MemoryLimitStore) -> None:
        self._link = link
        self._shared = shared
        self._local = local
        self._left: dict[tuple[str, str], int] = {}
        """Micro-dollars left of budgets that are shared in an outage, as the store said last."""
        self._spills: dict[str, list[Reservation]] = {}
        """Held here for reservations of the shared store that were extended while it was down."""
        self._late: deque[tuple[bytes, int]] = deque()
        """Settlements to be sent, and how often they were."""
        self._sending: asyncio.Task[None] | None = None
        self.dropped = 0
        """Settlements that were given up."""

    @property
    def degraded(self) -> bool:
        """Are limits decided without the shared store?"""
        return not self._link.up

    @property
    def late(self) -> int:
        """Settlements that wait for the store."""
        return len(self._late)

    async def reserve(self, ident: str, charges: Sequence[Charge], lease: float) -> Reservation | Denial:
        """See ``LimitStore``."""
        try:
            answer = await self._shared.reserve(ident, charges, lease)
        except StoreDown as error:
            if error.kind in UNCERTAIN:
                self._undo(ident, charges, lease)
            return await self._alone(ident, charges, lease)
        except asyncio.CancelledError:
            self._undo(ident, charges, lease)
            raise
        if isinstance(answer, Reservation):
            self._remember(answer)
        return answer

    async def extend(self, reservation: Reservation, amounts: Sequence[int]) -> Denial | None:
        """See ``LimitStore``."""
        if isinstance(reservation, Alone):
            denial = await self._local.extend(reservation.inner, [amounts[place] for place in reservation.places])
            if denial is not None:
                return replace(denial, rule=_same(denial.rule, reservation.grants))
            _show(reservation)
            return None
        try:
            return await self._shared.extend(reservation, amounts)
        except StoreDown:
            return await self._spill(reservation, amounts)

    async def spend(self, reservation: Reservation, amounts: Sequence[int]) -> None:
        """See ``LimitStore``. What the shared store does not hear now, the settlement says."""
        if isinstance(reservation, Alone):
            await self._local.spend(reservation.inner, [amounts[place] for place in reservation.places])
            _show(reservation)
            return
        try:
            await self._shared.spend(reservation, amounts)
        except StoreDown:
            pass

    async def settle(self, reservation: Reservation, used: Sequence[int]) -> None:
        """See ``LimitStore``."""
        for spill in self._spills.pop(reservation.ident, ()):
            await self._local.settle(spill, [grant.held for grant in spill.grants])
        if isinstance(reservation, Alone):
            await self._local.settle(reservation.inner, [used[place] for place in reservation.places])
            return
        try:
            await self._shared.settle(reservation, used)
        except StoreDown:
            if isinstance(reservation, Held):
                self._send_later(self._shared.settlement(reservation, used, again=True))

    async def renew(self, reservations: Sequence[Reservation], lease: float) -> None:
        """See ``LimitStore``."""
        alone = [reservation.inner for reservation in reservations if isinstance(reservation, Alone)]
        for reservation in reservations:
            alone += self._spills.get(reservation.ident, ())
        await self._local.renew(alone, lease)
        try:
            await self._shared.renew([found for found in reservations if not isinstance(found, Alone)], lease)
        except StoreDown:
            pass  # the next one comes long before leases run out

    async def levels(self, rules: Sequence[tuple[Rule, str]]) -> Sequence[Level]:
        """See ``LimitStore``. While the store is down: what is counted here."""
        try:
            return await self._shared.levels(rules)
        except StoreDown:
            return await self._local.levels(rules)

    async def seed(self, used: Sequence[tuple[str, str, int]]) -> None:
        """See ``LimitStore``. A store that goes down meanwhile stays unseeded."""
        try:
            await self._shared.seed(used)
        except StoreDown:
            pass

    async def wants_seed(self) -> bool:
        """As ``RedisLimitStore.wants_seed``; not while the store is down."""
        try:
            return await self._shared.wants_seed()
        except StoreDown:
            return False

    async def close(self) -> None:
        """Sends what waits, if that can be done quickly."""
        if self._sending is not None:
            await asyncio.wait((self._sending,), timeout=FAREWELL if self._link.up else 0)
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self.dropped += len(self._late)
        self._late.clear()
        await self._shared.close()
        await self._local.close()

    # ---- without the store ------------------------------------------------------------------------------------------

    async def _alone(self, ident: str, charges: Sequence[Charge], lease: float) -> Reservation | Denial:
        """The decision of this process alone."""
        for charge in charges:
            if _mode(charge.rule, lenient=_lenient(charge.rule)) == "closed":
                return Denial(charge.rule, min(charge.amount, charge.least), 0, AGAIN, "store")
        places = [place for place, charge in enumerate(charges) if _mode(charge.rule) == "share"]
        counted = [self._here(charges[place]) for place in places]
        inner = await self._local.reserve(ident, counted, lease)
        if isinstance(inner, Denial):
            return replace(inner, rule=_same(inner.rule, charges))
        grants = [Grant(charge.rule, charge.amount, charge.rule.limit, 0.0, charge.window) for charge in charges]
        made = Alone(
            ident=ident, grants=grants, degraded="share" if places else "open", local=True, inner=inner, places=places
        )
        _show(made)
        return made

    async def _spill(self, reservation: Reservation, amounts: Sequence[int]) -> Denial | None:
        """More for a reservation of the shared store, which cannot be asked."""
        wanted = [(grant, amount) for grant, amount in zip(reservation.grants, amounts, strict=True) if amount > 0]
        for grant, amount in wanted:
            if _mode(grant.rule, lenient=grant.rule.shadow or grant.rule.soft) == "closed":
                return Denial(grant.rule, amount, 0, AGAIN, "store")
        charges = [
            self._here(Charge(grant.rule, amount, amount, grant.window))
            for grant, amount in wanted
            if _mode(grant.rule) == "share" and not grant.rule.soft and grant.rule.unit != "requests"
        ]
        spills = self._spills.setdefault(reservation.ident, [])
        inner = await self._local.reserve(f"{reservation.ident}+{len(spills)}", charges, _lease(reservation))
        if isinstance(inner, Denial):
            return replace(inner, rule=_same(inner.rule, reservation.grants))
        spills.append(inner)
        reservation.degraded = "share" if charges else "open"
        return None

    def _here(self, charge: Charge) -> Charge:
        """As the local store is asked. Of a budget it divides what was left when the store was last heard."""
        rule = charge.rule
        if rule.method != "money":
            return charge
        left = self._left.get((rule.ident, charge.window), rule.limit)
        return Charge(replace(rule, limit=left, ledgered=False), charge.amount, charge.least, charge.window)

    def _remember(self, reservation: Reservation) -> None:
        for grant in reservation.grants:
            rule = grant.rule
            if rule.method == "money" and rule.on_failure == "share":
                if len(self._left) >= KNOWN:
                    self._left.clear()
                self._left[rule.ident, grant.window] = max(grant.left, 0)

    # ---- later ------------------------------------------------------------------------------------------------------

    def _undo(self, ident: str, charges: Sequence[Charge], lease: float) -> None:
        """The store may have granted what nobody heard of."""
        grants = [Grant(charge.rule, 0, 0, 0.0, charge.window) for charge in charges]
        nothing = [0] * len(grants)
        unheard = Held(ident=ident, grants=grants, lease=lease, spent=nothing)
        self._send_later(self._shared.settlement(unheard, nothing, again=True))

    def _send_later(self, settlement: bytes | None) -> None:
        if settlement is None:
            return
        if len(self._late) >= QUEUE:
            self.dropped += 1
            return
        self._late.append((settlement, 0))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all(), name="late-settlements")

    async def _send_all(self) -> None:
        while self._late:
            await self._link.back()
            settlement, tries = self._late.popleft()
            try:
                await self._shared.resend(settlement)
            except StoreDown:
                if tries + 1 < TRIES or not self._link.up:
                    self._late.append((settlement, tries + self._link.up))
                else:
                    self.dropped += 1


def _mode(rule: Rule, *, lenient: bool = False) -> OnFailure:
    """What becomes of ``rule``. One that never refuses has nothing to decide."""
    return "open" if lenient or rule.shadow else rule.on_failure


def _lenient(rule: Rule) -> bool:
    return rule.shadow or (rule.soft and rule.method == "money")


def _lease(reservation: Reservation) -> float:
    return reservation.lease if isinstance(reservation, Held) else 60.0


def _same(rule: Rule, among: Sequence[Charge] | Sequence[Grant]) -> Rule:
    """The rule as the caller knows it."""
    return next((found.rule for found in among if found.rule.ident == rule.ident), rule)


def _show(reservation: Alone) -> None:
    """Copies what the local store holds into what the caller sees."""
    for place, inner in zip(reservation.places, reservation.inner.grants, strict=True):
        grant = reservation.grants[place]
        grant.held, grant.left, grant.reset = inner.held, inner.left, inner.reset
