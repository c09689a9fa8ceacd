"""The ladder, rung by rung: what ties a mail to a thread, and the nearest thing that must not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sequencer.core import events as e
from sequencer.core.model import Status
from sequencer.mail.ids import make_message_id, unsubscribe_token
from sequencer.operations.steering import Who, close
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, PLAN
from tests.operations.letterbox import MARK, Letterbox, a_letterbox, bounce, mail
from tests.smtp_peer import Say

ACTIVE, PAUSED, STOPPED = Status.ACTIVE, Status.PAUSED, Status.STOPPED
STRANGER, HOME = "someone@stranger.example", "anna@home.example"
FREE, FREE_TOO = "carla.b@gmail.com", "dave.c@gmail.com"


@pytest.fixture
async def box(database: Database, tmp_path: Path) -> AsyncIterator[Letterbox]:
    """Anna, Ben and Cleo have had the first message."""
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO) as box:
        yield box


async def only_anna_is(box: Letterbox, status: Status) -> None:
    assert [await box.status(email) for email in (ANNA, BEN, CLEO)] == [status, ACTIVE, ACTIVE]


def token_of(box: Letterbox, email: str) -> str:
    link = urlsplit(str(box.sent(email)["List-Unsubscribe"]).strip("<> \r\n"))
    return parse_qs(link.query)["subject"][0].removeprefix("unsubscribe ")


def changed(text: str, at: int = -1) -> str:
    """The same text with one character changed: a signature that is not ours."""
    other = "a" if text[at] != "a" else "b"
    index = at % len(text)
    return text[:index] + other + text[index + 1 :]


# 0 Our own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["INBOX", "Junk", "Archive"])
async def test_our_own_copy_is_no_reply(box: Letterbox, folder: str) -> None:
    for accepted in list(box.desk.peer.accepted):
        await box.leaves_no_trace(accepted.data, folder=folder)


async def test_our_own_copy_in_sent_tells_only_that_it_stands_there(box: Letterbox) -> None:
    for accepted in list(box.desk.peer.accepted):
        await box.arrives(accepted.data, folder="Sent")
    assert box.told == []
    await only_anna_is(box, ACTIVE)
    assert await box.messages(ANNA) == []


async def test_our_own_copy_is_known_when_somebody_folded_the_case_of_its_id(box: Letterbox) -> None:
    raw = box.desk.peer.accepted[0].data
    own = box.sent_id(box.desk.peer.accepted[0].recipients[0]).encode()
    await box.leaves_no_trace(raw.replace(own, own.upper()))


async def test_an_id_that_only_looks_like_ours_hides_no_reply(box: Letterbox) -> None:
    own = box.sent_id(ANNA)
    forged = changed(own, own.index("@") - 1)
    await box.arrives(box.answer(ANNA, message_id=forged))
    await only_anna_is(box, PAUSED)


# 1 Signed: a report that quotes our id, a token ------------------------------------------------------


async def test_a_delivery_report_that_quotes_our_id(box: Letterbox) -> None:
    # The failed address is another one: mail to Anna is forwarded there.
    await box.arrives(bounce("anna@forwarded.example", box.sent_id(ANNA)))
    await only_anna_is(box, STOPPED)


async def test_a_delivery_report_without_an_id_goes_by_the_failed_address(box: Letterbox) -> None:
    await box.arrives(bounce("Anna@Example.com", "<gone@elsewhere.example>"))
    await only_anna_is(box, STOPPED)


async def test_a_delivery_report_about_somebody_elses_mail(box: Letterbox) -> None:
    await box.leaves_no_trace(bounce("nobody@elsewhere.example", "<1.first.abc.defghijklmnop@elsewhere.example>"))
    forged = changed(box.sent_id(ANNA), box.sent_id(ANNA).index("@") - 1)
    await box.leaves_no_trace(bounce("nobody@elsewhere.example", forged))


@pytest.mark.parametrize("where", ["subject", "plus-address", "delivered-to"])
@pytest.mark.parametrize("sender", [ANNA, HOME])
async def test_the_unsubscribe_token(box: Letterbox, where: str, sender: str) -> None:
    token = token_of(box, ANNA)
    raw = {
        "subject": mail(sender, f"Unsubscribe {token.upper()}", ""),
        "plus-address": mail(sender, "unsubscribe", "", to=f"mark+{token}@flatheadrv.example"),
        "delivered-to": mail(sender, "unsubscribe", "", Delivered_To=f"mark+{token}@flatheadrv.example"),
    }[where]
    await box.arrives(raw)
    await only_anna_is(box, STOPPED)
    assert await box.matched_by(ANNA) == "our signed token"
    assert await box.desk.suppressed(ANNA)


@pytest.mark.parametrize("where", ["subject", "plus-address"])
async def test_a_token_with_a_changed_signature(box: Letterbox, where: str) -> None:
    for token in (
        changed(token_of(box, ANNA)),
        changed(unsubscribe_token(box.desk.live.key, 999_999)),
        "1-" + "a" * 16,
    ):
        if where == "subject":
            await box.leaves_no_trace(mail(STRANGER, f"unsubscribe {token}", "unsubscribe"))
        else:
            await box.leaves_no_trace(mail(STRANGER, "unsubscribe", "", to=f"mark+{token}@flatheadrv.example"))


async def test_who_holds_a_token_of_ours_is_heard_though_nobody_knows_them(box: Letterbox) -> None:
    """A restored database has forgotten them; they may be imported again."""
    token = unsubscribe_token(box.desk.live.key, 999_999)
    await box.arrives(mail(STRANGER, f"unsubscribe {token}", "unsubscribe"))
    assert await box.desk.suppressed(STRANGER) is not None


async def test_a_number_that_was_given_again_is_not_believed(box: Letterbox) -> None:
    """An older mail names an enrollment of ours that was made only after it came."""
    await box.desk.enroll("late@example.net")
    late = await box.desk.enrollment("late@example.net")
    token = unsubscribe_token(box.desk.live.key, late.id)
    early = box.desk.now - timedelta(hours=3)
    await box.arrives(mail(STRANGER, f"unsubscribe {token}", "unsubscribe"), at=early)
    assert (await box.desk.enrollment("late@example.net")).status is Status.ACTIVE
    assert await box.desk.suppressed("late@example.net") is None


async def test_an_id_that_no_attempt_has_counts_less_than_the_address_it_comes_from(box: Letterbox) -> None:
    """Ben answers a message that was lost with the database; its number is Anna's now."""
    anna = await box.desk.enrollment(ANNA)
    lost = make_message_id(box.desk.live.key, anna.id, "first", "abcdefabcdef", "flatheadrv.example")
    await box.arrives(mail(BEN, "Re: something", In_Reply_To=lost))
    assert (await box.desk.enrollment(ANNA)).status is Status.ACTIVE
    assert (await box.desk.enrollment(BEN)).status is Status.PAUSED


