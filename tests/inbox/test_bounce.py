"""Bounces of every make: found, with the right recipient, for ever or for now, and the message they are about."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.inbox.bounce import Bounce, read_bounce
from sequencer.inbox.parse import parse_mail
from sequencer.inbox.refusals import Reason
from tests.inbox import samples
from tests.inbox.samples import ORIGINAL, OURS, daemon, enclosed, failed, mail, multipart, postfix, report, status, text

MAILS = Path(__file__).parent / "mails"


def bounce_of(raw: bytes) -> Bounce:
    found = read_bounce(parse_mail(raw))
    assert found is not None
    return found


PROSE = (
    ("active-hunter", "bounce", Reason.UNKNOWN_USER),
    ("appliance", "bounce", Reason.UNKNOWN_USER),
    ("carrier-without-a-daemon", "soft_bounce", Reason.FULL),
    ("chinese", "bounce", Reason.UNKNOWN_USER),
    ("delayed-by-sendmail", "delayed", Reason.EXPIRED),
    ("french", "bounce", Reason.UNKNOWN_USER),
    ("gateway", "bounce", Reason.UNKNOWN_USER),
    ("imail", "soft_bounce", Reason.FULL),
    ("james", "bounce", Reason.UNKNOWN_USER),
    ("mailmarshal", "soft_bounce", Reason.FULL),
    ("quoted-address", "bounce", Reason.UNKNOWN_USER),
    ("spanish", "soft_bounce", Reason.FULL),
    ("exim", "bounce", Reason.UNKNOWN_USER),
    ("qmail", "soft_bounce", Reason.FULL),
    ("sendmail-transcript", "bounce", Reason.UNKNOWN_USER),
    ("exchange-without-a-report", "bounce", Reason.UNKNOWN_USER),
    ("domino", "bounce", Reason.UNKNOWN_USER),
    ("groupwise", "soft_bounce", Reason.FULL),
    ("yahoo", "soft_bounce", Reason.POLICY),
    ("old-gmail", "bounce", Reason.DISABLED),
    ("1and1", "bounce", Reason.UNKNOWN_USER),
    ("russian-and-english", "bounce", Reason.UNKNOWN_USER),
    ("japanese-carrier", "bounce", Reason.UNKNOWN_USER),
    ("german", "soft_bounce", Reason.FULL),
    ("only-in-html", "bounce", Reason.UNKNOWN_USER),
)


def test_every_sample_is_in_the_table() -> None:
    assert sorted(name for name, _, _ in PROSE) == sorted(file.stem for file in MAILS.glob("*.eml"))


@pytest.mark.parametrize(("name", "outcome", "reason"), PROSE)
def test_prose_of_any_mailer(name: str, outcome: str, reason: Reason) -> None:
    raw = (MAILS / f"{name}.eml").read_bytes()
    found = bounce_of(raw)

    assert (found.outcome, found.recipient, found.reason) == (outcome, "carla@example.com", reason)
    assert found.original.message_id == (OURS if OURS.encode() in raw else "")


def test_a_report_gives_recipient_status_and_original() -> None:
    found = bounce_of(postfix())

    assert (found.outcome, found.permanent, found.sender_side) == ("bounce", True, False)
    assert (found.recipient, found.status, found.found_by) == ("carla@example.com", "5.1.1", "delivery report")
    assert found.original.message_id == OURS
    assert found.original.to == ("carla@example.com",)
    assert found.original.date is not None
    assert found.original.date.isoformat() == "2025-03-03T09:30:00+00:00"


def test_the_address_as_we_wrote_it_comes_before_the_one_it_was_rewritten_to() -> None:
    fields = "Original-Recipient: rfc822;carla@example.com\n" + failed("mailbox-17@backend.example.com")
    found = bounce_of(report(text("It failed."), status(fields), enclosed()))

    assert found.recipient == "carla@example.com"


def test_several_recipients_the_gravest_first() -> None:
    found = bounce_of(
        report(
            text("Two failed."),
            status(failed("full@example.com", "5.2.2", "552 5.2.2 Mailbox full"), failed("gone@example.com")),
            enclosed(),
        )
    )

    assert (found.outcome, found.recipient) == ("bounce", "gone@example.com")
    assert found.recipients == ("gone@example.com", "full@example.com")


@pytest.mark.parametrize(
    "raw",
    [
        report(
            text("Still trying."),
            status(failed(code="4.4.1", answer="Connection timed out", action="delayed")),
            enclosed(),
        ),
        daemon(
            "THIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n"
            "     carla@example.com\n\nMessage will be retried for 2 more day(s)\n",
            "Delivery Status Notification (Delay)",
        ),
        daemon(
            "Your message to:\n\n\tcarla@example.com\n\nhas not yet been delivered. We will continue to attempt it.\n",
            "Warning: message has not yet been delivered",
        ),
    ],
    ids=["report", "Gmail", "warning"],
)
def test_what_is_still_being_tried_is_neither_permanent_nor_not(raw: bytes) -> None:
    found = bounce_of(raw)

    assert (found.outcome, found.permanent, found.recipient) == ("delayed", None, "carla@example.com")


@pytest.mark.parametrize(
    "answer",
    [
        "550-5.7.26 Unauthenticated email from us.example is not accepted due to domain's DMARC policy",
        "550 5.7.515 Access denied, sending domain us.example does not meet the required authentication level",
        "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org",
    ],
)
def test_a_refusal_that_blames_us_spares_the_contact(answer: str) -> None:
    found = bounce_of(postfix(code=answer.split()[0][4:] or "5.7.1", answer=answer))

    assert (found.outcome, found.permanent, found.sender_side) == ("soft_bounce", False, True)


def test_a_delivery_that_was_asked_to_be_confirmed_is_no_bounce() -> None:
    found = bounce_of(report(text("Delivered."), status(failed(code="2.0.0", answer="250 ok", action="delivered"))))

    assert found.outcome == "delivered"


def test_report_fields_in_the_text_count_as_a_report() -> None:
    body = (
        "An error occurred while trying to deliver the mail to the following recipients:\ncarla@example.com\n\n"
        "Technical report:\n\nReporting-MTA: dsn; x\nAction: failed\nFinal-Recipient: rfc822; carla@example.com\n"
        "Diagnostic-Code: smtp; 550 5.2.2 Mailbox Full\nStatus: 5.2.2\n"
    )
    found = bounce_of(daemon(body, "Delivery Status Notification (Failure)"))

    assert (found.outcome, found.recipient, found.status) == ("soft_bounce", "carla@example.com", "5.2.2")


def test_a_report_that_a_gateway_wrapped_into_an_attached_message() -> None:
    inner = postfix().decode().replace("\r\n", "\n").replace("=_frontier", "=_inner")
    raw = multipart(
        enclosed(inner),
        text("-- \nThis e-mail is confidential."),
        From="postmaster@example.com",
        Subject="Undeliverable mail",
        Return_Path="<>",
    )

    assert bounce_of(raw).recipient == "carla@example.com"


def test_amazon_notifies_in_json() -> None:
    body = (
        '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":'
        '"carla@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]}}'
    )
    found = bounce_of(mail(body, From="no-reply@sns.amazonaws.example", Subject="AWS Notification Message"))

    assert (found.outcome, found.recipient, found.status) == ("bounce", "carla@example.com", "5.1.1")


def test_the_id_is_found_wherever_it_is_quoted() -> None:
    prose = "Your message could not be delivered to carla@example.com: user unknown\n\n"
    for raw in (
        daemon(f"{prose}Original-Message-ID: {OURS}\n"),
        daemon(prose, In_Reply_To=OURS),
        daemon(prose, References=f"<root@us.example> {OURS}"),
        report(text(prose), status(failed()), enclosed(kind="text/rfc822-headers")),
        multipart(text(prose), text(ORIGINAL), Return_Path="<>", From="MAILER-DAEMON@mx.us.example", Subject="failed"),
        daemon(f"{prose}Original message headers:\n\n{ORIGINAL}", From="postmaster@example.com"),
        daemon(f"{prose}" + "".join(f"> {line}\n" for line in ORIGINAL.split("\n"))),
    ):
        assert bounce_of(raw).original.message_id == OURS


def test_a_list_that_refuses_outsiders_is_a_soft_bounce() -> None:
    found = bounce_of(
        mail(
            "You are not a member of this mailing list <team@example.com>.\n",
            From="team-admin@example.com",
            Subject="You mark@us.example are not member (team ML)",
        )
    )

    assert (found.outcome, found.recipient, found.permanent) == ("soft_bounce", "team@example.com", False)


@pytest.mark.parametrize("file", sorted((MAILS / "people").glob("*.eml")), ids=lambda file: str(file.stem))
def test_ordinary_mail_is_no_bounce(file: Path) -> None:
    assert read_bounce(parse_mail(file.read_bytes())) is None


def test_eight_bit_headers_do_not_make_a_library_fail() -> None:
    raw = samples.daemon("nothing to be found\n", "Undeliverable").replace(b"Mail Delivery System", b"Zustell\xfcng")

    found = read_bounce(parse_mail(raw))

    assert found is None or found.recipient == ""
