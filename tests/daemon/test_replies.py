"""Whatever comes into the mailbox: who is stopped, paused, branched, suppressed, and who is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.store import contacts, enrollments, messages, suppressions
from tests.daemon.house import MARK, House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

CARLA, DAVE, BOB = "carla@customer.example", "dave@customer.example", "bob@other.example"
THREE_DAYS = timedelta(days=3)


@asynccontextmanager
async def after_thanks(folder: Path, *emails: str) -> AsyncIterator[tuple[House, PymapServer]]:
    """The daemon running, everybody has had the first message."""
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark")
        house = House(folder, smtp)
        await house.enroll(*emails)
        async with house.running():
            await house.ear.happens("sent", len(emails))
            yield house, imap


async def standing(house: House, email: str) -> tuple[Status, str]:
    async with house.live() as live, live.database.read() as conn:
        contact = await contacts.by_email(conn, email)
        assert contact is not None
        (one,) = [s.enrollment for s in await enrollments.by_contact(conn, contact.id)]
        return one.status, one.reason


async def suppressed(house: House, email: str) -> str | None:
    async with house.live() as live, live.database.read() as conn:
        return await suppressions.reason_for(conn, email)


def first_to(house: House, email: str) -> bytes:
    return next(mail.data for mail in house.smtp.accepted if mail.recipients == (email,))


async def deliver(house: House, imap: PymapServer, raw: bytes, folder: str = "INBOX") -> None:
    await imap.append("mark", folder, raw, house.clock.now())
    if folder != "INBOX":
        house.clock.advance(timedelta(minutes=3))  # nothing announces it: the next poll finds it


async def nothing_more_leaves(house: House, email: str) -> None:
    """After the day of the next follow-up, and another turn of the worker, this person has had nothing more."""
    async with house.live() as live:
        before = await inbox_read_at(live)
    house.clock.advance(THREE_DAYS)
    await house.reads_again(before)
    assert len(house.sent_to(email)) == 1


async def inbox_read_at(live: object) -> object:
    from sequencer.operations.live import Live
    from sequencer.store import mailboxes

    assert isinstance(live, Live)
    async with live.database.read() as conn:
        row = await mailboxes.get(conn, "mark")
    assert row is not None
    return row.inbox_read_at


async def test_a_reply_pauses_and_is_kept_with_its_fresh_text(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        text = "Thanks Mark, let me ask my boss.\n\nOn Monday Mark wrote:\n> thank you.\n"
        await deliver(house, imap, answer_to(first_to(house, CARLA), CARLA, text, house.clock.now()))
        await house.ear.happens("paused")
        await nothing_more_leaves(house, CARLA)
        async with house.live() as live, live.database.read() as conn:
            (waiting,) = await messages.awaiting(conn)
        assert waiting.message is not None
        assert waiting.message.text.strip() == "Thanks Mark, let me ask my boss."
        assert waiting.message.matched_by == "our Message-ID"


async def test_a_reply_in_junk_without_any_threading_counts(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        reply = answer_to(
            first_to(house, CARLA), CARLA, "Who is this?", house.clock.now(), subject="Hm", threaded=False
        )
        await deliver(house, imap, reply, "Junk")
        await house.ear.happens("paused")
        await nothing_more_leaves(house, CARLA)


async def test_a_reply_that_waits_in_the_mailbox_is_read_before_anything_leaves(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        pass
    async with PymapServer({"mark": "pw"}) as imap:
        furnish(tmp_path, smtp=house.smtp.port, imap=imap.port, user="mark")
        async with SmtpPeer(logins={"mark": "pw"}) as smtp:
            furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark")
            sent = first_to(house, CARLA)
            house.smtp = smtp
            house.clock.advance(THREE_DAYS)
            await imap.append("mark", "INBOX", answer_to(sent, CARLA, "Yes?", house.clock.now()), house.clock.now())
            assert await house.once() is None
            assert smtp.accepted == []
            assert (await standing(house, CARLA))[0] is Status.PAUSED


async def test_the_authors_own_label_branches(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        reply = answer_to(first_to(house, CARLA), CARLA, "Hm, that is over our budget.", house.clock.now())
        await deliver(house, imap, reply)
        branched = await house.ear.happens("branched")
        assert branched.detail.startswith("to price-answer")
        house.clock.advance(timedelta(hours=2))
        await house.ear.happens("sent", 2)
        (message,) = [mail for mail in house.smtp.accepted if b"In-Reply-To" in mail.data]
        assert b"In-Reply-To: <" in message.data


async def test_unsubscribing_is_for_ever_and_across_sequences(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        reply = answer_to(first_to(house, CARLA), CARLA, "Please unsubscribe me.", house.clock.now())
        await deliver(house, imap, reply)
        await house.ear.happens("stopped")
        assert await suppressed(house, CARLA)
        await house.enroll(CARLA, sequence="keep")
        assert (await standing(house, CARLA))[0] is Status.STOPPED
        await nothing_more_leaves(house, CARLA)


async def test_the_list_unsubscribe_link_works_from_another_address(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        from email import message_from_bytes
        from email.policy import default
        from urllib.parse import parse_qs, urlsplit

        header = str(message_from_bytes(first_to(house, CARLA), policy=default)["List-Unsubscribe"])
        link = urlsplit(header.strip("<> \r\n"))
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Message-ID"] = "carla@home.example", link.path, "<u1@home.example>"
        mail["Subject"] = parse_qs(link.query)["subject"][0]
        mail.set_content("")
        await deliver(house, imap, mail.as_bytes())
        await house.ear.happens("stopped")
        assert await suppressed(house, CARLA)


async def test_a_forged_token_changes_nothing(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Message-ID"] = "evil@stranger.example", MARK, "<f1@stranger.example>"
        mail["Subject"] = "unsubscribe 1-aaaaaaaaaaaaaaaa"
        mail.set_content("unsubscribe")
        await deliver(house, imap, mail.as_bytes())
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert await suppressed(house, CARLA) is None


DSN = """\
From: MAILER-DAEMON@mx.example
To: mark@flatheadrv.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <dsn-1@mx.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} said the server

