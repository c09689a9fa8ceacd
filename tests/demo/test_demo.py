"""The whole demo: the real daemon on real servers, seven weeks, everybody where they belong."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from sequencer.core.model import Status
from sequencer.demo import cast
from sequencer.demo.demo import START, ZONE, Outcome, play, standings, surprises, unwanted
from sequencer.demo.letters import text_of
from sequencer.demo.post_office import Arrival, header_of
from sequencer.demo.prospects import Ending, Prospect


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, str]:
    printed = io.StringIO()

    async def in_time() -> Outcome:
        async with asyncio.timeout(120):
            return await play(Console(file=printed, width=200), tmp_path_factory.mktemp("demo"))

    return asyncio.run(in_time()), printed.getvalue()


@pytest.fixture(scope="module")
def outcome(played: tuple[Outcome, str]) -> Outcome:
    return played[0]


@pytest.fixture(scope="module")
def told(played: tuple[Outcome, str]) -> str:
    return played[1]


def _mails_to(outcome: Outcome, prospect: Prospect) -> list[Arrival]:
    return [arrival for arrival in outcome.arrivals if arrival.recipient == prospect.email]


def test_everybody_is_where_they_belong(outcome: Outcome) -> None:
    assert outcome.failures == ()
    assert set(outcome.explanations) == {one.email for one in cast.CAST}


def test_time_jumped_and_was_never_pushed(outcome: Outcome) -> None:
    assert outcome.jumps > 100
    assert outcome.impatient <= 3, "somebody seemed to be busy although nothing moved"


def test_nobody_got_a_step_twice(outcome: Outcome) -> None:
    ids = Counter(header_of(arrival.message, "Message-ID") for arrival in outcome.arrivals)
    assert max(ids.values()) == 1
    texts = Counter((arrival.recipient, text_of(arrival)) for arrival in outcome.arrivals)
    assert max(texts.values()) == 1


def test_mail_leaves_only_in_the_hours_of_the_contact(outcome: Outcome) -> None:
    zones = {one.email: one.zone for one in cast.CAST}
    for arrival in outcome.arrivals:
        local = arrival.at.astimezone(ZoneInfo(zones[arrival.recipient]))
        assert local.weekday() < 5, (arrival.recipient, local)
        assert (8, 30) <= (local.hour, local.minute) <= (17, 0), (arrival.recipient, local)


def test_the_silent_one_got_every_mail_of_the_plan_in_its_time(outcome: Outcome) -> None:
    mails = _mails_to(outcome, cast.NEVER_ANSWERS)
    days = [(mail.at.astimezone(ZONE).date() - START.astimezone(ZONE).date()).days + 1 for mail in mails]
    assert days == [2, 8, 16, 30, 46]
    subjects = [header_of(mail.message, "Subject") for mail in mails]
    assert subjects[1] == f"Re: {subjects[0]}"
    assert subjects[3] == "Are you still looking?"
    assert header_of(mails[3].message, "In-Reply-To") == ""
    assert "Should I back off?" in text_of(mails[4])
    assert header_of(mails[4].message, "In-Reply-To") == header_of(mails[3].message, "Message-ID")


def test_in_two_weeks_means_in_two_weeks(outcome: Outcome) -> None:
    first, second = _mails_to(outcome, cast.PROCRASTINATOR)
    assert timedelta(days=13) < second.at - first.at < timedelta(days=15)
    assert header_of(second.message, "Subject") == "Are you still looking?"


def test_out_of_office_is_waited_for(outcome: Outcome) -> None:
    mails = _mails_to(outcome, cast.ON_HOLIDAY)
    back = datetime(2027, 3, 15, tzinfo=ZONE)
    assert len(mails) == 2
    assert mails[1].at > back + timedelta(days=1)


def test_the_price_gets_an_answer_of_its_own(outcome: Outcome) -> None:
    last = _mails_to(outcome, cast.FINDS_IT_EXPENSIVE)[-1]
    assert "What would the number have to be" in text_of(last)


def test_who_asked_to_be_left_alone_or_does_not_exist_is_suppressed(outcome: Outcome) -> None:
    for prospect in (cast.UNSUBSCRIBES, cast.NO_SUCH_ADDRESS, cast.BOUNCES_LATER):
        explanation = outcome.explanations[prospect.email]
        assert explanation.suppressed, prospect.name
        assert [way.enrollment.status for way in explanation.ways] == [Status.STOPPED]
    assert _mails_to(outcome, cast.NO_SUCH_ADDRESS) == []
    assert len(_mails_to(outcome, cast.UNSUBSCRIBES)) == 1


def test_a_late_answer_to_the_back_off_opens_the_thread_again(outcome: Outcome) -> None:
    ways = outcome.explanations[cast.ANSWERS_THE_BACK_OFF.email].ways
    reopened = [way for way in ways if way.enrollment.sequence == "missing-in-action"]
    assert [way.enrollment.status for way in reopened] == [Status.PAUSED]
    assert "late reply" in reopened[0].enrollment.reason


def test_the_buyer_is_won_and_looked_after(outcome: Outcome) -> None:
    ways = {way.enrollment.sequence: way.enrollment for way in outcome.explanations[cast.BUYER.email].ways}
    assert (ways["quote-follow-up"].status, ways["quote-follow-up"].reason) == (Status.FINISHED, "won")
    assert ways["after-sale"].status is Status.ACTIVE


def test_the_missing_field_was_named_and_the_mail_left_once_it_was_there(outcome: Outcome, told: str) -> None:
    assert re.search(r"Jo Park +is due and held: .*product", told)
    (mail,) = _mails_to(outcome, cast.FIELD_MISSING)
    assert "a teardrop trailer" in text_of(mail)


def test_the_story_is_plain_text_with_everybody_in_it_and_a_table(told: str) -> None:
    assert "\x1b" not in told
    table = told.partition("Who is where on April 16, and why")[2]
    assert table
    for prospect in cast.CAST:
        assert told.count(prospect.name) >= 2, prospect.name
        assert prospect.name in table
    assert "· Tom Okafor      is left alone until 2027-03-16: they wrote “in two weeks”" in told


def test_what_goes_wrong_would_be_told(outcome: Outcome) -> None:
    liar = replace(cast.BUYER, ending=Ending("quote-follow-up", "stopped", "unsubscribed"))
    (told_wrong,) = surprises([liar], outcome.explanations)
    assert told_wrong.startswith("Anna Berg should be stopped in quote-follow-up, and is: ")
    once = outcome.arrivals[0]
    assert unwanted([once, once], outcome.explanations)[0].startswith(f"{once.recipient} got a mail twice")
    (only,) = _mails_to(outcome, cast.UNSUBSCRIBES)
    again = replace(only, at=only.at + timedelta(days=3))
    assert unwanted([again], outcome.explanations) == [
        f"{only.recipient} got a mail after the end: Are you still looking?"
    ]
    assert {standing.who for standing in standings(outcome.explanations)} - {""} == {one.name for one in cast.CAST}


def test_the_command_ends_by_itself_with_status_0_within_a_minute(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from sequencer.cli.main import main; sys.exit(main())", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Who is where" in done.stdout
    assert list(tmp_path.iterdir()) == []
