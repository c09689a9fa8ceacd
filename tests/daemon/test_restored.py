"""After a restore, the mailboxes tell what has happened since the copy was made, in the order in which it did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.core.model import Position, Status
from sequencer.operations.backup import BackedUp, Restored, back_up, restore
from sequencer.operations.inbox import Watched
from sequencer.operations.record import change
from sequencer.operations.restored import TAKEN_TWICE, look_back
from sequencer.store import contacts, enrollments, mailboxes
from sequencer.workspace.workspace import Workspace, load
from tests.clock import PATIENCE
from tests.daemon.house import ENVIRON, House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

ANNA = "anna@example.com"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

PLAN = """\
from: mark
steps:
  - {step: thanks, email: thanks, when: immediately}
  - {step: article, email: article, when: 3 days later}
labels:
  price: [price]
branches:
  cheaper:
    - {step: price-answer, email: article, when: immediately}
    - {step: price-again, email: article, when: 2 days later}
on_reply:
  price: {go_to: cheaper}
"""


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[tuple[House, PymapServer]]:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(folder, smtp=smtp.port, imap=imap.port, user="mark", database=f"sqlite:///{folder}/s.db", plan=PLAN)
        yield House(folder, smtp), imap


def workspace(house: House) -> Workspace:
    loaded = load(house.folder, ENVIRON)
    assert loaded.workspace is not None
    return loaded.workspace


async def copies_are_filed(house: House) -> None:
    """Time goes by until every copy stands in Sent and was read there."""
    async with asyncio.timeout(PATIENCE):
        for _ in range(6):
            house.clock.advance(timedelta(minutes=2))
            await house.reads_again(None)


async def anna(house: House) -> tuple[Status, str, str]:
    async with house.live() as live, live.database.read() as conn:
        contact = await contacts.by_email(conn, ANNA)
        assert contact is not None
        (standing,) = await enrollments.by_contact(conn, contact.id)
    enrollment = standing.enrollment
    return enrollment.status, enrollment.position.line, enrollment.position.step


@pytest.mark.parametrize("clocks", ["alike", "the provider's is behind"])
async def test_a_branch_is_taken_once_more_in_the_log_and_never_in_the_mailbox(tmp_path: Path, clocks: str) -> None:
    async with a_house(tmp_path) as (house, imap):
        await house.enroll(ANNA, sequence="plan")
        async with house.running():
            await house.ear.happens("sent")
            await copies_are_filed(house)
            made = await asyncio.to_thread(
                back_up, workspace(house), tmp_path / "copy", house.clock.now(), lambda done, total: None
            )
            assert isinstance(made, BackedUp), made
            at = house.clock.now()
            reply = answer_to(house.smtp.accepted[-1].data, ANNA, "What is the price?", at)
            await imap.append("mark", "INBOX", reply, at if clocks == "alike" else at + HOUR)
            await house.ear.happens("branched")
            await house.ear.happens("sent", 2)
            await copies_are_filed(house)
        stood = await anna(house)
        assert stood == (Status.ACTIVE, "cheaper", "price-again")
        done = await asyncio.to_thread(restore, workspace(house), tmp_path / "copy", house.clock.now(), force=True)
        assert isinstance(done, Restored), done
        assert await anna(house) == (Status.ACTIVE, "steps", "article")
        house.ear = type(house.ear)()
        async with house.running():
            await house.ear.notes_that("the database was restored: 1 message")
            house.clock.advance(HOUR)
            await house.reads_again(None)
            assert await anna(house) == stood
            assert len(house.smtp.accepted) == 2
            assert house.ear.words.index("branched") < house.ear.words.index("recovered")
            house.clock.advance(2 * DAY)
            await house.ear.happens("sent")
        assert len(house.smtp.accepted) == 3


@pytest.mark.parametrize("copied", [-DAY, DAY], ids=["yesterday", "by a clock that was ahead of ours"])
async def test_whatever_leads_back_to_what_had_left_pauses(tmp_path: Path, copied: timedelta) -> None:
    """The second line of defence: a step that was found in Sent, and stands before somebody all the same."""
    async with a_house(tmp_path) as (house, _):
        await house.enroll(ANNA, sequence="plan")
        async with house.running():
            await house.ear.happens("sent")
            await copies_are_filed(house)
        async with house.live() as live:
            async with live.database.begin() as conn:
                await mailboxes.mark_copied(conn, house.clock.now() + copied)
                contact = await contacts.by_email(conn, ANNA)
                assert contact is not None
                (standing,) = await enrollments.by_contact(conn, contact.id)
                await conn.exec_driver_sql("UPDATE attempts SET lease_number = 0")
            en, now = standing.enrollment, house.clock.now()
            back = e.Branched(at=now, to=Position("steps", "thanks"), returns=(), reason="x", again=("thanks",))
            await change(live, en.id, now, lambda _: (back,))
            found = await look_back(live, "mark", Watched(("INBOX",), "Sent"), now)
            assert found is not None
            assert found.recovered == 1
            async with live.database.read() as conn:
                paused = await enrollments.get(conn, en.id)
        assert paused is not None
        assert (paused.status, paused.reason) == (Status.PAUSED, TAKEN_TWICE.format(step="thanks"))
