"""The numbers of the metrics: from real rows, and every reason of a hold in its kind."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.due import NOT_READ_SINCE, READ_TOO_LONG_AGO
from sequencer.core.hours import parse_hours
from sequencer.core.pace import Limits, pace
from sequencer.core.timing import Calendar, Due, NeverAllowed, next_allowed
from sequencer.operations.figures import Hold, kind_of_hold, take_figures
from sequencer.operations.queue import OTHERS_FIRST
from sequencer.store import agenda, attempts, enrollments, mailboxes, set_aside, tables
from sequencer.store.agenda import Sleep
from sequencer.store.attempts import NewAttempt
from sequencer.store.database import Database
from sequencer.store.mailboxes import MailboxState
from sequencer.workspace.calendars import UnknownPlace, holidays_of, zone_of
from tests.store.people import MAILBOX, NOW, later, somebody

OFFICE = parse_hours("Mon-Fri 08:30-17:00")


async def _hold(conn: AsyncConnection, email: str, reason: str, mailbox: str = MAILBOX) -> None:
    standing = await enrollments.standing_by_id(conn, (await somebody(conn, email, mailbox=mailbox)).id)
    assert standing is not None
    await agenda.sleep_many(conn, [Sleep(standing, NOW, reason, None, NOW)])


async def test_everything_is_counted_by_mailbox(database: Database) -> None:
    async with database.begin() as conn:
        await mailboxes.register(conn, [MAILBOX, "jane", "never"], NOW)
        assert await mailboxes.take(conn, MAILBOX, "me", 30) == 1
        assert await mailboxes.take(conn, "jane", "another", 30) == 1
        await mailboxes.set_inbox_read(conn, MAILBOX, later(minutes=-3))
        await mailboxes.set_state(conn, "jane", MailboxState.HELD, "the server is away", NOW)
        await somebody(conn, "a@example.com", wake_at=later(minutes=-5))
        first = await somebody(conn, "b@example.com", wake_at=later(minutes=-9))
        await somebody(conn, "c@example.com", wake_at=later(minutes=9))
        await somebody(conn, "d@example.com", wake_at=later(minutes=-1), mailbox="jane")
        await _hold(conn, "e@example.com", NOT_READ_SINCE)
        await _hold(conn, "f@example.com", "the template thanks needs first_name")
        await _hold(conn, "g@example.com", "the template thanks needs product")
        await set_aside.add(conn, MAILBOX, "message 3", "unreadable", NOW)
        letter = NewAttempt(first.id, "thanks", "x@example.com", "b@example.com", "Hi", b"x", NOW)
        (attempt,) = await attempts.start_many(conn, MAILBOX, 1, [letter])  # type: ignore[misc]
        await attempts.finish_many(conn, [attempts.Outcome(attempt, attempts.AttemptState.IN_DOUBT, "gone", NOW)])
        for told_at in (None, NOW):
            alert = {"mailbox": MAILBOX, "subject": "x", "body": "x", "created_at": NOW, "next_try_at": NOW}
            await conn.execute(insert(tables.alerts).values(told_at=told_at, **alert))
        jane, mark = await take_figures(conn, ["mark", "jane", "nobody"], "me", NOW)
    assert (mark.name, mark.owned, mark.state) == ("mark", True, MailboxState.OK)
    assert mark.inbox_read_at == later(minutes=-3)
    assert (mark.due, mark.due_since) == (2, later(minutes=-9))
    assert mark.held == {"inbox": 1, "message": 2}
    assert (mark.in_doubt, mark.set_aside, mark.untold) == (1, 1, 1)
    assert (jane.name, jane.owned, jane.state, jane.inbox_read_at) == ("jane", False, MailboxState.HELD, None)
    assert (jane.due, jane.due_since, jane.held) == (1, later(minutes=-1), {})
    assert (jane.in_doubt, jane.set_aside, jane.untold) == (0, 0, 0)


async def test_a_daemon_that_owns_nothing_has_no_figures(database: Database) -> None:
    async with database.read() as conn:
        assert await take_figures(conn, [], "me", NOW) == ()


def _hours(now: datetime, **calendar: object) -> str:
    """Why nothing may leave now, as `decide` says it."""
    slot = next_allowed(now, Calendar(zone=ZoneInfo("UTC"), **calendar))  # type: ignore[arg-type]
    if isinstance(slot, NeverAllowed):
        return slot.reason
    assert isinstance(slot, Due)
    return ", ".join(slot.reasons)


def _unknown(find: object, name: str) -> str:
    with pytest.raises(UnknownPlace) as found:
        find(name)  # type: ignore[operator]
    return f"{found.value.message}; {found.value.hint}"


SUNDAY = datetime(2026, 12, 20, 12, 0, tzinfo=UTC)
NIGHT = datetime(2026, 12, 21, 2, 0, tzinfo=UTC)
CHRISTMAS = datetime(2026, 12, 25, 12, 0, tzinfo=UTC)
LIMITS = Limits(per_hour=1, per_day=2, gap=(60.0, 60.0))

HOLDS: dict[str, Hold] = {
    _hours(SUNDAY, hours=(OFFICE,)): "hours",
    _hours(NIGHT, hours=(OFFICE,)): "hours",
    _hours(CHRISTMAS, hours=(OFFICE,), holidays=holidays_of("US")): "hours",
    _hours(NIGHT, hours=(OFFICE,), closed=((date(2026, 12, 1), date(2026, 12, 30)),)): "hours",
    _hours(NIGHT, hours=(OFFICE,), closed=((date(2026, 12, 1), date(2036, 12, 30)),)): "hours",
    _hours(NIGHT, hours=(OFFICE, parse_hours("Sat 10:00-12:00"))): "hours",
    pace(LIMITS, [NIGHT - timedelta(minutes=5)], None, NIGHT).reason: "pace",
    pace(LIMITS, [NIGHT - timedelta(hours=5)] * 2, None, NIGHT).reason: "pace",
    pace(Limits(gap=(60.0, 60.0)), [NIGHT], None, NIGHT).reason: "pace",
    OTHERS_FIRST: "pace",
    NOT_READ_SINCE: "inbox",
    READ_TOO_LONG_AGO: "inbox",
    "they are in conversation in quote": "conversation",
    "a message is on its way and its outcome is not known yet": "on_its_way",
    "another message to them is on its way": "on_its_way",
    "the template thanks needs first_name": "message",
    "the template thanks cannot be rendered: division by zero": "message",
    "the message cannot be written: subject: too long": "message",
    "the contact has no date “renewal”": "contact",
    "the contact is gone": "contact",
    "sequences/quote.yaml is no longer in the workspace": "workspace",
    "the mailbox mark is no longer in config.yaml": "workspace",
    _unknown(zone_of, "America/Denvre"): "workspace",
    _unknown(holidays_of, "ZZ"): "workspace",
    _unknown(holidays_of, "what is this"): "workspace",
    _unknown(holidays_of, "US-ZZ"): "workspace",
    "set aside: ValueError: no": "set_aside",
    "the inbox cannot be read: cannot connect to localhost:1143": "mailbox",
    "the server refuses us: 535 5.7.8 bad credentials": "mailbox",
    "there is no folder Archive in the mailbox": "mailbox",
}


@pytest.mark.parametrize("reason", HOLDS)
def test_every_reason_has_its_kind(reason: str) -> None:
    assert reason
    assert kind_of_hold(reason) == HOLDS[reason]


def test_every_kind_is_used() -> None:
    assert set(HOLDS.values()) == set(get_args(Hold))
