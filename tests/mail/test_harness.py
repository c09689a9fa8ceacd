"""The servers that other tests stand on do what they promise."""

from __future__ import annotations

import asyncio

import pytest

import tests.dovecot
from sequencer.mail.accounts import ImapAccount, Ready, SmtpAccount
from sequencer.mail.imap import ImapLine
from sequencer.mail.smtp import Delivered, Offered, Refused, SmtpLine
from tests.dovecot import PASSWORD, Dovecot, require_dovecot
from tests.smtp_peer import SmtpPeer


@pytest.mark.dovecot
async def test_accepted_mail_goes_on_into_dovecot(dovecot: Dovecot) -> None:
    user = dovecot.add_user()
    data = b"Message-ID: <1@example.com>\r\nSubject: on its way\r\n\r\n.dotted\r\n"
    async with SmtpPeer(forward=lambda mail: dovecot.deliver(mail.recipients[0], mail.data, mail.sender)) as peer:
        line = SmtpLine(SmtpAccount(peer.host, peer.port, "none", timeout=10))
        assert isinstance(await line.open(), Ready)
        assert isinstance(await line.offer("mark@example.com", user, len(data)), Offered)
        assert isinstance(await line.deliver(data), Delivered)
        assert isinstance(await line.offer("mark@example.com", "nobody@test.example", len(data)), Offered)
        refused = await line.deliver(data)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.temporary) == (451, True)
        await line.close()
        assert len(peer.accepted) == 1
    inbox = ImapLine(
        ImapAccount(dovecot.host, dovecot.imaps_port, "implicit", user, PASSWORD, ca_file=str(dovecot.ca_file))
    )
    assert isinstance(await inbox.open(), Ready)
    (uid,) = await inbox.uids_after("INBOX", 0)
    body = await inbox.body("INBOX", uid)
    assert isinstance(body, bytes)
    assert body.endswith(data)
    await inbox.close()


@pytest.mark.dovecot
def test_dovecot_leaves_nothing_behind() -> None:
    require_dovecot()
    with Dovecot() as server:
        folder = server.folder
        assert folder.exists()
        with pytest.raises(RuntimeError, match="freeze"), server.frozen(server.add_user()):
            pass
    assert not folder.exists()


def test_without_dovecot_tests_are_skipped_or_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.dovecot, "dovecot_binary", lambda: None)
    monkeypatch.delenv("SEQUENCER_TEST_EVERYTHING", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        require_dovecot()
    monkeypatch.setenv("SEQUENCER_TEST_EVERYTHING", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install"):
        require_dovecot()


async def test_a_peer_that_stops_refuses_connections() -> None:
    peer = SmtpPeer()
    await peer.start()
    line = SmtpLine(SmtpAccount(peer.host, peer.port, "none", timeout=5))
    assert isinstance(await line.open(), Ready)
    await peer.stop()
    async with asyncio.timeout(5):
        refused = await line.offer("mark@example.com", "alice@example.org", 1)
    assert isinstance(refused, Refused)
    assert not isinstance(await line.open(), Ready)