# 2 The message it answers ----------------------------------------------------------------------------


async def test_in_reply_to(box: Letterbox) -> None:
    await box.arrives(mail(HOME, "(no subject)", In_Reply_To=box.sent_id(ANNA)))
    await only_anna_is(box, PAUSED)


async def test_references_only_the_newest_first(box: Letterbox) -> None:
    ids = f"<older@elsewhere.example> {box.sent_id(BEN)} {box.sent_id(ANNA)} <newest@elsewhere.example>"
    await box.arrives(mail(HOME, "something", References=ids))
    await only_anna_is(box, PAUSED)


async def test_ids_of_others_tie_nothing(box: Letterbox) -> None:
    raw = mail(STRANGER, "Your quote", In_Reply_To="<x@flatheadrv.example>", References="<y@flatheadrv.example>")
    await box.leaves_no_trace(raw)


async def test_the_id_that_the_providers_answer_names_is_an_alias(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA) as box:
        await box.desk.enroll(BEN)
        box.desk.peer.once("end", Say("250 2.0.0 OK <PAXP@eurprd04.prod.outlook.example> [Hostname=X] Queued"))
        await box.desk.turn()
        raw = mail("ben@home.example", "Re: x", In_Reply_To="<PAXP@eurprd04.prod.outlook.example>")
        await box.leaves_no_trace(raw.replace(b"PAXP", b"PAXQ"))
        await box.arrives(raw)
        assert (await box.status(BEN), await box.matched_by(BEN)) == (PAUSED, "the message it answers")
        assert await box.status(ANNA) is ACTIVE


async def test_amazons_answer_names_half_an_id(database: Database, tmp_path: Path) -> None:
    from dataclasses import replace

    name = "0100019abc123456-5f0ec0de-1234-4aaa-9bbb-0123456789ab-000000"
    async with a_letterbox(database, tmp_path) as box:
        office = box.desk.office
        amazon = replace(office.mailbox.smtp, host="email-smtp.eu-west-1.amazonaws.com")
        box.desk.office = replace(office, mailbox=replace(office.mailbox, smtp=amazon))
        await box.desk.enroll(ANNA)
        box.desk.peer.once("end", Say(f"250 Ok {name}"))
        await box.desk.turn()
        await box.arrives(mail(HOME, "Hm", In_Reply_To=f"<{name}@eu-west-1.amazonses.com>"))
        assert await box.status(ANNA) is PAUSED


