"""What the cache gave and saved: on entries, and added up in the roll-up. Rows from before had no cache, which the defaults say."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

AMOUNTS = ("saved", "saved_cost", "saved_input", "saved_output")


def upgrade() -> None:
    """Columns with constant defaults: neither database writes a row again for them."""
    op.execute("ALTER TABLE entries ADD COLUMN cache TEXT NOT NULL DEFAULT ''")
    for name in AMOUNTS:
        op.execute(f"ALTER TABLE entries ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0")
    for name in ("cache_hits", *AMOUNTS):
        # The check comes with its column: SQLite can add none to a table that is there.
        op.execute(
            f"ALTER TABLE usage ADD COLUMN {name} BIGINT NOT NULL DEFAULT 0 "
            f"CONSTRAINT {name}_fits CHECK ({name} BETWEEN -9000000000000000000 AND 9000000000000000000)"
        )
