"""The rep is told: by whichever way works, once, and without the sequencer taking its own word for somebody else's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.daemon.clock import pulse
from sequencer.daemon.telling import sentence
from sequencer.mail.accounts import ImapAccount
from sequencer.mail.imap import ImapLine
from sequencer.notify import AlertMail, NotTold, alert_mail, by_url
from sequencer.operations import breakers
from sequencer.operations.alerting import Words, tell
from sequencer.operations.breakers import Reopened
from sequencer.store import alerts, attempts, contacts, enrollments, mailboxes, strikes
from sequencer.store.database import Database
from sequencer.store.strikes import Strike
from tests.clock import PATIENCE
from tests.daemon.house import MARK, QUOTE, House, furnish
from tests.operations.shop import MONDAY
from tests.pymap_server import PymapServer
from tests.smtp_peer import Say, SmtpPeer

CARLA = "carla@customer.example"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WORDS = Words("Something needs you", "Look at it.\n\nSoon.\n")


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[tuple[House, PymapServer]]:
    async with PymapServer({"mark": "pw", "susan": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark")
        yield House(folder, smtp), imap


async def raise_one(house: House, kind: str = "test") -> None:
    async with house.live() as live, live.database.begin() as conn:
        await mailboxes.register(conn, ["mark"], house.clock.now())
        assert await tell(conn, live, "mark", kind, WORDS, house.clock.now())


def add_susan(house: House, port: int) -> None:
    """A second mailbox in the same workspace, and who is written to from it."""
    text = (house.folder / "config.yaml").read_text()
    mark = text[text.index("  mark:") : text.index("spread:")]
    susan = mark.replace("mark", "susan").replace(f"port: {house.smtp.port}", f"port: {port}")
    susan = susan.replace("SUSAN_PASSWORD", "MARK_PASSWORD").replace("Mark Holloway", "Susan Reyes")
    (house.folder / "config.yaml").write_text(text.replace("spread:", susan + "spread:"))
    (house.folder / "sequences" / "hers.yaml").write_text(QUOTE.replace("from: mark", "from: susan"))


async def inbox(imap: PymapServer, user: str = "mark") -> list[EmailMessage]:
    line = ImapLine(ImapAccount(imap.host, imap.port, "none", user, "pw"))
    await line.open()
    uids = await line.uids_after("INBOX", 0)
    bodies = [await line.body("INBOX", uid) for uid in uids]
    await line.close()
    return [message_from_bytes(body, policy=default) for body in bodies if isinstance(body, bytes)]


async def logins(house: House, number: int) -> None:
    """Wait until exactly so many logins were tried."""
    async with asyncio.timeout(PATIENCE):
        while sum(line.startswith("AUTH") for line in house.smtp.commands) < number:
            await pulse(asyncio.Event(), 0.02)
    assert sum(line.startswith("AUTH") for line in house.smtp.commands) == number


def alert_mails(smtp: SmtpPeer) -> list[EmailMessage]:
    mails = [message_from_bytes(mail.data, policy=default) for mail in smtp.accepted]
    return [mail for mail in mails if mail["X-Sequencer-Alert"]]


# By mail -----------------------------------------------------------------------------------------------


async def test_it_goes_through_the_reps_own_mailbox_and_says_that_a_machine_wrote_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), house.running():
        await raise_one(house)
        await house.ear.notes_that("told the rep: Something needs you")
        (mail,) = alert_mails(house.smtp)
        assert (mail["From"], mail["To"]) == (f"Follow-up sequencer <{MARK}>", MARK)
        assert (mail["Subject"], mail["Auto-Submitted"]) == ("Something needs you", "auto-generated")
        assert mail.get_content().splitlines() == ["Look at it.", "", "Soon."]
        async with house.live() as live, live.database.read() as conn:
            assert await attempts.sent_since(conn, "mark", house.clock.now() - DAY) == []
            assert await alerts.failing(conn, house.clock.now() - DAY) == {}


@pytest.mark.parametrize("rewritten", [False, True], ids=["our id", "another id"])
async def test_it_is_neither_a_reply_nor_handwriting_even_for_a_rep_who_tries_it_on_themselves(
    tmp_path: Path, rewritten: bool
) -> None:
    async with a_house(tmp_path) as (house, imap):
        await house.enroll(MARK)
        async with house.running():
            await house.ear.happens("sent")
            await raise_one(house)
            await house.ear.notes_that("told the rep")
            (data,) = [mail.data for mail in house.smtp.accepted if b"X-Sequencer-Alert" in mail.data]
            if rewritten:
                own = message_from_bytes(data, policy=default)["Message-ID"].encode()
                data = data.replace(own, b"<AM0PR.1@provider.example>")
            before = house.clock.now()
            for folder in ("INBOX", "Sent"):
                await imap.append("mark", folder, data, before)
            house.clock.advance(timedelta(minutes=3))
            await house.reads_again(before)
            assert house.ear.words == ["sent"]
            async with house.live() as live, live.database.read() as conn:
                rep = await contacts.by_email(conn, MARK)
                assert rep is not None
                (standing,) = await enrollments.by_contact(conn, rep.id)
                assert standing.enrollment.status is Status.ACTIVE


def test_a_token_that_is_not_ours_hides_nothing() -> None:
    from sequencer.mail.ids import alert_token, is_alert_token

    token = alert_token(b"key", 7)
    assert is_alert_token(b"key", token)
    assert is_alert_token(b"key", f"<{token.upper()}@FLATHEADRV.example>")
    assert not is_alert_token(b"another", token)
    assert not is_alert_token(b"key", token.replace("alert.7", "alert.8"))
    assert not is_alert_token(b"key", "")


async def test_a_mailbox_whose_smtp_login_is_refused_tells_in_its_inbox_and_goes_on_when_reopened(
    tmp_path: Path,
) -> None:
    """The whole way, as a rep lives through it."""
    async with a_house(tmp_path) as (house, imap):
        house.smtp.logins = {"mark": "another"}
        await house.enroll(CARLA)
        async with house.running():
            await house.ear.notes_that("refused the login")
            for number in (2, 3):
                house.clock.advance(timedelta(minutes=31))
                await logins(house, number)
            await house.ear.notes_that("has stopped itself: the login was refused 3 times in a row")
            await house.ear.notes_that("told the rep: The mailbox mark has stopped itself")
            await logins(house, 3)
            (mail,) = await inbox(imap)
            assert mail["Subject"] == "The mailbox mark has stopped itself"
            assert "    sequencer reopen mark" in mail.get_content()
            assert "535" in mail.get_content()
            house.smtp.logins = {"mark": "pw"}
            async with house.live() as live:
                found = await breakers.reopen(live, ["mark"], house.clock.now())
            assert isinstance(found, list)
            assert isinstance(found[0], Reopened)
            assert (found[0].waiting, found[0].running) == (1, True)
            await house.ear.notes_that("goes on: it was reopened")
            await house.ear.happens("sent")
        assert len(house.sent_to(CARLA)) == 1
        assert len(await inbox(imap)) == 1


async def test_another_mailbox_tells_when_its_own_cannot(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), SmtpPeer(logins={"susan": "pw"}) as susans:
        add_susan(house, susans.port)
        await house.enroll(CARLA, sequence="hers")
        async with house.running():
            await house.ear.happens("sent")
            async with house.live() as live, live.database.begin() as conn:
                await strikes.add(conn, "mark", [Strike.SMTP_LOGIN, Strike.IMAP_LOGIN], house.clock.now())
            await raise_one(house)
            await house.ear.notes_that("told the rep")
        (mail,) = alert_mails(susans)
        assert (mail["To"], mail["From"]) == (MARK, "Follow-up sequencer <susan@flatheadrv.example>")
        assert alert_mails(house.smtp) == []


async def test_what_cannot_be_told_is_tried_again_later_and_told_once(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, imap), house.running():
        house.smtp.always("mail", Say("451 4.3.0 Not now"))
        await house.ear.notes_that("listening for mail")  # logged in to the inbox: that forgives
        async with house.live() as live, live.database.begin() as conn:
            await mailboxes.register(conn, ["mark"], house.clock.now())
            await strikes.add(conn, "mark", [Strike.IMAP_LOGIN], house.clock.now())
        await raise_one(house)
        await house.ear.notes_that("the rep could not be told: localhost did not take the mail: 451 4.3.0 Not now")
        house.clock.advance(timedelta(minutes=2))
        await house.ear.hears(lambda told: "could not be told" in getattr(told, "message", ""), 2)
        house.smtp.always("mail", None)
        house.clock.advance(timedelta(minutes=3))
        await house.ear.notes_that("told the rep")
        house.clock.advance(2 * DAY)
        await house.reads_again(None)
        assert len(alert_mails(house.smtp)) == 1
        assert await inbox(imap) == []


async def test_run_once_tells_too(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        await raise_one(house)
        assert await house.once() is None
        assert len(alert_mails(house.smtp)) == 1
        assert await house.once() is None
        assert len(alert_mails(house.smtp)) == 1


def test_a_mail_that_cannot_be_written_says_so() -> None:
    broken = alert_mail(b"k", 1, "not an address", "mark@x.example", "s", "b", MONDAY)
    assert isinstance(broken, NotTold)
    assert isinstance(alert_mail(b"k", 1, MARK, MARK, "s", "b", MONDAY), AlertMail)


# By Apprise --------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_web_server(status: str = "200 OK") -> AsyncIterator[tuple[int, list[dict[str, object]]]]:
    """Takes what is posted as JSON."""
    heard: list[dict[str, object]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        heard.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        await server.wait_closed()


async def test_every_place_is_told_once_and_no_secret_is_shown(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), a_web_server() as (port, heard):
        config = (tmp_path / "config.yaml").read_text()
        address = f"json://127.0.0.1:{port}/s3cret-token"
        gone = "json://127.0.0.1:9/0ther-token"
        (tmp_path / "config.yaml").write_text(config + f'notify: [mailto, "{address}", "{gone}"]\n')
        await raise_one(house)
        async with house.running():
            await house.ear.hears(lambda told: "told the rep" in getattr(told, "message", ""), 2)
            await house.ear.notes_that("could not be told: json://… did not take it")
            house.clock.advance(timedelta(minutes=2))
            await house.ear.hears(lambda told: "could not be told" in getattr(told, "message", ""), 2)
        assert len(alert_mails(house.smtp)) == 1
        assert [(one["title"], one["message"]) for one in heard] == [("Something needs you", "Look at it.\n\nSoon.")]
        assert "token" not in " ".join(sentence(told, personal=True) for told in house.ear.heard)
        async with house.live() as live, live.database.read() as conn:
            kept = await alerts.waiting(conn, ["mark"], house.clock.now() + DAY, 10)
        assert len(kept) == 1
        assert "token" not in str(kept)


async def test_what_apprise_does_not_know_is_said_without_its_secret() -> None:
    for url in ("nonsense://user:s3cret@host", "slack://s3cret", "\0://s3cret"):
        answer = await by_url(url, "subject", "body")
        assert isinstance(answer, NotTold)
        assert "s3cret" not in answer.reason


async def test_a_server_that_refuses_is_no_success() -> None:
    async with a_web_server("403 Forbidden") as (port, heard):
        answer = await by_url(f"json://127.0.0.1:{port}/", "subject", "body")
        assert answer == NotTold("json://… did not take it; is its address in `notify:` right?")
        assert len(heard) >= 1


# On both databases --------------------------------------------------------------------------------------


async def test_reopening_from_another_process_wakes_the_owner(
    tmp_path: Path, database: Database, database_url: str
) -> None:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        house = House(tmp_path, smtp)
        smtp.once("rcpt", *[Say("550 5.1.1 No such user")] * 5)
        await house.enroll(*(f"p{number}@customer{number}.example" for number in range(5)))
        async with house.running():
            await house.ear.notes_that("has stopped itself: 5 of the 5 messages")
            await house.ear.notes_that("told the rep")
            async with house.live() as live:  # as `sequencer reopen` does, while nobody waits for anything
                found = await breakers.reopen(live, ["mark"], house.clock.now())
            assert isinstance(found, list)
            assert isinstance(found[0], Reopened)
            assert (found[0].waiting, found[0].running) == (0, True)
            await house.ear.notes_that("goes on: it was reopened")
            await house.enroll(CARLA)
            await house.ear.happens("sent")
        assert len(house.sent_to(CARLA)) == 1
