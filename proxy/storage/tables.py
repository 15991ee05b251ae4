"""The tables, as the statements see them; ``migrations`` makes them. Money is BIGINT micro-dollars, times are doubles (unix seconds).

JSON is text: it is read as a whole, never searched. What is at its default is NULL, so that 100,000 keys load quickly.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    text,
)

metadata = MetaData()

AnyRow = Row[*tuple[Any, ...]]
"""A row of any table: its columns in the table's order."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER."""


def _sum(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _bounded(*names: str) -> list[CheckConstraint]:
    # SQLite turns an overflow into a float; the check sees it.
    return [
        CheckConstraint(f"{name} BETWEEN -9000000000000000000 AND 9000000000000000000", name=f"{name}_fits")
        for name in names
    ]


accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created", Double, nullable=False),
    Column("status", Text, nullable=False),
    Column("limits", Text),
    Column("budgets", Text),
    Column("plan", Text),
    _sum("granted"),
    _sum("included_used"),
    Column("metadata", Text),
    Column("version", BigInteger, nullable=False),
    Index("accounts_created", "created", "id"),
    *_bounded("granted", "included_used"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("scopes", Text),
    Column("limits", Text),
    Column("budgets", Text),
    Column("output_cap", BigInteger),
    Column("expires", Double),
    Column("revoked", Double),
    Column("replaced_by", Text),
    Column("root", Text),
    Column("metadata", Text),
    Column("version", BigInteger, nullable=False),
    Index("keys_created", "created", "id"),
    Index("keys_account", "account", "created", "id"),
)

changes = Table(
    "changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("object", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

CREDIT = "kind NOT IN ('hold', 'capture', 'release')"
"""Part of an index, which a statement uses that says the same in the same words."""

transactions = Table(
    "transactions",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("ref", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("request", Text),
    Column("note", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Index("transactions_account", "account", "seq"),
    # Credit is rare among captures: an account's top-ups are found without reading them.
    Index("transactions_credit", "account", "seq", sqlite_where=text(CREDIT), postgresql_where=text(CREDIT)),
    Index("transactions_request", "request"),
)

postings = Table(
    "postings",
    metadata,
    Column("txn", Serial, ForeignKey("transactions.seq"), primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("book", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

balances = Table(
    "balances",
    metadata,
    Column("book", Text, primary_key=True),
    _sum("amount"),
    *_bounded("amount"),
    sqlite_with_rowid=False,
)

holds = Table(
    "holds",
    metadata,
    Column("request", Text, primary_key=True),
    Column("account", Text, nullable=False),
    _sum("amount"),
    Column("at", Double, nullable=False),
    Index("holds_at", "at"),
    *_bounded("amount"),
    sqlite_with_rowid=False,
)

entries = Table(
    "entries",
    metadata,
    Column("ident", Text, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("upstream_id", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("ending", Text, nullable=False),
    Column("count", Text, nullable=False),
    Column("flags", Text),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("charge", BigInteger, nullable=False),
    Column("included", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("unpriced", Boolean, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("ended", Double, nullable=False),
    Column("cache", Text, nullable=False, server_default=text("''")),
    _sum("saved"),
    _sum("saved_cost"),
    _sum("saved_input"),
    _sum("saved_output"),
    Index("entries_at", "at", "ident"),
    Index("entries_account", "account", "at", "ident"),
    Index("entries_key", "key", "at", "ident"),
    Index("entries_model", "model", "at", "ident"),
    Index("entries_request", "request_id"),
    Index("entries_upstream", "upstream_id"),
)

SUMS = (
    "requests", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "charge", "included",
    "cost", "unpriced", "cache_hits", "saved", "saved_cost", "saved_input", "saved_output",
)  # fmt: skip
"""What the roll-up adds up."""

usage = Table(
    "usage",
    metadata,
    # What is told apart, see ``usage``: most questions need no keys, of which there may be 100,000.
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("account", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    *(_sum(name) for name in SUMS),
    Index("usage_day", "level", "day"),
    Index("usage_key", "key", "level", "day"),
    *_bounded(*SUMS),
    sqlite_with_rowid=False,
)

spending = Table(
    "spending",
    metadata,
    Column("period", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    _sum("micro"),
    *_bounded("micro"),
    sqlite_with_rowid=False,
)

allowances = Table(
    "allowances",
    metadata,
    Column("month", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    _sum("used"),
    _sum("rolled"),
    *_bounded("used", "rolled"),
    sqlite_with_rowid=False,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Double, nullable=False),
)

vouchers = Table(
    "vouchers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("code_digest", LargeBinary, nullable=False, unique=True),
    Column("micro_usd", BigInteger, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("note", Text, nullable=False),
    Column("created", Double, nullable=False),
    Index("vouchers_created", "created", "id"),
    CheckConstraint("used BETWEEN 0 AND uses", name="used_fits"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("client", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Index("audit_object", "object", "seq"),
    Index("audit_actor", "actor", "seq"),
)

objects = Table(
    "objects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("objects_at", "at"),
)

APPEND_ONLY = ("transactions", "postings", "entries", "audit")
"""Rows of these are never changed nor removed; triggers see to it."""
