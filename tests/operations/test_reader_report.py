"""What the reader read, and what people corrected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sequencer.operations.reader_report import reader_report, report_json
from sequencer.operations.relabel import Corrected, relabel
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CLEO, MONDAY
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, mail

YES = "Yes, please send me an offer."
VAGUE = "Thanks, let me ask my boss."


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO) as box:
        yield box


async def correct(box: Letterbox, kind: str) -> None:
    message = (await box.messages(ANNA))[-1]
    found = await relabel(box.desk.live, message.id, kind, box.desk.now, by="hand")
    assert isinstance(found, Corrected), found


async def test_the_report_tells_what_was_read_and_what_was_corrected(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    await box.arrives(box.answer(BEN, VAGUE))
    await box.arrives(box.answer(CLEO, YES))
    await correct(box, "question")
    await box.arrives(mail(f"Mark <{MARK}>", "Hello", to=ANNA), folder="Sent")
    async with box.desk.live.database.read() as conn:
        report = report_json(await reader_report(conn))
    assert report["kinds"] == [
        {"kind": "reply", "read": 2, "corrected": 1, "right": 0.5},
        {"kind": "interested", "read": 1, "corrected": 0, "right": 1.0},
    ]
    (wrong,) = report["corrected"]
    assert (wrong["read_as"], wrong["kind"], wrong["text"]) == ("reply", "question", VAGUE)
    assert wrong["received_at"] == MONDAY.isoformat()


async def test_a_correction_that_is_taken_back_is_none(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, VAGUE))
    await correct(box, "question")
    await correct(box, "reply")
    async with box.desk.live.database.read() as conn:
        report = await reader_report(conn)
    assert report.corrected == ()
    assert [(one.kind, one.corrected) for one in report.kinds] == [("reply", 0)]
