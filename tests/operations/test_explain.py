"""why, status, threads, thread: the shapes of the design, and that they tell the truth."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sequencer.core import events as e
from sequencer.core.model import Away, Enrollment, Position, Span, Thread, Unit
from sequencer.operations import explain, health, steering, threads
from sequencer.operations.enrollments import Terms
from sequencer.operations.explain import Explanation, why, why_json
from sequencer.operations.history import told as sentence_of
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.steering import Who
from sequencer.operations.suppression import suppress
from sequencer.store import agenda, attempts, mailboxes, messages, set_aside
from sequencer.store.agenda import Sleep
from sequencer.store.attempts import AttemptState, NewAttempt
from sequencer.store.mailboxes import MailboxState
from sequencer.store.messages import Direction, Message, NewMessage
from tests.operations.shop import MONDAY, add, answered, entered, happen, mailed

ANNA = "anna@example.com"
TUESDAY_0930 = datetime(2026, 12, 1, 16, 30, tzinfo=UTC)


async def explained(live: Live, now: datetime = MONDAY, email: str = ANNA) -> dict[str, Any]:
    async with live.database.read() as conn:
        found = await why(conn, live, email, now)
    assert isinstance(found, Explanation), found
    told: dict[str, Any] = json.loads(json.dumps(why_json(found)))
    return told


async def read_inbox(live: Live, mailbox: str, at: datetime) -> None:
    async with live.database.begin() as conn:
        await mailboxes.register(conn, ["mark", "susan"], MONDAY)
        await mailboxes.set_inbox_read(conn, mailbox, at)


# why ----------------------------------------------------------------------------------------------


async def test_a_scheduled_step_is_named_with_its_time(live: Live) -> None:
    await entered(live, "quote", ANNA)
    told = await explained(live)
    assert (told["contact"], told["suppressed"], told["suppressed_reason"]) == (ANNA, False, None)
    (way,) = told["enrollments"]
    assert (way["sequence"], way["status"], way["step"], way["held"]) == ("quote", "active", "thanks", None)
    assert datetime.fromisoformat(way["due_at"]) == TUESDAY_0930
    assert way["next"] == "the e-mail “thanks” leaves Tue 1 Dec 2026 09:30 or soon after"
    (line,) = way["history"]
    assert set(line) == {"at", "event", "step", "detail"}
    assert (line["event"], datetime.fromisoformat(line["at"])) == ("Enrolled", MONDAY)
    assert line["detail"].startswith("entered quote, from the mailbox ")


async def test_what_shifted_a_step_is_said(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    # Six days after Monday is a Sunday.
    await happen(live, anna.id, e.Branched(at=MONDAY, to=_at("last"), returns=(), reason="by hand"))
    await happen(live, anna.id, e.HandWritten(at=MONDAY + timedelta(days=1), message=1))
    (way,) = (await explained(live, MONDAY + timedelta(days=1)))["enrollments"]
    assert way["next"] == "the e-mail “last” leaves Mon 7 Dec 2026 08:30 or soon after"
    assert way["shifts"] == ["Sunday"]


def _at(step: str) -> Position:
    return Position("steps", step)


async def test_a_due_step_is_held_until_the_inbox_was_read(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    later = TUESDAY_0930 + timedelta(minutes=5)
    (way,) = (await explained(live, later))["enrollments"]
    assert "inbox was not read" in way["held"]["reason"]
    assert way["next"] == "the e-mail “thanks” is due and held"
    await read_inbox(live, anna.mailbox, later)
    (way,) = (await explained(live, later))["enrollments"]
    assert way["held"] is None
    assert datetime.fromisoformat(way["due_at"]) == TUESDAY_0930
    assert way["next"] == "the e-mail “thanks” has been due since Tue 1 Dec 2026 09:30"


async def test_what_the_daemon_found_when_it_tried_is_shown(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    later = TUESDAY_0930 + timedelta(minutes=5)
    await read_inbox(live, anna.mailbox, later)
    async with live.database.begin() as conn:
        (standing,) = (await agenda.due(conn, anna.mailbox, later, 10)).standings
        hold = Sleep(standing, later + timedelta(hours=1), "the template thanks needs first_name", None, later)
        await agenda.sleep_many(conn, [hold])
    (way,) = (await explained(live, later))["enrollments"]
    assert way["held"] == {"reason": "the template thanks needs first_name", "until": None}


async def test_a_paused_and_an_ended_one(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await mailed(live, anna, "thanks", "call")
    await answered(live, anna, "What does it cost?")
    (way,) = (await explained(live))["enrollments"]
    assert (way["status"], way["reason"], way["due_at"]) == ("paused", "they replied (interested)", None)
    assert way["step"] == "call"
    assert [line["event"] for line in way["history"]] == [
        "Enrolled",
        "AttemptStarted",
        "Accepted",
        "Replied",
        "Paused",
    ]
    await steering.close(live, Who((ANNA,)), MONDAY, "won", "the blue one")
    (way,) = (await explained(live))["enrollments"]
    assert (way["status"], way["reason"], way["due_at"]) == ("finished", "won", None)
    assert way["history"][-1]["detail"] == "won: the blue one"


async def test_a_snooze_says_until_when(live: Live) -> None:
    await entered(live, "quote", ANNA)
    await steering.snooze(live, Who((ANNA,)), MONDAY, Span(3, Unit.WEEKS))
    (way,) = (await explained(live))["enrollments"]
    assert way["status"] == "snoozed"
    assert datetime.fromisoformat(way["due_at"]) == MONDAY + timedelta(weeks=3)
    assert way["next"] == "snoozed: by hand; it goes on Mon 21 Dec 2026 09:00"


async def test_a_step_whose_date_is_missing_is_held_and_names_it(live: Live) -> None:
    await entered(live, "birthday", ANNA)
    (way,) = (await explained(live))["enrollments"]
    assert "birthday" in way["held"]["reason"]


async def test_who_is_away_is_not_written_to_until_they_are_back(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    until = MONDAY + timedelta(days=9)
    after = await happen(live, anna.id, e.NoticeReceived(at=MONDAY, message=1, kind="out_of_office", away_until=until))
    assert after.away == (Away(MONDAY, until),)
    (way,) = (await explained(live))["enrollments"]
    assert datetime.fromisoformat(way["due_at"]) >= until


async def test_the_suppressed_and_the_unknown(live: Live) -> None:
    await entered(live, "quote", ANNA)
    await suppress(live, [ANNA], MONDAY, reason="unsubscribed on the phone")
    told = await explained(live)
    assert (told["suppressed"], told["suppressed_reason"]) == (True, "unsubscribed on the phone")
    assert told["enrollments"][0]["status"] == "stopped"
    async with live.database.read() as conn:
        unknown = await why(conn, live, "nobody@example.com", MONDAY)
    assert unknown == Refusal("there is no contact nobody@example.com")


async def test_somebody_who_never_was_in_a_sequence(live: Live) -> None:
    await add(live, ANNA)
    assert (await explained(live))["enrollments"] == []


async def test_a_sequence_whose_file_is_gone_is_told_and_not_forgotten(live: Live) -> None:
    await entered(live, "quote", ANNA)
    rest = {name: plan for name, plan in live.workspace.sequences.items() if name != "quote"}
    live.replace_workspace(replace(live.workspace, sequences=rest))
    (way,) = (await explained(live))["enrollments"]
    assert way["held"]["reason"] == "sequences/quote.yaml is no longer in the workspace"


# status -------------------------------------------------------------------------------------------


async def stand(live: Live, now: datetime = MONDAY) -> dict[str, Any]:
    async with live.database.read() as conn:
        return health.status_json(await health.status(conn, live, now))


async def test_a_new_workspace_has_nothing_to_report(live: Live) -> None:
    told = await stand(live)
    assert [box["name"] for box in told["mailboxes"]] == ["mark", "susan"]
    assert told["mailboxes"][0] == {
        "name": "mark",
        "state": "unknown",
        "reason": "never used yet",
        "running": False,
        "daemon": None,
        "inbox_read_at": None,
        "inbox_age": None,
        "fills_sent": None,
        "sent_today": 0,
        "due": 0,
        "held": 0,
        "in_doubt": 0,
    }
    assert told["enrollments"] == {"active": 0, "paused": 0, "snoozed": 0, "stopped": 0, "finished": 0}
    assert told["problems"] == []


async def test_status_counts_what_is_due_held_sent_and_in_doubt(live: Live) -> None:
    people = [f"p{number}@example.com" for number in range(4)]
    entries = await entered(live, "quote", *people, terms=Terms(mailbox="mark"))
    later = TUESDAY_0930 + timedelta(minutes=5)
    await read_inbox(live, "mark", later)
    async with live.database.begin() as conn:
        standings = (await agenda.due(conn, "mark", later, 10)).standings
        assert len(standings) == 4
        await agenda.sleep_many(conn, [Sleep(standings[0], later, "no first_name", None, later)])
        lease = await mailboxes.take(conn, "mark", "a daemon", 60)
        assert lease is not None
        for entry, state in ((entries[1], AttemptState.ACCEPTED), (entries[2], AttemptState.IN_DOUBT)):
            new = NewAttempt(entry.id, "thanks", f"<{entry.id}@x.example>", "p@example.com", "S", b"x", later)
            ids = await attempts.start_many(conn, "mark", lease, [new])
            assert isinstance(ids, tuple)
            await attempts.finish_many(conn, [attempts.Outcome(ids[0], state, "", later)])
        await mailboxes.set_state(conn, "mark", MailboxState.HELD, "cannot connect to localhost:2525", later)
        await set_aside.add(conn, "mark", "UID 7 in INBOX", "RuntimeError: broken", later)
        await messages.record(
            conn,
            NewMessage(
                mailbox="mark",
                direction=Direction.RECEIVED,
                content="x",
                received_at=later,
                raw=b"x",
                sender="p1@example.com",
                subject="A question",
            ),
            later,
        )
    told = await stand(live, later)
    mark = told["mailboxes"][0]
    assert (mark["state"], mark["reason"]) == ("held", "cannot connect to localhost:2525")
    assert (mark["due"], mark["held"], mark["sent_today"], mark["in_doubt"]) == (3, 1, 2, 1)
    assert datetime.fromisoformat(mark["inbox_read_at"]) == later
    assert told["enrollments"]["active"] == 4
    problems = " | ".join(told["problems"])
    assert "the mailbox mark is held: cannot connect to localhost:2525" in problems
    assert "1 message from mark may or may not have arrived" in problems
    assert "UID 7 in INBOX: RuntimeError: broken" in problems
    assert "p1@example.com wrote “A question”" in problems


async def test_sent_today_begins_at_midnight_where_the_business_is(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA, terms=Terms(mailbox="mark"))
    midnight = datetime(2026, 12, 1, 7, 0, tzinfo=UTC)  # in Denver
    await read_inbox(live, "mark", MONDAY)
    async with live.database.begin() as conn:
        lease = await mailboxes.take(conn, "mark", "a daemon", 60)
        assert lease is not None
        for number, at in enumerate((midnight - timedelta(seconds=1), midnight)):
            new = NewAttempt(anna.id, "thanks", f"<{number}@x.example>", ANNA, "S", b"x", at)
            ids = await attempts.start_many(conn, "mark", lease, [new])
            assert isinstance(ids, tuple)
            await attempts.finish_many(conn, [attempts.Outcome(ids[0], AttemptState.ACCEPTED, "", at)])
    told = await stand(live, midnight + timedelta(hours=3))
    assert told["mailboxes"][0]["sent_today"] == 1


# threads ------------------------------------------------------------------------------------------


async def waiting(live: Live) -> list[dict[str, Any]]:
    async with live.database.read() as conn:
        return threads.waiting_json(await threads.waiting(conn, live))


async def answer_of(live: Live, enrollment: Enrollment) -> Message:
    async with live.database.read() as conn:
        return (await messages.of_enrollment(conn, enrollment.id))[-1]


async def test_threads_lists_who_answered_and_what_to_do(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await answered(live, anna, "What does it cost?")
    (ben,) = await entered(live, "quote", "ben@example.org")
    await steering.pause(live, Who(("ben@example.org",)), MONDAY + timedelta(minutes=1), "talked on the phone")
    by_hand, reply = await waiting(live)
    assert (by_hand["id"], by_hand["kind"], by_hand["received_at"]) == (ben.id, "", None)
    assert by_hand["reason"] == "talked on the phone"
    assert reply.pop("message") == (await answer_of(live, anna)).id
    assert reply == {
        "id": anna.id,
        "contact": ANNA,
        "sequence": "quote",
        "reason": "they replied (interested)",
        "kind": "interested",
        "confidence": 0.9,
        "evidence": "they ask for a price",
        "text": "What does it cost?",
        "proposed": "answer them yourself; then close --won, or resume",
        "received_at": MONDAY.isoformat(),
    }


async def test_a_thread_shows_both_sides_in_order(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await sent(live, anna, "Subject: Your quote\r\n\r\nAnna, thank you.\r\n")
    await answered(live, anna, "What does it cost?")
    async with live.database.read() as conn:
        found = await threads.conversation(conn, live, anna.id)
        missing = await threads.conversation(conn, live, 999)
    assert isinstance(found, threads.Conversation)
    told = threads.conversation_json(found)
    assert (told["contact"], told["status"]) == (ANNA, "paused")
    first, second = told["messages"]
    assert (first["direction"], first["text"], first["step"]) == ("sent", "Anna, thank you.", "thanks")
    assert (second["direction"], second["text"], second["kind"]) == ("received", "What does it cost?", "interested")
    assert (first["message"], second["message"]) == (None, (await answer_of(live, anna)).id)
    assert isinstance(missing, Refusal)


async def sent(live: Live, enrollment: Enrollment, raw: str) -> None:
    async with live.database.begin() as conn:
        await mailboxes.register(conn, [enrollment.mailbox], MONDAY)
        lease = await mailboxes.take(conn, enrollment.mailbox, "a daemon", 60)
        assert lease is not None
        new = NewAttempt(
            enrollment.id, "thanks", "<1@x.example>", ANNA, "Your quote", raw.encode(), MONDAY - timedelta(hours=1)
        )
        ids = await attempts.start_many(conn, enrollment.mailbox, lease, [new])
        assert isinstance(ids, tuple)
        await attempts.finish_many(conn, [attempts.Outcome(ids[0], AttemptState.ACCEPTED, "250 ok", MONDAY)])


# Sentences ----------------------------------------------------------------------------------------


def test_every_event_has_a_sentence() -> None:
    """Made from the events themselves, so that a new one cannot be forgotten."""
    samples: dict[Any, Any] = {
        datetime: MONDAY,
        str: "words",
        int: 1,
        bool: True,
        Position: Position("steps", "last"),
        Thread: Thread("<a@x.example>", "S", "<a@x.example>"),
    }
    for kind in e.EVENT_TYPES.values():
        hints = typing.get_type_hints(kind)
        needed = [f for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
        values = {f.name: samples.get(hints[f.name], ()) for f in needed}
        sentence = sentence_of(kind(**values), ZoneInfo("America/Denver"))
        assert sentence
        assert "None" not in sentence
        assert "{" not in sentence


async def test_the_outlook_is_what_why_says(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    async with live.database.read() as conn:
        ahead = await explain.outlook(conn, live, [anna], MONDAY)
    assert ahead == {anna.id: (await explained(live))["enrollments"][0]["next"]}


async def test_a_missing_variable_is_told_with_the_way_out(live: Live) -> None:
    (anna,) = await entered(live, "quote", ANNA)
    await read_inbox(live, anna.mailbox, TUESDAY_0930)
    reason = "the template thanks needs product"
    async with live.database.begin() as conn:
        (standing,) = (await agenda.due(conn, anna.mailbox, TUESDAY_0930, 5)).standings
        await agenda.sleep_many(conn, [Sleep(standing, None, reason, hold_since=TUESDAY_0930)])
    async with live.database.read() as conn:
        found = await why(conn, live, ANNA, TUESDAY_0930)
        told = (await health.status(conn, live, TUESDAY_0930)).problems
    assert isinstance(found, Explanation)
    (way,) = found.ways
    assert way.enrollment.id == anna.id
    assert way.held is not None
    assert way.held.reason == reason
    assert "a column product" in way.held.way_out
    assert "templates/thanks.md" in way.held.way_out
    assert f"{ANNA} is held: {reason}" in told


def test_what_passes_by_itself_needs_no_way_out() -> None:
    assert explain.Hold("the gap between two messages").way_out == ""
