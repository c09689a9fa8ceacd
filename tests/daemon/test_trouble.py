"""When something is wrong: unreachable servers, wrong passwords, broken edits, a second daemon, a sudden stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.daemon import supervisor
from sequencer.operations.adopt import Unusable
from sequencer.operations.happenings import Happening
from sequencer.store import contacts, enrollments, mailboxes
from sequencer.store.mailboxes import MailboxState
from tests.clock import Ear
from tests.daemon.house import ENVIRON, QUOTE, House, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import Drop, Say, SmtpPeer, Stall

CARLA, BOB = "carla@customer.example", "bob@other.example"
THREE_DAYS = timedelta(days=3)


@asynccontextmanager
async def a_house(folder: Path, *emails: str, password: str = "pw") -> AsyncIterator[tuple[House, PymapServer]]:
    async with PymapServer({"mark": "pw", "susan": "pw"}) as imap, SmtpPeer(logins={"mark": password}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark")
        house = House(folder, smtp)
        if emails:
            await house.enroll(*emails)
        yield house, imap


async def mailbox_row(house: House, name: str = "mark") -> mailboxes.MailboxRow:
    async with house.live() as live, live.database.read() as conn:
        row = await mailboxes.get(conn, name)
        assert row is not None
        return row


async def test_a_mailbox_whose_inbox_cannot_be_read_sends_nothing_and_says_why(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _):
        good = (tmp_path / "config.yaml").read_text()
        (tmp_path / "config.yaml").write_text(
            good.replace(
                'username: mark, password: "${MARK_PASSWORD}"}\n    limits',
                'username: nobody, password: "${MARK_PASSWORD}"}\n    limits',
            )
        )
        async with house.running():
            held = await house.ear.happens("held")
            assert "inbox cannot be read" in held.detail
            row = await mailbox_row(house)
            assert row.state is MailboxState.HELD
            assert house.smtp.accepted == []
            (tmp_path / "config.yaml").write_text(good)  # mended while it runs
            await house.ear.happens("sent")
        assert (await mailbox_row(house)).state is MailboxState.OK


async def test_a_refused_login_holds_one_mailbox_while_the_other_goes_on(tmp_path: Path) -> None:
    async with a_house(tmp_path, password="another") as (house, _), SmtpPeer(logins={"susan": "pw"}) as susans:
        text = (tmp_path / "config.yaml").read_text()
        mark = text[text.index("  mark:") : text.index("spread:")]
        susan = mark.replace("mark", "susan").replace("MARK_", "MARK_").replace(str(house.smtp.port), str(susans.port))
        susan = susan.replace("SUSAN_PASSWORD", "MARK_PASSWORD").replace("Mark Holloway", "Susan Reyes")
        (tmp_path / "config.yaml").write_text(text.replace("spread:", susan + "spread:"))
        (tmp_path / "sequences" / "hers.yaml").write_text(QUOTE.replace("from: mark", "from: susan"))
        await house.enroll(CARLA)
        await house.enroll(BOB, sequence="hers")
        async with house.running():
            sent = await house.ear.happens("sent")
            await house.ear.happens("held")
        assert sent.mailbox == "susan"
        row = await mailbox_row(house)
        assert row.state is MailboxState.HELD
        assert "535" in row.reason
        assert "pw" not in row.reason
        assert (await mailbox_row(house, "susan")).state is MailboxState.OK


async def test_an_unreachable_server_is_tried_again_and_nothing_is_lost(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _):
        house.smtp.always("greeting", Say("421 4.3.2 going down", then_drop=True))
        async with house.running():
            await house.ear.happens("held")
            house.smtp.always("greeting", None)
            house.clock.advance(timedelta(hours=1))
            await house.ear.happens("sent")
        assert len(house.sent_to(CARLA)) == 1


async def test_a_saved_change_is_applied_while_running(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _), house.running():
        await house.ear.happens("sent")
        file = tmp_path / "sequences" / "quote.yaml"
        file.write_text(QUOTE.replace("3 days later", "1 day later"))
        await house.ear.notes_that("changed: quote")
        house.clock.advance(timedelta(days=1))
        await house.ear.happens("sent", 2)


async def test_a_broken_change_is_refused_with_its_place_and_the_last_good_version_stays(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _), house.running():
        await house.ear.happens("sent")
        (tmp_path / "sequences" / "quote.yaml").write_text(QUOTE.replace("email: article", "email: artikle", 1))
        await house.ear.notes_that("not applied")
        await house.ear.notes_that("sequences/quote.yaml:7:12")
        house.clock.advance(THREE_DAYS)
        await house.ear.happens("sent", 2)
        (tmp_path / "sequences" / "quote.yaml").write_text(QUOTE)
        await house.ear.notes_that("the files are right again")


async def test_a_sequence_whose_file_is_gone_is_named(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _), house.running():
        await house.ear.happens("sent")
        (tmp_path / "sequences" / "quote.yaml").unlink()
        await house.ear.notes_that("sequences/quote.yaml is gone")


async def test_a_stop_in_the_middle_and_a_start_send_nothing_twice(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA, BOB) as (house, _):
        for _ in range(3):
            async with house.running():
                await house.ear.notes_that("running")
                await house.ear.happens("sent", 2)
        house.clock.advance(THREE_DAYS)
        async with house.running():
            await house.ear.happens("sent", 4)
        assert [len(house.sent_to(email)) for email in (CARLA, BOB)] == [2, 2]


async def test_a_stop_while_the_server_thinks_finishes_the_message_in_hand(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _):
        gate = asyncio.Event()

        async def slowly() -> None:
            await gate.wait()

        loop = asyncio.get_running_loop()
        house.smtp.forward = lambda mail: asyncio.run_coroutine_threadsafe(slowly(), loop).result()
        stop = asyncio.Event()
        daemon = asyncio.create_task(supervisor.run(tmp_path, ENVIRON, house.clock, house.ear, stop))
        await _in_flight(house)
        stop.set()
        gate.set()
        assert await daemon is None
        assert house.ear.words == ["sent"]
        assert len(house.sent_to(CARLA)) == 1


async def _in_flight(house: House) -> None:
    from sequencer.daemon.clock import pulse

    async with asyncio.timeout(30), house.live() as live:
        while True:
            async with live.database.read() as conn:
                contact = await contacts.by_email(conn, CARLA)
                assert contact is not None
                (standing,) = await enrollments.by_contact(conn, contact.id)
            if standing.enrollment.in_flight is not None:
                return
            await pulse(asyncio.Event(), 0.01)


async def test_a_second_daemon_on_one_file_is_refused(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _), house.running():
        await house.ear.happens("sent")
        second = await supervisor.run(tmp_path, ENVIRON, house.clock, Ear(), asyncio.Event())
        assert isinstance(second, Unusable)
        assert "another sequencer" in second.reason


async def test_a_broken_workspace_does_not_start_and_names_every_mistake(tmp_path: Path) -> None:
    async with a_house(tmp_path) as (house, _):
        (tmp_path / "sequences" / "quote.yaml").write_text("from: mark\nsteps:\n  - step: a\n    emial: thanks\n")
        result = await house.once()
        assert isinstance(result, Unusable)
        assert [(p.file, p.line) for p in result.problems if p.severity == "error"]


async def test_once_does_all_that_is_due_and_ends(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA, BOB) as (house, _):
        assert await house.once() is None
        assert house.ear.words.count("sent") == 2
        assert await house.once() is None
        assert house.ear.words.count("sent") == 2
        house.clock.advance(THREE_DAYS)
        assert await house.once() is None
        assert house.ear.words.count("sent") == 4


async def test_what_was_due_at_night_or_over_the_weekend_leaves_in_the_hours(tmp_path: Path) -> None:
    async with a_house(tmp_path, CARLA) as (house, _):
        house.clock.advance(timedelta(hours=12))  # Monday, nine in the evening in Denver
        assert await house.once() is None
        assert house.smtp.accepted == []
        house.clock.advance(timedelta(hours=11, minutes=30))
        assert await house.once() is None
        assert len(house.smtp.accepted) == 1


@pytest.mark.parametrize("action", [Drop(accepting=True), Drop(accepting=False)])
async def test_doubt_is_shown_and_never_resent(tmp_path: Path, action: Drop | Stall) -> None:
    async with a_house(tmp_path, CARLA) as (house, _):
        house.smtp.once("end", action)
        async with house.running():
            await house.ear.happens("in_doubt")
            house.clock.advance(timedelta(hours=5))
        assert len(house.smtp.accepted) == (1 if action.accepting else 0)
        told = [t for t in house.ear.heard if isinstance(t, Happening)]
        assert [t.what for t in told] == ["in_doubt"]
