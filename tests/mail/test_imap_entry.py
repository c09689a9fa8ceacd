"""Logging in at servers that refuse, babble, or speak without TLS: a value says why, and nothing leaks."""

from __future__ import annotations

import base64
import dataclasses
import logging

import pytest

from sequencer.mail.accounts import ImapAccount, Ready, Unreachable
from sequencer.mail.imap import ImapLine
from tests.dovecot import free_ports
from tests.mail.raw_imap import HANG_UP, SILENCE, Answer, Converse, RawImap


async def attempt(account: ImapAccount) -> Ready | Unreachable:
    line = ImapLine(account)
    try:
        return await line.open()
    finally:
        await line.close()


@pytest.mark.parametrize(
    ("answers", "why", "temporary"),
    [
        ({"LOGIN": b"{tag} NO [AUTHENTICATIONFAILED] bad password\r\n"}, "auth", False),
        ({"LOGIN": b"{tag} NO LOGIN failed\r\n"}, "auth", False),
        ({"LOGIN": b"{tag} NO [UNAVAILABLE] try later\r\n"}, "auth", True),
        ({"LOGIN": b"{tag} NO Too many simultaneous connections. (Failure)\r\n"}, "auth", True),
        ({"LOGIN": b"* BYE temporary system problem\r\n"}, "network", True),
        ({"LOGIN": SILENCE}, "network", True),
        ({"LOGIN": HANG_UP}, "network", True),
        ({"CAPABILITY": SILENCE}, "network", True),
        ({"CAPABILITY": HANG_UP}, "network", True),
        ({"CAPABILITY": b"* CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS\r\n{tag} OK\r\n"}, "config", False),
    ],
)
async def test_logins_that_fail(answers: dict[str, Answer | list[Answer]], why: str, temporary: bool) -> None:
    async with RawImap(answers) as server:
        result = await attempt(server.account(timeout=0.2))
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == (why, temporary)
        assert result.message


@pytest.mark.parametrize(
    ("greeting", "why"),
    [
        (b"* BYE too many connections\r\n", "greeting"),
        (b"220 this is SMTP\r\n", "greeting"),
        (b"* OK half a line", "network"),
        (SILENCE, "network"),
        (HANG_UP, "network"),
    ],
)
async def test_greetings_that_turn_us_away(greeting: bytes, why: str) -> None:
    async with RawImap(greeting=greeting) as server:
        result = await attempt(server.account(timeout=0.2))
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == (why, True)


async def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    result = await attempt(ImapAccount("127.0.0.1", port, "none", "mark", "secret"))
    assert isinstance(result, Unreachable)
    assert (result.why, result.temporary) == ("network", True)


async def test_preauth_needs_no_login() -> None:
    async with RawImap(greeting=b"* PREAUTH ready\r\n") as server:
        assert isinstance(await attempt(server.account()), Ready)
        assert not any(command.startswith("LOGIN") for command in server.commands)


async def test_an_ascii_password_is_quoted() -> None:
    async with RawImap() as server:
        await attempt(dataclasses.replace(server.account(), username='m"k', password='p\\a"ss (w) {3}'))
        assert 'LOGIN "m\\"k" "p\\\\a\\"ss (w) {3}"' in server.commands


ENCODED = base64.b64encode("\0mark\0pässwörd".encode()).decode()


@pytest.mark.parametrize(
    ("capabilities", "command", "replies"),
    [
        (b"AUTH=PLAIN SASL-IR", f"AUTHENTICATE PLAIN {ENCODED}", []),
        (b"AUTH=PLAIN SASL-IR LOGINDISABLED", f"AUTHENTICATE PLAIN {ENCODED}", []),
        (b"AUTH=PLAIN", "AUTHENTICATE PLAIN", [ENCODED.encode()]),
        (b"", "LOGIN {4}mark {10}pässwörd", []),
    ],
)
async def test_a_password_beyond_ascii(capabilities: bytes, command: str, replies: list[bytes]) -> None:
    answers: dict[str, Answer | list[Answer]] = {
        "CAPABILITY": b"* CAPABILITY IMAP4rev1 " + capabilities + b"\r\n{tag} OK\r\n",
        "AUTHENTICATE": Converse((b"+ \r\n",), b"{tag} OK\r\n") if replies else b"{tag} OK\r\n",
    }
    async with RawImap(answers) as server:
        assert isinstance(await attempt(server.account(password="pässwörd")), Ready)
        assert server.commands[1] == command
        assert server.replies == replies


async def test_xoauth2_and_its_refusal() -> None:
    async def token() -> str:
        return "ya29.token"

    capabilities = b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2 SASL-IR\r\n{tag} OK\r\n"
    async with RawImap({"CAPABILITY": capabilities, "AUTHENTICATE": b"{tag} OK\r\n"}) as server:
        account = dataclasses.replace(server.account(), token=token)
        assert isinstance(await attempt(account), Ready)
        sent = next(command for command in server.commands if command.startswith("AUTHENTICATE XOAUTH2 "))
        assert base64.b64decode(sent.split()[2]) == b"user=mark\1auth=Bearer ya29.token\1\1"
    refusal = Converse((b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n",), b"{tag} NO [AUTHENTICATIONFAILED] no\r\n")
    async with RawImap({"CAPABILITY": capabilities, "AUTHENTICATE": refusal}) as server:
        account = dataclasses.replace(server.account(), token=token)
        result = await attempt(account)
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == ("auth", False)
        assert "ya29" not in result.message
        assert server.replies == [b""]


async def test_xoauth2_that_is_not_offered_or_has_no_token() -> None:
    async def token() -> str:
        raise RuntimeError("refresh-secret")

    async with RawImap() as server:
        result = await attempt(dataclasses.replace(server.account(), token=token))
        assert isinstance(result, Unreachable)
        assert result.why == "config"
    async with RawImap({"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=XOAUTH2\r\n{tag} OK\r\n"}) as server:
        result = await attempt(dataclasses.replace(server.account(), token=token))
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == ("auth", True)
        assert "refresh-secret" not in result.message


async def test_credentials_are_neither_logged_nor_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    password = "correct horse battery"
    async with RawImap({"LOGIN": b'{tag} NO I do not like "correct horse battery"\r\n'}) as server:
        account = server.account(password=password)
        assert password not in repr(account)
        result = await attempt(account)
        assert isinstance(result, Unreachable)
        assert "***" in result.message
        assert password not in result.message
    assert password not in caplog.text


@pytest.mark.parametrize("host", ["imap.example.com", "192.0.2.1"])
async def test_without_tls_only_this_machine(host: str) -> None:
    result = await attempt(ImapAccount(host, 143, "none", "mark", "secret"))
    assert isinstance(result, Unreachable)
    assert (result.why, result.temporary) == ("config", False)


async def test_starttls_that_is_not_offered_or_refused() -> None:
    async with RawImap() as server:
        result = await attempt(dataclasses.replace(server.account(), tls="starttls"))
        assert isinstance(result, Unreachable)
        assert result.why == "tls"
        assert server.commands == ["CAPABILITY"]
    starttls = b"* CAPABILITY IMAP4rev1 STARTTLS\r\n{tag} OK\r\n"
    async with RawImap({"CAPABILITY": starttls, "STARTTLS": b"{tag} NO no\r\n"}) as server:
        result = await attempt(dataclasses.replace(server.account(), tls="starttls"))
        assert isinstance(result, Unreachable)
        assert result.why == "tls"
        assert server.commands == ["CAPABILITY", "STARTTLS"]
