"""What tries, and other workers, make known of targets and keys; and who is told."""

from ..policy.faults import Fault
from .cells import Cell
from .changes import Change, Kind, Listener
from .keys import Pair
from .register import Register
from .rests import Rest

GUESS, LONGEST_GUESS = 1.0, 30.0
"""Seconds that a key rests for a model after a 429 that does not say how long: the first time, and at most."""

REFUSED, LONGEST_REFUSED = 60.0, 300.0
"""Seconds that a key rests whose credentials were refused or whose money is used up: the first time, and at most."""

LONGEST_ASKED = 300.0
"""A provider that asks for more gets this."""

LATER, LATER_SHARE = 0.05, 0.1
"""By so many seconds, and up to so much of the rest, others come back later than whoever told them: that one probes."""


class Verdicts:
    """Writes what is learnt into the register."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Tells ``listener`` of every change that this process finds out itself."""
        self._listeners.append(listener)

    # ---- of tries ---------------------------------------------------------------------------------------------------

    def opened(self, cell: Cell, reason: str, now: float) -> None:
        """Its breaker has opened."""
        cell.reason = reason
        self._register.refresh(cell, now)
        self._tell_target("opened", cell, now)

    def closed(self, cell: Cell, now: float) -> None:
        """Its breaker has closed."""
        self._register.refresh(cell, now)
        self._tell_target("closed", cell, now)

    def refused(self, cell: Cell, pair: Pair, fault: Fault, now: float) -> None:
        """The provider refused a key, or had enough of it for now."""
        if fault.action.cools == "key":
            rest = pair.key.rest
            # A guess: with nothing else left it is asked again, which tells the caller more than we could.
            seconds, asked = rest.growing(now, REFUSED, LONGEST_REFUSED), False
        elif fault.wait is None:
            rest = pair.rest
            seconds, asked = rest.growing(now, GUESS, LONGEST_GUESS), False
        else:
            rest = pair.rest
            seconds, asked = min(max(fault.wait, 0.0), LONGEST_ASKED), True
        if seconds and rest.begin(now, seconds, asked=asked, reason=fault.kind):
            self._refresh(cell, rest, pair, now)
            self._tell_key("rested", cell, pair, rest, now)

    def well(self, cell: Cell, pair: Pair, turns: tuple[int, int], now: float) -> None:
        """The provider took the key, in a try that began in these turns of the pair's rest and the key's."""
        for rest, turn in zip((pair.rest, pair.key.rest), turns, strict=True):
            if rest.until and rest.turn == turn:
                rest.end(now)
                self._refresh(cell, rest, pair, now)
                self._tell_key("freed", cell, pair, rest, now)

    def probing(self, cell: Cell, pair: Pair, now: float, *, target: bool) -> float:
        """A try begins that will show whether the target is well (``target``), or a key that rested. When the key's place is free again."""
        if target:
            self._register.refresh(cell, now)
            self._tell_target("probing", cell, now)
        until = 0.0
        for rest in (pair.rest, pair.key.rest):
            if rest.until and rest.blocked_until(now) <= now:
                rest.probe(now)
                until = rest.probe_until
                self._refresh(cell, rest, pair, now)
                self._tell_key("probing", cell, pair, rest, now)
        return until

    def unproved(self, cell: Cell, pair: Pair, probe: int, until: float, now: float) -> None:
        """That try is over. If it has shown nothing, the next one may."""
        if cell.breaker.silent(probe):
            self._register.refresh(cell, now)
            self._tell_target("unproved", cell, now)
        for rest in (pair.rest, pair.key.rest):
            if until and rest.probe_until == until:
                rest.probe_until = 0.0
                self._refresh(cell, rest, pair, now)
                self._tell_key("unproved", cell, pair, rest, now)

    # ---- of other workers -------------------------------------------------------------------------------------------

    def heard(self, change: Change) -> None:
        """Another worker found this out. Providers and keys that are not ours are ignored."""
        register = self._register
        if not register.knows(change.provider):
            return
        account = register.account(change.provider)
        if change.key < 0:
            self._heard_of_target(change)
        elif change.key < len(account.keys) and not account.forwards:
            self._heard_of_key(change)

    def _heard_of_target(self, change: Change) -> None:
        register, now = self._register, self._register.now()
        cell = register.get((change.provider, change.model))
        if change.kind == "opened":
            cell = cell or register.cell(change.provider, change.model)
            if cell.breaker.heard_open(now, self._later(change.seconds), change.times):
                cell.reason = change.reason
        elif cell is None or not cell.breaker.until:
            return
        elif change.kind == "closed":
            cell.breaker.close(now)
        elif change.kind == "probing":
            cell.breaker.heard_probe(now)
        elif change.kind == "unproved":
            cell.breaker.silent(-1)
        register.refresh(cell, now)

    def _heard_of_key(self, change: Change) -> None:
        register, now = self._register, self._register.now()
        cell: Cell | None = None
        if change.model:
            cell = register.get((change.provider, change.model))
            if cell is None and change.kind != "rested":
                return
            cell = cell or register.cell(change.provider, change.model)
            rest = cell.pairs[change.key].rest
        else:
            rest = register.account(change.provider).keys[change.key].rest
        before = rest.until, rest.probe_until
        if change.kind == "rested":
            seconds = min(max(self._later(change.seconds), 0.0), LONGEST_ASKED)
            rest.begin(now, seconds, asked=change.asked, reason=change.reason)
        elif change.kind == "freed" and rest.until:
            rest.end(now)
        elif change.kind == "probing" and rest.until and rest.probe_until <= now:
            rest.probe(now)
        elif change.kind == "unproved":
            rest.probe_until = 0.0
        if before == (rest.until, rest.probe_until):
            # All of a provider's targets would be looked at for nothing, as often as anybody likes to say it.
            return
        if cell is not None:
            register.refresh(cell, now)
        else:
            register.refresh_provider(change.provider, now)

    def _later(self, seconds: float) -> float:
        return seconds * (1 + LATER_SHARE * self._register.rng.random()) + LATER

    # ---- telling ----------------------------------------------------------------------------------------------------

    def _refresh(self, cell: Cell, rest: Rest, pair: Pair, now: float) -> None:
        if rest is pair.key.rest:
            self._register.refresh_provider(cell.place[0], now)
        else:
            self._register.refresh(cell, now)

    def _tell_target(self, kind: Kind, cell: Cell, now: float) -> None:
        if self._listeners:
            breaker, (provider, model) = cell.breaker, cell.place
            seconds = max(breaker.until - now, 0.0)
            self._tell(
                Change(
                    kind=kind,
                    provider=provider,
                    model=model,
                    seconds=seconds,
                    times=breaker.times,
                    reason=cell.reason,
                )
            )

    def _tell_key(self, kind: Kind, cell: Cell, pair: Pair, rest: Rest, now: float) -> None:
        if self._listeners:
            provider, model = cell.place
            self._tell(
                Change(
                    kind=kind,
                    provider=provider,
                    model="" if rest is pair.key.rest else model,
                    key=pair.key.index,
                    seconds=max(rest.until - now, 0.0),
                    times=rest.times,
                    asked=rest.asked,
                    reason=rest.reason,
                )
            )

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)
