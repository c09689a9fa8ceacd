"""Messages in doubt: found after a crash, resolved by evidence, never blindly sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.model import BACK_OFF, Position, Status
from sequencer.mail.accounts import ImapAccount, Unreachable
from sequencer.mail.imap import ImapLine
from sequencer.operations.adopt import adopt
from sequencer.operations.doubt import NOT_THERE, settle_by_absence, take_stock_of_others
from sequencer.operations.health import status
from sequencer.operations.inbox import find_folders, read_inbox
from sequencer.operations.record import change
from sequencer.store import attempts, mailboxes, sent_copies, set_aside
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from sequencer.store.mailboxes import CERTAIN_AFTER
from tests.operations.desk import ANNA, BEN, CONFIG, DAY, HOUR, PLAN, Desk, a_desk, loaded
from tests.pymap_server import PymapServer
from tests.smtp_peer import Drop

DOUBT, ACCEPTED, STARTED = AttemptState.IN_DOUBT, AttemptState.ACCEPTED, AttemptState.STARTED
QUARTER = timedelta(minutes=16)


class Crash(BaseException):
    """The process ends here."""


async def crash() -> None:
    raise Crash


@dataclass
class Post:
    """A desk and its mailbox on a real IMAP server."""

    desk: Desk
    imap: PymapServer
    line: ImapLine

    async def crash(self, moment: str = "after") -> None:
        """The process ends in the middle of a turn; its successor has not begun."""
        hooks = self.desk.hook()
        setattr(hooks, moment, crash)
        with pytest.raises(Crash):
            await self.desk.turn()

    async def read(self) -> list[str]:
        mailbox = self.desk.office.mailbox
        watched = await find_folders(mailbox, self.line)
        result = await read_inbox(self.desk.live, mailbox, self.line, watched, self.desk.now)
        return [happening.what for happening in result.happenings]

    async def look_for_absence(self) -> list[str]:
        desk = self.desk
        told = await settle_by_absence(desk.live, desk.office.mailbox, self.line, "Sent", desk.now)
        return [happening.what for happening in told]

    async def provider_files(self, *emails: str) -> None:
        """The provider puts what it took for these people into Sent."""
        for mail in self.desk.peer.accepted:
            if mail.recipients[0] in emails:
                await self.imap.append("mark", "Sent", mail.data, self.desk.now)


@asynccontextmanager
async def a_post(database: Database, folder: Path, **files: str) -> AsyncIterator[Post]:
    async with PymapServer({"mark": "pw"}) as imap, a_desk(database, folder, **files) as desk:
        line = ImapLine(ImapAccount(imap.host, imap.port, tls="none", username="mark", password="pw", timeout=5))
        assert not isinstance(await line.open(), Unreachable)
        try:
            yield Post(desk, imap, line)
        finally:
            await line.close()


@pytest.fixture
async def post(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(database, tmp_path) as post:
        yield post


@pytest.fixture
async def filling(database: Database, tmp_path: Path) -> AsyncIterator[Post]:
    """A provider that is known to fill Sent by itself."""
    config = CONFIG.replace("    limits: off\n", "    limits: off\n    fills_sent: true\n", 1)
    async with a_post(database, tmp_path, config=config) as post:
        async with database.begin() as conn:
            for _ in range(CERTAIN_AFTER):
                await mailboxes.saw_sent(conn, "mark", filled=True)
        yield post


# Finding what was left in the air --------------------------------------------------------------------


async def test_it_is_shown_to_the_owner_and_in_the_log(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.crash()
    (told,) = await post.desk.retake()
    assert (told.what, told.contact, told.step) == ("in_doubt", ANNA, "first")
    async with post.desk.live.database.read() as conn:
        health = await status(conn, post.desk.live, post.desk.now)
    assert {box.name: box.in_doubt for box in health.mailboxes} == {"mark": 1, "susan": 0}
    assert "1 message from mark may or may not have arrived; nothing is sent twice" in health.problems


async def test_an_owner_does_not_doubt_what_it_has_in_the_air_itself(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.crash()
    async with post.desk.live.database.read() as conn:
        assert await attempts.orphans(conn, "mark", post.desk.office.lease) == []
        assert len(await attempts.orphans(conn, "mark", post.desk.office.lease + 1)) == 1


async def test_what_a_mailbox_left_in_the_air_that_is_no_longer_in_the_config_is_in_doubt_too(post: Post) -> None:
    """It was given another name before the restart, say; nobody will ever own the old one again."""
    desk, live = post.desk, post.desk.live
    await desk.enroll(ANNA)
    await post.crash()
    mark = desk.office.mailbox
    stock = partial(take_stock_of_others, live, (), "a daemon", 60.0, desk.now, evict=True)
    assert await stock() == []
    desk.write(config=CONFIG.replace("  mark:\n", "  marcus:\n"), plan=PLAN.replace("mark", "marcus"))
    await adopt(live, loaded(desk.folder), desk.now)
    assert live.mailbox(mark.name) is None
    (told,) = await stock()
    assert (told.what, told.contact, told.mailbox) == ("in_doubt", ANNA, "mark")
    assert await desk.states(ANNA) == [DOUBT]
    assert await stock() == []
    async with live.database.read() as conn:
        row = await mailboxes.get(conn, "mark")
    assert row is not None
    assert row.lease_until is None


async def test_a_follow_up_in_doubt_stays_in_its_thread(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.desk.now += 3 * DAY
    await post.crash()
    await post.desk.retake()
    await post.desk.turns(HOUR, 3 * DAY)
    first, second, third = post.desk.received(ANNA)
    assert [mail["Subject"] for mail in (first, second, third)] == ["Your quote"] + ["Re: Your quote"] * 2
    assert third["In-Reply-To"] == second["Message-ID"]
    assert (await post.desk.enrollment(ANNA)).emails_sent == 3


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_back_off_message_in_doubt_is_not_sent_again_and_the_plan_ends(post: Post, moment: str) -> None:
    plan = "from: mark\nsteps:\n  - {step: first, email: first}\nback_off: {after: 3 days of silence, email: second}\n"
    await post.desk.adopt(plan=plan)
    await post.desk.enroll(ANNA)
    await post.desk.turn()
    post.desk.now += 3 * DAY
    await post.crash(moment)
    assert (await post.desk.attempts(ANNA))[-1].step == BACK_OFF
    await post.desk.retake()
    await post.desk.turns(HOUR, 10 * DAY)
    ended = await post.desk.enrollment(ANNA)
    assert (ended.status, ended.backed_off) == (Status.FINISHED, True)
    assert len(post.desk.received(ANNA)) == (2 if moment == "after" else 1)


async def test_a_pause_before_the_crash_stays_and_the_step_counts_as_taken(post: Post) -> None:
    await post.desk.enroll(ANNA)
    await post.crash()
    anna = await post.desk.enrollment(ANNA)
    await change(post.desk.live, anna.id, post.desk.now, lambda _: (e.Paused(at=post.desk.now, reason="by hand"),))
    await post.desk.retake()
    paused = await post.desk.enrollment(ANNA)
    assert (paused.status, paused.reason, paused.position.step) == (Status.PAUSED, "by hand", "second")
    assert paused.in_flight is None


WITHOUT_FIRST = PLAN.replace("  - step: first\n    email: first\n    when: immediately\n", "")


@pytest.mark.parametrize(
    ("edited", "expected"),
    [
        (WITHOUT_FIRST, "second"),
        (PLAN.replace("step: second", "step: next"), "next"),
        (
            PLAN.replace("  - step: second", "  - {step: between, task: call, when: 1 day later}\n  - step: second"),
            "between",
        ),
    ],
)
async def test_the_file_was_edited_before_the_restart(post: Post, edited: str, expected: str) -> None:
    await post.desk.enroll(ANNA)
    await post.crash()
    await post.desk.adopt(plan=edited)
    await post.desk.retake()
    doubtful = await post.desk.enrollment(ANNA)
    assert (doubtful.position.step, doubtful.in_flight) == (expected, None)
    await post.desk.turns(HOUR, HOUR)
    assert len(post.desk.received(ANNA)) == 1


async def test_the_file_is_gone_before_the_restart_and_comes_back(post: Post) -> None:
    await post.desk.adopt(other=PLAN)
    await post.desk.enroll(ANNA, sequence="other")
    await post.crash()
    (post.desk.folder / "sequences" / "other.yaml").unlink()
    await post.desk.adopt()
    await post.desk.retake()
    await post.desk.turn(HOUR)
    hold = (await post.desk.standing(ANNA, "other")).hold
    assert hold is not None
    assert hold.reason == "sequences/other.yaml is no longer in the workspace"
    await post.desk.adopt(other=PLAN)
    await post.desk.turns(HOUR, HOUR)
    assert len(post.desk.received(ANNA)) == 1
    assert (await post.desk.enrollment(ANNA, "other")).position.step == "second"


async def test_one_that_cannot_be_recorded_is_set_aside_and_stays_in_the_air(post: Post) -> None:
    anna, _ = await post.desk.enroll(ANNA, BEN)
    await post.crash()
    async with post.desk.live.database.begin() as conn:
        # Somebody's row is damaged: no event can be added to it.
        await conn.exec_driver_sql(
            "INSERT INTO events (enrollment_id, version, kind, at, definition, data) "
            "SELECT enrollment_id, 3, kind, at, definition, data FROM events "
            f"WHERE enrollment_id = {anna.id} AND version = 2"
        )
    told = await post.desk.retake()
    assert sorted(happening.what for happening in told) == ["in_doubt", "set_aside"]
    assert (await post.desk.states(ANNA), await post.desk.states(BEN)) == ([STARTED], [DOUBT])
    async with post.desk.live.database.read() as conn:
        (aside,) = await set_aside.listing(conn)
    assert aside.what.endswith(f"of enrollment {anna.id}")
    await post.desk.turns(HOUR, DAY)
    assert len(post.desk.received(ANNA)) == 1


# Evidence that it left -------------------------------------------------------------------------------


async def test_our_copy_in_sent_settles_it(filling: Post) -> None:
    await filling.desk.enroll(ANNA)
    await filling.crash()
    await filling.desk.retake()
    before = await filling.desk.enrollment(ANNA)
    await filling.provider_files(ANNA)
    assert await filling.read() == ["sent"]
    assert await filling.desk.states(ANNA) == [ACCEPTED]
    assert await filling.desk.log(ANNA) == ["Enrolled", "AttemptStarted", "InDoubt", "Accepted"]
    after = await filling.desk.enrollment(ANNA)
    assert (after.position, after.emails_sent, after.thread) == (before.position, 1, before.thread)
    assert await filling.read() == []
    await filling.desk.turns(HOUR, 3 * DAY)
    assert len(filling.desk.received(ANNA)) == 2


async def test_the_copy_is_read_before_the_crash_is_known(filling: Post) -> None:
    """The attempt is still open when its copy is found: the doubt comes first, then the evidence."""
    await filling.desk.enroll(ANNA)
    await filling.crash()
    await filling.provider_files(ANNA)
    await filling.read()
    await filling.desk.retake()
    assert await filling.look_for_absence() == []
    await filling.desk.turns(HOUR, DAY)
    assert len(filling.desk.received(ANNA)) == 1


@pytest.mark.parametrize("kind", ["reply", "bounce"])
async def test_a_mail_that_quotes_it_settles_it(post: Post, kind: str) -> None:
    await post.desk.enroll(ANNA)
    post.desk.peer.once("end", Drop(accepting=True))
    await post.desk.turn()
    (first,) = post.desk.received(ANNA)
    raw = REPLY if kind == "reply" else BOUNCE
    text = raw.format(sender=ANNA, message_id=first["Message-ID"]).replace("\n", "\r\n")
    await post.imap.append("mark", "INBOX", text.encode(), post.desk.now)
    told = await post.read()
    assert told[0] == "sent"
    assert await post.desk.states(ANNA) == [ACCEPTED]
    assert (await post.desk.enrollment(ANNA)).status is (Status.PAUSED if kind == "reply" else Status.STOPPED)
    async with post.desk.live.database.read() as conn:  # it has left: the rep's Sent folder is to show it
        assert len(await sent_copies.pending(conn, "mark")) == 1


REPLY = """\
From: {sender}
To: mark@flatheadrv.example
Subject: Re: Your quote
Message-ID: <answer@example.com>
In-Reply-To: {message_id}

