"""The ladder: which kind wins, and the sentence that a rep reads."""

from __future__ import annotations

from datetime import date

import pytest

from sequencer.inbox.parse import parse_mail
from sequencer.inbox.reading import Kind, Reading, read_mail
from tests.inbox.samples import OURS, daemon, enclosed, failed, mail, multipart, postfix, report, status, text

TODAY = date(2025, 3, 5)


def read(raw: bytes, **keywords: object) -> Reading:
    assert not keywords or set(keywords) <= {"labels"}
    labels = keywords.get("labels", {})
    assert isinstance(labels, dict)
    return read_mail(parse_mail(raw), today=TODAY, labels=labels, timezone="America/Denver", language="en")


def test_the_evidence_of_a_bounce_is_a_sentence_for_a_rep() -> None:
    reading = read(postfix())

    assert reading.kind is Kind.BOUNCE
    assert reading.evidence == "bounce: 5.1.1 no such user, from Postfix, for carla@example.com, our message of 3 March"
    assert (reading.matched_by, reading.original_message_id) == ("report message-id", OURS)
    assert (reading.recipient, reading.permanent, reading.kind.human) == ("carla@example.com", True, False)


def test_a_refusal_that_blames_us_says_so() -> None:
    reading = read(postfix("5.7.26", "550-5.7.26 Unauthenticated email from us.example is not accepted"))

    assert (reading.kind, reading.sender_side, reading.permanent) == (Kind.SOFT_BOUNCE, True, False)
    assert reading.evidence.endswith("; it blames the sender, not the address")


def test_bounces_come_before_automatic_replies() -> None:
    assert read(postfix(Auto_Submitted="auto-replied")).kind is Kind.BOUNCE


def test_a_delay_is_neither_permanent_nor_not() -> None:
    reading = read(report(text("x"), status(failed(code="4.4.1", answer="timed out", action="delayed")), enclosed()))

    assert (reading.kind, reading.permanent) == (Kind.DELAYED, None)
    assert reading.evidence.startswith("delayed, still being tried: 4.4.1")


def test_what_ties_a_bounce_without_an_id_to_us() -> None:
    listed = daemon(
        "A message that you sent could not be delivered.\n\n  carla@example.com\n    unknown user\n",
        "Mail delivery failed: returning message to sender",
        X_Failed_Recipients="carla@example.com",
    )

    assert read(listed).matched_by == "x-failed-recipients"
    assert read(daemon("It could not be delivered to <carla@example.com>: unknown user\n")).matched_by == "recipient"


def test_a_challenge_that_comes_as_a_delivery_report_is_a_challenge() -> None:
    raw = report(
        text(
            "Your message has been waitlisted.\nAdd yourself to my guest list. Click the link below: https://x.example"
        ),
        status(failed(code="4.7.0", answer="Sender not pre-approved. Follow the instructions above")),
        From="noreply@filter.example",
    )

    assert read(raw).kind is Kind.CHALLENGE
    assert read(postfix("5.7.1", "550 sender not verified, visit https://x.example")).kind is Kind.SOFT_BOUNCE


def test_each_rung_of_the_machines() -> None:
    complaint = multipart(
        text("abuse"),
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: carla@example.com\n",
        enclosed(),
        kind="report; report-type=feedback-report",
        From="feedback@provider.example",
    )
    receipt = multipart(
        text("read"),
        f"Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;carla@example.com\n"
        f"Original-Message-ID: {OURS}\nDisposition: manual-action/MDN-sent-manually; displayed",
        kind="report; report-type=disposition-notification",
    )
    calendar = mail(
        "BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nATTENDEE;PARTSTAT=ACCEPTED:mailto:carla@example.com\nSUMMARY:Demo\n"
        "DTSTART:20250318T110000Z\nEND:VEVENT\nEND:VCALENDAR\n",
        content_type="text/calendar; method=REPLY",
    )

    assert (read(complaint).kind, read(complaint).recipient) == (Kind.COMPLAINT, "carla@example.com")
    assert read(complaint).evidence == (
        "complaint: abuse, reported by provider.example, for carla@example.com, our message of 3 March"
    )
    assert (read(receipt).kind, read(receipt).original_message_id) == (Kind.RECEIPT, OURS)
    assert read(receipt).evidence == "read receipt: displayed, from carla@example.com"
    assert read(calendar).kind is Kind.CALENDAR
    assert read(calendar).evidence == "calendar: carla@example.com accepted “Demo”, on 2025-03-18 11:00"


def test_a_confirmed_delivery_is_a_receipt() -> None:
    reading = read(report(text("ok"), status(failed(code="2.0.0", answer="250 ok", action="delivered")), enclosed()))

    assert (reading.kind, reading.permanent) == (Kind.RECEIPT, None)
    assert reading.evidence == "delivery confirmed, from Postfix, for carla@example.com, our message of 3 March"


def test_a_pressed_unsubscribe_button_is_no_automatic_reply() -> None:
    raw = mail("This message was automatically generated.\n", Subject="unsubscribe", Auto_Submitted="auto-replied")

    assert read(raw).kind is Kind.UNSUBSCRIBE


def test_an_absence_is_read_with_its_day() -> None:
    raw = mail(
        "I am out of the office until Monday, 10 March 2025.\n",
        Subject="Automatic reply: Are you still looking?",
        Auto_Submitted="auto-replied",
        In_Reply_To=OURS,
    )
    reading = read(raw)

    assert (reading.kind, reading.matched_by) == (Kind.OUT_OF_OFFICE, "in-reply-to")
    assert reading.date == date(2025, 3, 10)


def test_what_ties_a_reply_to_us() -> None:
    assert read(mail("Yes.\n", In_Reply_To=OURS)).matched_by == "in-reply-to"
    assert read(mail("Yes.\n", References=OURS)).matched_by == "references"
    assert read(mail("Yes.\n")).matched_by == "sender"
    assert read(mail("x\n", To="mark+4711-abcdefghijklmnop@us.example", In_Reply_To=OURS)).matched_by == "token"


def test_people_are_people() -> None:
    raw = mail("Sorry, I was out of the office. Yes, please send me a quote.\n\n> Are you still looking?\n")
    reading = read(raw)

    assert reading.kind.human
    assert reading.text == "Sorry, I was out of the office. Yes, please send me a quote."
    assert reading.matched_by == "sender"


def test_the_author_s_own_labels() -> None:
    reading = read(mail("That is over our budget for this year.\n"), labels={"price": ("budget", "too expensive")})

    assert reading.label == "price"
    assert reading.kind.human


def test_relative_days_count_from_the_day_it_was_written() -> None:
    written_before = read(mail("Please call me in two weeks.\n", Date="Mon, 24 Feb 2025 10:00:00 +0000"))
    long_ago = read(mail("Please call me in two weeks.\n", Date="Mon, 24 Feb 2003 10:00:00 +0000"))

    assert written_before.date == date(2025, 3, 10)
    assert long_ago.date == date(2025, 3, 19)


@pytest.mark.parametrize("kind", list(Kind))
def test_seven_kinds_are_human(kind: Kind) -> None:
    people = {"interested", "question", "not_now", "not_interested", "unsubscribe", "wrong_person", "reply"}

    assert kind.human is (kind.value in people)
