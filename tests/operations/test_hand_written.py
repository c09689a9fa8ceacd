"""What the rep writes by hand counts, wherever and however it is written; our own copies are not taken for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from sequencer.core.model import Span, Status, Unit
from sequencer.operations import steering
from sequencer.operations.hand_written import REASON
from sequencer.operations.steering import Turned, Who
from sequencer.store import aliases, contacts
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, parsed
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, mail
from tests.smtp_peer import Drop

ACTIVE, PAUSED = Status.ACTIVE, Status.PAUSED
SUSAN, HOME = "susan@flatheadrv.example", "anna@home.example"


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO) as box:
        yield box


async def statuses(box: Letterbox) -> list[Status]:
    return [await box.status(email) for email in (ANNA, BEN, CLEO)]


def by_hand(
    box: Letterbox, *, to: str = ANNA, subject: str = "One more thing", text: str = "I forgot.", **more: str
) -> bytes:
    return mail(f"Mark <{MARK}>", subject, text, to=to, **more)


@pytest.mark.parametrize("folder", ["Sent", "INBOX", "Archive"])
async def test_a_mail_of_the_reps_pauses_wherever_it_stands(box: Letterbox, folder: str) -> None:
    assert await box.arrives(by_hand(box), folder=folder) == ["hand_written", "paused"]
    assert await statuses(box) == [PAUSED, ACTIVE, ACTIVE]
    anna = await box.desk.enrollment(ANNA)
    assert (anna.reason, anna.last_touch_at) == (REASON, box.desk.now)
    contact = await box.desk.contact(ANNA)
    async with box.desk.live.database.read() as conn:
        assert (await contacts.last_touch_of(conn, [contact.id]))[contact.id] == box.desk.now


async def test_a_mail_to_several_contacts_at_once(box: Letterbox) -> None:
    raw = by_hand(box, to="Anna <Anna@Example.com>, friend@elsewhere.example", Cc="ben+x@example.org", Bcc=CLEO)
    assert sorted(await box.arrives(raw, folder="Sent")) == ["hand_written"] * 3 + ["paused"] * 3
    assert await statuses(box) == [PAUSED] * 3
    assert [len(await box.messages(email)) for email in (ANNA, BEN, CLEO)] == [1, 1, 1]
    assert await box.arrives(raw, folder="INBOX") == []  # and only once


async def test_an_answer_to_that_mail_pauses_who_wrote_it(box: Letterbox) -> None:
    await box.arrives(by_hand(box, to=f"{ANNA}, {BEN}", message_id="<both@flatheadrv.example>"), folder="Sent")
    for email in (ANNA, BEN):
        await steering.resume(box.desk.live, Who((email,)), box.desk.now)
    await box.arrives(mail(BEN, "Re: One more thing", "Thanks.", In_Reply_To="<both@flatheadrv.example>"))
    assert await box.status(BEN) is PAUSED


async def test_a_mail_to_nobody_we_know(box: Letterbox) -> None:
    for to in ("lunch@friends.example", SUSAN, "boss@flatheadrv.example", MARK):
        await box.leaves_no_trace(by_hand(box, to=to), folder="Sent")
    await box.leaves_no_trace(by_hand(box, to="", subject=""), folder="Sent")


async def test_a_mail_of_before_the_enrollment(box: Letterbox) -> None:
    await box.leaves_no_trace(by_hand(box), folder="Sent", at=box.desk.now - DAY)


async def test_a_mail_that_is_read_only_after_they_have_moved_on(box: Letterbox) -> None:
    """The mailbox could not be read for some days; meanwhile the plan that it should have paused led into another."""
    desk, wrote = box.desk, box.desk.now
    await desk.adopt(keep="from: mark\nsteps:\n  - {step: news, email: first, when: 30 days later}\n")
    desk.now += 2 * DAY
    (moved,) = await steering.move(desk.live, Who((ANNA,)), desk.now, "keep")
    assert isinstance(moved, Turned), moved
    assert await box.arrives(by_hand(box), folder="Sent", at=wrote) == ["hand_written", "paused"]
    assert (await desk.enrollment(ANNA, "keep")).status is PAUSED


async def test_an_answer_from_the_phone_within_minutes_of_our_own_message(box: Letterbox) -> None:
    box.desk.now += timedelta(minutes=4)
    ours = box.sent(ANNA)
    quoted = "".join(f"> {line}\n" for line in str(ours.get_body(("plain",))).splitlines())
    raw = by_hand(
        box,
        subject=f"Re: {ours['Subject']}",
        text=f"I meant Tuesday.\n\nMark wrote:\n{quoted}",
        In_Reply_To=str(ours["Message-ID"]),
        References=str(ours["Message-ID"]),
    )
    assert await box.arrives(raw, folder="Sent") == ["hand_written", "paused"]
    assert (await statuses(box))[0] is PAUSED
    later = await box.desk.turn(9 * DAY)
    assert ANNA not in [happening.contact for happening in later.happenings]


async def test_our_copy_with_another_id_is_an_alias_and_no_touch(box: Letterbox) -> None:
    raw = next(m.data for m in box.desk.peer.accepted if m.recipients == (ANNA,))
    own = box.sent_id(ANNA).encode()
    rewritten = raw.replace(own, b"<SJ0PR@prod.outlook.example>")
    assert await box.arrives(rewritten, folder="Sent", at=box.desk.now + timedelta(seconds=40)) == []
    assert await statuses(box) == [ACTIVE] * 3
    anna = await box.desk.enrollment(ANNA)
    async with box.desk.live.database.read() as conn:
        (alias,) = await aliases.of_enrollment(conn, anna.id)
    assert (alias.message_id, alias.origin) == ("SJ0PR@prod.outlook.example", "sent folder")
    await box.arrives(mail(HOME, "hm", In_Reply_To="<SJ0PR@prod.outlook.example>"))
    assert await statuses(box) == [PAUSED, ACTIVE, ACTIVE]


async def test_our_copy_with_another_id_and_the_providers_footer_in_base64(box: Letterbox) -> None:
    ours = parsed(next(m.data for m in box.desk.peer.accepted if m.recipients == (ANNA,)))
    body = ours.get_body(("plain",))
    assert body is not None
    copy = EmailMessage()
    for name in ("From", "To", "Subject"):
        copy[name] = str(ours[name])
    copy["Message-ID"] = "<another@provider.example>"
    copy.set_content(body.get_content() + "\n--\nThis mail was checked for viruses.\n", cte="base64")
    assert await box.arrives(copy.as_bytes(), folder="Sent") == []
    assert await statuses(box) == [ACTIVE] * 3


async def test_our_follow_up_with_another_id_is_no_touch_and_settles_a_doubt(box: Letterbox) -> None:
    box.desk.peer.once("end", Drop(accepting=True))
    await box.desk.turn(3 * DAY)
    (doubtful,) = [email for email in (ANNA, BEN, CLEO) if AttemptState.IN_DOUBT in await box.desk.states(email)]
    for email in (ANNA, BEN, CLEO):
        raw = [m.data for m in box.desk.peer.accepted if m.recipients == (email,)][1]
        rewritten = raw.replace(box.sent_id(email).encode(), f"<copy-{email}>".encode())
        assert b"In-Reply-To" in rewritten
        told = await box.arrives(rewritten, folder="Sent")
        assert told == (["sent"] if email == doubtful else [])
        assert (await box.desk.states(email))[-1] is AttemptState.ACCEPTED
    assert await statuses(box) == [ACTIVE] * 3


async def test_the_same_mail_much_later_was_sent_by_hand(box: Letterbox) -> None:
    raw = next(m.data for m in box.desk.peer.accepted if m.recipients == (ANNA,))
    again = raw.replace(box.sent_id(ANNA).encode(), b"<again@flatheadrv.example>")
    await box.arrives(again, folder="Sent", at=box.desk.now + HOUR)
    assert await statuses(box) == [PAUSED, ACTIVE, ACTIVE]


async def test_an_answer_in_our_thread_to_an_address_that_we_do_not_know(box: Letterbox) -> None:
    raw = by_hand(box, to=HOME, subject="Re: Your quote", In_Reply_To=box.sent_id(ANNA))
    assert await box.arrives(raw, folder="Sent") == ["hand_written", "paused"]
    assert await statuses(box) == [PAUSED, ACTIVE, ACTIVE]


@pytest.mark.parametrize("to", ["boss@flatheadrv.example", SUSAN, f"{SUSAN}, boss@sales.flatheadrv.example"])
async def test_a_thread_forwarded_in_our_own_house_says_nothing_to_the_contact(box: Letterbox, to: str) -> None:
    raw = by_hand(box, to=to, subject="Fwd: Your quote", References=box.sent_id(ANNA), In_Reply_To=box.sent_id(ANNA))
    await box.leaves_no_trace(raw, folder="Sent")


async def test_another_rep_of_ours_writes_to_them(box: Letterbox) -> None:
    raw = mail(SUSAN, "Hello from Susan", to=ANNA, Cc=MARK)
    assert await box.arrives(raw, mailbox="susan", folder="Sent") == ["hand_written", "paused"]
    assert await box.arrives(raw) == []  # Mark's copy
    other = mail(SUSAN, "Re: Your quote", to=BEN, Cc=MARK, In_Reply_To=box.sent_id(BEN))
    assert await box.arrives(other) == ["hand_written", "paused"]  # Mark's copy first
    assert await box.arrives(other, mailbox="susan", folder="Sent") == []
    assert await statuses(box) == [PAUSED, PAUSED, ACTIVE]
    assert (await box.desk.enrollment(BEN)).last_sign_at is None


async def test_drafts_do_not_count_before_they_are_sent(box: Letterbox) -> None:
    before = await box.everything()
    assert await box.arrives(by_hand(box), folder="[Gmail]/All Mail", mixed=True) == []
    assert await box.everything() == before
    assert await box.arrives(mail(ANNA, "A reply in an archive label"), folder="[Gmail]/All Mail", mixed=True)


async def test_a_rep_who_tries_it_out_on_themselves(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, MARK, SUSAN) as box:
        for accepted in list(box.desk.peer.accepted):
            await box.leaves_no_trace(accepted.data)
        await box.arrives(box.answer(SUSAN, "It works!"))
        await box.arrives(box.answer(MARK, "It works!"))
        assert [await box.status(email) for email in (MARK, SUSAN)] == [PAUSED, PAUSED]


async def test_while_paused_snoozed_or_ended_it_is_kept_as_part_of_the_thread(box: Letterbox) -> None:
    await steering.stop(box.desk.live, Who((ANNA,)), box.desk.now)
    await steering.snooze(box.desk.live, Who((BEN,)), box.desk.now, Span(30, Unit.DAYS))
    await box.arrives(by_hand(box, to=f"{ANNA}, {BEN}"), folder="Sent")
    assert await statuses(box) == [Status.STOPPED, PAUSED, ACTIVE]
    assert len(await box.messages(ANNA)) == 1
