"""The report as JSON, as a table for spreadsheets, and in sentences."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.core.estimates import Share, quartiles, share
from sequencer.core.survival import rise
from sequencer.operations import report_words as words
from sequencer.operations.report import Report, Section, report
from sequencer.operations.report_cycle import Fit, suggested_cycle
from sequencer.operations.report_lives import EPOCH
from sequencer.operations.report_shapes import (
    HEAD,
    harmless_cell,
    left_behind_json,
    people_csv,
    report_csv,
    report_json,
)
from sequencer.store.database import Database
from sequencer.store.report import Scope
from sequencer.workspace.workspace import load
from tests.operations.histories import invent
from tests.operations.shop import open_shop, write_shop


@pytest.fixture
async def found(database: Database, tmp_path: Path) -> Report:
    """A report on random lives."""
    live = await open_shop(database, tmp_path / "shop")
    return await report(live, Scope(), await invent(live, 11, 30))


async def test_json_says_what_the_values_say(found: Report) -> None:
    told = json.loads(json.dumps(report_json(found)))
    assert [one["sequence"] for one in told["sequences"]] == ["keep", "quote", "vanished"]
    assert [one["in_workspace"] for one in told["sequences"]] == [True, True, False]
    for section, one in zip(found.sections, told["sequences"], strict=True):
        assert one["people"] == section.people == one["funnel"][0]["count"]
        assert [step["step"] or "" for step in one["steps"]] == [step.step for step in section.steps]
        assert sum(map(sum, one["arrivals"])) == section.replies
        assert sum(leak["people"] for leak in one["leaks"]) == len(section.left_behind)
        assert len(one["weekdays"]) == 7
        assert len(one["hours"]) == 24
    assert told["all"]["sequence"] is None
    assert told["all"]["people"] == sum(one["people"] for one in told["sequences"])
    assert told["never_enrolled"] == len(found.never_enrolled)


async def test_the_table_says_the_same(found: Report) -> None:
    table = list(csv.DictReader(io.StringIO(report_csv(found))))
    assert tuple(table[0]) == HEAD
    for section in found.sections:
        mine = [row for row in table if row["sequence"] == section.name]
        funnel = {row["detail"]: row["count"] for row in mine if row["table"] == "funnel"}
        assert funnel == {stage.name: str(stage.share.hits) for stage in section.stages}
        steps = {row["key"]: (row["count"], row["of"]) for row in mine if row["table"] == "step"}
        assert steps == {s.step or "(by hand)": (str(s.replies.hits), str(s.replies.of)) for s in section.steps}
        assert sum(int(row["count"]) for row in mine if row["table"] == "arrival") == section.replies
        leaks = [int(row["count"]) for row in mine if row["table"] == "leak"]
        assert sum(leaks) == len(section.left_behind)
    assert {row["sequence"] for row in table} == {"keep", "quote", "vanished", "(all)"}


async def test_the_people_as_a_table(found: Report) -> None:
    assert found.whole is not None
    table = list(csv.DictReader(io.StringIO(people_csv(found.whole.left_behind))))
    told = left_behind_json(found.whole.left_behind)
    assert [(row["email"], row["why"], row["since"]) for row in table] == [
        (one["email"], one["why"], one["since"]) for one in told
    ]


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_a_formula(begins: str) -> None:
    assert harmless_cell(f"{begins}cmd|' /C calc'!A0") == f"'{begins}cmd|' /C calc'!A0"


@pytest.mark.parametrize("value", [-3, 0.5, "price", "", "a=b"])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert harmless_cell(value) == value
    assert harmless_cell(None) == ""


# Words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0.0, "0 minutes"),
        (1 / 1440, "1 minute"),
        (0.03, "43 minutes"),
        (0.25, "6 hours"),
        (1.9, "46 hours"),
        (2.0, "2 days"),
        (1234.4, "1,234 days"),
    ],
)
def test_lengths_for_people(days: float, told: str) -> None:
    assert words.length(days) == told


def test_small_numbers_are_not_made_to_say_much() -> None:
    section = _section(answers=[1.0, 2.0], waited=[5.0], arrivals={10: 2})
    assert words.answer_words(section) == [
        "2 people of 3 answered. In the middle of them it took 36 hours; too little is known to say more."
    ]
    assert words.moment_words(section) == "2 answers have come: too little is known to say when most of them do."
    assert words.cycle_words(section) == ["No decision_cycle is suggested before 10 are won; the file's 32 days stand."]


def test_what_stands_out_is_named() -> None:
    crowded = _section(answers=[1.0] * 40, waited=[9.0] * 60, arrivals={24 + 10: 60, 24 + 11: 30, 50: 5, 120: 5})
    assert words.moment_words(crowded) == (
        "Most of the 100 answers come on Tuesdays (90%) and between 10:00 and 12:00 (90%)."
    )
    even = _section(answers=[1.0], waited=[], arrivals=dict.fromkeys(range(168), 1))
    assert words.moment_words(even) == "Of the 168 answers, no weekday has clearly more than the others, and no hour."


def test_nobody_yet() -> None:
    nobody = _section(answers=[], waited=[], arrivals={})
    assert words.answer_words(nobody) == ["Nobody has been written to yet."]
    assert words.answer_words(_section(answers=[], waited=[1.0], arrivals={})) == ["Nobody has answered yet."]
    assert words.moment_words(nobody) == "No answer has come yet."


@pytest.mark.parametrize(
    ("days", "in_file", "fit", "suggested"),
    [
        ([10.0] * 9, "", Fit.TOO_FEW, None),
        ([10.0] * 10, "", Fit.MISSING, 10),
        ([30.0 + n for n in range(10)], "32 days", Fit.FITS, 34),
        ([30.0] * 50, "32 days", Fit.FITS, 30),  # off by less than a tenth
        ([50.0] * 50, "32 days", Fit.DIFFERS, 50),
        ([0.1] * 20, "32 days", Fit.DIFFERS, 1),
    ],
)
def test_the_suggested_cycle(tmp_path: Path, days: list[float], in_file: str, fit: Fit, suggested: int | None) -> None:
    workspace = load(write_shop(tmp_path), {}, secrets_required=False).workspace
    assert workspace is not None
    plan = workspace.sequences["quote" if in_file else "keep"]
    cycle = suggested_cycle(days, plan)
    assert (cycle.fit, cycle.suggested, cycle.in_file) == (fit, suggested, in_file)


def _section(answers: list[float], waited: list[float], arrivals: dict[int, int]) -> Section:
    """A section of which only the times are told."""
    empty = Section(
        name="quote",
        in_workspace=True,
        people=0,
        contacts=0,
        first=EPOCH,
        last=EPOCH + timedelta(days=1),
        stages=(),
        steps=(),
        variants=(),
        weekdays=(),
        hours=(),
        arrivals=tuple(arrivals.get(cell, 0) for cell in range(168)),
        fresh=0,
        answers=quartiles(answers),
        curve=rise(answers, waited),
        won=None,
        cycle=None,
        noes=(),
        passed_over=(),
        left_behind=(),
        leaks=(),
        going_on=0,
    )
    return replace(empty, cycle=replace(suggested_cycle([], None), in_file="32 days"))


def test_an_interval_in_words() -> None:
    assert words.interval(share(3, 100)) == "1.0% to 8.5%"
    assert words.interval(Share(0, 0, 0.0, 1.0)) == "0.0% to 100%"


def test_the_fewest_are_pale_and_the_most_are_dark() -> None:
    assert [words.shade(count, 9) for count in (0, 1, 3, 5, 9)] == [0, 1, 2, 3, 5]
    assert words.shade(1, 1) == 5
