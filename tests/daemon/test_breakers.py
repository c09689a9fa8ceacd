"""A mailbox that stops itself: on what, what it still does then, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.operations import breakers, health
from sequencer.operations.breakers import NoSuchMailbox, NotStopped, Reopened
from sequencer.operations.explain import Explanation, why
from sequencer.store import alerts, attempts, enrollments, mailboxes, messages, strikes
from sequencer.store.mailboxes import MailboxRow, MailboxState
from sequencer.store.strikes import Strike
from tests.daemon.test_worker_pace import ONE, Shop, a_shop, people
from tests.operations.desk import DAY, HOUR
from tests.operations.letterbox import bounce
from tests.smtp_peer import Say

MINUTE = timedelta(minutes=1)
NO_SUCH_USER = Say("550 5.1.1 No such user")
BLOCKED = Say("550 5.7.1 Service unavailable, client host blocked using Spamhaus")

COMPLAINT = """\
From: <fbl@provider.example>
To: mark@flatheadrv.example
Subject: FW: abuse report
Message-ID: <{number}@provider.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an e-mail abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1

--b
Content-Type: message/rfc822

From: Mark <mark@flatheadrv.example>
To: {recipient}
Message-ID: {original}
Subject: Hello

Hello.
--b--
"""


async def row_of(shop: Shop) -> MailboxRow:
    async with shop.live.database.read() as conn:
        row = await mailboxes.get(conn, "mark")
    assert row is not None
    return row


async def problems(shop: Shop) -> Sequence[str]:
    async with shop.live.database.read() as conn:
        return (await health.status(conn, shop.live, shop.clock.instant)).problems


async def explained(shop: Shop, email: str) -> tuple[str, str]:
    """What holds somebody, and the way out."""
    async with shop.live.database.read() as conn:
        found = await why(conn, shop.live, email, shop.clock.instant)
    assert isinstance(found, Explanation)
    (way,) = found.ways
    assert way.held is not None
    return way.held.reason, way.held.way_out


async def original_to(shop: Shop, email: str) -> str:
    async with shop.live.database.read() as conn:
        for standing in await enrollments.of_sequence(conn, "plan", tuple(Status), limit=1000):
            for attempt in await attempts.of_enrollment(conn, standing.enrollment.id):
                if attempt.recipient == email:
                    return f"<{attempt.message_id}>"
    raise AssertionError(f"nothing was sent to {email}")


async def comes_back(shop: Shop, *emails: str) -> None:
    for email in emails:
        await shop.imap.append("mark", "INBOX", bounce(email, await original_to(shop, email)), shop.clock.instant)
    await shop.settle()


async def complained(shop: Shop, *emails: str) -> None:
    for number, email in enumerate(emails):
        text = COMPLAINT.format(number=number, recipient=email, original=await original_to(shop, email))
        await shop.imap.append("mark", "INBOX", text.replace("\n", "\r\n").encode(), shop.clock.instant)
    await shop.settle()


async def reopen(shop: Shop) -> Reopened:
    found = await breakers.reopen(shop.live, ["mark"], shop.clock.instant)
    assert isinstance(found, list)
    (one,) = found
    assert isinstance(one, Reopened)
    return one


# Bounces and complaints ------------------------------------------------------------------------------


async def test_too_many_bounces_stop_it_and_one_of_two_does_not(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(4))
        assert (await row_of(shop)).state is MailboxState.OK
        await comes_back(shop, people(5)[4])
        row = await row_of(shop)
        assert row.state is MailboxState.HALTED
        assert row.reason == "5 of the 40 messages of the last 7 days came back for good (12.5%; 5% is the limit)"
        assert shop.ear.notes[-1].endswith("`sequencer reopen mark` lets it go on")
        await shop.enroll("late@example.com")
        await shop.settle()
        assert len(shop.smtp.accepted) == 40
        reason, way_out = await explained(shop, "late@example.com")
        assert reason == f"the mailbox mark has stopped itself: {row.reason}"
        assert way_out == "once that is seen to: `sequencer reopen mark`"
        (problem,) = [text for text in await problems(shop) if "stopped" in text]
        assert problem.endswith("`sequencer reopen mark` lets it go on")


async def test_recipients_refused_while_sending_count_as_well(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.once("rcpt", *[NO_SUCH_USER] * 5)
        await shop.enroll(*people(8))
        await shop.settle()
        row = await row_of(shop)
        assert row.state is MailboxState.HALTED
        assert row.reason.startswith("5 of the 8 messages")


async def test_complaints_stop_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(30))
        await shop.settle()
        await complained(shop, people(1)[0])
        assert (await row_of(shop)).state is MailboxState.OK
        await complained(shop, people(2)[1])
        row = await row_of(shop)
        assert (row.state, "2 of the 30 messages" in row.reason) == (MailboxState.HALTED, True)


async def test_what_lies_before_the_window_counts_no_more(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(4))
        shop.clock.instant += 8 * DAY
        await comes_back(shop, *people(6)[4:])
        assert (await row_of(shop)).state is MailboxState.OK


async def test_a_bounce_that_was_read_wrongly_does_not_count(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(4))
        async with shop.live.database.begin() as conn:
            for number in range(1, 5):
                if await messages.get(conn, number) is not None:
                    await messages.relabel(conn, number, "reply")
        await comes_back(shop, people(5)[4])
        assert (await row_of(shop)).state is MailboxState.OK


# Halted ----------------------------------------------------------------------------------------------


async def test_the_inbox_is_read_on_and_nobody_is_asked_at_the_smtp_server(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(5))
        connections = shop.smtp.connections
        before = (await row_of(shop)).inbox_read_at
        await shop.enroll("late@example.com")
        await shop.run_for(DAY + HOUR)
        row = await row_of(shop)
        assert row.state is MailboxState.HALTED
        assert row.inbox_read_at is not None
        assert before is not None
        assert row.inbox_read_at - before >= timedelta(days=1)
        assert shop.smtp.connections == connections
        assert max(shop.clock.waits) <= HOUR
        assert len(shop.clock.waits) < 500  # it sleeps, and does not spin


async def test_a_restart_knows_of_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(5))
        await shop.restart()
        await shop.enroll("late@example.com")
        await shop.settle()
        assert (await row_of(shop)).state is MailboxState.HALTED
        assert len(shop.smtp.accepted) == 40


async def test_the_alert_stands_with_the_halt_once_for_every_place(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        config = (tmp_path / "config.yaml").read_text()
        await shop.adopt(config=config + 'notify: [mailto, "json://127.0.0.1:9/x"]\n')
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(6))
        async with shop.live.database.read() as conn:
            waiting = await alerts.waiting(conn, ["mark"], shop.clock.instant, 10)
        assert len(waiting) == 2
        assert waiting[0].subject == "The mailbox mark has stopped itself"
        assert "sequencer reopen mark" in waiting[0].body
        assert "(15.0%; 5% is the limit)." in " ".join(waiting[0].body.split())
        assert not any("127.0.0.1" in one.target for one in waiting)


# The way back ----------------------------------------------------------------------------------------


async def test_reopened_it_goes_on_at_its_pace_the_longest_due_first_and_counts_anew(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off", plan=ONE.replace("immediately}", "immediately, expires: 20 hours}")) as shop:
        await shop.enroll(*people(40))
        await shop.settle()
        await comes_back(shop, *people(5))
        config = (tmp_path / "config.yaml").read_text()
        await shop.adopt(config=config.replace("limits: off", "limits: {per_hour: 2, gap: off}", 1))
        await shop.enroll("expired@example.com")
        shop.clock.instant += 22 * HOUR
        await shop.enroll("b@example.com")
        shop.clock.instant += MINUTE
        await shop.enroll("a@example.com")
        await shop.enroll("c@example.com")
        await shop.settle()
        one = await reopen(shop)
        assert (one.waiting, one.reason) == (
            3,
            "5 of the 40 messages of the last 7 days came back for good (12.5%; 5% is the limit)",
        )
        await shop.run_for(3 * HOUR)
        late = (await shop.sent())[40:]
        assert [email for email, _ in late] == ["b@example.com", "a@example.com", "c@example.com"]
        assert late[2][1] - late[0][1] >= HOUR
        row = await row_of(shop)
        assert (row.state, row.halts) == (MailboxState.OK, {})
        assert "skipped" in shop.ear.words
        await comes_back(shop, "b@example.com")  # five before and this one: they count no more
        assert (await row_of(shop)).state is MailboxState.OK


async def test_what_cannot_be_reopened_says_why(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await shop.settle()
        found = await breakers.reopen(shop.live, ["mark"], shop.clock.instant)
        assert found == [NotStopped("mark", "it has not stopped itself; all is well")]
        assert await breakers.reopen(shop.live, ["marc"], shop.clock.instant) == NoSuchMailbox(
            "marc", "did you mean `mark`?"
        )
        shop.smtp.always("greeting", Say("421 4.3.2 going down", then_drop=True))
        await shop.enroll("a@example.com")
        await shop.settle()
        found = await breakers.reopen(shop.live, ["mark"], shop.clock.instant)
        assert isinstance(found, list)
        assert isinstance(found[0], NotStopped)
        assert "tried again by itself" in found[0].reason


# Refusals --------------------------------------------------------------------------------------------


async def test_refusals_that_blame_us_stop_it_after_three_and_passing_ones_never(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.always("mail", BLOCKED)
        await shop.enroll(*people(3))
        await shop.run_for(4 * HOUR)
        row = await row_of(shop)
        assert row.state is MailboxState.HALTED
        assert "refused 3 times within a day" in row.reason
        assert "Spamhaus" in row.reason
        tried = sum(command.startswith("MAIL") for command in shop.smtp.commands)
        shop.smtp.always("mail", None)
        await shop.run_for(6 * HOUR)
        assert sum(command.startswith("MAIL") for command in shop.smtp.commands) == tried
        await reopen(shop)
        await shop.run_for(12 * HOUR)
        assert len(shop.smtp.accepted) == 3


async def test_a_server_that_asks_for_patience_is_given_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.always("mail", Say("450 4.7.1 Too many messages, slow down"))
        await shop.enroll(*people(3))
        await shop.run_for(DAY)
        assert (await row_of(shop)).state is MailboxState.HELD
        shop.smtp.always("mail", None)
        await shop.run_for(12 * HOUR)
        assert len(shop.smtp.accepted) == 3


# Logins ----------------------------------------------------------------------------------------------


def auths(shop: Shop) -> int:
    return sum(command.startswith("AUTH") for command in shop.smtp.commands)


async def locked_out(shop: Shop) -> None:
    """The provider has another password now, and the mailbox has found out."""
    shop.smtp.logins = {"mark": "another"}
    await shop.enroll("a@example.com")
    await shop.run_for(2 * HOUR)
    row = await row_of(shop)
    assert row.state is MailboxState.HALTED
    assert "the login was refused 3 times in a row" in row.reason
    assert "535" in row.reason


async def test_a_login_is_refused_three_times_and_not_tried_for_ever(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await locked_out(shop)
        assert auths(shop) == 3
        await shop.run_for(DAY)
        for _ in range(3):
            await shop.restart()
            await shop.run_for(HOUR)
        assert auths(shop) == 3
        assert (await row_of(shop)).inbox_read_at is not None


async def test_restarts_are_no_way_around_it(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.logins = {"mark": "another"}
        await shop.enroll("a@example.com")
        for _ in range(6):
            await shop.settle()
            await shop.restart()
        assert auths(shop) == 3
        assert (await row_of(shop)).state is MailboxState.HALTED


async def test_a_login_that_works_again_in_between_is_forgiven(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        for email in people(4):
            shop.smtp.once("auth", Say("535 5.7.8 try harder"))
            await shop.enroll(email)
            await shop.run_for(4 * HOUR)
            if shop.station.lines is not None:
                await shop.station.lines.close()
        assert (await row_of(shop)).state is MailboxState.OK
        assert len(shop.smtp.accepted) == 4


@pytest.mark.parametrize("right", [True, False])
async def test_a_changed_password_is_tried_once_by_itself(tmp_path: Path, right: bool) -> None:
    async with a_shop(tmp_path, "off") as shop:
        await locked_out(shop)
        (tmp_path / "pw").write_text("another" if right else "wrong")
        config = (tmp_path / "config.yaml").read_text()
        old = 'password: "${MARK_PASSWORD}"}'
        assert old in config
        await shop.adopt(config=config.replace(old, "password: 'file:pw'}", 1))
        await shop.run_for(HOUR)
        row = await row_of(shop)
        if right:
            assert row.state is MailboxState.OK
            assert [mail.recipients for mail in shop.smtp.accepted] == [("a@example.com",)]
            return
        assert row.state is MailboxState.HALTED
        assert "refused again after the accounts were changed" in row.reason
        assert auths(shop) == 4
        await shop.restart()
        await shop.run_for(HOUR)
        assert auths(shop) == 4


async def test_an_inbox_whose_login_is_refused_is_not_tried_for_ever_and_nothing_leaves(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        (tmp_path / "pw").write_text("wrong")
        config = (tmp_path / "config.yaml").read_text()
        start = config.index("imap:")
        wrong = config[:start] + config[start:].replace("${MARK_PASSWORD}", "file:pw", 1)
        await shop.adopt(config=wrong)
        await shop.enroll("a@example.com")
        await shop.run_for(DAY)
        row = await row_of(shop)
        assert (row.state, row.inbox_read_at) == (MailboxState.HALTED, None)
        assert "the inbox cannot be read" in row.reason
        async with shop.live.database.read() as conn:
            assert await strikes.count(conn, "mark", Strike.IMAP_LOGIN, None) == 3
        assert shop.smtp.accepted == []
        (tmp_path / "pw").write_text("pw")
        await shop.restart()
        await shop.adopt(config=wrong + "\n")
        await shop.run_for(DAY)
        assert (await row_of(shop)).state is MailboxState.OK
        assert len(shop.smtp.accepted) == 1


# Telling ---------------------------------------------------------------------------------------------


async def raised(shop: Shop) -> list[tuple[str, str]]:
    async with shop.live.database.read() as conn:
        return [
            (one.kind, one.subject)
            for one in await alerts.waiting(conn, ["mark"], datetime.max.replace(tzinfo=UTC), 50)
        ]


async def test_a_mailbox_that_is_held_for_hours_is_told_of_once_a_day(tmp_path: Path) -> None:
    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.always("greeting", Say("421 4.3.2 going down", then_drop=True))
        await shop.enroll("a@example.com")
        await shop.run_for(3 * HOUR)
        assert await raised(shop) == []
        await shop.run_for(2 * HOUR)
        assert await raised(shop) == [("held", "The mailbox mark has been held for 4 hours")]
        await shop.run_for(20 * HOUR)
        assert len(await raised(shop)) == 1
        await shop.run_for(20 * HOUR)
        assert len(await raised(shop)) == 2


async def test_messages_in_doubt_are_told_of_together_and_once(tmp_path: Path) -> None:
    from tests.smtp_peer import Drop

    async with a_shop(tmp_path, "off") as shop:
        shop.smtp.once("end", *[Drop(accepting=True)] * 2)
        await shop.enroll("a@example.com", "b@example.com")
        await shop.run_for(HOUR / 2)
        assert await raised(shop) == []
        await shop.run_for(5 * DAY)
        assert await raised(shop) == [("doubt", "2 messages from mark may or may not have arrived")]
