"""Live figures and health of every target and key: who takes requests now, and with which key.

Almost always nothing rests; then a question costs a look at three empty collections. What does not take requests is kept by name, so
that twenty candidates cost twenty look-ups.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random

from ..policy.routes import Breaker as Settings
from ..policy.targets import Candidate, Figures
from ..protocols import Clock
from .cells import Cell
from .changes import Change, Listener, State, TargetHealth
from .keys import choose, least_bad
from .lease import Lease
from .register import Register
from .room import Room
from .standing import back_in, shown, state_of, states
from .verdicts import Verdicts

LIMIT = 4096
"""Targets that are known at once."""

AT_ONCE = 1.0
"""Seconds for which a target that was left for want of anything else takes what was meant for it."""


class HealthBoard:
    """See ``protocols.Board``. One event loop.

    ``provider_keys``: how many keys each provider has; ``forwards``: providers whose credentials are the client's own, so that what is
    refused to them concerns nobody else. ``limit``: most targets that are known at once.
    """

    def __init__(
        self,
        breaker: Settings,
        *,
        provider_keys: Mapping[str, int],
        forwards: Collection[str] = (),
        clock: Clock,
        rng: Random,
        limit: int = LIMIT,
    ) -> None:
        register = Register(breaker, provider_keys=provider_keys, forwards=forwards, clock=clock, rng=rng, limit=limit)
        self._register = register
        self._cell = register.get
        self._verdicts = Verdicts(register)
        self._now = clock
        self.waiting = 0
        """Requests that wait for a place at some target."""

    def use(
        self,
        breaker: Settings,
        *,
        provider_keys: Mapping[str, int],
        forwards: Collection[str] = (),
        changed: Collection[str] = (),
    ) -> None:
        """Other settings from now on. What is known is kept, but of providers that are ``changed`` (an address, a key): they begin anew."""
        self._register.use(breaker, provider_keys=provider_keys, forwards=forwards, changed=changed)

    def listen(self, listener: Listener) -> None:
        """Tells ``listener`` of every change that this process finds out itself. It must not raise, and not call back."""
        self._verdicts.listen(listener)

    def heard(self, change: Change) -> None:
        """Another process found this out: it holds here too. Nobody is told."""
        self._register.diary.read()
        self._verdicts.heard(change)

    # ---- who takes requests -----------------------------------------------------------------------------------------

    def ready(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those that take a request now. To be asked with all of a route's candidates, tried ones too: where none does, the one whose
        faults or guessed rest are over first is left, and ``enter`` lets it through; never one that its provider asked to leave alone,
        whose keys are all spent, or that is full."""
        register = self._register
        if len(candidates) > 1:
            register.diary.read()
        if not (register.blocked or register.full or register.spent):
            return candidates
        now = self._now()
        if now >= register.look_at:
            register.tidy(now)
        until, spent = register.blocked.get, register.spent.get
        if register.spent:
            taking = [
                candidate
                for candidate in candidates
                if until(((target := candidate.target).provider, target.model), 0.0) <= now
                and spent(target.provider, 0.0) <= now
            ]
        else:
            taking = [
                candidate
                for candidate in candidates
                if until(((target := candidate.target).provider, target.model), 0.0) <= now
            ]
        if register.full:
            taking = [candidate for candidate in taking if not self._full(candidate)]
        if taking:
            return candidates if len(taking) == len(candidates) else taking
        return self._spared(candidates, now)

    def enter(self, candidate: Candidate, *, key: int = -1, hint: str = "") -> Lease | None:
        """A place at the target; ``None``: it takes none now. ``key``: that one or none; ``hint``: equal hints get equal keys.

        A target with faults takes what ``ready`` has just left it for.
        """
        register, target = self._register, candidate.target
        cell = register.get((target.provider, target.model))
        if cell is None:
            cell = register.cell(target.provider, target.model)
        capacity = candidate.capacity
        if capacity:
            cell.capacity = capacity
            if cell.taken >= capacity:
                return None
        pair = cell.pairs[0]
        if (
            len(cell.pairs) > 1
            or key > 0
            or cell.breaker.until
            or pair.rest.until
            or pair.key.rest.until
            or pair.out_until
        ):
            lease = self._enter_with_care(cell, candidate, key, hint)
            if lease is None:
                return None
        else:
            turns = pair.rest.turn, pair.key.rest.turn
            lease = Lease(register, self._verdicts, cell, pair, pair.key.index, cell.breaker.turn, turns)
        cell.touched = True
        cell.inflight += 1
        if capacity:
            register.crowd(cell)
        return lease

    async def wait(self, candidate: Candidate, tenant: str) -> bool:
        """Waits in the target's queue until it may have a place, tenants in turn: ``enter`` then, before anything is awaited. False: the
        queue is full, or the wait over."""
        target, capacity = candidate.target, candidate.capacity
        cell = self._register.cell(target.provider, target.model)
        if not capacity or cell.taken < capacity:
            return True
        room = cell.room
        if candidate.queue <= 0 or (room is not None and not room.admits(tenant, candidate.queue_size)):
            return False
        if room is None:
            room = cell.room = Room()
        cell.capacity = capacity
        self.waiting += 1
        try:
            came = await room.wait(tenant, candidate.queue)
        finally:
            self.waiting -= 1
            # Once the caller has taken its place, or has not.
            asyncio.get_running_loop().call_soon(self._pass_on, cell, room)
        return came

    # ---- figures ----------------------------------------------------------------------------------------------------

    def state(self, candidate: Candidate) -> State:
        """One of the states."""
        self._register.diary.read()
        return state_of(self._register, candidate, self._now())

    def back_in(self, candidates: Sequence[Candidate], *, key: int = -1) -> float:
        """Seconds until the first of them may take requests again; ``key``: with that key."""
        self._register.diary.read()
        now = self._now()
        return min((back_in(self._register, candidate, now, key=key) for candidate in candidates), default=0.0)

    def inflight(self, candidate: Candidate) -> int:
        """Tries under way."""
        target = candidate.target
        cell = self._cell((target.provider, target.model))
        return cell.inflight if cell is not None else 0

    def ttft(self, candidate: Candidate) -> float:
        """Peak EWMA of seconds to the first output; 0: unknown."""
        self._register.diary.read()
        target = candidate.target
        cell = self._cell((target.provider, target.model))
        return cell.latency.peak(self._now()) if cell is not None else 0.0

    def percentile(self, candidate: Candidate, share: float) -> float | None:
        """Of recent seconds to the first output; ``None``: too few."""
        self._register.diary.read()
        target = candidate.target
        cell = self._cell((target.provider, target.model))
        return cell.latency.percentile(share, self._now()) if cell is not None else None

    def percentiles(self, candidates: Sequence[Candidate], share: float) -> list[float | None]:
        """The same of each, in one go."""
        self._register.diary.read()
        known, now = self._cell, self._now()
        return [
            None
            if (cell := known(((target := candidate.target).provider, target.model))) is None
            else latency.value
            if now < (latency := cell.latency).until and share == latency.share
            else latency.percentile(share, now)
            for candidate in candidates
        ]

    def figures(self, candidates: Sequence[Candidate]) -> tuple[Figures, ...]:
        """A snapshot, for explanations."""
        return tuple(
            Figures(candidate.place, self.state(candidate), self.ttft(candidate), self.inflight(candidate))
            for candidate in candidates
        )

    def shown(self) -> list[TargetHealth]:
        """Everything that is known, for the operator: as many as there are targets, by name."""
        self._register.diary.read()
        return shown(self._register, self._now())

    def states(self) -> Iterator[tuple[str, str, State]]:
        """(provider, model, state) of each, in no order."""
        self._register.diary.read()
        return states(self._register, self._now())

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _full(self, candidate: Candidate) -> bool:
        if not candidate.capacity:
            return False
        cell = self._register.get((candidate.target.provider, candidate.target.model))
        return cell is not None and cell.taken >= candidate.capacity

    def _spared(self, candidates: Sequence[Candidate], now: float) -> Sequence[Candidate]:
        """The one that is left, if there is one."""
        register = self._register
        until, spent = register.blocked.get, register.spent.get
        ends = [until(((target := candidate.target).provider, target.model), 0.0) for candidate in candidates]
        if register.spent:
            ends = [
                max(end, spent(candidate.target.provider, 0.0)) for end, candidate in zip(ends, candidates, strict=True)
            ]
        for at in sorted(range(len(ends)), key=ends.__getitem__):
            best = candidates[at]
            target = best.target
            cell = self._cell((target.provider, target.model))
            if (cell or register.account(target.provider)).strict(now):
                continue
            if cell is None or not best.capacity or cell.taken < best.capacity:
                cell = cell or register.cell(target.provider, target.model)
                cell.spared, cell.spared_at = best, now
                return (best,)
        return ()

    def _enter_with_care(self, cell: Cell, candidate: Candidate, key: int, hint: str) -> Lease | None:
        """Where there is a choice of keys, or something rests."""
        self._register.diary.read()
        now, breaker = self._now(), cell.breaker
        spared = cell.spared is not None and now - cell.spared_at <= AT_ONCE and cell.spared == candidate
        probes = breaker.until > 0 and breaker.takes(now)
        if breaker.until and not probes and not spared:
            return None
        pairs = cell.pairs if key < 0 else cell.pairs[key : key + 1]
        pair = choose(pairs, hint, now)
        if pair is None and (spared or key >= 0):
            # Nobody else can serve a request that is bound to a key.
            pair = least_bad(pairs, now)
        if pair is None:
            return None
        number = breaker.begin_probe(now) if probes else 0
        until = 0.0
        if number or not pair.plain:
            until = self._verdicts.probing(cell, pair, now, target=number > 0)
        turns = pair.rest.turn, pair.key.rest.turn
        return Lease(self._register, self._verdicts, cell, pair, pair.key.index, breaker.turn, turns, number, until)

    def _pass_on(self, cell: Cell, room: Room) -> None:
        """Somebody has stopped waiting. If a place is free nevertheless, the next one has it; who was last closes the room."""
        if cell.taken < cell.capacity:
            room.wake()
        if room.empty and cell.room is room:
            cell.room = None
        self._register.crowd(cell)