async def test_an_answer_to_an_answer_in_the_thread(box: Letterbox) -> None:
    await box.arrives(box.answer(ANNA, "Ask my boss.", message_id="<from-anna@example.com>"))
    await box.arrives(mail(HOME, "fw", "Did you?", In_Reply_To="<from-anna@example.com>"))
    assert len(await box.messages(ANNA)) == 2


# 3 Quoted in the body --------------------------------------------------------------------------------


async def test_a_token_or_an_id_that_is_quoted_in_the_body(box: Letterbox) -> None:
    await box.arrives(mail("boss@home.example", "Fwd: hm", f"> Message-ID: {box.sent_id(ANNA)}\n\nI do this."))
    await only_anna_is(box, PAUSED)
    await box.arrives(
        mail("aunt@home.example", "hm", f"Is this you?\n> mailto:x?subject=unsubscribe%20{token_of(box, BEN)}")
    )
    assert await box.status(BEN) is PAUSED
    assert await box.desk.suppressed(BEN) is None  # quoting the link asks for nothing


async def test_our_message_attached_to_theirs(box: Letterbox) -> None:
    outer = EmailMessage()
    outer["From"], outer["To"], outer["Subject"], outer["Message-ID"] = (
        "boss@home.example",
        MARK,
        "hm",
        "<o@home.example>",
    )
    outer.set_content("Anna sent me this.")
    outer.add_attachment(box.sent(ANNA))
    await box.arrives(outer.as_bytes())
    await only_anna_is(box, PAUSED)


async def test_a_quoted_id_with_a_changed_character(box: Letterbox) -> None:
    own = box.sent_id(ANNA)
    for at in (1, own.index(".") + 1, own.index("@") - 1):
        await box.leaves_no_trace(mail(STRANGER, "Fwd", f"> Message-ID: {changed(own, at)}\n\nHello"))


# 4 Gmail's thread ------------------------------------------------------------------------------------


async def test_gmails_thread(box: Letterbox) -> None:
    copy = next(m.data for m in box.desk.peer.accepted if m.recipients == (ANNA,))
    await box.arrives(copy, folder="Sent", thread="1789")
    await box.leaves_no_trace(mail(STRANGER, "x"), thread="1790")
    await box.leaves_no_trace(mail(STRANGER, "x", X_GM_THRID="1789"))  # a header proves nothing
    await box.arrives(mail(HOME, "x"), thread="1789")
    await only_anna_is(box, PAUSED)
    assert await box.matched_by(ANNA) == "the thread"


# 5 and 6 The sender ----------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["Re: Your quote", "AW: Re: [EXTERNAL] your  QUOTE", "Your quote"])
async def test_the_sender_and_the_subject(box: Letterbox, subject: str) -> None:
    await box.arrives(mail(f"Anna <{ANNA}>", subject))
    await only_anna_is(box, PAUSED)
    assert await box.matched_by(ANNA) == "sender and subject"


@pytest.mark.parametrize("sender", [ANNA, "Anna@Example.COM", "anna+rv@example.com", '"Mark H" <ANNA@example.com>'])
async def test_the_sender_alone(box: Letterbox, sender: str) -> None:
    await box.arrives(mail(sender, "Something else"))
    await only_anna_is(box, PAUSED)
    assert await box.matched_by(ANNA) == "sender"


@pytest.mark.parametrize(
    "sender",
    [
        "Anna <anna@home.example>",
        "anna@example.com.stranger.example",
        "hanna@example.com",
        "anna@exarnple.com",
        f'"{ANNA}" <spam@stranger.example>',
    ],
)
async def test_a_sender_who_only_looks_like_the_contact(box: Letterbox, sender: str) -> None:
    await box.leaves_no_trace(mail(sender, "Something else"))


async def test_a_contact_who_is_written_to_with_a_tag_answers_without(database: Database, tmp_path: Path) -> None:
    plan = PLAN + "on_reply: {reply: {stop: as they like}}\n"
    async with a_letterbox(database, tmp_path, "anna+rv@example.com", plan=plan) as box:
        await box.arrives(box.answer("anna+rv@example.com", "Thanks, let me ask my boss.", sender=ANNA))
        # It is them: the author's reaction, and not “a reply came from anna@…”.
        assert await box.reason("anna+rv@example.com") == "as they like"


# 7 The company ---------------------------------------------------------------------------------------


async def test_the_company_and_the_subject(box: Letterbox) -> None:
    await box.arrives(mail("boss@customer.example", "RE: Your quote"))
    assert (await box.status(CLEO), await box.matched_by(CLEO)) == (PAUSED, "company and subject")
    assert (await box.status(ANNA), await box.status(BEN)) == (ACTIVE, ACTIVE)
    assert await box.reason(CLEO) == "a reply came from boss@customer.example"


