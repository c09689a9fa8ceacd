"""Complaints, receipts, calendar messages, challenges: what is told by machines, and what only looks so."""

from __future__ import annotations

import pytest

from sequencer.inbox.complaint import is_failure_report, read_complaint
from sequencer.inbox.notices import is_unsubscribe_mail, read_calendar, read_challenge, read_receipt
from sequencer.inbox.parse import parse_mail
from tests.inbox.samples import OURS, enclosed, mail, multipart, text

CALENDAR = """\
BEGIN:VCALENDAR
METHOD:{method}
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
ATTENDEE;PARTSTAT={answer};CN="Carla Costa":mailto:car
 la@example.com
ORGANIZER:mailto:mark@us.example
SUMMARY:Demo\\, part one
DTSTART;TZID=Europe/Berlin:20250318T110000
END:VEVENT
END:VCALENDAR
"""


def calendar(method: str = "REPLY", answer: str = "ACCEPTED", disposition: str = "") -> str:
    extra = f"Content-Disposition: {disposition}\n" if disposition else ""
    body = CALENDAR.format(method=method, answer=answer)
    return f"Content-Type: text/calendar; method={method}; charset=utf-8\n{extra}\n{body}"


def feedback(kind: str, extra: str = "") -> str:
    return f"Content-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n{extra}"


def arf(kind: str = "abuse", extra: str = "") -> bytes:
    return multipart(
        text("This is an email abuse report."),
        feedback(kind, extra),
        enclosed(),
        kind="report; report-type=feedback-report",
        From="feedback@provider.example",
        Subject="FW: Are you still looking?",
    )


def test_a_complaint_names_who_and_about_what() -> None:
    complaint = read_complaint(parse_mail(arf(extra="Original-Rcpt-To: <carla@example.com>\n")))

    assert complaint is not None
    assert (complaint.feedback, complaint.recipient) == ("abuse", "carla@example.com")
    assert (complaint.original.message_id, complaint.reporter) == (OURS, "provider.example")


def test_a_complaint_without_a_name_is_traced_by_the_original() -> None:
    complaint = read_complaint(parse_mail(arf("opt-out")))

    assert complaint is not None
    assert (complaint.feedback, complaint.recipient) == ("opt-out", "carla@example.com")


def test_microsoft_only_attaches_the_message() -> None:
    complaint = read_complaint(
        parse_mail(
            multipart(
                enclosed(f"X-HmXmrOriginalRecipient: carla@example.com\nMessage-ID: {OURS}\n\nhello"),
                From="staff@provider.example",
                Subject="complaint about message from 192.0.2.9",
            )
        )
    )

    assert complaint is not None
    assert (complaint.recipient, complaint.original.message_id) == ("carla@example.com", OURS)


def test_amazon_reports_complaints_in_json() -> None:
    body = (
        '{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"carla@example.com"}],'
        '"complaintFeedbackType":"abuse"},"mail":{}}'
    )
    complaint = read_complaint(parse_mail(mail(body, From="no-reply@sns.amazonaws.example")))

    assert complaint is not None
    assert (complaint.feedback, complaint.recipient) == ("abuse", "carla@example.com")


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_reports_that_nobody_complained_in(kind: str) -> None:
    parsed = parse_mail(arf(kind))

    assert read_complaint(parsed) is None
    assert is_failure_report(parsed)


def test_a_forwarded_complaint_is_none() -> None:
    inner = arf().decode().replace("\r\n", "\n").replace("=_frontier", "=_inner")

    assert read_complaint(parse_mail(multipart(text("Look what I got"), enclosed(inner)))) is None


@pytest.mark.parametrize(
    ("disposition", "what"),
    [
        ("manual-action/MDN-sent-manually; displayed", "displayed"),
        ("automatic-action/MDN-sent-automatically; deleted/error", "deleted"),
    ],
)
def test_a_read_receipt(disposition: str, what: str) -> None:
    receipt = read_receipt(
        parse_mail(
            multipart(
                text("Your message was displayed."),
                "Content-Type: message/disposition-notification\n\nReporting-UA: x\nFinal-Recipient: "
                f"rfc822;carla@example.com\nOriginal-Message-ID: {OURS}\nDisposition: {disposition}",
                kind="report; report-type=disposition-notification",
            )
        )
    )

    assert receipt is not None
    assert (receipt.what, receipt.recipient, receipt.original_message_id) == (what, "carla@example.com", OURS)


@pytest.mark.parametrize(
    ("method", "answer", "told"),
    [
        ("REPLY", "ACCEPTED", "accepted"),
        ("REPLY", "DECLINED", "declined"),
        ("REPLY", "TENTATIVE", "tentatively accepted"),
        ("COUNTER", "TENTATIVE", "proposes another time for"),
        ("CANCEL", "NEEDS-ACTION", "cancels"),
        ("REQUEST", "NEEDS-ACTION", "invites to"),
    ],
)
def test_answers_to_invitations(method: str, answer: str, told: str) -> None:
    note = read_calendar(parse_mail(multipart(text("Carla answered."), calendar(method, answer), kind="alternative")))

    assert note is not None
    assert (note.answer, note.summary, note.when) == (told, "Demo, part one", "2025-03-18 11:00")
    assert note.attendee == ("carla@example.com" if method in ("REPLY", "COUNTER") else "")


def test_a_calendar_message_without_other_parts() -> None:
    body = CALENDAR.format(method="REPLY", answer="DECLINED")
    note = read_calendar(parse_mail(mail(body, content_type="text/calendar; charset=utf-8")))

    assert note is not None
    assert note.answer == "declined"


def test_an_invitation_attached_to_somebody_s_words_is_a_reply() -> None:
    parsed = parse_mail(multipart(text("Let's talk then."), calendar("REQUEST", disposition="attachment")))

    assert read_calendar(parsed) is None
    assert read_calendar(parse_mail(multipart(text("See our fair."), calendar("PUBLISH")))) is None


@pytest.mark.parametrize(
    "body",
    [
        "Please confirm that you are a human by clicking the link below:\nhttps://check.example/1234",
        "Your message has been waitlisted. Add yourself to my guest list. Click here: https://check.example/1",
        "I do not know you yet. Reply to this message to prove you are a real person.",
        "Your address is not on my list of contacts. Follow this link to be added: https://check.example/1",
    ],
)
def test_a_challenge(body: str) -> None:
    assert read_challenge(parse_mail(mail(body))) is not None


@pytest.mark.parametrize(
    "body",
    [
        "Sure, click here to book a slot: https://book.example/carla",
        "Add Jo to the list, please.\n\n-- \nThis mailbox is protected by Examplescan. https://scan.example",
        "Please confirm your subscription by clicking this link: https://news.example/confirm",
        "Can you confirm that you are coming on Tuesday? Here is the link: https://map.example",
        "Your message was held up in our spam filter, sorry. Use the link below for the plan: https://x.example",
    ],
)
def test_what_is_no_challenge(body: str) -> None:
    assert read_challenge(parse_mail(mail(body))) is None


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("unsubscribe", True),
        ("Unsubscribe", True),
        ("unsubscribe 4711-abcdefghijklmnop", True),
        ("Please unsubscribe me", True),
        ("unsubscribe:AbC123_xyz-45678", True),
        ("Re: unsubscribe", False),
        ("How do I unsubscribe my colleagues?", False),
        ("unsubscribe rates", False),
    ],
)
def test_what_mail_clients_send_to_unsubscribe(subject: str, expected: bool) -> None:
    assert is_unsubscribe_mail(parse_mail(mail("", Subject=subject))) is expected
