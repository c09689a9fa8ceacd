"""Reading a real mailbox: Dovecot, over TLS, with everything that happens to connections and mailboxes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sequencer.mail.accounts import ImapAccount, Ready, Unreachable
from sequencer.mail.compose import Letter, compose
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.imap_names import Folder, folder_for
from sequencer.mail.imap_wire import Wire
from sequencer.mail.incoming import Appended, FolderState, NoFolder, NoMessage, NotAppended, Pushed, Quiet
from tests.certificates import write_certificate
from tests.dovecot import PASSWORD, Dovecot, require_dovecot

pytestmark = pytest.mark.dovecot

AT = datetime(2026, 11, 3, 8, 15, 30, tzinfo=UTC)


def mail(n: int = 1, body: bytes = b"hello\r\n") -> bytes:
    return b"Message-ID: <m%d@outside.example>\r\nSubject: mail %d\r\n\r\n%s" % (n, n, body)


def account_of(dovecot: Dovecot, user: str, **changes: Any) -> ImapAccount:
    account = ImapAccount(
        dovecot.host, dovecot.imaps_port, "implicit", user, PASSWORD, ca_file=str(dovecot.ca_file), timeout=10
    )
    return dataclasses.replace(account, **changes)


@pytest.fixture
def user(dovecot: Dovecot) -> str:
    return dovecot.add_user()


@pytest.fixture
async def line(dovecot: Dovecot, user: str) -> AsyncIterator[ImapLine]:
    opened = ImapLine(account_of(dovecot, user))
    assert isinstance(await opened.open(), Ready)
    yield opened
    await opened.close()


async def attempt(account: ImapAccount) -> Ready | Unreachable:
    line = ImapLine(account)
    result = await line.open()
    if isinstance(result, Ready):
        assert isinstance(await line.examine("INBOX"), FolderState)
    await line.close()
    return result


# Getting in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
async def test_every_kind_of_tls(dovecot: Dovecot, user: str, tls: str) -> None:
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    assert isinstance(await attempt(account_of(dovecot, user, tls=tls, port=port)), Ready)


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_certificates_that_are_not_trusted(dovecot: Dovecot, user: str, tls: str, tmp_path: Path) -> None:
    other = tmp_path / "ca.pem"
    write_certificate(tmp_path / "cert.pem", tmp_path / "key.pem", other)
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    for ca_file, words in (("", "unable to get local issuer"), (str(other), "certificate")):
        result = await attempt(account_of(dovecot, user, tls=tls, port=port, ca_file=ca_file))
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == ("tls", False)
        assert words in result.message


async def test_a_certificate_for_another_name(dovecot: Dovecot, user: str) -> None:
    result = await attempt(account_of(dovecot, user, host="127.0.0.2"))
    assert isinstance(result, Unreachable)
    assert (result.why, result.temporary) in {("tls", False), ("network", True)}


async def test_the_wrong_kind_of_port(dovecot: Dovecot, user: str) -> None:
    result = await attempt(account_of(dovecot, user, port=dovecot.imap_port))
    assert isinstance(result, Unreachable)
    assert (result.why, "starttls" in result.message) == ("tls", True)


@pytest.mark.parametrize(
    "password", ['quo"te', "back\\slash", "pässwörd", "日本語", "{5}", "a b(c)", "col:on", "%s*", " x "]
)
async def test_passwords_of_every_kind(dovecot: Dovecot, password: str) -> None:
    user = dovecot.add_user(password=password)
    assert isinstance(await attempt(account_of(dovecot, user, password=password)), Ready)
    result = await attempt(account_of(dovecot, user, password=password + "x"))
    assert isinstance(result, Unreachable)
    assert (result.why, result.temporary) == ("auth", False)
    assert password not in result.message


@pytest.fixture
def introspection() -> Iterator[tuple[str, dict[str, str]]]:
    """A token introspection endpoint: its URL, and the tokens it knows (token -> user)."""
    tokens: dict[str, str] = {}

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            user = tokens.get((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            body = json.dumps({"active": "true" if user else "false", "username": user or "nobody"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/introspect", tokens
    server.shutdown()
    thread.join()
    server.server_close()


async def test_xoauth2(introspection: tuple[str, dict[str, str]]) -> None:
    require_dovecot()
    url, tokens = introspection

    async def token() -> str:
        return "ya29.good"

    with Dovecot(oauth_introspection_url=url) as server:
        user = server.add_user()
        tokens["ya29.good"] = user
        account = dataclasses.replace(account_of(server, user), password="", token=token)
        assert isinstance(await attempt(account), Ready)
        del tokens["ya29.good"]
        user2 = server.add_user()
        result = await attempt(dataclasses.replace(account, username=user2))
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == ("auth", False)
        assert "ya29" not in result.message


# Folders -------------------------------------------------------------------------------------------

NAMES = [
    "Gelöscht & Co",
    "受信トレイ",
    'Quotes "and" \\ backslashes',
    "Archive/2026/November",
    "🚐 RVs",
    "per%cent * star",
    "&-&",
    "&AOQ-",
    "(paren)",
    "{12}",
    "INBOX/below",
    "x" * 100,
]


@pytest.mark.parametrize("name", NAMES)
async def test_folders_of_every_name(line: ImapLine, name: str) -> None:
    assert isinstance(await line.examine(name), NoFolder)
    assert await line.create(name)
    assert await line.create(name)
    assert name in [folder.name for folder in await line.folders()]
    assert isinstance(await line.append(name, mail(), AT), Appended)
    state = await line.examine(name)
    assert isinstance(state, FolderState)
    assert state.exists == 1
    (uid,) = await line.uids_after(name, 0)
    assert await line.body(name, uid) == mail()


async def test_special_uses(line: ImapLine) -> None:
    folders = await line.folders()
    assert folder_for("\\Sent", folders) == Folder("Sent", frozenset({"\\Sent"}))
    assert folder_for("\\Junk", folders) == Folder("Junk", frozenset({"\\Junk"}))
    assert folder_for("\\All", folders) is None


async def test_append_to_a_folder_that_is_missing(line: ImapLine) -> None:
    result = await line.append("Nowhere", mail(), AT)
    assert isinstance(result, NotAppended)
    assert result.no_folder
    assert await line.create("Nowhere")
    assert isinstance(await line.append("Nowhere", mail(), AT), Appended)


# Messages ------------------------------------------------------------------------------------------


async def test_a_copy_in_sent_is_exact_dated_and_seen(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    letter = Letter(
        from_name="Jürgen",
        from_address="mark@example.com",
        to="alice@example.org",
        subject="Grüße",
        text="Hällo\n.\n..\nFrom here\n",
        html="<p>Hällo</p>",
        message_id="<1.thanks.abc.def@example.com>",
        date=AT,
    )
    data = compose(letter)
    assert isinstance(data, bytes)
    appended = await line.append("Sent", data, AT)
    assert isinstance(appended, Appended)
    state = await line.examine("Sent")
    assert isinstance(state, FolderState)
    assert (appended.uidvalidity, appended.uid) == (state.uidvalidity, 1)
    (head,) = await line.heads("Sent", [1])
    assert (head.uid, head.size, head.received_at) == (1, len(data), AT)
    assert head.header == data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert await line.body("Sent", 1) == data
    assert "\\Seen" in dovecot.doveadm("fetch", "-u", user, "flags", "mailbox", "Sent", "all")
    assert await line.uids_with_message_id("Sent", letter.message_id) == (1,)


async def test_reading_leaves_no_trace(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    dovecot.deliver(user, mail())
    await line.examine("INBOX")
    uids = await line.uids_after("INBOX", 0)
    await line.heads("INBOX", uids)
    await line.body("INBOX", uids[0])
    await line.uids_with_message_id("INBOX", "<m1@outside.example>")
    flags = dovecot.doveadm("fetch", "-u", user, "flags", "mailbox", "INBOX", "all")
    assert "\\Seen" not in flags
    assert "\\Recent" in flags, "the rep's own program still sees it as new"


async def test_what_stands_in_the_mailbox_is_found_at_once(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    """Inbox freshness rests on this: no reply that was there before the call is missed."""
    await line.examine("INBOX")
    last = 0
    for n in range(1, 31):
        dovecot.deliver(user, mail(n))
        assert await line.uids_after("INBOX", last) == (n,)
        last = n
    assert await line.uids_after("INBOX", last) == ()


async def test_searching(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    for days in (0, 1, 5):
        await line.append("Sent", mail(days), AT + timedelta(days=days))
    assert await line.uids_since("Sent", date(2026, 11, 4)) == (2, 3)
    assert await line.uids_since("Sent", date(2026, 11, 9)) == ()
    assert await line.uids_after("Sent", 1) == (2, 3)
    assert await line.uids_after("Sent", 3) == ()
    assert await line.uids_after("Sent", 100) == ()
    assert await line.uids_with_message_id("Sent", "<m5@outside.example>") == (3,)
    assert await line.uids_with_message_id("Sent", "<5@outside.example>") == ()
    assert await line.uids_with_message_id("Sent", "<M5@outside.example>") == ()
    assert await line.uids_with_message_id("INBOX", "<m5@outside.example>") == ()


async def test_messages_that_vanish(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    for n in (1, 2, 3):
        dovecot.deliver(user, mail(n))
    assert await line.uids_after("INBOX", 0) == (1, 2, 3)
    dovecot.expunge(user, "INBOX", 2)
    assert await line.uids_after("INBOX", 0) == (1, 3)
    assert [head.uid for head in await line.heads("INBOX", [1, 2, 3])] == [1, 3]
    assert await line.body("INBOX", 2) == NoMessage(2, "gone")
    assert await line.heads("INBOX", []) == ()
    assert await line.heads("INBOX", [3, 1]) == tuple(reversed(await line.heads("INBOX", [1, 3])))


async def test_1200_messages(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    """aioimaplib's own parser ends in a RecursionError here."""
    await line.examine("INBOX")
    folder = dovecot.folder / "mail" / user / "cur"
    for n in range(1200):
        (folder / f"{1_600_000_000 + n}.{n}.host:2,").write_bytes(mail(n))
    assert await line.uids_after("INBOX", 0) == tuple(range(1, 1201))
    heads = await line.heads("INBOX", range(1, 1201))
    assert [head.uid for head in heads] == list(range(1, 1201))
    assert len({head.header for head in heads}) == 1200