async def test_the_company_with_another_subject_or_another_company_with_the_subject(box: Letterbox) -> None:
    await box.leaves_no_trace(mail("boss@customer.example", "Our invoice"))
    await box.leaves_no_trace(mail("boss@customer.example", ""))
    await box.leaves_no_trace(mail("boss@other.example", "Re: Your quote"))
    await box.leaves_no_trace(mail("news@customer.example", "Our summer sale", List_Id="<news.customer.example>"))


async def test_free_mail_makes_no_company(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, FREE, FREE_TOO) as box:
        await box.leaves_no_trace(mail("erin.d@gmail.com", "Re: Your quote"))
        await box.arrives(box.answer(FREE))
        assert (await box.status(FREE), await box.status(FREE_TOO)) == (PAUSED, ACTIVE)


async def test_a_department_of_the_company(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, "carla@eu.customer.example", "dave@eu.customer.example") as box:
        await box.arrives(box.answer("carla@eu.customer.example", sender="boss@eu.customer.example"))
        assert await box.status("dave@eu.customer.example") is PAUSED


# 8 Whom it concerns, and when ------------------------------------------------------------------------


async def test_mail_that_concerns_nobody_leaves_no_trace(box: Letterbox) -> None:
    for subject, headers in (
        ("Invoice 4711", {}),
        ("Automatic reply: Hello", {"Auto_Submitted": "auto-replied"}),
        ("Sale!", {"List_Unsubscribe": "<https://shop.example/u>", "Precedence": "bulk"}),
        ("unsubscribe", {}),
        ("Re: Lunch?", {"In_Reply_To": "<lunch@stranger.example>"}),
    ):
        await box.leaves_no_trace(mail(STRANGER, subject, "What about noon?", **headers))


async def test_a_contact_in_no_sequence_is_kept_for_the_rep(box: Letterbox) -> None:
    from sequencer.store import messages
    from tests.operations.shop import add

    await add(box.desk.live, "zoe@elsewhere.example")
    assert await box.arrives(mail("zoe@elsewhere.example", "Hello?")) == []
    async with box.desk.live.database.read() as conn:
        (kept,) = await messages.unmatched(conn)
    assert kept.subject == "Hello?"


async def test_a_mail_of_before_the_enrollment(box: Letterbox) -> None:
    at = box.desk.now - 6 * DAY
    await box.arrives(mail(ANNA, "Re: Your quote"), at=at)
    await box.arrives(mail("boss@customer.example", "Your quote"), at=at)
    assert [await box.status(email) for email in (ANNA, BEN, CLEO)] == [ACTIVE] * 3


async def test_a_mail_of_the_second_of_the_enrollment_by_a_clock_that_is_behind(box: Letterbox) -> None:
    await box.arrives(mail(ANNA, "Hm"), at=box.desk.now.replace(microsecond=0) - timedelta(minutes=2))
    await only_anna_is(box, PAUSED)


@pytest.mark.parametrize("ending", ["won", "lost", "stopped", "finished"])
@pytest.mark.parametrize("tied", [True, False])
async def test_a_reply_after_the_end(box: Letterbox, ending: str, tied: bool) -> None:
    anna, now = await box.desk.enrollment(ANNA), box.desk.now
    if ending == "won" or ending == "lost":
        await close(box.desk.live, Who((ANNA,)), now, "won" if ending == "won" else "lost", "a reason")
    else:
        from tests.operations.shop import happen

        end = (
            e.Stopped(at=now, reason="x") if ending == "stopped" else e.Finished(at=now, reason="the steps are used up")
        )
        await happen(box.desk.live, anna.id, end, now=now)
    box.desk.now += HOUR
    await box.arrives(box.answer(ANNA, "I thought it over.") if tied else mail(ANNA, "Another matter"))
    if tied or ending not in ("won", "lost"):
        assert await box.status(ANNA) is PAUSED
        assert (await box.reason(ANNA)).startswith("a late reply")
    else:
        assert (await box.desk.enrollment(ANNA)).status.ended  # a deal that is closed is no longer ours to follow up


ALONGSIDE = PLAN.replace("steps:", "alongside: yes\nsteps:")


async def test_a_contact_in_two_sequences(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, other=ALONGSIDE.replace("email: first", "email: fresh")) as box:
        await box.desk.enroll(ANNA, sequence="other")
        await box.desk.turn(HOUR)
        assert [m["Subject"] for m in box.desk.received(ANNA)] == ["Your quote", "Something new"]
        await box.arrives(mail(ANNA, "Re: Your quote"))  # by its subject, although the other one is newer
        assert await box.sequences(ANNA) == {"plan": PAUSED, "other": PAUSED}
        assert await box.reason(ANNA, "other") == "they replied in plan"
        assert len(await box.messages(ANNA, "plan")) == 1
