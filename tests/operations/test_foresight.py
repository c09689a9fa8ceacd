"""Exact messages and time lines, before anything leaves."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sequencer.core.model import Sequence as Plan
from sequencer.core.model import Span, Unit
from sequencer.operations import foresight
from sequencer.operations.answers import parse_reply
from sequencer.operations.enrollments import Terms
from sequencer.operations.foresight import Foreseen, Subject, parse_start
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.workspace.rehearsals import Answer
from sequencer.workspace.workspace import Workspace, load
from tests.operations.shop import MONDAY, add, entered, mailed, write_shop

ANNA = "anna@example.com"
KEY = b"k" * 32


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    loaded = load(write_shop(tmp_path / "shop"), {}, secrets_required=False)
    assert loaded.workspace is not None
    return loaded.workspace


def anybody(shop: Workspace, name: str = "quote") -> tuple[Plan, Subject]:
    plan = shop.sequences[name]
    subject = foresight.made_up(shop, plan, MONDAY.date())
    assert isinstance(subject, Subject)
    return plan, subject


async def somebody(live: Live, email: str = ANNA) -> Subject:
    async with live.database.read() as conn:
        found = await foresight.real(conn, live, live.workspace.sequences["quote"], email)
    assert isinstance(found, Subject), found
    return found


def test_every_mail_of_a_plan_in_order_with_its_headers(shop: Workspace) -> None:
    plan, subject = anybody(shop)
    found = foresight.letters(shop, plan, subject, MONDAY, KEY)
    assert [(letter.line, letter.step) for letter in found] == [
        ("steps", "thanks"),
        ("steps", "last"),
        ("price", "price-answer"),
        ("back_off", "back_off"),
    ]
    assert all(letter.data and letter.chosen for letter in found)
    first, second = (email.message_from_bytes(letter.data, policy=email.policy.default) for letter in found[:2])
    assert first["Subject"] == "Your quote"
    assert second["Subject"] == "Re: Your quote"
    assert second["In-Reply-To"] == first["Message-ID"]
    assert first["List-Unsubscribe"]
    body = first.get_body(("plain",))
    assert body is not None
    assert "Anna, thank you." in body.get_content()
    assert "12 Main St" in body.get_content()


def test_one_step_alone_still_continues_the_thread(shop: Workspace) -> None:
    plan, subject = anybody(shop)
    (letter,) = foresight.letters(shop, plan, subject, MONDAY, KEY, step="last")
    assert b"Subject: Re: Your quote" in letter.data


def test_all_variants_are_shown_and_the_chosen_one_is_marked(shop: Workspace) -> None:
    folder = shop.folder
    path = folder / "sequences" / "quote.yaml"
    path.write_text(path.read_text().replace("email: thanks\n", "email: [thanks, last]\n", 1))
    workspace = load(folder, {}, secrets_required=False).workspace
    assert workspace is not None
    plan, subject = anybody(workspace)
    found = foresight.letters(workspace, plan, subject, MONDAY, KEY, step="thanks")
    assert [letter.template for letter in found] == ["thanks", "last"]
    assert sum(letter.chosen for letter in found) == 1


async def test_for_a_real_contact_what_is_missing_is_named(live: Live) -> None:
    await add(live, ANNA, first_name="")
    subject = await somebody(live)
    plan = live.workspace.sequences["quote"]
    letter = foresight.letters(live.workspace, plan, subject, MONDAY, live.key)[0]
    assert letter.data == b""
    assert letter.trouble == "the template thanks needs first_name"


async def test_for_somebody_enrolled_the_thread_and_mailbox_are_theirs(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA, terms=Terms(mailbox="susan", fields={"product": "a van"}))
    await mailed(live, anna, "thanks", "call")
    subject = await somebody(live)
    assert (subject.mailbox.name, subject.fields) == ("susan", {"product": "a van"})
    plan = live.workspace.sequences["quote"]
    (letter,) = foresight.letters(live.workspace, plan, subject, MONDAY, live.key, step="last")
    message = email.message_from_bytes(letter.data, policy=email.policy.default)
    assert message["From"] == "Susan Reyes <susan@flatheadrv.example>"
    assert message["In-Reply-To"] == f"<{anna.id}.thanks@flatheadrv.example>"


async def test_an_unknown_contact_is_refused(live: Live) -> None:
    async with live.database.read() as conn:
        found = await foresight.real(conn, live, live.workspace.sequences["quote"], ANNA)
    assert isinstance(found, Refusal)
    assert "import them first" in found.reason


def test_a_made_up_contact_has_what_the_plan_asks_for(shop: Workspace) -> None:
    contact = foresight.sample_contact(shop, shop.sequences["birthday"], date(2026, 11, 30))
    assert contact.fields["birthday"] == date(2026, 12, 30)
    assert (contact.timezone, contact.holidays) == ("America/Denver", "US")


# The time line ------------------------------------------------------------------------------------


def actions(seen: list[Foreseen]) -> list[tuple[str, str, str]]:
    return [(line.step, line.action, line.subject) for line in seen]


def test_the_time_line_of_somebody_who_stays_silent(shop: Workspace) -> None:
    plan, subject = anybody(shop)
    seen = foresight.time_line(shop, plan, subject, MONDAY)
    assert actions(seen) == [
        ("thanks", "email", "Your quote"),
        ("call", "task", ""),
        ("last", "email", "Re: Your quote"),
        ("back_off", "back_off", "Re: Your quote"),
        ("", "move_to", ""),
    ]
    assert seen[0].at == datetime(2026, 12, 1, 16, 30, tzinfo=UTC)
    assert set(foresight.time_line_json(seen)[0]) >= {"at", "step", "action", "subject", "reason"}


def test_the_time_line_of_somebody_who_answers(shop: Workspace) -> None:
    plan, subject = anybody(shop)
    reply = parse_reply("thanks+2d not_interested", plan)
    assert isinstance(reply, Answer)
    seen = foresight.time_line(shop, plan, subject, MONDAY, [reply])
    assert actions(seen) == [("thanks", "email", "Your quote"), ("call", "move_to", "")]
    assert seen[-1].detail == "keep"
    assert "not interested" in seen[-1].reason


async def test_a_mail_that_could_not_be_written_says_so(live: Live) -> None:
    await add(live, ANNA, first_name="")
    subject = await somebody(live)
    seen = foresight.time_line(live.workspace, live.workspace.sequences["quote"], subject, MONDAY)
    assert [(line.step, line.action) for line in seen] == [("thanks", "held")]
    assert seen[0].reason == "the template thanks needs first_name"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks+2d interested", Answer("thanks", Span(2, Unit.DAYS), kind="interested")),
        ("thanks + 3 hours REPLY", Answer("thanks", Span(3, Unit.HOURS), kind="reply")),
        ("back_off+1 business day reply", Answer("back_off", Span(1, Unit.BUSINESS_DAYS), kind="reply")),
        (
            "call+1w not_now 2027-01-15",
            Answer("call", Span(1, Unit.WEEKS), "", "not_now", date(2027, 1, 15), "2027-01-15"),
        ),
    ],
)
def test_scripted_replies(shop: Workspace, text: str, expected: Answer) -> None:
    assert parse_reply(text, shop.sequences["quote"]) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interested", "write it as in"),
        ("thank+2d interested", "did you mean `thanks`?"),
        ("thanks+2 fortnights interested", "fortnights"),
        ("thanks+2d intersted", "did you mean `interested`?"),
        ("thanks+2d intersted 'in it'", "did you mean `interested`?"),
        ("thanks+2d", "write it as in"),
        ("thanks+2d ''", "the words of the reply are empty"),
    ],
)
def test_what_is_no_reply(shop: Workspace, text: str, words: str) -> None:
    refused = parse_reply(text, shop.sequences["quote"])
    assert isinstance(refused, Refusal)
    assert words in refused.reason


def test_starts(shop: Workspace) -> None:
    _, subject = anybody(shop)
    assert parse_start("2026-12-01", subject.contact) == datetime(2026, 12, 1, 16, 0, tzinfo=UTC)
    assert parse_start("2026-12-01T14:30", subject.contact) == datetime(2026, 12, 1, 21, 30, tzinfo=UTC)
    assert parse_start("2026-12-01T14:30+01:00", subject.contact) == datetime(2026, 12, 1, 13, 30, tzinfo=UTC)
    for text in ("soon", "0001-01-01", "9999-12-31"):
        assert isinstance(parse_start(text, subject.contact), Refusal)
