"""Rows as values. Money is in micro-dollars, times are unix seconds, ids are ``acc_``, ``key_``, ``txn_`` … and random."""

from typing import Literal

from msgspec import Struct

from ..policy.terms import AT_COST, EVERYTHING, NO_LIMITS, Budget, Limits, Plan, Scopes

Json = dict[str, object]


class AccountRecord(Struct, frozen=True, kw_only=True):
    """Who pays. ``granted``: all credit ever given (top-ups, vouchers, refunds); ``included_used``: allowances of past months, used."""

    id: str
    name: str
    created: float
    status: Literal["active", "suspended", "closed"] = "active"
    limits: Limits = NO_LIMITS
    budgets: tuple[Budget, ...] = ()
    plan: Plan = AT_COST
    granted: int = 0
    included_used: int = 0
    metadata: dict[str, str] = {}
    version: int = 1


class KeyRecord(Struct, frozen=True, kw_only=True):
    """A virtual key. The key itself is nowhere: ``digest`` is its HMAC, ``hint`` its first and last characters."""

    id: str
    account: str
    name: str
    digest: bytes
    hint: str
    created: float
    scopes: Scopes = EVERYTHING
    limits: Limits = NO_LIMITS
    budgets: tuple[Budget, ...] = ()
    output_cap: int | None = None
    expires: float | None = None
    revoked: float | None = None
    """When it stops, or stopped, working: rotation sets it in the future."""
    replaced_by: str | None = None
    root: str | None = None
    """The first key of its line of rotations; ``None``: this one."""
    metadata: dict[str, str] = {}
    version: int = 1

    @property
    def counted_as(self) -> str:
        """The id that its limits, budgets and entries stand under: a rotation changes the secret, not what was used."""
        return self.root or self.id


class Posting(Struct, frozen=True):
    """One leg of a transaction: ``amount`` micro-dollars added to ``book``. The legs of a transaction add up to zero."""

    book: str
    amount: int


Kind = Literal["top_up", "voucher", "hold", "capture", "release", "refund", "adjustment", "included"]


class Transaction(Struct, frozen=True, kw_only=True):
    """An append-only movement of money. ``ref`` is unique: the same movement cannot happen twice."""

    id: str
    ref: str
    kind: Kind
    account: str
    at: float
    postings: tuple[Posting, ...]
    request: str | None = None
    """The ledger id of the request it belongs to."""
    note: str = ""
    actor: str = ""


class AuditRecord(Struct, frozen=True, kw_only=True):
    """Who changed what: ``before`` and ``after`` without secrets."""

    id: str
    at: float
    actor: str
    action: str
    object: str
    before: Json | None = None
    after: Json | None = None
    client: str = ""
    request_id: str = ""


class Change(Struct, frozen=True):
    """One step of the log that workers follow: the object that changed."""

    version: int
    kind: Literal["account", "key"]
    object: str


def account_book(account: str) -> str:
    """A customer's balance: what it has left, below zero what it owes."""
    return f"account/{account}"


def held_book(account: str) -> str:
    """Held for requests under way."""
    return f"held/{account}"


REVENUE = "revenue"
FUNDING = "funding"
"""Where top-ups and vouchers come from."""
ALLOWANCE = "allowance"
"""Where plans' included allowances come from."""
