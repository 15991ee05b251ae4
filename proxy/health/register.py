"""All targets and keys, and by name what of them takes no requests now, so that nobody has to look at each."""

from collections.abc import Collection, Mapping
from random import Random

from ..policy.routes import Breaker as Settings
from ..protocols import Clock
from .cells import Account, Cell, Cells, Place
from .diary import Diary

LOOK = 1.0
"""Seconds between two looks for what takes requests again; until then its time alone tells."""

NEVER = float("inf")


class Register:
    """See ``HealthBoard`` for the arguments.

    ``blocked``: targets and until when they take nothing; ``spent``: providers none of whose keys may be used, likewise; ``full``:
    targets with no place left. All three are empty where all is well.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        provider_keys: Mapping[str, int],
        forwards: Collection[str],
        clock: Clock,
        rng: Random,
        limit: int,
    ) -> None:
        self.now = clock
        self.rng = rng
        self.cells = Cells(limit)
        self.get = self.cells.get
        self.blocked: dict[Place, float] = {}
        self.spent: dict[str, float] = {}
        self.full: set[Place] = set()
        self.look_at = NEVER
        self.diary = Diary()
        self.heeds = settings.enabled
        """Does anything rest at all?"""
        self._settings = settings
        self._keys = provider_keys
        self._forwards = frozenset(forwards)
        self._accounts: dict[str, Account] = {}

    def knows(self, provider: str) -> bool:
        """Is it configured?"""
        return provider in self._keys

    def use(
        self,
        settings: Settings,
        *,
        provider_keys: Mapping[str, int],
        forwards: Collection[str],
        changed: Collection[str],
    ) -> None:
        """See ``HealthBoard.use``."""
        self.diary.read()
        self.heeds = settings.enabled
        self._settings = settings
        self._keys = provider_keys
        self._forwards = frozenset(forwards)
        now = self.now()
        for name, old in list(self._accounts.items()):
            if not self.knows(name):
                del self._accounts[name]
                continue
            account = self._accounts[name] = self._made(name)
            if name not in changed:
                account.keys[: len(old.keys)] = old.keys[: len(account.keys)]
        for cell in list(self.cells):
            if not self.knows(cell.place[0]) and not cell.busy:
                self.cells.drop(cell)
                continue
            if cell.place[0] in changed:
                cell.breaker.begin_anew(now)
            cell.breaker.use(settings)
            cell.fit(self.account(cell.place[0]))
            cell.capacity = 0
        self.full.clear()
        self.tidy(now)

    def account(self, provider: str) -> Account:
        """A provider's keys."""
        account = self._accounts.get(provider)
        if account is None:
            account = self._accounts[provider] = self._made(provider)
        return account

    def cell(self, provider: str, model: str) -> Cell:
        """A target's, made if need be."""
        place = (provider, model)
        cell = self.get(place)
        if cell is None:
            cell = Cell(place, self.account(provider), self._settings, self.rng)
            gone = self.cells.add(cell, self.now())
            if gone is not None:
                self.blocked.pop(gone.place, None)
                self.full.discard(gone.place)
        return cell

    # ---- what takes nothing -----------------------------------------------------------------------------------------

    def refresh(self, cell: Cell, now: float) -> None:
        """Something of this target has changed."""
        until = cell.blocked_until(now)
        if until > now:
            self.blocked[cell.place] = until
            self.look_at = min(self.look_at, until)
        else:
            self.blocked.pop(cell.place, None)

    def refresh_provider(self, provider: str, now: float) -> None:
        """Something of a key has changed, and with it all targets of the provider."""
        self._refresh_spent(provider, now)
        for cell in self.cells:
            if cell.place[0] == provider:
                self.refresh(cell, now)

    def crowd(self, cell: Cell) -> None:
        """A place was taken, or given back."""
        if cell.capacity and cell.taken >= cell.capacity:
            self.full.add(cell.place)
        else:
            self.full.discard(cell.place)

    def tidy(self, now: float) -> None:
        """Forgets what takes requests again."""
        self.look_at = NEVER
        self.spent = {provider: until for provider, until in self.spent.items() if provider in self._accounts}
        for provider in self._accounts:
            self._refresh_spent(provider, now)
        for place in list(self.blocked):
            cell = self.get(place)
            if cell is not None:
                self.refresh(cell, now)
            else:
                del self.blocked[place]
        if self.look_at < NEVER:
            self.look_at = max(self.look_at, now + LOOK)

    def _refresh_spent(self, provider: str, now: float) -> None:
        until = self.account(provider).blocked_until(now)
        if until > now:
            self.spent[provider] = until
            self.look_at = min(self.look_at, until)
        else:
            self.spent.pop(provider, None)

    def _made(self, provider: str) -> Account:
        return Account(max(1, self._keys.get(provider, 1)), forwards=provider in self._forwards)
