"""The tables. Alembic's migrations lead to exactly these; a test compares the two on both databases.

Partial indexes carry the load: what is due, in flight or held is found without looking at who is merely enrolled.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from sequencer.store.columns import Bytes, CleanText, Id, Instant, Json

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

# Conditions as SQL, without parameters: a planner uses a partial index only where it recognises its condition.
OPEN: Final = "status IN ('active', 'paused', 'snoozed')"  # the enrollment has not ended
HELD: Final = "held_reason <> ''"
DUE: Final = "wake_at IS NOT NULL"
TASK_OPEN: Final = "status = 'open'"
UNFINISHED: Final = "state IN ('started', 'in_doubt')"
COPY_OPEN: Final = "copy_state IN ('pending', 'failed')"
HAS_ID: Final = "message_id <> ''"
UNMATCHED: Final = "enrollment_id IS NULL AND handled_at IS NULL"
NOT_CLEARED: Final = "cleared_at IS NULL"
NOT_TOLD: Final = "told_at IS NULL"
TELLING: Final = "kind IN ('interested', 'unsubscribe', 'complaint', 'bounce')"
CAME_BACK: Final = "kind IN ('bounce', 'complaint')"
LIVE: Final = "state IN ('started', 'accepted', 'in_doubt')"  # it reached, or may have reached, the contact
TRIED: Final = f"trial <> '' AND {LIVE}"


def _words(name: str) -> Column[str]:
    return Column(name, CleanText, nullable=False, server_default=text("''"))


def _key() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


# Ids stand in signed tokens and Message-IDs, so an id must never be handed out twice.
_NEVER_REUSE: Final[dict[str, Any]] = {"sqlite_autoincrement": True}

contacts: Final = Table(
    "contacts",
    metadata,
    _key(),
    Column("email", CleanText, nullable=False),  # as it was written
    Column("address", CleanText, nullable=False, unique=True),  # as it is matched: see addresses.normal
    Column("domain", CleanText, nullable=False, index=True),
    Column("fields", Json, nullable=False),
    Column("timezone", CleanText),  # NULL: the workspace's default
    Column("holidays", CleanText),
    Column("language", CleanText),
    Column("last_touch_at", Instant),  # across all sequences
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    **_NEVER_REUSE,
)

definitions: Final = Table(
    "definitions",
    metadata,
    Column("sequence", CleanText, nullable=False),
    Column("version", CleanText, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("kept_at", Instant, nullable=False),
    Column("applied_at", Instant, nullable=False),
    PrimaryKeyConstraint("sequence", "version"),
)

texts: Final = Table(  # every text that was ever in force: sequences, templates, phrases, by the hash of each
    "texts",
    metadata,
    Column("kind", CleanText, nullable=False),  # sequence, template or phrases
    Column("name", CleanText, nullable=False),
    Column("version", CleanText, nullable=False),
    Column("text", CleanText, nullable=False),
    Column("kept_at", Instant, nullable=False),
    PrimaryKeyConstraint("kind", "name", "version"),
)

releases: Final = Table(  # which versions together were to be in force from when on; the last one counts
    "releases",
    metadata,
    _key(),
    Column("at", Instant, nullable=False),
    Column("adopted_at", Instant),  # when a daemon first worked with it; NULL: none has yet
    Column("hash", CleanText, nullable=False),  # of the contents
    _words("config"),  # the hash of the config.yaml that they were checked with
    _words("by"),
    Column("contents", Json, nullable=False),  # kind -> name -> version
    **_NEVER_REUSE,
)

enrollments: Final = Table(
    "enrollments",
    metadata,
    _key(),
    Column("contact_id", Id, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sequence", CleanText, nullable=False),
    Column("mailbox", CleanText, nullable=False),
    Column("status", CleanText, nullable=False),
    _words("reason"),
    Column("version", Integer, nullable=False),
    _words("definition"),
    _words("step"),
    Column("alone", Boolean, nullable=False),  # its sequence wants the contact for itself
    Column("exclusive", Boolean, nullable=False),  # it holds the contact's one place: see enrollments.py
    Column("wake_at", Instant),  # NULL: nothing to do until an event comes
    Column("wakes", Integer, nullable=False, server_default=text("0")),  # how often it was woken from outside
    _words("held_reason"),
    _words("held_step"),
    Column("held_since", Instant),
    Column("held_until", Instant),
    Column("last_message", Id),  # the message that somebody has to answer, see messages.awaiting
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("state", Json, nullable=False),  # the folded core.model.Enrollment
    Index("ix_enrollments_status", "status", "sequence"),
    _partial("ix_enrollments_wake", "mailbox", "wake_at", where=DUE),
    _partial("ix_enrollments_held", "mailbox", "held_reason", where=HELD),
    _partial("uq_enrollments_place", "contact_id", where=f"exclusive AND {OPEN}", unique=True),
    **_NEVER_REUSE,
)

events: Final = Table(
    "events",
    metadata,
    Column("enrollment_id", Id, ForeignKey("enrollments.id", ondelete="CASCADE"), nullable=False),
    Column("version", Integer, nullable=False),  # 1 is the first event
    Column("kind", CleanText, nullable=False),
    Column("at", Instant, nullable=False),
    _words("definition"),
    Column("message", Id),  # the received or hand-written message it is about
    Column("data", Json, nullable=False),
    PrimaryKeyConstraint("enrollment_id", "version"),
    _partial("ix_events_message", "message", where="message IS NOT NULL"),
)

attempts: Final = Table(
    "attempts",
    metadata,
    _key(),
    Column("enrollment_id", Id, ForeignKey("enrollments.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("mailbox", CleanText, ForeignKey("mailboxes.name"), nullable=False),
    Column("step", CleanText, nullable=False),
    _words("variant"),
    _words("template"),
    _words("template_version"),  # see texts
    _words("trial"),  # sequence/step, where the variant was dealt from among several: see trials.py
    Column("message_id", CleanText, nullable=False, index=True),  # without angle brackets
    Column("recipient", CleanText, nullable=False),
    _words("subject"),
    Column("lease_number", BigInteger, nullable=False),
    Column("state", CleanText, nullable=False),
    _words("answer"),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    _words("copy_state"),  # the copy in Sent: '' none wanted, pending, done, seen, failed
    _words("copy_error"),
    Column("copy_tries", Integer, nullable=False, server_default=text("0")),
    Column("bytes", Bytes, nullable=False),  # exactly what DATA carries
    Index("ix_attempts_pace", "mailbox", "started_at", "state"),
    _partial("ix_attempts_open", "mailbox", "state", where=UNFINISHED),
    _partial("ix_attempts_copies", "mailbox", "copy_state", where=COPY_OPEN),
    _partial("ix_attempts_trial", "trial", "started_at", "variant", "enrollment_id", where=TRIED),
    _partial("uq_attempts_live", "message_id", where=LIVE, unique=True),
    _partial("uq_attempts_in_flight", "enrollment_id", where="state = 'started'", unique=True),
    **_NEVER_REUSE,
)

aliases: Final = Table(
    "aliases",
    metadata,
    Column("message_id", CleanText, nullable=False),
    Column("enrollment_id", Id, ForeignKey("enrollments.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("attempt_id", Id, ForeignKey("attempts.id", ondelete="CASCADE"), index=True),
    Column("origin", CleanText, nullable=False),
    PrimaryKeyConstraint("message_id", "enrollment_id"),
)

messages: Final = Table(
    "messages",
    metadata,
    _key(),
    Column("mailbox", CleanText, nullable=False),
    _words("folder"),
    Column("uid", BigInteger),
    Column("enrollment_id", Id, ForeignKey("enrollments.id", ondelete="CASCADE"), index=True),
    Column("direction", CleanText, nullable=False),  # received, hand_written or notice
    _words("kind"),
    _words("kind_read"),  # what the reader made of it, when somebody has corrected the kind
    _words("label"),
    Column("confidence", Double, nullable=False, server_default=text("0")),
    _words("matched_by"),
    _words("evidence"),
    _words("sender"),
    _words("recipient"),
    _words("subject"),
    _words("message_id"),  # without angle brackets
    _words("in_reply_to"),
    _words("text"),  # the fresh text
    _words("named_date"),  # ISO 8601, the date they named
    _words("date_words"),
    Column("content_hash", CleanText, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("handled_at", Instant),  # somebody dealt with it, when no enrollment shows it
    Column("raw", Bytes, nullable=False),  # at most messages.RAW_LIMIT bytes
    UniqueConstraint("mailbox", "message_id", "content_hash", name="uq_messages_content"),
    _partial("ix_messages_message_id", "message_id", where=HAS_ID),
    _partial("ix_messages_unmatched", "received_at", where=UNMATCHED),
    _partial("ix_messages_telling", "enrollment_id", "kind", where=TELLING),
    _partial("ix_messages_came_back", "mailbox", "received_at", where=CAME_BACK),
    **_NEVER_REUSE,
)

mailboxes: Final = Table(
    "mailboxes",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("state", CleanText, nullable=False),  # ok, held or halted
    _words("reason"),
    Column("since", Instant, nullable=False),
    Column("inbox_read_at", Instant),
    _words("lease_owner"),
    Column("lease_number", BigInteger, nullable=False, server_default=text("0")),
    Column("lease_until", Instant),  # by the database's clock
    Column("fills_sent", Boolean),  # whether the provider itself fills Sent, learned from what was seen; NULL: unknown
    Column("reopened_at", Instant),  # somebody let it go on after it had stopped itself: what came before is forgiven
    Column("halts", Json),  # why it stopped itself, in words, by cause; NULL: it has not
    _words("halted_with"),  # a keyed hash of the accounts whose login was refused
    # How often in a row the same was seen of Sent: positive when the provider had filled it, negative when it had not.
    Column("sent_seen", Integer, nullable=False, server_default=text("0")),
    Column("copied_at", Instant),  # the database is a copy made then, and it is not known yet what has left since
    Column("restored_at", Instant),  # when a daemon first worked with that copy
)

strikes: Final = Table(  # what speaks against a mailbox and is written down nowhere else: see operations/breakers.py
    "strikes",
    metadata,
    _key(),
    Column("mailbox", CleanText, nullable=False),
    Column("kind", CleanText, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_strikes_count", "mailbox", "kind", "at"),
)

daemons: Final = Table(  # who shares the mailboxes; several on PostgreSQL, one on SQLite
    "daemons",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("host", CleanText, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("alive_until", Instant, nullable=False),  # by the database's clock, like a lease
    Column("started_at", Instant, nullable=False),
    Column("serves", Json, nullable=False),  # the mailboxes in its config.yaml, by name
    Column("roster", CleanText, nullable=False),  # the hash of those, to see whether two daemons serve the same ones
)

alerts: Final = Table(  # what the rep or the owner is to be told at once
    "alerts",
    metadata,
    _key(),
    Column("mailbox", CleanText, nullable=False),
    _words("kind"),  # what it is about; no second one of a kind within a day
    _words("target"),  # the entry of `notify:` that it goes to, without its secrets
    Column("subject", CleanText, nullable=False),
    Column("body", CleanText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("told_at", Instant),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("next_try_at", Instant, nullable=False),
    _words("error"),
    Index("ix_alerts_kind", "mailbox", "kind", "created_at"),
    _partial("ix_alerts_open", "mailbox", "next_try_at", where=NOT_TOLD),
    **_NEVER_REUSE,
)

folders: Final = Table(
    "folders",
    metadata,
    Column("mailbox", CleanText, ForeignKey("mailboxes.name", ondelete="CASCADE"), nullable=False),
    Column("folder", CleanText, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    Column("read_at", Instant),
    PrimaryKeyConstraint("mailbox", "folder"),
)

tasks: Final = Table(
    "tasks",
    metadata,
    _key(),
    Column("enrollment_id", Id, ForeignKey("enrollments.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("step", CleanText, nullable=False),
    Column("kind", CleanText, nullable=False),
    _words("note"),
    Column("status", CleanText, nullable=False),  # open, done or dropped
    _words("outcome"),
    _words("done_by"),
    Column("due_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
    _partial("ix_tasks_open", "due_at", where=TASK_OPEN),
    **_NEVER_REUSE,
)

suppressions: Final = Table(
    "suppressions",
    metadata,
    _key(),
    Column("hash", CleanText, nullable=False, unique=True),  # keyed; matches even when the target is forgotten
    _words("target"),  # an address or @domain; empty once erased
    _words("reason"),
    _words("source"),
    Column("created_at", Instant, nullable=False),
)

set_aside: Final = Table(
    "set_aside",
    metadata,
    _key(),
    Column("mailbox", CleanText, nullable=False),
    Column("what", CleanText, nullable=False),
    Column("error", CleanText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("cleared_at", Instant),
    Column("raw", Bytes, nullable=False),
    _partial("ix_set_aside_open", "created_at", where=NOT_CLEARED),
)

secrets: Final = Table(
    "secrets",
    metadata,
    Column("name", CleanText, primary_key=True),
    Column("value", Bytes, nullable=False),
)
