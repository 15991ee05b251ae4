"""What is asked of the database beside rows, and what it answers. Amounts in micro-dollars, times in unix seconds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from .records import Json, Kind, Transaction

# ---- doing something once -------------------------------------------------------------------------------------------


class Answer(Struct, frozen=True):
    """What the first request with an Idempotency-Key was answered, and what its replays are."""

    status: int
    body: Json


def brief_answer(posted: Sequence[Transaction], balances: Mapping[str, int]) -> Answer:
    """The ids of what was posted, and the balances of its books afterwards."""
    return Answer(200, {"transactions": [transaction.id for transaction in posted], "balances": dict(balances)})


class Idempotency(Struct, frozen=True, kw_only=True):
    """A client's Idempotency-Key. ``scope``: within what it is unique (the admin's name, say); ``request_digest``: of what was asked.

    ``answer`` makes what is stored, from the transactions and the balances of their books after them. It runs inside the SQL
    transaction, once or (after a lost connection) more often: no side effects.
    """

    key: str
    scope: str
    request_digest: bytes
    answer: Callable[[Sequence[Transaction], Mapping[str, int]], Answer] = brief_answer


# ---- the ledger -----------------------------------------------------------------------------------------------------


class OpenHold(Struct, frozen=True):
    """Money still held for a request: ``amount`` is what remains of it. ``at``: when it was first held."""

    request: str
    account: str
    amount: int
    at: float


class EntryFilter(Struct, frozen=True, kw_only=True):
    """Which entries; unset fields do not matter. ``since`` <= the request's begin < ``until``."""

    account: str | None = None
    key: str | None = None
    route: str | None = None
    model: str | None = None
    provider: str | None = None
    outcome: str | None = None
    request_id: str | None = None
    upstream_id: str | None = None
    since: float | None = None
    until: float | None = None


class TransactionFilter(Struct, frozen=True, kw_only=True):
    """Which transactions; unset fields do not matter. ``since`` <= their time < ``until``."""

    account: str | None = None
    kinds: tuple[Kind, ...] = ()
    request: str | None = None
    since: float | None = None
    until: float | None = None


class Spent(Struct, frozen=True, gc=False):
    """``micro`` charged to a key or account in one calendar period, named as ``rules.window_of`` does."""

    scope: Literal["key", "account"]
    id: str
    window: str
    micro: int


# ---- usage ----------------------------------------------------------------------------------------------------------

Dimension = Literal["day", "account", "key", "route", "model", "provider"]


class UsageQuery(Struct, frozen=True, kw_only=True):
    """Sums of entries by ``group_by``. ``first`` and ``last`` are UTC days (``2026-11-23``), both included; unset: no bound."""

    group_by: tuple[Dimension, ...] = ("day",)
    first: str | None = None
    last: str | None = None
    account: str | None = None
    key: str | None = None
    route: str | None = None
    model: str | None = None
    provider: str | None = None
    limit: int = 1000


class UsageRow(Struct, frozen=True, kw_only=True):
    """One group: dimensions that were not grouped by are "". ``unpriced``: requests whose price was not known; ``cache_hits``: those that
    the cache answered, whose tokens are in ``saved_input`` and ``saved_output`` alone."""

    day: str = ""
    account: str = ""
    key: str = ""
    route: str = ""
    model: str = ""
    provider: str = ""
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    charge: int
    included: int
    cost: int
    unpriced: int
    cache_hits: int = 0
    saved: int = 0
    saved_cost: int = 0
    saved_input: int = 0
    saved_output: int = 0


# ---- vouchers and objects -------------------------------------------------------------------------------------------


class Voucher(Struct, frozen=True, kw_only=True):
    """Credit for whoever knows its code: ``uses`` accounts may redeem it, each once; ``used`` have. The code itself is nowhere."""

    id: str
    micro_usd: int
    uses: int
    created: float
    used: int = 0
    expires: float | None = None
    revoked: float | None = None
    note: str = ""


class OwnedObject(Struct, frozen=True):
    """An id that a provider gave out, the account that it belongs to since ``at``, and the place that made it ("": not known)."""

    id: str
    account: str
    place: str
    at: float