Sounds good.
"""

BOUNCE = """\
From: MAILER-DAEMON@mx.example
To: mark@flatheadrv.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn-1@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {sender}
Action: failed
Status: 5.1.1

--b
Content-Type: text/rfc822-headers

Message-ID: {message_id}
To: {sender}

--b--
"""


# Evidence that it never left -------------------------------------------------------------------------


async def in_doubt_beside_another(post: Post, *, accepting: bool = False) -> None:
    """Ben's message certainly left, Anna's is in doubt."""
    await post.desk.enroll(BEN)
    await post.desk.turn()
    await post.desk.enroll(ANNA)
    post.desk.peer.once("end", Drop(accepting=accepting))
    await post.desk.turn()
    assert await post.desk.states(ANNA) == [DOUBT]


async def test_absence_from_a_sent_folder_that_the_provider_fills_takes_the_step_again(filling: Post) -> None:
    await in_doubt_beside_another(filling)
    await filling.provider_files(BEN)
    assert await filling.look_for_absence() == []  # too early to tell
    filling.desk.now += QUARTER
    assert await filling.look_for_absence() == ["retried"]
    (attempt,) = await filling.desk.attempts(ANNA)
    assert (attempt.state, attempt.answer) == (AttemptState.NOT_DELIVERED, NOT_THERE)
    again = await filling.desk.enrollment(ANNA)
    assert (again.position, again.emails_sent, again.thread) == (Position("steps", "first"), 0, None)
    await filling.desk.turn()
    (mail,) = filling.desk.received(ANNA)
    assert mail["Subject"] == "Your quote"
    assert await filling.desk.states(ANNA) == [AttemptState.NOT_DELIVERED, ACCEPTED]


async def test_a_copy_that_was_overlooked_settles_it(filling: Post) -> None:
    await in_doubt_beside_another(filling, accepting=True)
    await filling.provider_files(BEN, ANNA)
    filling.desk.now += QUARTER
    assert await filling.look_for_absence() == ["sent"]
    await filling.desk.turns(HOUR, DAY)
    assert len(filling.desk.received(ANNA)) == 1


async def test_absence_says_nothing_where_other_messages_are_absent_too(filling: Post) -> None:
    await in_doubt_beside_another(filling, accepting=True)
    filling.desk.now += QUARTER
    assert await filling.look_for_absence() == []
    await filling.desk.turns(HOUR, DAY)
    assert len(filling.desk.received(ANNA)) == 1


async def test_absence_says_nothing_after_days(filling: Post) -> None:
    await in_doubt_beside_another(filling, accepting=True)
    await filling.provider_files(BEN)
    filling.desk.now += timedelta(days=2, minutes=1)
    assert await filling.look_for_absence() == []


async def test_absence_says_nothing_where_it_is_only_believed(database: Database, tmp_path: Path) -> None:
    config = CONFIG.replace("    limits: off\n", "    limits: off\n    fills_sent: true\n", 1)
    async with a_post(database, tmp_path, config=config) as post:
        await in_doubt_beside_another(post, accepting=True)
        await post.provider_files(BEN)
        post.desk.now += QUARTER
        assert await post.look_for_absence() == []


async def test_absence_says_nothing_where_we_fill_the_folder_ourselves(post: Post) -> None:
    await in_doubt_beside_another(post, accepting=True)
    await post.provider_files(BEN)
    post.desk.now += QUARTER
    assert await post.look_for_absence() == []


async def test_what_the_plan_has_left_behind_is_not_taken_back(filling: Post) -> None:
    await filling.desk.adopt(plan=PLAN.replace("3 days later", "10 minutes later", 1))
    await in_doubt_beside_another(filling)
    await filling.desk.turn(timedelta(minutes=12))
    assert await filling.desk.states(ANNA) == [DOUBT, ACCEPTED]
    await filling.provider_files(BEN, ANNA)
    filling.desk.now += timedelta(minutes=5)
    assert await filling.look_for_absence() == []
    await filling.desk.turn(HOUR)
    assert [mail["Subject"] for mail in filling.desk.received(ANNA)] == ["Re: Your quote"]


async def test_who_has_ended_meanwhile_is_left_alone(filling: Post) -> None:
    await in_doubt_beside_another(filling)
    await filling.provider_files(BEN)
    anna = await filling.desk.enrollment(ANNA)
    await change(filling.desk.live, anna.id, filling.desk.now, lambda _: (e.Stopped(at=filling.desk.now, reason="x"),))
    filling.desk.now += QUARTER
    assert await filling.look_for_absence() == []
    assert await filling.desk.states(ANNA) == [DOUBT]
