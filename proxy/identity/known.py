"""Keys and accounts as they are in force here, in memory: digest to principal, without a look at anything else."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence

from ..context import Principal
from ..errors import PermissionDenied
from ..policy.rules import Rule
from ..protocols import Clock
from ..storage.records import AccountRecord, KeyRecord
from .principals import Terms, account_of, account_rules, key_rules, principal_of
from .standing import ended, refuse_inactive

BATCH = 5_000
"""Rows compared in one turn of the loop."""

PRINCIPALS = 20_000
"""Callers kept ready; others are made from their records again when they come."""


class KnownKeys:
    """Records by digest; principals are made when a key is first used, and kept for those used last."""

    def __init__(self, *, terms: Terms, wall: Clock) -> None:
        self._terms = terms
        self._wall = wall
        self._keys: dict[bytes, KeyRecord] = {}
        self._digests: dict[str, bytes] = {}
        self._accounts: dict[str, AccountRecord] = {}
        self._named: dict[str, str] = {}
        self._principals: OrderedDict[bytes, Principal] = OrderedDict()
        self.generation = 0
        """Grows whenever an account or the terms change: what was made from them is then out of date."""

    # ---- asked ------------------------------------------------------------------------------------------------------

    def find(self, name: bytes) -> Principal | None:
        """The principal of the key with this digest, or ``None``. Raises what its caller is to be told if it must not be used."""
        principal = self._principals.get(name)
        if principal is None:
            record = self._keys.get(name)
            if record is None:
                return None
            principal = self._made(name, record)
        else:
            self._principals.move_to_end(name)
        if principal.expires is not None and self._wall() >= principal.expires:
            raise ended(self._keys[name], self._wall())
        return principal

    def account(self, ident: str) -> AccountRecord | None:
        """The account of this id."""
        return self._accounts.get(ident)

    def account_named(self, name: str) -> AccountRecord | None:
        """The account of this name; names are unique."""
        return self._accounts.get(self._named.get(name, ""))

    @property
    def count(self) -> int:
        """Keys known."""
        return len(self._keys)

    def money_rules(self, key: str, account: str) -> list[Rule]:
        """Budgets and balance that a charge to this key (its id) and account counts against, the file's ones too."""
        terms = self._terms
        record = self._keys.get(self._digests.get(key, b"")) or terms.keys.get(key)
        owner = account_of(account, terms, self._accounts.get(account))
        rules = (key_rules(record, terms) if record is not None else ()) + account_rules(owner, terms)
        return [rule for rule in rules if rule.method == "money"]

    async def budgeted(self) -> AsyncIterator[KeyRecord | AccountRecord]:
        """Every account and key here that has a budget of its own or pays in advance; others have their turn meanwhile."""
        for account in tuple(self._accounts.values()):
            if account.budgets or account.plan.prepaid:
                yield account
        keys = tuple(self._keys.values())
        for first in range(0, len(keys), BATCH):
            for key in keys[first : first + BATCH]:
                if key.budgets and key.revoked is None:
                    yield key
            await asyncio.sleep(0)

    def _made(self, name: bytes, record: KeyRecord) -> Principal:
        account = self._accounts.get(record.account)
        if account is None:
            raise PermissionDenied("This key's account does not exist any more; ask the gateway's operator.")
        refuse_inactive(account)
        principal = principal_of(record, account, self._terms)
        self._principals[name] = principal
        if len(self._principals) > PRINCIPALS:
            self._principals.popitem(last=False)
        return principal

    # ---- changed ----------------------------------------------------------------------------------------------------

    def use(self, terms: Terms) -> None:
        """New terms, from a reloaded configuration."""
        self._terms = terms
        self._principals.clear()
        self.generation += 1

    def put(self, accounts: Iterable[AccountRecord], keys: Iterable[KeyRecord]) -> None:
        """These rows are in force from now on."""
        changed = set()
        for account in accounts:
            old = self._accounts.get(account.id)
            if old == account:
                continue
            if old is not None:
                self._unname(old)
            self._accounts[account.id] = account
            self._named[account.name] = account.id
            changed.add(account.id)
        for key in keys:
            self._digests[key.id] = key.digest
            self._keys[key.digest] = key
            self._principals.pop(key.digest, None)
        if changed:
            self.generation += 1
            for name in [name for name, caller in self._principals.items() if caller.account in changed]:
                del self._principals[name]

    def forget_others(self, accounts: set[str], keys: set[str]) -> None:
        """Only these ids are left: another database, put in the first one's place, may lack some."""
        for ident in self._accounts.keys() - accounts:
            self._unname(self._accounts.pop(ident))
        for ident in self._digests.keys() - keys:
            name = self._digests.pop(ident)
            self._keys.pop(name, None)
            self._principals.pop(name, None)

    def _unname(self, account: AccountRecord) -> None:
        if self._named.get(account.name) == account.id:
            del self._named[account.name]

    # ---- compared ---------------------------------------------------------------------------------------------------

    async def differing(
        self, accounts: Sequence[AccountRecord], keys: Sequence[KeyRecord]
    ) -> tuple[list[AccountRecord], list[KeyRecord]]:
        """The rows that are not in force as they are, found without holding up the loop."""
        changed = []
        for first in range(0, len(keys), BATCH):
            changed += [key for key in keys[first : first + BATCH] if self._keys.get(key.digest) != key]
            await asyncio.sleep(0)
        return [account for account in accounts if self._accounts.get(account.id) != account], changed

    def new_budgets(self, row: AccountRecord | KeyRecord) -> list[Rule]:
        """Rules of ``row`` whose use begins with the ledger, and which it has not had so far.

        None of a row that is new, and so has no past, or of one that may not be used.
        """
        terms = self._terms
        if isinstance(row, AccountRecord):
            owner = self._accounts.get(row.id)
            if owner is None or row.status != "active":
                return []
            before, after = account_rules(owner, terms), account_rules(row, terms)
        else:
            record = self._keys.get(self._digests.get(row.id, b""))
            if record is None or (row.revoked is not None and row.revoked <= self._wall()):
                return []
            before, after = key_rules(record, terms), key_rules(row, terms)
        idents = {rule.ident for rule in before if rule.ledgered}
        return [rule for rule in after if rule.ledgered and rule.ident not in idents]
