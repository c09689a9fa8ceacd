"""Who shares the mailboxes, what is to be told at once, and what was learned of a mailbox."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID: Final[TypeEngine[int]] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON: Final[TypeEngine[Any]] = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT: Final[TypeEngine[Any]] = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    """Add to the first tables."""
    op.add_column("mailboxes", sa.Column("fills_sent", sa.Boolean(), nullable=True))
    op.add_column("mailboxes", sa.Column("reopened_at", INSTANT, nullable=True))
    op.add_column("mailboxes", sa.Column("halts", JSON, nullable=True))
    op.add_column("mailboxes", sa.Column("halted_with", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("mailboxes", sa.Column("sent_seen", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("mailboxes", sa.Column("copied_at", INSTANT, nullable=True))
    op.add_column("mailboxes", sa.Column("restored_at", INSTANT, nullable=True))
    op.create_table(
        "daemons",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("alive_until", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("serves", JSON, nullable=False),
        sa.Column("roster", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_daemons"),
    )
    _strikes()
    _alerts()
    came_back = sa.text("kind IN ('bounce', 'complaint')")
    op.create_index(
        "ix_messages_came_back",
        "messages",
        ["mailbox", "received_at"],
        sqlite_where=came_back,
        postgresql_where=came_back,
    )


def _strikes() -> None:
    op.create_table(
        "strikes",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_strikes"),
    )
    op.create_index("ix_strikes_count", "strikes", ["mailbox", "kind", "at"])


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("target", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("told_at", INSTANT, nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", INSTANT, nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alerts_kind", "alerts", ["mailbox", "kind", "created_at"])
    untold = sa.text("told_at IS NULL")
    op.create_index(
        "ix_alerts_open", "alerts", ["mailbox", "next_try_at"], sqlite_where=untold, postgresql_where=untold
    )
