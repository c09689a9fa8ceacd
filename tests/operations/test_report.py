"""The report against a slow, plain count of the log, for random lives; then each leak, each word by itself."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sequencer.operations.report import Report, Section, report
from sequencer.store import report as rows
from sequencer.store.database import Database
from sequencer.store.report import Scope
from tests.operations.histories import Counted, count, invent
from tests.operations.shop import open_shop

PEOPLE = 40


@pytest.mark.parametrize("seed", range(4))
async def test_the_report_agrees_with_a_plain_count_of_the_log(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(rows, "CHUNK", 7)  # so that the pieces are put together
    live = await open_shop(database, tmp_path / "shop")
    now = await invent(live, seed, PEOPLE)
    found, told = await report(live, Scope(), now), await count(live)
    assert [one.name for one in found.sections] == sorted(told)
    for section in found.sections:
        _agrees(section, told[section.name], now)
    assert found.whole is not None
    assert found.whole.people == sum(one.entered for one in told.values())
    assert found.whole.replies == sum(one.arrivals.total() for one in told.values())
    _nobody_is_forgotten(found)


def _agrees(section: Section, told: Counted, now: datetime) -> None:
    stages = {one.kind: one.share.hits for one in section.stages if one.kind != "step"}
    assert stages == {
        "entered": told.entered,
        "touched": told.touched,
        "replied": told.replied,
        "interested": told.interested,
        "won": told.won,
        "silent": told.silent,
    }
    touched = [one for one in section.steps if one.replies.of]
    assert {one.step: one.replies.of for one in touched} == dict(told.step_touches)
    assert {one.step: one.people for one in touched} == dict(told.step_people)
    assert {one.step: one.replies.hits for one in touched} == dict(told.step_replies)
    assert {(v.step, v.template): v.replies.of for v in section.variants} == dict(told.template_touches)
    assert {(v.step, v.template): v.replies.hits for v in section.variants} == dict(told.template_replies)
    for slots, sent, earned in (
        (section.weekdays, told.weekday, told.weekday_replies),
        (section.hours, told.hour, told.hour_replies),
    ):
        assert {one.slot: one.replies.of for one in slots if one.replies.of} == dict(sent)
        assert {one.slot: one.replies.hits for one in slots if one.replies.of} == dict(earned)
    arrivals = {(n // 24, n % 24): times for n, times in enumerate(section.arrivals) if times}
    assert arrivals == dict(told.arrivals)
    assert (section.curve.answered, section.curve.people) == (len(told.to_answer), len(told.to_answer) + told.waited)
    if section.answers is not None:
        assert section.answers.median == pytest.approx(statistics.median(told.to_answer), abs=1e-9)
    assert section.fresh == sum(at >= now - timedelta(days=3) for at in told.planned)
    assert section.cycle is not None
    assert section.cycle.won == len(told.to_decision)
    closed = {one.reason: one.people for one in section.noes if one.source == "closed"}
    assert closed == dict(told.lost)
    wrote = {one.reason: one.people for one in section.noes if one.source == "reply"}
    noes = ("not_interested", "unsubscribe", "wrong_person", "not_now", "complaint")
    assert wrote == {kind: told.said[kind] for kind in noes if told.said[kind]}
    assert {(one.step, one.reason): one.times for one in section.passed_over} == dict(told.passed_over)


def _nobody_is_forgotten(found: Report) -> None:
    """Everybody who is open has a next touch or stands in the list; nobody stands there twice."""
    for section in found.sections:
        listed = Counter(one.enrollment for one in section.left_behind)
        assert set(listed.values()) <= {1}
        assert sum(leak.people for leak in section.leaks) == len(section.left_behind)
