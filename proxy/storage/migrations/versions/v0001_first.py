"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

APPEND_ONLY = ("transactions", "postings", "entries", "audit")


def upgrade() -> None:
    """Tables, the counter of changes, and the triggers that keep money's rows as they were written."""
    _tables()
    op.execute("INSERT INTO counters (name, value) VALUES ('changes', 0)")
    if op.get_bind().dialect.name == "postgresql":
        _postgres_triggers()
    else:
        _sqlite_triggers()


def _postgres_triggers() -> None:
    op.execute(
        "CREATE FUNCTION tollway_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tollway_append_only()"
        )


def _sqlite_triggers() -> None:
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are never changed'); END"
            )


def _tables() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("limits", sa.Text(), nullable=True),
        sa.Column("budgets", sa.Text(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=True),
        sa.Column("granted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("included_used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("granted BETWEEN -9000000000000000000 AND 9000000000000000000", name="granted_fits"),
        sa.CheckConstraint(
            "included_used BETWEEN -9000000000000000000 AND 9000000000000000000", name="included_used_fits"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("accounts_created", "accounts", ["created", "id"], unique=False)
    op.create_table(
        "allowances",
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rolled", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("rolled BETWEEN -9000000000000000000 AND 9000000000000000000", name="rolled_fits"),
        sa.CheckConstraint("used BETWEEN -9000000000000000000 AND 9000000000000000000", name="used_fits"),
        sa.PrimaryKeyConstraint("month", "account"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "audit",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("audit_actor", "audit", ["actor", "seq"], unique=False)
    op.create_index("audit_object", "audit", ["object", "seq"], unique=False)
    op.create_table(
        "balances",
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("amount BETWEEN -9000000000000000000 AND 9000000000000000000", name="amount_fits"),
        sa.PrimaryKeyConstraint("book"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "changes",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "entries",
        sa.Column("ident", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("upstream_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("count", sa.Text(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("charge", sa.BigInteger(), nullable=False),
        sa.Column("included", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.Boolean(), nullable=False),
        sa.Column("price_version", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("ident"),
    )
    op.create_index("entries_account", "entries", ["account", "at", "ident"], unique=False)
    op.create_index("entries_at", "entries", ["at", "ident"], unique=False)
    op.create_index("entries_key", "entries", ["key", "at", "ident"], unique=False)
    op.create_index("entries_model", "entries", ["model", "at", "ident"], unique=False)
    op.create_index("entries_request", "entries", ["request_id"], unique=False)
    op.create_index("entries_upstream", "entries", ["upstream_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.CheckConstraint("amount BETWEEN -9000000000000000000 AND 9000000000000000000", name="amount_fits"),
        sa.PrimaryKeyConstraint("request"),
        sqlite_with_rowid=False,
    )
    op.create_index("holds_at", "holds", ["at"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_table(
        "objects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("objects_at", "objects", ["at"], unique=False)
    op.create_table(
        "spending",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("micro", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("micro BETWEEN -9000000000000000000 AND 9000000000000000000", name="micro_fits"),
        sa.PrimaryKeyConstraint("period", "scope", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "transactions",
        sa.Column("seq", SERIAL, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("request", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index("transactions_account", "transactions", ["account", "seq"], unique=False)
    op.create_index(
        "transactions_credit",
        "transactions",
        ["account", "seq"],
        unique=False,
        sqlite_where=sa.text("kind NOT IN ('hold', 'capture', 'release')"),
        postgresql_where=sa.text("kind NOT IN ('hold', 'capture', 'release')"),
    )
    op.create_index("transactions_request", "transactions", ["request"], unique=False)
    op.create_table(
        "usage",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("requests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cache_write_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("charge", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("included", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unpriced", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "cache_write_tokens BETWEEN -9000000000000000000 AND 9000000000000000000", name="cache_write_tokens_fits"
        ),
        sa.CheckConstraint(
            "cached_tokens BETWEEN -9000000000000000000 AND 9000000000000000000", name="cached_tokens_fits"
        ),
        sa.CheckConstraint("charge BETWEEN -9000000000000000000 AND 9000000000000000000", name="charge_fits"),
        sa.CheckConstraint("cost BETWEEN -9000000000000000000 AND 9000000000000000000", name="cost_fits"),
        sa.CheckConstraint("included BETWEEN -9000000000000000000 AND 9000000000000000000", name="included_fits"),
        sa.CheckConstraint(
            "input_tokens BETWEEN -9000000000000000000 AND 9000000000000000000", name="input_tokens_fits"
        ),
        sa.CheckConstraint(
            "output_tokens BETWEEN -9000000000000000000 AND 9000000000000000000", name="output_tokens_fits"
        ),
        sa.CheckConstraint(
            "reasoning_tokens BETWEEN -9000000000000000000 AND 9000000000000000000", name="reasoning_tokens_fits"
        ),
        sa.CheckConstraint("requests BETWEEN -9000000000000000000 AND 9000000000000000000", name="requests_fits"),
        sa.CheckConstraint("unpriced BETWEEN -9000000000000000000 AND 9000000000000000000", name="unpriced_fits"),
        sa.PrimaryKeyConstraint("level", "account", "key", "day", "route", "model", "provider"),
        sqlite_with_rowid=False,
    )
    op.create_index("usage_day", "usage", ["level", "day"], unique=False)
    op.create_index("usage_key", "usage", ["key", "level", "day"], unique=False)
    op.create_table(
        "vouchers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND uses", name="used_fits"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("code_digest"),
    )
    op.create_index("vouchers_created", "vouchers", ["created", "id"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=True),
        sa.Column("limits", sa.Text(), nullable=True),
        sa.Column("budgets", sa.Text(), nullable=True),
        sa.Column("output_cap", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("replaced_by", sa.Text(), nullable=True),
        sa.Column("root", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account"],
            ["accounts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("keys_account", "keys", ["account", "created", "id"], unique=False)
    op.create_index("keys_created", "keys", ["created", "id"], unique=False)
    op.create_table(
        "postings",
        sa.Column("txn", SERIAL, autoincrement=False, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("book", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["txn"],
            ["transactions.seq"],
        ),
        sa.PrimaryKeyConstraint("txn", "line"),
        sqlite_with_rowid=False,
    )
