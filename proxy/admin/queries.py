"""What stands behind the question mark of the admin API's lists."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from .asked import Moment, Text

Size = Annotated[int, Meta(ge=1, le=1_000)]
Cursor = Annotated[str, Meta(min_length=1, max_length=500)]
_DIMENSION = "(day|account|key|route|model|provider)"
Groups = Annotated[str, Meta(max_length=100, pattern=rf"^{_DIMENSION}(,{_DIMENSION}){{0,5}}$", examples=["day,model"])]
Kinds = Literal["top_up", "voucher", "hold", "capture", "release", "refund", "adjustment", "included"]


class Paging(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``cursor`` is the ``next`` of the page before."""

    limit: Size = 100
    cursor: Cursor | None = None


class KeysQuery(Paging, frozen=True, kw_only=True):
    """``account``: an id or name."""

    account: Text | None = None


class Period(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``from`` is in it, ``to`` is not; a date stands for its begin in ``from`` and for its end in ``to``."""

    since: Moment | None = field(name="from", default=None)
    until: Moment | None = field(name="to", default=None)


class UsageQuery(Period, frozen=True, kw_only=True):
    """Sums over the ledger's requests, by whole days (UTC). Without ``group_by`` they are by day."""

    group_by: Groups = "day"
    account: Text | None = None
    key: Text | None = None
    route: Text | None = None
    model: Text | None = None
    provider: Text | None = None
    limit: Size = 1_000


class RequestsQuery(Period, frozen=True, kw_only=True):
    """The ledger's requests, the latest first."""

    account: Text | None = None
    key: Text | None = None
    route: Text | None = None
    model: Text | None = None
    provider: Text | None = None
    outcome: Text | None = None
    request_id: Text | None = None
    upstream_id: Text | None = None
    limit: Size = 100
    cursor: Cursor | None = None


class TransactionsQuery(Period, frozen=True, kw_only=True):
    """Movements of money, the latest first."""

    account: Text | None = None
    kind: Kinds | None = None
    request: Text | None = None
    limit: Size = 100
    cursor: Cursor | None = None


class AuditQuery(Paging, frozen=True, kw_only=True):
    """Changes, the latest first. ``object``: an id."""

    object: Text | None = None
    actor: Text | None = None
