"""Trying the mailboxes against real servers, and the DNS against a small one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from sequencer.operations.connections import Tried, try_mailboxes
from sequencer.operations.dns import Records, records_of
from sequencer.workspace.workspace import load
from tests.operations.shop import write_shop
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

SPF, DMARC = "v=spf1 include:_spf.example.net ~all", "v=DMARC1; p=none"


class _Zone(asyncio.DatagramProtocol):
    """A name server that knows these TXT records and denies every other name; None: it stays silent."""

    def __init__(self, records: Mapping[str, list[str]] | None) -> None:
        self.records = records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.records is None:
            return
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name.to_text().rstrip(".")
        if name not in self.records:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif self.records[name]:
            texts = [f'"{text}"' for text in self.records[name]]
            answer.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "TXT", texts))
        self.transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def resolver(records: Mapping[str, list[str]] | None) -> AsyncIterator[dns.asyncresolver.Resolver]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Zone(records), local_addr=("127.0.0.1", 0)
    )
    found = dns.asyncresolver.Resolver(configure=False)
    found.nameservers = ["127.0.0.1"]
    found.port = transport.get_extra_info("sockname")[1]
    try:
        yield found
    finally:
        transport.close()


async def test_records_are_found_among_others() -> None:
    zone = {"shop.example": ["google-site=1", SPF], "_dmarc.shop.example": [DMARC]}
    async with resolver(zone) as asked:
        assert await records_of("shop.example", asked) == Records(SPF, DMARC)


async def test_dmarc_of_the_domain_above_counts() -> None:
    async with resolver({"mail.shop.example": [], "_dmarc.shop.example": [DMARC]}) as asked:
        assert await records_of("mail.shop.example", asked) == Records("", DMARC)


async def test_a_domain_that_is_not_there() -> None:
    async with resolver({}) as asked:
        assert await records_of("shop.example", asked) == Records(unknown=True)


async def test_a_name_server_that_stays_silent_is_a_failure_and_not_an_answer() -> None:
    async with resolver(None) as asked:
        asked.timeout = 0.05
        records = await records_of("shop.example", asked)
    assert "no answer" in records.failure


async def tried(
    folder: Path,
    smtp: int,
    imap: int,
    *,
    password: str = "secret",
    zone: Mapping[str, list[str]] | None = None,
    config: Mapping[str, str] | None = None,
) -> list[Tried]:
    """What trying comes to in a shop with one mailbox."""
    write_shop(folder)
    text = (
        (folder / "config.yaml").read_text().split("  susan:")[0].replace("2525", str(smtp)).replace("1143", str(imap))
    )
    for old, new in (config or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "config.yaml").write_text(text)
    for path in (folder / "sequences").glob("*.yaml"):
        path.write_text(path.read_text().replace("susan", "mark").replace("[mark, mark]", "mark"))
    loaded = load(folder, {"MARK_PASSWORD": password})
    assert loaded.workspace is not None, loaded.problems
    records = {"flatheadrv.example": [SPF], "_dmarc.flatheadrv.example": [DMARC]} if zone is None else zone
    async with resolver(records) as asked:
        return [one async for one in try_mailboxes(folder, loaded.workspace.config, asked)]


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[SmtpPeer, PymapServer]]:
    async with SmtpPeer(logins={"mark": "secret"}) as smtp, PymapServer({"mark": "secret"}) as imap:
        yield smtp, imap


async def test_all_is_well(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        found = await tried(tmp_path, smtp.port, imap.port)
        assert [one.problem for one in found if one.problem is not None] == []
        told = "\n".join(one.what for one in found)
        assert f"SMTP localhost:{smtp.port}: logged in as mark" in told
        assert f"IMAP localhost:{imap.port}: logged in as mark" in told
        for line in ("the folder INBOX is watched", "the folder Junk is watched", "the folder Sent holds"):
            assert line in told
        assert "SPF is there" in told
        assert "DMARC is there" in told
        assert smtp.accepted == []
        assert not [line for line in smtp.commands if line.upper().startswith("MAIL")]


async def test_a_wrong_password_is_said_for_both_and_never_shown(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        found = await tried(tmp_path, smtp.port, imap.port, password="hunter2hunter2")
    problems = {one.problem.code: one.problem for one in found if one.problem is not None}
    assert set(problems) == {"smtp-auth", "imap-auth"}
    assert all(problem.severity == "error" and problem.file == "config.yaml" for problem in problems.values())
    assert problems["smtp-auth"].line < problems["imap-auth"].line
    assert problems["smtp-auth"].hint == "check username and password"
    assert "hunter2" not in repr(found)


async def test_the_hint_of_a_known_provider_is_an_app_password(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        from_gmail = {"    smtp:": "    provider: gmail\n    smtp:"}
        found = await tried(tmp_path, smtp.port, imap.port, password="wrong", config=from_gmail)
    hints = [one.problem.hint for one in found if one.problem is not None and one.problem.code == "smtp-auth"]
    assert len(hints) == 1
    assert "app password" in hints[0]


async def test_nobody_listens(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        ports = smtp.port, imap.port
    found = await tried(tmp_path, *ports)
    assert [one.problem.code for one in found if one.problem is not None] == ["smtp-network", "imap-network"]


async def test_a_folder_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        config = {"imap: {": "imap: {folders: [INBOX, Postausgang], "}
        found = await tried(tmp_path, smtp.port, imap.port, config=config)
    (problem,) = [one.problem for one in found if one.problem is not None]
    assert problem.code == "imap-folder"
    assert "there is no folder Postausgang" in problem.message
    assert "INBOX" in problem.hint
    assert "Junk" in problem.hint


async def test_what_the_dns_lacks_are_warnings(tmp_path: Path) -> None:
    async with servers() as (smtp, imap):
        bare = await tried(tmp_path, smtp.port, imap.port, zone={"flatheadrv.example": []})
        nowhere = await tried(tmp_path, smtp.port, imap.port, zone={})
    problems = [one.problem for one in bare if one.problem is not None]
    assert [problem.code for problem in problems] == ["spf-missing", "dmarc-missing"]
    assert {problem.severity for problem in problems} == {"warning"}
    (problem,) = [one.problem for one in nowhere if one.problem is not None]
    assert (problem.code, problem.severity) == ("dns", "warning")
    assert "no domain flatheadrv.example" in problem.message
