"""Every text that was in force, and which versions were so together; the words that each attempt was written with, and
the variants that it was dealt from."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID: Final[TypeEngine[int]] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON: Final[TypeEngine[Any]] = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT: Final[TypeEngine[Any]] = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    """Add to the tables."""
    op.add_column("attempts", _words("template_version"))
    op.add_column("attempts", _words("trial"))
    tried = sa.text("trial <> '' AND state IN ('started', 'accepted', 'in_doubt')")
    op.create_index(
        "ix_attempts_trial",
        "attempts",
        ["trial", "started_at", "variant", "enrollment_id"],
        sqlite_where=tried,
        postgresql_where=tried,
    )
    telling = sa.text("kind IN ('interested', 'unsubscribe', 'complaint', 'bounce')")
    op.create_index(
        "ix_messages_telling",
        "messages",
        ["enrollment_id", "kind"],
        sqlite_where=telling,
        postgresql_where=telling,
    )
    op.create_table(
        "texts",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kept_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "version", name="pk_texts"),
    )
    op.create_table(
        "releases",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("adopted_at", INSTANT, nullable=True),
        sa.Column("hash", sa.Text(), nullable=False),
        _words("config"),
        _words("by"),
        sa.Column("contents", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
        sqlite_autoincrement=True,
    )


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)
