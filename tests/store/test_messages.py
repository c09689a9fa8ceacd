"""Every message once; whose it is, by any of its ids; and the desk's lists."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from sequencer.store import aliases, attempts, enrollments, messages
from sequencer.store.aliases import Alias
from sequencer.store.attempts import Attempt, AttemptState, Outcome
from sequencer.store.database import Database
from sequencer.store.mailboxes import LeaseLost
from sequencer.store.messages import RAW_LIMIT, Direction, Known, Message, NewMessage, content_hash
from tests.store.people import MAILBOX, NOW, finished, happen, later, leased, letter, paused, replied, somebody

RAW = b"From: anna@example.com\r\nSubject: Re: Thanks\r\n\r\nYes, please.\r\n"


def mail(**given: Any) -> NewMessage:
    values: dict[str, Any] = {
        "mailbox": MAILBOX,
        "direction": Direction.RECEIVED,
        "content": content_hash("anna@example.com", "Re: Thanks", RAW),
        "received_at": NOW,
        "raw": RAW,
        "sender": "anna@example.com",
        "message_id": "<abc@example.com>",
    }
    return NewMessage(**{**values, **given})


async def test_a_message_comes_back_as_it_was_recorded(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        new = mail(
            folder="Entwürfe",
            uid=2**32 - 1,
            enrollment_id=en.id,
            kind="not_now",
            label="price",
            confidence=0.85,
            matched_by="in-reply-to",
            evidence="“in two weeks”",
            recipient="mark@example.org",
            subject="Re: Grüße",
            in_reply_to=" <1@example.org>",
            text="In zwei Wochen 😀",
            named_date=date(2026, 11, 16),
            date_words="in two weeks",
        )
        message_id = await messages.record(conn, new, later(minutes=1))
        assert isinstance(message_id, int)
        found = await messages.get(conn, message_id)
        assert await messages.raw_of(conn, message_id) == RAW
        assert await messages.get(conn, 999) is None
        assert await messages.raw_of(conn, 999) is None
    assert found == Message(
        id=message_id,
        mailbox=MAILBOX,
        folder="Entwürfe",
        uid=2**32 - 1,
        enrollment_id=en.id,
        direction=Direction.RECEIVED,
        kind="not_now",
        kind_read="",
        label="price",
        confidence=0.85,
        matched_by="in-reply-to",
        evidence="“in two weeks”",
        sender="anna@example.com",
        recipient="mark@example.org",
        subject="Re: Grüße",
        message_id="abc@example.com",
        in_reply_to="1@example.org",
        text="In zwei Wochen 😀",
        named_date=date(2026, 11, 16),
        date_words="in two weeks",
        received_at=NOW,
        recorded_at=later(minutes=1),
        handled_at=None,
    )


async def test_a_message_is_recorded_once_a_mailbox(database: Database) -> None:
    async with database.begin() as conn:
        first = await messages.record(conn, mail(folder="INBOX"), NOW)
        assert await messages.record(conn, mail(folder="Archive", message_id="abc@example.com "), NOW) == Known(
            _id(first)
        )
        assert isinstance(await messages.record(conn, mail(mailbox="jane"), NOW), int)
        assert await messages.known(conn, MAILBOX, "<abc@example.com>", mail().content) == first
        assert await messages.known(conn, MAILBOX, "<other@example.com>", mail().content) is None


def _id(recorded: int | Known) -> int:
    assert isinstance(recorded, int)
    return recorded


async def test_without_an_id_the_content_decides(database: Database) -> None:
    async with database.begin() as conn:
        first = await messages.record(conn, mail(message_id=""), NOW)
        assert await messages.record(conn, mail(message_id=""), NOW) == Known(_id(first))
        other = mail(message_id="", content=content_hash("anna@example.com", "Re: Thanks", RAW + b"No!"))
        assert isinstance(await messages.record(conn, other, NOW), int)


async def test_an_id_that_is_used_again_for_other_words_hides_nothing(database: Database) -> None:
    async with database.begin() as conn:
        await messages.record(conn, mail(), NOW)
        other = mail(content=content_hash("anna@example.com", "Re: Thanks", RAW.replace(b"Yes", b"No")))
        assert isinstance(await messages.record(conn, other, NOW), int)


def test_trace_headers_do_not_make_another_message() -> None:
    moved = b"Received: by mx.example.org\r\n" + RAW
    assert (
        content_hash("a", "s", RAW) == content_hash("a", "s", moved) == content_hash("a", "s", RAW.replace(b"\r", b""))
    )
    assert content_hash("a", "s", RAW) != content_hash("b", "s", RAW)
    assert content_hash("a", "s", RAW) != content_hash("a", "t", RAW)
    assert content_hash("a", "s", b"one line") != content_hash("a", "s", b"another")
    assert content_hash("\udcff", "\ud800", b"") != ""


async def test_a_huge_and_hostile_message_is_kept_within_bounds(database: Database) -> None:
    async with database.begin() as conn:
        huge = mail(
            raw=b"\0\xff" * RAW_LIMIT,
            message_id="<" + "x" * 100_000 + "@example.com>",
            in_reply_to="y" * 100_000,
            subject="\0\ud800" * 10_000,
            text="\0" * 100_000,
            sender="s" * 100_000,
        )
        message_id = _id(await messages.record(conn, huge, NOW))
        assert await messages.record(conn, huge, NOW) == Known(message_id)
        assert len(await messages.raw_of(conn, message_id) or b"") == RAW_LIMIT
        await messages.attach(conn, message_id, (await somebody(conn)).id, "by hand")
        assert await aliases.by_message_ids(conn, [huge.message_id]) != {}
        odd = mail(message_id="<\0\ud800@x.example>", enrollment_id=(await somebody(conn, "ben@example.com")).id)
        assert isinstance(await messages.record(conn, odd, NOW), int)
        assert await aliases.by_message_ids(conn, [odd.message_id]) == {odd.message_id: odd.enrollment_id}


async def test_a_correction_keeps_what_the_reader_had_made_of_it(database: Database) -> None:
    async with database.begin() as conn:
        message_id = _id(await messages.record(conn, mail(kind="question"), NOW))
        assert await messages.relabel(conn, message_id, "interested")
        assert await messages.relabel(conn, message_id, "not_now")
        assert not await messages.relabel(conn, 999, "not_now")
        found = await messages.get(conn, message_id)
    assert found is not None
    assert (found.kind, found.kind_read) == ("not_now", "question")


async def test_unmatched_mail_is_listed_until_somebody_deals_with_it(database: Database) -> None:
    async with database.begin() as conn:
        en = await somebody(conn)
        one = _id(await messages.record(conn, mail(message_id="<1@x.example>"), NOW))
        two = _id(await messages.record(conn, mail(message_id="<2@x.example>", received_at=later(hours=1)), NOW))
        three = _id(await messages.record(conn, mail(message_id="<3@x.example>"), NOW))
        await messages.record(conn, mail(message_id="<4@x.example>", direction=Direction.NOTICE), NOW)
        await messages.record(conn, mail(message_id="<5@x.example>", enrollment_id=en.id), NOW)
        assert [message.id for message in await messages.unmatched(conn)] == [two, three, one]
        assert len(await messages.unmatched(conn, Direction.NOTICE)) == 1
        assert await messages.handled(conn, one, NOW)
        assert not await messages.handled(conn, one, NOW)
        await messages.attach(conn, three, en.id, "by hand")
        assert [message.id for message in await messages.unmatched(conn)] == [two]
        attached = await messages.get(conn, three)
    assert attached is not None
    assert (attached.enrollment_id, attached.matched_by) == (en.id, "by hand")


async def test_the_desk_shows_paused_threads_with_the_message_that_waits(database: Database) -> None:
    async with database.begin() as conn:
        await somebody(conn, "active@example.com")
        by_hand = await happen(conn, await somebody(conn, "hand@example.com"), paused())
        ended = await somebody(conn, "ended@example.com")
        anna = await somebody(conn)
        first = _id(await messages.record(conn, mail(message_id="<1@x.example>", enrollment_id=anna.id), NOW))
        anna = await happen(conn, anna, replied(first), paused())
        second = _id(await messages.record(conn, mail(message_id="<2@x.example>", enrollment_id=anna.id), NOW))
        anna = await happen(conn, anna, replied(second, later(hours=1)))
        await happen(conn, ended, replied(second), paused(), finished())
        waiting = await messages.awaiting(conn)
        assert len(await messages.awaiting(conn, limit=1)) == 1
    assert [(one.standing.enrollment, one.message.id if one.message else None) for one in waiting] == [
        (anna, second),
        (by_hand, None),
    ]


async def test_a_thread_is_the_conversation_in_the_order_of_time(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en, colleague = await somebody(conn), await somebody(conn, "ben@example.com")
        ids = []
        for hour, state in ((0, AttemptState.ACCEPTED), (2, AttemptState.REJECTED), (4, AttemptState.IN_DOUBT)):
            new = letter(en.id, f"<{hour}@example.org>", started_at=later(hours=hour))
            made = await attempts.start_many(conn, MAILBOX, number, [new])
            assert not isinstance(made, LeaseLost)
            await attempts.finish_many(conn, [Outcome(made[0], state, "", later(hours=hour))])
            ids.append(made[0])
        own = _id(await messages.record(conn, mail(enrollment_id=en.id, received_at=later(hours=3)), NOW))
        other = mail(enrollment_id=colleague.id, message_id="<c@x.example>", received_at=later(hours=1))
        theirs = _id(await messages.record(conn, other, NOW))
        await happen(conn, en, replied(theirs), paused())
        thread = await messages.thread_of(conn, en.id)
        assert await messages.thread_of(conn, 999) == []
    shown = [("sent" if isinstance(item, Attempt) else "received", item.id) for item in thread]
    assert shown == [("sent", ids[0]), ("received", theirs), ("received", own), ("sent", ids[2])]


async def test_an_enrollment_is_found_by_any_id_of_its_thread(database: Database) -> None:
    async with database.begin() as conn:
        number = await leased(conn)
        en, other = await somebody(conn), await somebody(conn, "ben@example.com")
        made = await attempts.start_many(conn, MAILBOX, number, [letter(en.id, "<ours@example.org>")])
        assert not isinstance(made, LeaseLost)
        await attempts.finish_many(conn, [Outcome(made[0], AttemptState.DEFERRED, "", NOW)])
        rows = [
            Alias("<rewritten@mx.example>", en.id, "smtp answer", made[0]),
            Alias("gmail-thread:17", en.id, "gmail thread"),
            Alias("<both@example.org>", en.id, "sent folder"),
            Alias("<both@example.org>", other.id, "sent folder"),
            Alias("", en.id, "nothing"),
        ]
        await aliases.add_many(conn, rows)
        await aliases.add_many(conn, rows)
        await aliases.add_many(conn, [])
        await messages.record(conn, mail(message_id="<theirs@example.com>", enrollment_id=other.id), NOW)
        await messages.record(conn, mail(message_id="<stray@example.com>"), NOW)
        asked = {
            "<ours@example.org>": en.id,
            " ours@example.org ": en.id,
            "<rewritten@mx.example>": en.id,
            "gmail-thread:17": en.id,
            "<both@example.org>": other.id,
            "theirs@example.com": other.id,
        }
        found = await aliases.by_message_ids(conn, [*asked, "<stray@example.com>", "<unknown@example.com>", "", "<>"])
        assert await aliases.by_message_ids(conn, []) == {}
        kept = await aliases.of_enrollment(conn, en.id)
    assert found == asked
    assert kept == [
        Alias("both@example.org", en.id, "sent folder"),
        Alias("gmail-thread:17", en.id, "gmail thread"),
        Alias("rewritten@mx.example", en.id, "smtp answer", made[0]),
    ]


async def test_a_message_is_told_of_in_every_thread_that_it_concerns(database: Database) -> None:
    async with database.begin() as conn:
        people = [await somebody(conn, f"p{n}@firm.example") for n in range(3)]
        message_id = _id(await messages.record(conn, mail(enrollment_id=people[0].id), NOW))
        for en in people[:2]:
            await happen(conn, en, replace(replied(message_id), matched_by="colleague"), paused())
        assert await enrollments.concerned_by(conn, message_id) == [people[0].id, people[1].id]
        shown = [[m.id for m in await messages.of_enrollment(conn, en.id)] for en in people]
    assert shown == [[message_id], [message_id], []]
