"""The first tables."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As the types of store/columns.py were when this was written: a migration must not change with them.
ID: Final[TypeEngine[int]] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON: Final[TypeEngine[Any]] = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT: Final[TypeEngine[Any]] = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    """Make all tables of the first version."""
    _contacts()
    _definitions()
    _mailboxes()
    _folders()
    _secrets()
    _set_aside()
    _suppressions()
    _enrollments()
    _events()
    _attempts()
    _aliases()
    _messages()
    _tasks()


def _words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _contacts() -> None:
    op.create_table(
        "contacts",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("holidays", sa.Text(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("last_touch_at", INSTANT, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_contacts"),
        sa.UniqueConstraint("address", name="uq_contacts_address"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_contacts_domain", "contacts", ["domain"])


def _definitions() -> None:
    op.create_table(
        "definitions",
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("kept_at", INSTANT, nullable=False),
        sa.Column("applied_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", "version", name="pk_definitions"),
    )


def _mailboxes() -> None:
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _words("reason"),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("inbox_read_at", INSTANT, nullable=True),
        _words("lease_owner"),
        sa.Column("lease_number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_mailboxes"),
    )


def _folders() -> None:
    op.create_table(
        "folders",
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("read_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["mailbox"], ["mailboxes.name"], name="fk_folders_mailbox", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("mailbox", "folder", name="pk_folders"),
    )


def _secrets() -> None:
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )


def _set_aside() -> None:
    op.create_table(
        "set_aside",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT, nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_set_aside"),
    )
    op.create_index("ix_set_aside_open", "set_aside", ["created_at"], **_where("cleared_at IS NULL"))


def _suppressions() -> None:
    op.create_table(
        "suppressions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        _words("target"),
        _words("reason"),
        _words("source"),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
        sa.UniqueConstraint("hash", name="uq_suppressions_hash"),
    )


def _enrollments() -> None:
    op.create_table(
        "enrollments",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        _words("reason"),
        sa.Column("version", sa.Integer(), nullable=False),
        _words("definition"),
        _words("step"),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("exclusive", sa.Boolean(), nullable=False),
        sa.Column("wake_at", INSTANT, nullable=True),
        sa.Column("wakes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _words("held_reason"),
        _words("held_step"),
        sa.Column("held_since", INSTANT, nullable=True),
        sa.Column("held_until", INSTANT, nullable=True),
        sa.Column("last_message", ID, nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("state", JSON, nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name="fk_enrollments_contact_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_enrollments"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_enrollments_contact_id", "enrollments", ["contact_id"])
    op.create_index("ix_enrollments_held", "enrollments", ["mailbox", "held_reason"], **_where("held_reason <> ''"))
    op.create_index("ix_enrollments_status", "enrollments", ["status", "sequence"])
    op.create_index("ix_enrollments_wake", "enrollments", ["mailbox", "wake_at"], **_where("wake_at IS NOT NULL"))
    op.create_index(
        "uq_enrollments_place",
        "enrollments",
        ["contact_id"],
        unique=True,
        **_where("exclusive AND status IN ('active', 'paused', 'snoozed')"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        _words("definition"),
        sa.Column("message", ID, nullable=True),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_events_enrollment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("enrollment_id", "version", name="pk_events"),
    )
    op.create_index("ix_events_message", "events", ["message"], **_where("message IS NOT NULL"))


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        _words("variant"),
        _words("template"),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        _words("subject"),
        sa.Column("lease_number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _words("answer"),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        _words("copy_state"),
        _words("copy_error"),
        sa.Column("copy_tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_attempts_enrollment_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["mailbox"], ["mailboxes.name"], name="fk_attempts_mailbox"),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_attempts_copies", "attempts", ["mailbox", "copy_state"], **_where("copy_state IN ('pending', 'failed')")
    )
    op.create_index("ix_attempts_enrollment_id", "attempts", ["enrollment_id"])
    op.create_index("ix_attempts_message_id", "attempts", ["message_id"])
    op.create_index("ix_attempts_open", "attempts", ["mailbox", "state"], **_where("state IN ('started', 'in_doubt')"))
    op.create_index("ix_attempts_pace", "attempts", ["mailbox", "started_at", "state"])
    op.create_index("uq_attempts_in_flight", "attempts", ["enrollment_id"], unique=True, **_where("state = 'started'"))
    op.create_index(
        "uq_attempts_live",
        "attempts",
        ["message_id"],
        unique=True,
        **_where("state IN ('started', 'accepted', 'in_doubt')"),
    )


def _aliases() -> None:
    op.create_table(
        "aliases",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("attempt_id", ID, nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_aliases_attempt_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_aliases_enrollment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message_id", "enrollment_id", name="pk_aliases"),
    )
    op.create_index("ix_aliases_attempt_id", "aliases", ["attempt_id"])
    op.create_index("ix_aliases_enrollment_id", "aliases", ["enrollment_id"])


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("mailbox", sa.Text(), nullable=False),
        _words("folder"),
        sa.Column("uid", sa.BigInteger(), nullable=True),
        sa.Column("enrollment_id", ID, nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        _words("kind"),
        _words("kind_read"),
        _words("label"),
        sa.Column("confidence", sa.Double(), server_default=sa.text("0"), nullable=False),
        _words("matched_by"),
        _words("evidence"),
        _words("sender"),
        _words("recipient"),
        _words("subject"),
        _words("message_id"),
        _words("in_reply_to"),
        _words("text"),
        _words("named_date"),
        _words("date_words"),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("handled_at", INSTANT, nullable=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_messages_enrollment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("mailbox", "message_id", "content_hash", name="uq_messages_content"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_enrollment_id", "messages", ["enrollment_id"])
    op.create_index("ix_messages_message_id", "messages", ["message_id"], **_where("message_id <> ''"))
    op.create_index(
        "ix_messages_unmatched", "messages", ["received_at"], **_where("enrollment_id IS NULL AND handled_at IS NULL")
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("enrollment_id", ID, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _words("note"),
        sa.Column("status", sa.Text(), nullable=False),
        _words("outcome"),
        _words("done_by"),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.id"], name="fk_tasks_enrollment_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tasks_enrollment_id", "tasks", ["enrollment_id"])
    op.create_index("ix_tasks_open", "tasks", ["due_at"], **_where("status = 'open'"))
