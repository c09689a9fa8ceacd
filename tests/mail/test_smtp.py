"""Handing over messages, to a real server that does everything wrong that a server can do."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtplib.protocol import SMTPProtocol

from sequencer.mail.accounts import Ready, SmtpAccount
from sequencer.mail.smtp import Delivered, Doubtful, Offered, Outcome, Outgoing, Refused, SmtpLine
from tests.smtp_peer import Action, Drop, Phase, Say, SmtpPeer, Stall

SENDER, RECIPIENT = "mark@example.com", "alice@example.org"
DATA = b"Message-ID: <1.a.b.c@example.com>\r\nSubject: hi\r\n\r\nhello\r\n"


@pytest.fixture
async def peer() -> AsyncIterator[SmtpPeer]:
    async with SmtpPeer() as running:
        yield running


def account_at(peer: SmtpPeer, **changes: Any) -> SmtpAccount:
    account = SmtpAccount(peer.host, peer.port, "none", timeout=5, final_timeout=5)
    return dataclasses.replace(account, **changes)


async def opened(peer: SmtpPeer, **changes: Any) -> SmtpLine:
    line = SmtpLine(account_at(peer, **changes))
    assert isinstance(await line.open(), Ready)
    return line


async def send(line: Outgoing, data: bytes = DATA, recipient: str = RECIPIENT) -> Outcome:
    offered = await line.offer(SENDER, recipient, len(data))
    return offered if isinstance(offered, Refused) else await line.deliver(data)


async def test_many_messages_go_through_one_connection(peer: SmtpPeer) -> None:
    line = await opened(peer)
    for i in range(50):
        assert isinstance(await send(line, recipient=f"c{i}@example.org"), Delivered)
    await line.close()
    assert [mail.recipients for mail in peer.accepted] == [(f"c{i}@example.org",) for i in range(50)]
    assert peer.connections == 1
    assert peer.commands.count("RSET") == 0
    assert peer.commands[-1] == "QUIT"


@pytest.mark.parametrize(
    "data",
    [
        DATA,
        b"Subject: x\r\n\r\n.\r\n..\r\n.hidden\r\n\r\n.\r\n",
        b".starts: with\r\n\r\na dot\r\n",
        b"Subject: x\r\n\r\n" + b"y" * 998 + b"\r\n",
        b"Subject: x\r\n\r\n" + b"long enough to fill buffers\r\n" * 20_000,
    ],
)
async def test_the_bytes_arrive_exactly(peer: SmtpPeer, data: bytes) -> None:
    line = await opened(peer)
    assert isinstance(await send(line, data), Delivered)
    assert peer.accepted[0].data == data
    assert (peer.accepted[0].sender, peer.accepted[0].recipients) == (SENDER, (RECIPIENT,))
    await line.close()


async def test_bare_line_feeds_cannot_smuggle_a_second_message(peer: SmtpPeer) -> None:
    line = await opened(peer)
    smuggled = b"Subject: x\r\n\r\nhi\n.\nMAIL FROM:<evil@example.net>\r.\r\nend"
    assert isinstance(await send(line, smuggled), Delivered)
    assert len(peer.accepted) == 1
    assert peer.accepted[0].data == b"Subject: x\r\n\r\nhi\r\n.\r\nMAIL FROM:<evil@example.net>\r\n.\r\nend\r\n"
    await line.close()


async def test_the_answer_is_kept(peer: SmtpPeer) -> None:
    line = await opened(peer)
    assert await send(line) == Delivered(250, "2.0.0 Ok: queued as 1")
    await line.close()


# Every phase, every way to go wrong ----------------------------------------------------------------

LOST = Refused("mail", 0, "the connection was lost", temporary=True, blame="server")
SILENT = Refused("mail", 0, "no reply in time", temporary=True, blame="server")


def at(phase: str, refused: Refused) -> Refused:
    return dataclasses.replace(refused, phase=phase)  # type: ignore[arg-type]


SENDER_NO = Refused("mail", 550, "5.1.8 bad sender", temporary=False, blame="sender")
RECIPIENT_NO = Refused("rcpt", 550, "5.1.1 unknown", temporary=False, blame="recipient")
CASES: list[tuple[Phase, Action, Outcome, bool]] = [
    # phase, what the server does, what comes out, whether the connection lives on
    ("mail", Say("550 5.1.8 bad sender"), SENDER_NO, True),
    ("mail", Say("451 later"), Refused("mail", 451, "later", temporary=True, blame="server"), True),
    ("mail", Say("421 bye", then_drop=True), Refused("mail", 421, "bye", temporary=True, blame="server"), False),
    ("mail", Drop(), at("mail", LOST), False),
    ("mail", Stall(), at("mail", SILENT), False),
    ("rcpt", Say("550 5.1.1 unknown"), RECIPIENT_NO, True),
    ("rcpt", Say("452 4.2.2 full"), Refused("rcpt", 452, "4.2.2 full", temporary=True, blame="recipient"), True),
    ("rcpt", Say("421 bye", then_drop=True), Refused("rcpt", 421, "bye", temporary=True, blame="server"), False),
    ("rcpt", Drop(), at("rcpt", LOST), False),
    ("rcpt", Stall(), at("rcpt", SILENT), False),
    ("data", Say("554 no valid recipients"), Refused("data", 554, "no valid recipients", False, "message"), True),
    ("data", Say("451 later"), Refused("data", 451, "later", temporary=True, blame="server"), True),
    ("data", Say("421 bye", then_drop=True), Refused("data", 421, "bye", temporary=True, blame="server"), False),
    ("data", Say("250 what?"), Refused("data", 250, "what?", temporary=True, blame="server"), False),
    ("data", Drop(), at("data", LOST), False),
    ("data", Stall(), at("data", SILENT), False),
    ("body", Drop(), Doubtful("the message went out, then: the connection was lost"), False),
    ("body", Stall(), Doubtful("the message went out, then: no reply in time"), False),
    ("end", Say("550 5.7.1 spam"), Refused("end", 550, "5.7.1 spam", temporary=False, blame="message"), True),
    ("end", Say("451 later"), Refused("end", 451, "later", temporary=True, blame="server"), True),
    ("end", Say("421 bye", then_drop=True), Refused("end", 421, "bye", temporary=True, blame="server"), False),
    ("end", Drop(), Doubtful("the message went out, then: the connection was lost"), False),
    ("end", Drop(accepting=True), Doubtful("the message went out, then: the connection was lost"), False),
    ("end", Stall(), Doubtful("the message went out, then: no reply in time"), False),
    ("end", Stall(accepting=True), Doubtful("the message went out, then: no reply in time"), False),
    (
        "end",
        Say("354 go on"),
        Doubtful("the message went out, and the answer says neither yes nor no: 354 go on"),
        False,
    ),
    (
        "end",
        Say("well done"),
        Doubtful("the message went out, then: an unintelligible reply: Malformed SMTP response line: well done"),
        False,
    ),
    ("accepted", Drop(), Delivered(250, "2.0.0 Ok: queued as 1"), False),
]


@pytest.mark.parametrize(("phase", "action", "outcome", "survives"), CASES)
async def test_every_failure_is_told_apart(
    peer: SmtpPeer, phase: Phase, action: Action, outcome: Outcome, survives: bool
) -> None:
    stalls = isinstance(action, Stall)
    line = await opened(peer, timeout=0.2 if stalls else 5, final_timeout=0.2 if stalls else 5)
    peer.once(phase, action)
    assert await send(line) == outcome
    if survives:
        assert line.is_open
        assert peer.connections == 1
    elif not isinstance(outcome, Delivered):
        assert not line.is_open
    accepted = isinstance(outcome, Delivered) or (isinstance(action, Drop | Stall) and action.accepting)
    assert len(peer.accepted) == accepted
    # And then the next message goes out, on this connection or on a new one.
    second = await send(line) if line.is_open else None
    if not isinstance(second, Delivered):
        assert second is None or (isinstance(second, Refused) and second.temporary and not line.is_open)
        assert isinstance(await line.open(), Ready)
        assert isinstance(await send(line), Delivered)
    await line.close()


async def test_an_outcome_in_doubt_is_never_a_refusal(peer: SmtpPeer) -> None:
    """The server accepts and dies; taking that for a refusal would send the step twice."""
    for action in (Drop(accepting=True), Stall(accepting=True)):
        line = await opened(peer, final_timeout=0.1)
        peer.once("end", action)
        outcome = await send(line)
        assert isinstance(outcome, Doubtful)
        assert line.outcome == outcome
    assert len(peer.accepted) == 2


async def test_answers_are_fit_for_people_and_databases(peer: SmtpPeer) -> None:
    line = await opened(peer)
    peer.once("rcpt", Say("550-5.1.1 n\0o\r\n550 5.1.1 \udce4\x1b[31m" + "x" * 3000))
    refused = await send(line)
    assert isinstance(refused, Refused)
    assert refused.answer == "5.1.1 no\n5.1.1 \ufffd[31m" + "x" * (1000 - 20)
    peer.once("end", Say("250 f\udcfcr dich"))
    assert await send(line) == Delivered(250, "f\ufffdr dich")
    await line.close()


# Between messages ----------------------------------------------------------------------------------


async def test_a_goodbye_between_messages_costs_nothing(peer: SmtpPeer) -> None:
    line = await opened(peer)
    assert isinstance(await send(line), Delivered)
    peer.goodbye()
    second = await send(line)
    assert isinstance(second, Refused)
    assert (second.temporary, second.blame, second.code) in {(True, "server", 0), (True, "server", 421)}
    assert not line.is_open
    assert isinstance(await line.open(), Ready)
    assert isinstance(await send(line), Delivered)
    assert len(peer.accepted) == 2
    await line.close()


async def test_an_idle_connection_is_asked_before_it_is_used(peer: SmtpPeer) -> None:
    line = await opened(peer, probe_after=-1.0)
    assert isinstance(await send(line), Delivered)
    assert [command.split()[0] for command in peer.commands] == ["EHLO", "NOOP", "MAIL", "RCPT", "DATA"]
    await line.close()


@pytest.mark.parametrize("action", [Drop(), Say("421 idle too long", then_drop=True), Say("500 what?"), Stall()])
async def test_an_idle_connection_that_does_not_answer_is_given_up(peer: SmtpPeer, action: Action) -> None:
    line = await opened(peer, probe_after=-1.0, timeout=0.2)
    peer.once("noop", action)
    refused = await line.offer(SENDER, RECIPIENT, 10)
    assert isinstance(refused, Refused)
    assert (refused.temporary, refused.blame) == (True, "server")
    assert not line.is_open
    assert not any(command.startswith("MAIL") for command in peer.commands)


async def test_after_a_refusal_the_transaction_is_reset(peer: SmtpPeer) -> None:
    line = await opened(peer)
    peer.once("rcpt", Say("550 5.1.1 no"))
    assert isinstance(await send(line), Refused)
    assert isinstance(await send(line), Delivered)
    words = [command.split()[0] for command in peer.commands]
    assert words == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    assert peer.accepted[0].recipients == (RECIPIENT,)
    await line.close()


async def test_an_offer_can_be_withdrawn(peer: SmtpPeer) -> None:
    line = await opened(peer)
    assert isinstance(await line.offer(SENDER, "one@example.org", 10), Offered)
    await line.withdraw()
    assert isinstance(await send(line, recipient="two@example.org"), Delivered)
    assert [mail.recipients for mail in peer.accepted] == [("two@example.org",)]
    assert peer.commands.count("RSET") == 1
    await line.close()


@pytest.mark.parametrize("action", [Drop(), Stall(), Say("421 no", then_drop=True)])
async def test_a_failed_withdrawal_closes(peer: SmtpPeer, action: Action) -> None:
    line = await opened(peer, timeout=0.2)
    assert isinstance(await line.offer(SENDER, RECIPIENT, 10), Offered)
    peer.once("rset", action)
    await line.withdraw()
    assert not line.is_open
    await line.withdraw()
    await line.close()


async def test_without_a_connection_nothing_is_sent(peer: SmtpPeer) -> None:
    line = SmtpLine(account_at(peer))
    assert await line.offer(SENDER, RECIPIENT, 10) == Refused("connect", 0, "not connected", True, "server")
    assert await line.deliver(DATA) == Refused("data", 0, "not connected", True, "server")
    await line.withdraw()
    await line.close()
    assert peer.connections == 0


@pytest.mark.parametrize("action", [Drop(), Stall(), Say("500 no")])
async def test_close_never_fails(peer: SmtpPeer, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sequencer.mail.smtp._QUIT_TIMEOUT", 0.1)
    line = await opened(peer)
    peer.once("quit", action)
    await line.close()
    assert not line.is_open


# Sizes and addresses -------------------------------------------------------------------------------


async def test_a_message_too_big_is_not_even_offered() -> None:
    async with SmtpPeer(size_limit=1000) as peer:
        line = await opened(peer)
        refused = await line.offer(SENDER, RECIPIENT, 1001)
        assert isinstance(refused, Refused)
        assert (refused.temporary, refused.blame) == (False, "message")
        assert isinstance(await line.offer(SENDER, RECIPIENT, 1000), Offered)
        assert "MAIL FROM:<mark@example.com> SIZE=1000" in peer.commands
        await line.close()


async def test_international_domains_travel_as_punycode(peer: SmtpPeer) -> None:
    line = await opened(peer)
    assert isinstance(await send(line, recipient="alice@bücher.example"), Delivered)
    assert peer.accepted[0].recipients == ("alice@xn--bcher-kva.example",)
    await line.close()


@pytest.mark.parametrize(
    ("sender", "recipient", "phase", "blame"),
    [
        (SENDER, "älice@example.org", "rcpt", "recipient"),
        (SENDER, "a@example.org>\r\nRCPT TO:<b@example.org", "rcpt", "recipient"),
        ("", RECIPIENT, "mail", "sender"),
    ],
)
async def test_unfit_addresses_are_refused_here(
    peer: SmtpPeer, sender: str, recipient: str, phase: str, blame: str
) -> None:
    line = await opened(peer)
    refused = await line.offer(sender, recipient, 10)
    assert isinstance(refused, Refused)
    assert (refused.phase, refused.code, refused.temporary, refused.blame) == (phase, 0, False, blame)
    assert not any(command.startswith("MAIL") for command in peer.commands)
    assert isinstance(await send(line), Delivered)
    await line.close()


# Cancellation --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("phase", "doubtful"), [("data", False), ("body", True), ("end", True)])
async def test_a_cancelled_delivery_says_what_is_known_and_closes(peer: SmtpPeer, phase: Phase, doubtful: bool) -> None:
    line = await opened(peer)
    peer.once(phase, Stall())
    assert isinstance(await line.offer(SENDER, RECIPIENT, len(DATA)), Offered)
    task = asyncio.create_task(line.deliver(DATA))
    await asyncio.wait_for(peer.reached[phase].wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not line.is_open
    assert isinstance(line.outcome, Doubtful if doubtful else Refused)


async def test_a_shielded_delivery_outlives_the_cancellation(peer: SmtpPeer) -> None:
    """How SIGTERM lets the message in hand finish: the way that `deliver` describes."""
    line = await opened(peer)
    peer.once("end", Stall(accepting=True))
    known: list[Outcome] = []

    async def worker() -> None:
        assert isinstance(await line.offer(SENDER, RECIPIENT, len(DATA)), Offered)
        task = asyncio.create_task(line.deliver(DATA))
        try:
            known.append(await asyncio.shield(task))
        except asyncio.CancelledError:
            known.append(await task)
            raise

    running = asyncio.create_task(worker())
    await asyncio.wait_for(peer.reached["end"].wait(), 5)
    running.cancel()
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done(), "it still waits for the answer"
    peer.goodbye("250 2.0.0 Ok: better late than never")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert known == [Delivered(250, "2.0.0 Ok: better late than never")]
    assert len(peer.accepted) == 1
    await line.close()


@pytest.mark.parametrize("phase", ["mail", "rcpt"])
async def test_a_cancelled_offer_closes(peer: SmtpPeer, phase: Phase) -> None:
    line = await opened(peer)
    peer.once(phase, Stall())
    task = asyncio.create_task(line.offer(SENDER, RECIPIENT, 10))
    await asyncio.wait_for(peer.reached[phase].wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not line.is_open
    assert isinstance(await line.open(), Ready)
    assert isinstance(await send(line), Delivered)
    await line.close()


@pytest.mark.parametrize("reply", [b"250 OK", b"354 ", b"250 2.0.0"])
async def test_a_cancellation_that_coincides_with_an_answer_is_not_swallowed(
    peer: SmtpPeer, monkeypatch: pytest.MonkeyPatch, reply: bytes
) -> None:
    """`asyncio.wait_for` of Python 3.11 loses it; a daemon told to stop would wait ten minutes for the next answer."""
    line = await opened(peer)
    original = SMTPProtocol.data_received

    def cancelling(protocol: SMTPProtocol, data: bytes) -> None:
        original(protocol, data)
        if data.startswith(reply):
            task.cancel()

    monkeypatch.setattr(SMTPProtocol, "data_received", cancelling)
    task = asyncio.create_task(send(line))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not line.is_open
    assert len(peer.accepted) == (reply == b"250 2.0.0")
    assert isinstance(line.outcome, Doubtful) is (reply == b"250 2.0.0")
