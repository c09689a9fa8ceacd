"""Connecting, TLS and login: every way that fails has a name, and no password gets out."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest

from sequencer.mail.accounts import Ready, SmtpAccount, Unreachable
from sequencer.mail.smtp import Delivered, SmtpLine
from tests.certificates import EXPIRED, server_context
from tests.dovecot import free_ports
from tests.smtp_peer import Action, Drop, Phase, Say, SmtpPeer, Stall

PASSWORD = 'pä"ss\\w:örd $1'
LOGINS = {"mark": PASSWORD}


def account_at(peer: SmtpPeer, tls: Any = "none", **changes: Any) -> SmtpAccount:
    return dataclasses.replace(SmtpAccount(peer.host, peer.port, tls, timeout=5), **changes)


async def attempt(account: SmtpAccount) -> Ready | Unreachable:
    """Open, send one message if that went well, close."""
    line = SmtpLine(account)
    try:
        result = await line.open()
        assert line.is_open is isinstance(result, Ready)
        if isinstance(result, Ready):
            await line.offer("mark@example.com", "alice@example.org", 20)
            assert isinstance(await line.deliver(b"Subject: x\r\n\r\nx\r\n"), Delivered)
        return result
    finally:
        await line.close()


def refused(result: Ready | Unreachable) -> Unreachable:
    assert isinstance(result, Unreachable), result
    assert result.message
    return result


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_tls_with_a_private_authority(tls: str, tmp_path: Path) -> None:
    context, authority = server_context(tmp_path)
    async with SmtpPeer(tls=context, implicit=tls == "implicit", logins=LOGINS) as peer:
        account = account_at(peer, tls, username="mark", password=PASSWORD, ca_file=authority)
        assert isinstance(await attempt(account), Ready)
        assert peer.accepted[0].login == "mark"
        if tls == "starttls":
            assert [c.split()[0] for c in peer.commands[:4]] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize(
    ("names", "not_after", "words"),
    [
        (("localhost", "127.0.0.1"), None, "unable to get local issuer certificate"),
        (("other.example",), None, "mismatch"),
        (("localhost", "127.0.0.1"), EXPIRED, "expired"),
    ],
)
async def test_a_bad_certificate_is_named(
    tls: str, names: tuple[str, ...], not_after: Any, words: str, tmp_path: Path
) -> None:
    context, authority = server_context(tmp_path, *names, not_after=not_after)
    async with SmtpPeer(tls=context, implicit=tls == "implicit", logins=LOGINS) as peer:
        trusted = "" if words.startswith("unable") else authority
        account = account_at(peer, tls, username="mark", password=PASSWORD, ca_file=trusted)
        result = refused(await attempt(account))
        assert (result.why, result.temporary) == ("tls", False)
        assert words in result.message
        assert not any(command.startswith("AUTH") for command in peer.commands)


async def test_starttls_that_is_not_offered_ends_it() -> None:
    async with SmtpPeer(logins=LOGINS) as peer:
        result = refused(await attempt(account_at(peer, "starttls", username="mark", password=PASSWORD)))
        assert (result.why, result.temporary) == ("tls", False)
        assert "STARTTLS" in result.message
        assert peer.commands == ["EHLO [127.0.0.1]"]


async def test_starttls_that_is_refused_ends_it(tmp_path: Path) -> None:
    context, authority = server_context(tmp_path)
    async with SmtpPeer(tls=context, logins=LOGINS) as peer:
        peer.once("starttls", Say("454 TLS not available"))
        account = account_at(peer, "starttls", username="mark", password=PASSWORD, ca_file=authority)
        refused(await attempt(account))
        assert peer.commands == ["EHLO [127.0.0.1]", "STARTTLS"]


async def test_a_starttls_port_taken_for_a_tls_port() -> None:
    async with SmtpPeer() as peer:
        result = refused(await attempt(account_at(peer, "implicit")))
        assert (result.why, result.temporary) == ("tls", False)
        assert "starttls" in result.message


async def test_a_tls_port_taken_for_a_plain_one_times_out(tmp_path: Path) -> None:
    context, authority = server_context(tmp_path)
    async with SmtpPeer(tls=context, implicit=True) as peer:
        result = refused(await attempt(account_at(peer, "starttls", ca_file=authority, timeout=0.2)))
        assert (result.why, result.temporary) == ("network", True)


async def test_an_authority_file_that_is_missing_or_junk(tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("not a certificate")
    async with SmtpPeer() as peer:
        for path in (tmp_path / "nowhere.pem", junk):
            result = refused(await attempt(account_at(peer, "implicit", ca_file=str(path))))
            assert (result.why, result.temporary) == ("config", False)
            assert str(path) in result.message
        assert peer.connections == 0


@pytest.mark.parametrize("host", ["mail.example.com", "192.0.2.1", "localhost.example.com", "127.0.0.1.example.com"])
async def test_without_tls_only_this_machine(host: str) -> None:
    result = refused(await attempt(SmtpAccount(host, 25, "none")))
    assert (result.why, result.temporary) == ("config", False)
    assert "encryption" in result.message


async def test_no_host() -> None:
    assert refused(await attempt(SmtpAccount("", 25))).why == "config"


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ("LOGIN",), ("LOGIN", "PLAIN")])
async def test_passwords_by_any_mechanism(mechanisms: tuple[str, ...]) -> None:
    async with SmtpPeer(logins=LOGINS, mechanisms=mechanisms) as peer:
        assert isinstance(await attempt(account_at(peer, username="mark", password=PASSWORD)), Ready)
        assert len(peer.accepted) == 1


async def test_a_wrong_password_is_tried_once() -> None:
    async with SmtpPeer(logins=LOGINS) as peer:
        result = refused(await attempt(account_at(peer, username="mark", password="wrong password")))
        assert (result.why, result.temporary, result.code) == ("auth", False, 535)
        assert "mark" in result.message
        assert sum(command.startswith("AUTH") for command in peer.commands) == 1


async def test_a_login_that_fails_for_now() -> None:
    async with SmtpPeer(logins=LOGINS) as peer:
        peer.once("auth", Say("454 4.7.0 Temporary authentication failure"))
        result = refused(await attempt(account_at(peer, username="mark", password=PASSWORD)))
        assert (result.why, result.temporary, result.code) == ("auth", True, 454)


async def test_no_mechanism_for_passwords() -> None:
    async with SmtpPeer(logins=LOGINS, mechanisms=("XOAUTH2",)) as peer:
        result = refused(await attempt(account_at(peer, username="mark", password=PASSWORD)))
        assert (result.why, result.temporary) == ("config", False)
        assert "xoauth2" in result.message


async def test_xoauth2() -> None:
    async def token() -> str:
        return "ya29.token"

    async with SmtpPeer(logins={"mark": "ya29.token"}) as peer:
        assert isinstance(await attempt(account_at(peer, username="mark", token=token)), Ready)
        assert peer.accepted[0].login == "mark"
        peer.logins = {"mark": "another token"}
        result = refused(await attempt(account_at(peer, username="mark", token=token)))
        assert (result.why, result.temporary) == ("auth", False)
        assert "ya29" not in result.message


async def test_xoauth2_that_is_not_offered_or_has_no_token() -> None:
    async def token() -> str:
        raise RuntimeError("the refresh token is refresh-secret")

    async with SmtpPeer(logins=LOGINS, mechanisms=("PLAIN",)) as peer:
        assert refused(await attempt(account_at(peer, username="mark", token=token))).why == "config"
    async with SmtpPeer(logins=LOGINS) as peer:
        result = refused(await attempt(account_at(peer, username="mark", token=token)))
        assert (result.why, result.temporary) == ("auth", True)
        assert "refresh-secret" not in result.message


@pytest.mark.parametrize(
    ("phase", "action", "why", "temporary", "code"),
    [
        ("greeting", Say("554 5.7.1 no service for you"), "greeting", False, 554),
        ("greeting", Say("421 4.3.2 too busy", then_drop=True), "greeting", True, 421),
        ("greeting", Say("hello there"), "greeting", True, 0),
        ("greeting", Drop(), "network", True, 0),
        ("greeting", Stall(), "network", True, 0),
        ("ehlo", Say("550 go away"), "greeting", False, 550),
        ("ehlo", Say("421 go away", then_drop=True), "greeting", True, 421),
        ("ehlo", Drop(), "network", True, 0),
        ("ehlo", Stall(), "network", True, 0),
        ("auth", Drop(), "network", True, 0),
        ("auth", Stall(), "network", True, 0),
        ("auth", Say("421 4.7.0 too many failures", then_drop=True), "auth", True, 421),
    ],
)
async def test_every_phase_of_opening(phase: Phase, action: Action, why: str, temporary: bool, code: int) -> None:
    async with SmtpPeer(logins=LOGINS) as peer:
        peer.once(phase, action)
        timeout = 0.2 if isinstance(action, Stall) else 5
        result = refused(await attempt(account_at(peer, username="mark", password=PASSWORD, timeout=timeout)))
        assert (result.why, result.temporary, result.code) == (why, temporary, code)
        assert isinstance(await attempt(account_at(peer, username="mark", password=PASSWORD)), Ready)


async def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    result = refused(await attempt(SmtpAccount("127.0.0.1", port, "none")))
    assert (result.why, result.temporary) == ("network", True)
    assert str(port) in result.message


@pytest.mark.parametrize("phase", ["greeting", "ehlo", "auth"])
async def test_a_cancelled_opening_leaves_nothing_behind(phase: Phase) -> None:
    async with SmtpPeer(logins=LOGINS) as peer:
        peer.once(phase, Stall())
        line = SmtpLine(account_at(peer, username="mark", password=PASSWORD))
        task = asyncio.create_task(line.open())
        await asyncio.wait_for(peer.reached[phase].wait(), 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not line.is_open
        assert isinstance(await line.open(), Ready)
        await line.close()


async def test_opening_twice_drops_the_first_connection() -> None:
    async with SmtpPeer() as peer:
        line = SmtpLine(account_at(peer))
        assert isinstance(await line.open(), Ready)
        assert isinstance(await line.open(), Ready)
        assert peer.connections == 2
        await line.close()


async def test_secrets_stay_secret(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Not in reprs, not in errors even when the server repeats them, not in any log at any level."""
    caplog.set_level(logging.DEBUG)
    context, authority = server_context(tmp_path)
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    plain = base64.b64encode(f"\0mark\0{PASSWORD}".encode()).decode()
    async with SmtpPeer(tls=context, logins=LOGINS) as peer:
        account = account_at(peer, "starttls", username="mark", password=PASSWORD, ca_file=authority)
        assert PASSWORD not in repr(account)
        peer.once("auth", Say(f"535 5.7.8 no: {encoded} {plain}"))
        result = refused(await attempt(account))
        assert result.message.endswith("no: *** ***")
        assert isinstance(await attempt(account), Ready)
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name != "mail.log")
    for secret in (PASSWORD, encoded, plain):
        assert secret not in ours


def test_the_context_verifies() -> None:
    from sequencer.mail.accounts import _tls_context

    context = _tls_context("")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