async def test_a_25_megabyte_mail_costs_little(
    dovecot: Dovecot, user: str, line: ImapLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = mail(1, b"x" * 76 + b"\r\n") + (b"y" * 76 + b"\r\n") * (25 * 1024 * 1024 // 78)
    dovecot.save(user, "INBOX", huge)
    received = 0
    original = Wire.data_received

    def counting(wire: Wire, data: bytes) -> None:
        nonlocal received
        received += len(data)
        original(wire, data)

    monkeypatch.setattr(Wire, "data_received", counting)
    (uid,) = await line.uids_after("INBOX", 0)
    (head,) = await line.heads("INBOX", [uid])
    body = await line.body("INBOX", uid)
    assert isinstance(body, bytes)
    assert head.size > 25_000_000
    assert len(body) == 262_144
    assert body == huge[:262_144]
    assert received < 300_000


async def test_a_hostile_header_is_cut(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    dovecot.save(user, "INBOX", b"X: " + b"a" * 900 + b"\r\n" + b"Y: ((((\r\n" * 100_000 + mail())
    (head,) = await line.heads("INBOX", [1])
    assert len(head.header) == 131_072
    body = await line.body("INBOX", 1, limit=1000)
    assert isinstance(body, bytes)
    assert len(body) == 1000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n",
        b"no header at all",
        b"Subject: * 1 FETCH (UID 9 BODY[] {5}\r\n\r\n)\r\nA1 OK done\r\n",
        b'Subject: ((((((((((\r\nFrom: "\r\n\r\n\\"{10}\r\n',
        bytes(range(1, 256)) * 20,
        b"Subject: x\n\nbare line feeds\n.\n",
    ],
)
async def test_hostile_messages_come_through(dovecot: Dovecot, user: str, line: ImapLine, raw: bytes) -> None:
    dovecot.save(user, "INBOX", raw)
    uids = await line.uids_after("INBOX", 0)
    for head in await line.heads("INBOX", uids):
        assert isinstance(await line.body("INBOX", head.uid), bytes)
    assert isinstance(await line.examine("INBOX"), FolderState)


# What happens to connections -----------------------------------------------------------------------


async def test_a_push_wakes_the_waiting(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    waiting = asyncio.create_task(line.wait_for_push("INBOX", 20))
    await asyncio.wait({waiting}, timeout=0.05)
    await asyncio.to_thread(dovecot.deliver, user, mail())
    assert await waiting == Pushed()
    assert await line.uids_after("INBOX", 0) == (1,)
    assert await line.wait_for_push("INBOX", 0.05) == Quiet()


async def test_what_arrived_before_the_waiting_is_not_missed(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    dovecot.deliver(user, mail())
    assert await line.wait_for_push("INBOX", 20) == Pushed()


async def test_several_folders_take_turns(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    await line.uids_after("Junk", 0)
    assert await line.wait_for_push("INBOX", 0.05) == Quiet()
    await line.uids_after("Junk", 0)
    dovecot.deliver(user, mail())
    assert await line.wait_for_push("INBOX", 20) == Pushed()


async def test_a_kick_is_a_lost_connection(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.examine("INBOX")
    dovecot.kick(user)
    with pytest.raises(ConnectionLost):
        await line.uids_after("INBOX", 0)
    assert isinstance(await line.open(), Ready)
    assert await line.uids_after("INBOX", 0) == ()


async def test_a_kick_ends_the_waiting(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.uids_after("INBOX", 0)
    waiting = asyncio.create_task(line.wait_for_push("INBOX", 60))
    await asyncio.wait({waiting}, timeout=0.05)
    await asyncio.to_thread(dovecot.kick, user)
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, 10)


async def test_a_frozen_server_is_given_up(dovecot: Dovecot, user: str) -> None:
    line = ImapLine(account_of(dovecot, user, timeout=1.5, done_timeout=0.5))
    assert isinstance(await line.open(), Ready)
    await line.uids_after("INBOX", 0)
    with dovecot.frozen(user):
        with pytest.raises(ConnectionLost, match="in time"):
            await line.uids_after("INBOX", 0)
        assert not line.is_open
    assert isinstance(await line.open(), Ready)
    await line.uids_after("INBOX", 0)
    waiting = asyncio.create_task(line.wait_for_push("INBOX", 0.3))
    await asyncio.wait({waiting}, timeout=0.1)
    with dovecot.frozen(user), pytest.raises(ConnectionLost, match="IDLE in time"):
        await waiting
    await line.close()


async def test_a_mailbox_that_is_numbered_anew(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    dovecot.deliver(user, mail())
    before = await line.examine("INBOX")
    assert isinstance(before, FolderState)
    await line.examine("Junk")
    dovecot.renumber(user, "INBOX", before.uidvalidity + 100)
    with pytest.raises(ConnectionLost, match="numbered anew"):
        await line.uids_after("INBOX", 1)
    assert isinstance(await line.open(), Ready)
    after = await line.examine("INBOX")
    assert isinstance(after, FolderState)
    assert after.uidvalidity == before.uidvalidity + 100
    assert len(await line.uids_since("INBOX", date(2020, 1, 1))) == 1


async def test_a_folder_that_disappears(dovecot: Dovecot, user: str, line: ImapLine) -> None:
    await line.create("Projects")
    await line.examine("Projects")
    await line.examine("INBOX")
    dovecot.doveadm("mailbox", "delete", "-u", user, "Projects")
    with pytest.raises(ConnectionLost, match="Projects"):
        await line.uids_after("Projects", 0)


async def test_the_server_goes_down(tmp_path: Path) -> None:
    require_dovecot()
    with Dovecot() as server:
        user = server.add_user()
        account = account_of(server, user)
        line = ImapLine(account)
        assert isinstance(await line.open(), Ready)
        await line.uids_after("INBOX", 0)
        waiting = asyncio.create_task(line.wait_for_push("INBOX", 60))
        await asyncio.wait({waiting}, timeout=0.05)
        await asyncio.to_thread(server.stop)
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(waiting, 10)
        result = await line.open()
        assert isinstance(result, Unreachable)
        assert (result.why, result.temporary) == ("network", True) or "ca_file" in result.message
