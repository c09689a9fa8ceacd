"""The embedded post office is a real one: checked with the clients that the product uses, and with imaplib."""

from __future__ import annotations

import asyncio
import imaplib
from datetime import UTC, datetime

import aiosmtplib
import pytest

from sequencer.demo.post_office import HOST, Arrival, PostOffice, Refusal

REP = "mark@flatheadrv.example"
NOON = datetime(2027, 3, 1, 19, 0, tzinfo=UTC)
MAIL = b"From: mark@flatheadrv.example\r\nTo: anna@example.org\r\nSubject: Hello\r\n\r\nOne line.\r\n..and a dot.\r\n"


async def _connected(office: PostOffice, password: str = "secret") -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname=HOST, port=office.smtp_port, start_tls=False)
    await client.connect()
    await client.login(REP, password)
    return client


def _fetch_all(port: int, folder: str, password: str = "secret") -> list[tuple[bytes, bytes]]:
    """Internal date and bytes of every mail in a folder, read with the standard library's client."""
    with imaplib.IMAP4(HOST, port, timeout=10) as client:
        client.login(REP, password)
        client.select(folder)
        _, data = client.fetch("1:*", "(INTERNALDATE BODY.PEEK[])")
        return [(item[0], item[1]) for item in data if isinstance(item, tuple)]


async def test_mail_for_a_prospect_arrives_byte_for_byte() -> None:
    arrivals: list[Arrival] = []
    async with PostOffice(lambda: NOON, arrivals.append) as office:
        await office.add_user(REP, "secret")
        client = await _connected(office)
        await client.sendmail(REP, ["anna@example.org"], MAIL)
        await client.quit()
    assert [(a.sender, a.recipient, a.at) for a in arrivals] == [(REP, "anna@example.org", NOON)]
    assert arrivals[0].raw == MAIL
    assert office.in_motion == 0


async def test_mail_for_a_user_lands_in_the_inbox_with_the_virtual_date() -> None:
    async with PostOffice(lambda: NOON) as office:
        await office.add_user(REP, "secret")
        client = await _connected(office)
        await client.sendmail("anna@example.org", [REP], MAIL)
        await client.quit()
        await office.deliver(REP, b"Subject: by hand\r\n\r\nhello\r\n", folder="Sent", seen=True)
        inbox = await asyncio.to_thread(_fetch_all, office.imap_port, "INBOX")
        sent = await asyncio.to_thread(_fetch_all, office.imap_port, "Sent")
        assert await office.mails(REP) == [MAIL]
    assert [raw for _, raw in inbox] == [MAIL]
    assert b"01-Mar-2027" in inbox[0][0]
    assert len(sent) == 1


async def test_a_client_that_idles_is_told_of_a_delivery() -> None:
    async with PostOffice(lambda: NOON) as office:
        await office.add_user(REP, "secret")
        reader, writer = await asyncio.open_connection(HOST, office.imap_port)
        writer.write(b'a LOGIN mark@flatheadrv.example "secret"\r\nb SELECT INBOX\r\nc IDLE\r\n')
        await asyncio.wait_for(reader.readuntil(b"+ Idling"), 5)
        await office.deliver(REP, MAIL)
        pushed = await asyncio.wait_for(reader.readuntil(b"EXISTS"), 5)
        assert pushed.endswith(b"1 EXISTS")
        writer.close()


async def test_an_address_that_does_not_exist_is_refused_at_rcpt() -> None:
    arrivals: list[Arrival] = []
    async with PostOffice(lambda: NOON, arrivals.append) as office:
        await office.add_user(REP, "secret")
        office.refusals["gone@example.org"] = Refusal(550, "5.1.1 No such user")
        client = await _connected(office)
        await client.mail(REP)
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
            await client.rcpt("Gone@example.org")
        await client.quit()
    assert (refused.value.code, refused.value.message) == (550, "5.1.1 No such user")
    assert arrivals == []


async def test_strangers_are_not_let_in() -> None:
    async with PostOffice(lambda: NOON) as office:
        await office.add_user(REP, "secret")
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await _connected(office, "wrong")
        client = aiosmtplib.SMTP(hostname=HOST, port=office.smtp_port, start_tls=False)
        await client.connect()
        with pytest.raises(aiosmtplib.SMTPResponseException, match="Authentication required"):
            await client.mail(REP)
        client.close()
        with pytest.raises(imaplib.IMAP4.error):
            await asyncio.to_thread(_fetch_all, office.imap_port, "INBOX", "wrong")
        with pytest.raises(KeyError):
            await office.deliver("nobody@flatheadrv.example", MAIL)


async def test_closing_leaves_no_task_and_no_open_port() -> None:
    before = asyncio.all_tasks()
    async with PostOffice(lambda: NOON) as office:
        await office.add_user(REP, "secret")
        client = await _connected(office)
        _, writer = await asyncio.open_connection(HOST, office.imap_port)
        ports = (office.smtp_port, office.imap_port)
    client.close()
    writer.close()
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=5)
    assert all(task.done() for task in left)
    for port in ports:
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection(HOST, port)
