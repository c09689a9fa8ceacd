"""Forged mail: of whatever kind, what names no message of ours and matches no contact leaves no trace at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest

from sequencer.core.model import Status
from sequencer.inbox.kinds import Kind
from sequencer.inbox.parse import parse_mail
from sequencer.inbox.reading import read_mail
from sequencer.operations.opinion import Opinion
from sequencer.operations.receive import Arrival, receive
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, bounce, mail

EVIL = "evil@stranger.example"
NOBODY = "nobody@stranger.example"
NO_ID = "<1.first.aaaaaaaa.aaaaaaaaaaaaa@flatheadrv.example>"
"""In the shape of our ids, and not signed by us."""

AUTOMATIC = {"Auto_Submitted": "auto-replied"}


def report(kind: str, fields: str, original: str = NO_ID) -> bytes:
    """A multipart/report (RFC 6522) about a message that we never sent."""
    text = (
        f"From: {EVIL}\r\nTo: {MARK}\r\nSubject: Report\r\nMessage-ID: <r@stranger.example>\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n"
        f"--b\r\nContent-Type: message/{kind}\r\n\r\n{fields}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\nTo: {NOBODY}\r\n"
        "Subject: Hm\r\n\r\n--b--\r\n"
    )
    return text.encode()


def delivery(action: str, status: str, answer: str) -> bytes:
    fields = (
        "Reporting-MTA: dns; mx.stranger.example\r\n\r\n"
        f"Final-Recipient: rfc822; {NOBODY}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {answer}\r\n"
    )
    return report("delivery-status", fields)


def invitation() -> bytes:
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Subject"] = EVIL, MARK, "Accepted: Visit"
    answer["Message-ID"] = "<c@stranger.example>"
    answer.set_content("Accepted")
    calendar = (
        "BEGIN:VCALENDAR\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261201T100000Z\r\nSUMMARY:Visit\r\n"
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{EVIL}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    answer.add_alternative(calendar, subtype="calendar", params={"method": "REPLY"})
    return answer.as_bytes().replace(b"\n", b"\r\n")


COMPLAINT = "Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n"
RECEIPT = f"Final-Recipient: rfc822; {NOBODY}\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"
CHALLENGE = (
    "I use a spam filter. Please click the link below to verify that you are a human being, so that your message is "
    "delivered: https://stranger.example/confirm"
)

FORGED = {
    Kind.INTERESTED: mail(EVIL, "Re: Hm", "Yes, please send me a quote."),
    Kind.QUESTION: mail(EVIL, "Re: Hm", "Who are you?"),
    Kind.NOT_NOW: mail(EVIL, "Re: Hm", "Not now, please ask me again in two weeks."),
    Kind.NOT_INTERESTED: mail(EVIL, "Re: Hm", "We are not interested, thanks."),
    Kind.UNSUBSCRIBE: mail(EVIL, "Re: Hm", "Please unsubscribe me."),
    Kind.WRONG_PERSON: mail(EVIL, "Re: Hm", "I am the wrong person for this."),
    Kind.REPLY: mail(EVIL, "Re: Hm", "Thanks, let me ask my boss."),
    Kind.OUT_OF_OFFICE: mail(EVIL, "Automatic reply: Hm", "I am out of the office until 14 December.", **AUTOMATIC),
    Kind.LEFT_COMPANY: mail(EVIL, "Automatic reply: Hm", "Tom no longer works for this company.", **AUTOMATIC),
    Kind.AUTO_REPLY: mail(EVIL, "Ticket 4711", "Your request was received.", **AUTOMATIC),
    Kind.BOUNCE: delivery("failed", "5.1.1", "550 5.1.1 no such user"),
    Kind.SOFT_BOUNCE: delivery("failed", "4.2.2", "452 4.2.2 mailbox full"),
    Kind.DELAYED: delivery("delayed", "4.4.1", "421 4.4.1 no route"),
    Kind.COMPLAINT: report("feedback-report", COMPLAINT),
    Kind.CALENDAR: invitation(),
    Kind.RECEIPT: report("disposition-notification", RECEIPT),
    Kind.CHALLENGE: mail(EVIL, "Re: Hm", CHALLENGE),
}


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    async with a_letterbox(database, tmp_path, ANNA, BEN) as box:
        yield box


def test_there_is_one_of_every_kind_and_it_is_read_as_that() -> None:
    """Otherwise the next test would prove nothing."""
    assert set(FORGED) == set(Kind)
    read = {kind: read_mail(parse_mail(raw), today=date(2026, 11, 30)).kind for kind, raw in FORGED.items()}
    assert read == {kind: kind for kind in Kind}


@pytest.mark.parametrize("kind", Kind)
async def test_it_leaves_no_trace(box: Letterbox, kind: Kind) -> None:
    await box.leaves_no_trace(FORGED[kind])


@pytest.mark.parametrize("kind", Kind)
async def test_not_even_when_a_second_opinion_takes_it_for_something(box: Letterbox, kind: Kind) -> None:
    before = await box.everything()
    opinion = Opinion(Kind.UNSUBSCRIBE, 1.0)
    arrival = Arrival(box.desk.office.mailbox, "INBOX", 7, box.desk.now, FORGED[kind], opinion=opinion)
    async with box.desk.live.database.begin() as conn:
        receipt = await receive(conn, box.desk.live, arrival, box.desk.now)
    assert receipt.happenings == []
    assert await box.everything() == before


@pytest.mark.parametrize(
    "raw",
    [
        mail(EVIL, "unsubscribe 1-aaaaaaaaaaaaaaaa", "unsubscribe"),
        mail(EVIL, "Re: Hm", "unsubscribe", In_Reply_To=NO_ID, References=NO_ID),
        mail(EVIL, "Re: Hm", f"Please unsubscribe me.\r\n> {NO_ID}\r\n> 1-aaaaaaaaaaaaaaaa"),
        mail(EVIL, "Re: Hm", "Please unsubscribe anna@example.com."),
        mail(f"{ANNA} <{EVIL}>", "Re: Hm", "Please unsubscribe me."),
        mail(EVIL, "Re: Hm", "Please unsubscribe me.", Reply_To=ANNA, Sender=ANNA),
        bounce(NOBODY, NO_ID),
    ],
    ids=["token", "id", "quoted", "named", "display-name", "reply-to", "bounce"],
)
async def test_nor_does_what_only_looks_like_ours(box: Letterbox, raw: bytes) -> None:
    await box.leaves_no_trace(raw)


async def test_a_bounce_that_blames_us_by_a_forged_report_holds_no_mailbox(box: Letterbox) -> None:
    arrival = Arrival(
        box.desk.office.mailbox,
        "INBOX",
        7,
        box.desk.now,
        delivery("failed", "5.7.26", "550 5.7.26 unauthenticated mail is prohibited"),
    )
    async with box.desk.live.database.begin() as conn:
        receipt = await receive(conn, box.desk.live, arrival, box.desk.now)
    assert receipt.refusal == ""
    assert await box.status(ANNA) is Status.ACTIVE
