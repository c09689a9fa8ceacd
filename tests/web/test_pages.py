"""The pages about the daemon's health, asked over HTTP while the real daemon runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from sequencer.daemon import supervisor
from sequencer.daemon.clock import pulse
from sequencer.operations.adopt import Unusable
from sequencer.store.database import Database
from sequencer.web import watch
from sequencer.web.listener import listening
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, MARK, House, furnish
from tests.daemon.test_daemon import CARLA, a_house
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer
from tests.web.watched import free_port, listen_on, watched


async def _until_ready(house: House, client: httpx.AsyncClient) -> None:
    """Until the inbox was read; the first answer would say that it was not yet."""
    await house.reads_again(None)
    async with asyncio.timeout(PATIENCE):
        while (await client.get("/readyz")).status_code != 200:
            await pulse(asyncio.Event(), watch.GOOD_FOR)


def _reasons(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 503
    body: dict[str, Any] = answer.json()
    for secret in (MARK, "@", ENVIRON["MARK_PASSWORD"] + '"'):
        assert secret not in answer.text
    return [(reason["code"], reason.get("mailbox", "")) for reason in body["reasons"]]


async def test_a_healthy_daemon_is_alive_and_ready(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), watched(house) as (client, _vitals):
        await _until_ready(house, client)
        alive = await client.get("/healthz")
        assert (alive.status_code, alive.json()) == (200, {"alive": True, "reasons": []})
        ready = await client.get("/readyz")
        assert ready.json() == {"ready": True, "reasons": []}
        head = await client.head("/readyz")
        assert (head.status_code, head.content) == (200, b"")


async def test_every_answer_is_read_only_and_says_nothing_of_the_server(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), watched(house) as (client, _vitals):
        answers = [await client.get(path) for path in ("/healthz", "/readyz", "/metrics", "/", "/../config.yaml")]
        answers += [
            await client.request(method, "/healthz") for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE")
        ]
        assert [answer.status_code for answer in answers[3:]] == [404, 404, 405, 405, 405, 405, 405]
        for answer in answers:
            assert "server" not in answer.headers
            assert "uvicorn" not in answer.text.lower()
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.headers["date"].endswith("GMT")
        assert answers[5].headers["allow"] == "GET, HEAD"


async def test_an_inbox_that_cannot_be_read_is_no_readiness(tmp_path: Path) -> None:
    async with SmtpPeer() as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=free_port(), user="mark")
        house = House(tmp_path, smtp)
        async with watched(house) as (client, vitals):
            await house.ear.notes_that("the inbox cannot be read")
            assert _reasons(await client.get("/readyz")) == [("inbox_unread", "mark")]
            assert (await client.get("/healthz")).status_code == 200
            assert not vitals.stuck()  # trouble with a mailbox is nothing that a restart would mend


async def test_an_inbox_that_was_read_long_ago_is_no_readiness(tmp_path: Path) -> None:
    async with AsyncExitStack() as provider, SmtpPeer(logins={"mark": "pw"}) as smtp:
        imap = await provider.enter_async_context(PymapServer({"mark": "pw"}))
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark")
        house = House(tmp_path, smtp)
        async with watched(house) as (client, _):
            await _until_ready(house, client)
            await provider.aclose()
            house.clock.advance(timedelta(minutes=11))
            await house.ear.notes_that("the inbox cannot be read")
            async with asyncio.timeout(PATIENCE):
                while (answer := await client.get("/readyz")).status_code == 200:
                    await pulse(asyncio.Event(), watch.GOOD_FOR)
            assert _reasons(answer) == [("inbox_stale", "mark")]
            assert "11 minutes ago" in answer.text


async def test_a_worker_that_fails_is_no_readiness_until_one_gets_through(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        async with house.live() as live, live.database.begin() as conn:
            await conn.execute(
                text(
                    "CREATE TRIGGER broken BEFORE UPDATE OF inbox_read_at ON mailboxes "
                    "BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
            )
        async with watched(house) as (client, vitals):
            await house.ear.notes_that("failed and will be tried again")
            assert ("worker_failed", "mark") in _reasons(await client.get("/readyz"))
            metrics = (await client.get("/metrics")).text
            assert 'sequencer_worker_failures_total{mailbox="mark"} 1.0' in metrics
            assert "sequencer_workers_failing 1.0" in metrics
            vitals.workers["mark"].rested = True  # as after a turn; the worker itself comes back after half a minute
            assert vitals.failing() == []


async def test_what_is_stuck_is_neither_alive_nor_ready(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), watched(house) as (client, vitals):
        await _until_ready(house, client)
        await house.ear.notes_that("nothing is planned")
        vitals.workers["mark"].patience = -1.0
        assert _reasons(await client.get("/healthz")) == [("stuck", "")]
        assert _reasons(await client.get("/readyz")) == [("stuck", "")]
        house.clock.advance(timedelta(minutes=2))
        await house.reads_again(None)
        assert (await client.get("/healthz")).status_code == 200


async def test_a_database_that_does_not_answer_hangs_nobody(
    tmp_path: Path, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WITHIN", 0.2)
    monkeypatch.setattr(watch, "GOOD_FOR", 0.0)
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"')
        house = House(tmp_path, smtp)
        async with watched(house) as (client, vitals):
            await _until_ready(house, client)
            async with AsyncExitStack() as busy:
                if database.dialect == "postgresql":
                    conn = await busy.enter_async_context(database.begin())
                    await conn.execute(text("LOCK TABLE mailboxes IN ACCESS EXCLUSIVE MODE"))
                else:
                    for _ in range(4):  # all the connections that read
                        await busy.enter_async_context(vitals.live.database.read())
                answers = await asyncio.gather(*(client.get(path) for path in ("/readyz", "/metrics") * 20))
                for answer in answers:
                    assert _reasons(answer) == [("database", "")]
                    assert "does not answer" in answer.text
                assert (await client.get("/healthz")).status_code == 200
                if database.dialect == "postgresql":
                    waiting = text(
                        "SELECT count(*) FROM pg_stat_activity "
                        "WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT%mailboxes%ANY%'"
                    )
                    assert await conn.scalar(waiting) == 1  # forty questions, one connection
            async with asyncio.timeout(PATIENCE):
                while (await client.get("/readyz")).status_code != 200:
                    await pulse(asyncio.Event(), 0.1)


async def test_a_database_that_fails_is_told_without_its_words(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _), watched(house) as (client, _vitals):
        await house.ear.notes_that("nothing is planned")
        async with house.live() as live, live.database.begin() as conn:
            await conn.execute(text("ALTER TABLE alerts RENAME TO elsewhere"))
        await pulse(asyncio.Event(), watch.GOOD_FOR)
        answer = await client.get("/metrics")
        assert _reasons(answer) == [("database", "")]
        assert "elsewhere" not in answer.text
        assert "alerts" not in answer.text


async def test_a_port_that_is_taken_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        taken = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
        async with taken:
            port = taken.sockets[0].getsockname()[1]
            listen_on(tmp_path, port)
            refused = await supervisor.run(tmp_path, ENVIRON, house.clock, house.ear, beside=listening)
            assert isinstance(refused, Unusable)
            assert refused.reason.startswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")
            assert "config.yaml" in refused.reason
        assert house.ear.words == []


async def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        port = free_port()
        config = tmp_path / "config.yaml"
        config.write_text(f'{config.read_text()}web: {{listen: "[::1]:{port}"}}\n')
        stop = asyncio.Event()
        daemon = asyncio.create_task(supervisor.run(tmp_path, ENVIRON, house.clock, house.ear, stop, beside=listening))
        await house.ear.notes_that("running with")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://[::1]:{port}/healthz")).status_code == 200
        stop.set()
        assert await daemon is None


async def test_an_open_connection_does_not_keep_the_daemon(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        async with watched(house) as (client, _vitals):
            await client.get("/healthz")  # kept alive by the client
            reader, writer = await asyncio.open_connection(*_address(client))
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: half")  # and one that never says the rest
            await writer.drain()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()


def _address(client: httpx.AsyncClient) -> tuple[str, int]:
    assert client.base_url.port is not None
    return client.base_url.host, client.base_url.port


def test_without_web_nothing_of_it_is_loaded() -> None:
    ask = (
        "import sys; import sequencer.cli.main, sequencer.cli.logs, sequencer.daemon.supervisor; "
        "print(sorted({'uvicorn', 'starlette', 'prometheus_client', 'sequencer.web'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_metrics_tell_what_was_sent_and_received(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    from tests.daemon.house import answer_to

    async with a_house(tmp_path) as (house, imap):
        await house.enroll(CARLA)
        async with watched(house) as (client, vitals):
            await house.ear.happens("sent")
            reply = answer_to(house.smtp.accepted[-1].data, CARLA, "Yes, please send me a quote.", house.clock.now())
            await imap.append("mark", "INBOX", reply, house.clock.now())
            await house.ear.happens("paused")
            answer = await client.get("/metrics")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain; version=")
            samples = {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(answer.text)
                for sample in family.samples
            }
            mark = ("mailbox", "mark")
            assert samples["sequencer_messages_total", mark, ("outcome", "accepted")] == 1
            assert samples["sequencer_messages_total", mark, ("outcome", "in_doubt")] == 0
            assert samples["sequencer_received_total", ("kind", "interested"), mark] == 1
            assert samples["sequencer_mailbox_inbox_age_seconds", mark] == 0
            assert samples["sequencer_mailbox_state", mark, ("state", "ok")] == 1
            assert samples["sequencer_leases_owned",] == 1
            assert samples["sequencer_start_time_seconds",] == vitals.started_at.timestamp()
            assert ("process_resident_memory_bytes",) in samples
            assert "@" not in answer.text
            assert "carla" not in answer.text.lower()
        openmetrics = "application/openmetrics-text; version=1.0.0"
        async with watched(House(tmp_path, house.smtp, house.clock)) as (client, _):
            again = await client.get("/metrics", headers={"Accept": openmetrics})
            assert again.headers["content-type"].startswith("application/openmetrics-text")
            assert again.text.endswith("# EOF\n")


async def _metrics_after(client: httpx.AsyncClient, line: str) -> str:
    """The metrics, once they have this line: an answer is given again for a moment."""
    async with asyncio.timeout(PATIENCE):
        while line not in (text := (await client.get("/metrics")).text):
            await pulse(asyncio.Event(), watch.GOOD_FOR)
    return text


async def test_the_metrics_of_a_held_person_name_the_kind_of_hold_only(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        await house.enroll(CARLA)
        (tmp_path / "templates" / "thanks.md").write_text(
            "---\nsubject: Thanks\n---\n{{ first_name }}, about {{ product }}.\n"
        )
        async with watched(house) as (client, _vitals):
            await house.ear.happens("held")
            text = await _metrics_after(client, 'sequencer_mailbox_held{hold="message",mailbox="mark"} 1.0')
            assert "product" not in text