--b
Content-Type: message/rfc822

{original}
--b--
"""


@pytest.mark.parametrize(("status", "expected"), [("5.1.1", Status.STOPPED), ("4.2.2", Status.ACTIVE)])
async def test_a_bounce_of_a_message_that_was_accepted(tmp_path: Path, status: str, expected: Status) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        original = first_to(house, CARLA).decode().replace("\r\n", "\n")
        dsn = DSN.format(recipient=CARLA, status=status, original=original).replace("\n", "\r\n").encode()
        await deliver(house, imap, dsn)
        await house.ear.happens("notice")
        assert (await standing(house, CARLA))[0] is expected
        assert bool(await suppressed(house, CARLA)) is (expected is Status.STOPPED)
        if expected is Status.ACTIVE:  # it is tried again, the same step
            house.clock.advance(timedelta(days=2))
            await house.ear.happens("sent", 2)
            assert house.sent_to(CARLA) == ["Thanks for your time"] * 2


async def test_out_of_office_waits_and_uses_up_no_step(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        away = EmailMessage()
        away["From"], away["To"], away["Message-ID"] = CARLA, MARK, "<ooo@customer.example>"
        away["Subject"], away["Auto-Submitted"] = "Automatic reply: Thanks for your time", "auto-replied"
        away.set_content("I am out of the office and will be back on December 14.")
        await deliver(house, imap, away.as_bytes())
        await house.ear.happens("notice")
        await nothing_more_leaves(house, CARLA)
        house.clock.advance(timedelta(days=14))
        await house.ear.happens("sent", 2)


async def test_a_colleague_pauses_the_whole_company_and_nobody_else(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA, DAVE, BOB) as (house, imap):
        boss = answer_to(first_to(house, CARLA), "boss@customer.example", "I handle this.", house.clock.now())
        await deliver(house, imap, boss)
        await house.ear.happens("paused", 2)
        assert (await standing(house, CARLA))[0] is Status.PAUSED
        assert (await standing(house, DAVE))[0] is Status.PAUSED
        assert (await standing(house, BOB))[0] is Status.ACTIVE


async def test_what_the_rep_writes_by_hand_pauses(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA, BOB) as (house, imap):
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Message-ID"] = MARK, CARLA, "<by-hand@flatheadrv.example>"
        mail["Subject"] = "One more thing"
        mail.set_content("Carla, I forgot to say …")
        await deliver(house, imap, mail.as_bytes(), "Sent")
        await house.ear.happens("hand_written")
        assert await standing(house, CARLA) == (Status.PAUSED, "you wrote to them by hand")
        assert (await standing(house, BOB))[0] is Status.ACTIVE


async def test_our_own_copies_are_never_taken_for_replies(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        await deliver(house, imap, first_to(house, CARLA))
        await deliver(house, imap, first_to(house, CARLA), "Junk")
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        assert set(house.ear.words) == {"sent"}


async def test_a_late_answer_to_the_back_off_opens_the_thread_again(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        from sequencer.operations import tasks

        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        house.clock.advance(timedelta(days=4))
        await house.ear.happens("task")
        async with house.live() as live:
            async with live.database.read() as conn:
                (to_do,) = await tasks.to_dos(conn, live)
            await tasks.done(live, to_do.task.id, "", house.clock.now())
        house.clock.advance(timedelta(days=14))
        await house.ear.happens("moved")
        back_off = house.smtp.accepted[-1].data
        house.clock.advance(timedelta(days=5))
        await deliver(house, imap, answer_to(back_off, CARLA, "No, don't! I was busy.", house.clock.now()))
        await house.ear.happens("paused", 2)  # the old thread is open again, the new sequence waits
        async with house.live() as live, live.database.read() as conn:
            contact = await contacts.by_email(conn, CARLA)
            assert contact is not None
            found = {s.enrollment.sequence: s.enrollment.status for s in await enrollments.by_contact(conn, contact.id)}
        assert found == {"quote": Status.PAUSED, "keep": Status.PAUSED}


HOSTILE = [
    b"",
    b"\x00\xff\xfe" * 5000,
    b"From: carla@customer.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 30_000,
    b"From: " + b"a" * 100_000 + b"\r\n\r\nhello",
    b"Content-Type: text/plain; charset=no-such\r\n\r\n" + bytes(range(256)) * 100,
    b"Subject: =?utf-8?q?" + b"=" * 60_000 + b"?=\r\nMessage-ID: <" + b"x" * 9000 + b">\r\n\r\n.",
]


async def test_hostile_mail_does_not_stop_the_reading(tmp_path: Path) -> None:
    async with after_thanks(tmp_path, CARLA) as (house, imap):
        for raw in HOSTILE:
            await deliver(house, imap, raw)
        await deliver(house, imap, answer_to(first_to(house, CARLA), CARLA, "Hello", house.clock.now()))
        await house.ear.happens("paused")
