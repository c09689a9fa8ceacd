"""What a received mail means: the ladder from machines to people, in order.

Bounces come first, since many of them also call themselves automatic replies; then complaints, receipts, calendar
answers, challenges; then absence and other automatic replies; what is left was written by a human.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.inbox.auto_reply import Automatic, read_automatic
from sequencer.inbox.bounce import Bounce, is_from_daemon, read_bounce
from sequencer.inbox.complaint import Complaint, is_failure_report, read_complaint
from sequencer.inbox.dates import ZoneOrder
from sequencer.inbox.fresh_text import fresh_text
from sequencer.inbox.intent import read_intent
from sequencer.inbox.kinds import Kind, Reading
from sequencer.inbox.match import addressed_token
from sequencer.inbox.notices import (
    CalendarNote,
    Challenge,
    Receipt,
    is_unsubscribe_mail,
    read_calendar,
    read_challenge,
    read_receipt,
)
from sequencer.inbox.original import Original
from sequencer.inbox.parse import Mail
from sequencer.inbox.phrases import Phrases

__all__ = ["Kind", "Reading", "read_mail"]

_LATEST_ARRIVAL: Final = timedelta(days=45)
_MOST_TEXT: Final = 20_000
_AMERICAN_PLACES: Final = frozenset(
    [
        *(
            "New_York",
            "Chicago",
            "Denver",
            "Los_Angeles",
            "Phoenix",
            "Detroit",
            "Boise",
            "Anchorage",
            "Juneau",
            "Sitka",
        ),
        *("Indiana", "Kentucky", "North_Dakota", "Indianapolis", "Louisville", "Menominee", "Nome", "Adak"),
    ]
)


def read_mail(
    mail: Mail,
    *,
    labels: Mapping[str, tuple[str, ...]] | None = None,
    today: date,
    timezone: str = "UTC",
    language: str = "",
    extra_phrases: Phrases | None = None,
) -> Reading:
    """The meaning of a received mail. Never raises.

    `labels` are the sequence's own reply labels with their phrases; `today` is the day it is read on, and relative
    dates count from the day it was written where that is no longer ago than 45 days; `timezone` (IANA) and
    `language` ("en") are the contact's. `extra_phrases` are the workspace's additions to phrases/*.yaml.
    """
    notice = _read_notice(mail, today)
    if notice is not None:
        return notice
    fresh = fresh_text(mail)
    written = _day_written(mail, today, timezone)
    if is_unsubscribe_mail(mail):
        return Reading(
            Kind.UNSUBSCRIBE, 0.99, _matched_by(mail), text=fresh, evidence="the subject asks to be unsubscribed"
        )
    day_order = _day_order(timezone)
    automatic = read_automatic(mail, fresh, written, language, zone_order=day_order)
    if automatic is not None:
        return _of_automatic(mail, fresh, automatic)
    intent = read_intent(fresh, mail.subject, written, language, labels or {}, extra_phrases, zone_order=day_order)
    return Reading(
        kind=Kind(intent.kind),
        confidence=intent.confidence,
        matched_by=_matched_by(mail),
        text=fresh,
        date=intent.date,
        date_words=intent.words,
        refers_to=intent.refers_to,
        evidence=intent.evidence,
        label=intent.label,
    )


def _read_notice(mail: Mail, today: date) -> Reading | None:
    """The reading of a mail that a machine wrote about a mail, a meeting or a sender; None when it is none of them."""
    challenge = read_challenge(mail)
    bounce = read_bounce(mail)
    if bounce is not None and (challenge is None or bounce.found_by != "delivery report" or is_from_daemon(mail)):
        return _of_bounce(mail, bounce, today)
    complaint = read_complaint(mail)
    if complaint is not None:
        return _of_complaint(mail, complaint, today)
    if is_failure_report(mail):
        return Reading(Kind.AUTO_REPLY, 0.95, "", evidence="a report on authentication, written by a mail server")
    receipt = read_receipt(mail)
    if receipt is not None:
        return _of_receipt(receipt)
    calendar = read_calendar(mail)
    if calendar is not None:
        return _of_calendar(mail, calendar)
    return _of_challenge(mail, challenge) if challenge is not None else None


def _day_written(mail: Mail, today: date, timezone: str) -> date:
    """The local day on which the mail was written, if its date can be believed, else today."""
    if mail.date is None:
        return today
    try:
        written = mail.date.astimezone(ZoneInfo(timezone or "UTC")).date()
    except (ValueError, OSError, KeyError, OverflowError):
        return today
    return written if today - _LATEST_ARRIVAL <= written <= today + timedelta(days=1) else today


def _day_order(timezone: str) -> ZoneOrder:
    """In which order the people of a zone write day and month in figures; "" where that is not known."""
    continent, _, place = timezone.partition("/")
    if continent == "US" or timezone == "Pacific/Honolulu":
        return "MDY"
    if continent == "America":
        return "MDY" if place.partition("/")[0] in _AMERICAN_PLACES else ""
    return "DMY" if continent in ("Europe", "Africa", "Australia") else ""


def _matched_by(mail: Mail) -> str:
    if addressed_token(mail):
        return "token"
    if mail.in_reply_to:
        return "in-reply-to"
    if mail.references:
        return "references"
    return "sender" if mail.from_address else ""


# Machines ------------------------------------------------------------------------------------------

_OUTCOMES: Final = {
    "bounce": Kind.BOUNCE,
    "soft_bounce": Kind.SOFT_BOUNCE,
    "delayed": Kind.DELAYED,
    "delivered": Kind.RECEIPT,
}


def _of_bounce(mail: Mail, bounce: Bounce, today: date) -> Reading:
    kind = _OUTCOMES[bounce.outcome]
    if bounce.original.message_id:
        matched = "report message-id"
    elif bounce.found_by == "x-failed-recipients":
        matched = bounce.found_by
    else:
        matched = "recipient" if bounce.recipient else ""
    return Reading(
        kind=kind,
        confidence=bounce.confidence,
        matched_by=matched,
        recipient=bounce.recipient,
        original_message_id=bounce.original.message_id,
        status=bounce.status,
        permanent=bounce.permanent,
        sender_side=bounce.sender_side,
        text=mail.words[:_MOST_TEXT].strip(),
        evidence=_bounce_evidence(bounce, kind, today),
    )


def _bounce_evidence(bounce: Bounce, kind: Kind, today: date) -> str:
    if kind is Kind.RECEIPT:
        what = "delivery confirmed"
    else:
        name = {Kind.SOFT_BOUNCE: "soft bounce", Kind.DELAYED: "delayed, still being tried"}.get(kind, "bounce")
        what = f"{name}: {' '.join(part for part in (bounce.status, bounce.reason.value) if part)}"
    parts = [what]
    if bounce.mailer:
        parts.append(f"from {bounce.mailer}")
    if bounce.recipient:
        parts.append(f"for {bounce.recipient}")
    return ", ".join([*parts, *_our_message(bounce.original, today)]) + (
        "; it blames the sender, not the address" if bounce.sender_side else ""
    )


def _our_message(original: Original, today: date) -> list[str]:
    if original.date is None:
        return []
    year = "" if original.date.year == today.year else f" {original.date.year}"
    return [f"our message of {original.date.day} {original.date:%B}{year}"]


def _of_complaint(mail: Mail, complaint: Complaint, today: date) -> Reading:
    parts = [f"complaint: {complaint.feedback}"]
    if complaint.reporter:
        parts.append(f"reported by {complaint.reporter}")
    if complaint.recipient:
        parts.append(f"for {complaint.recipient}")
    return Reading(
        kind=Kind.COMPLAINT,
        confidence=0.99,
        matched_by="report message-id" if complaint.original.message_id else "recipient" if complaint.recipient else "",
        recipient=complaint.recipient,
        original_message_id=complaint.original.message_id,
        text=mail.words[:_MOST_TEXT].strip(),
        evidence=", ".join([*parts, *_our_message(complaint.original, today)]),
    )


def _of_receipt(receipt: Receipt) -> Reading:
    what = "deleted without being read" if receipt.what == "deleted" else receipt.what
    return Reading(
        kind=Kind.RECEIPT,
        confidence=0.99,
        matched_by="report message-id" if receipt.original_message_id else "sender",
        recipient=receipt.recipient,
        original_message_id=receipt.original_message_id,
        evidence=f"read receipt: {what}" + (f", from {receipt.recipient}" if receipt.recipient else ""),
    )


def _of_calendar(mail: Mail, note: CalendarNote) -> Reading:
    who = note.attendee or mail.from_address
    parts = [f"calendar: {who} {note.answer}" + (f" “{note.summary}”" if note.summary else "")]
    if note.when:
        parts.append(f"on {note.when}")
    return Reading(
        kind=Kind.CALENDAR,
        confidence=0.98,
        matched_by=_matched_by(mail),
        text=mail.words[:_MOST_TEXT].strip(),
        evidence=", ".join(parts),
    )


def _of_challenge(mail: Mail, challenge: Challenge) -> Reading:
    return Reading(
        kind=Kind.CHALLENGE,
        confidence=0.9,
        matched_by=_matched_by(mail),
        text=mail.words[:_MOST_TEXT].strip(),
        evidence=f"a spam filter wants the sender to prove that they are human: “{challenge.words}”",
    )


def _of_automatic(mail: Mail, fresh: str, automatic: Automatic) -> Reading:
    return Reading(
        kind=Kind(automatic.kind),
        confidence=automatic.confidence,
        matched_by=_matched_by(mail),
        text=fresh,
        date=automatic.back,
        date_words=automatic.words,
        refers_to=automatic.refers_to,
        evidence=automatic.evidence,
    )
