"""Complaints: somebody pressed "this is spam", and their provider reports it (ARF, RFC 5965, and its relatives)."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sequencer.inbox.addresses import find_addresses
from sequencer.inbox.original import Original, find_original, split_notice
from sequencer.inbox.parse import Mail

_HARMLESS: Final = frozenset({"not-spam", "auth-failure", "dkim", "virus"})
"""Feedback types that are no complaint of a person (RFC 5965 §7.3, RFC 6591)."""

_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}):\s{0,8}(.{0,500})$", re.MULTILINE)
_AMAZON = re.compile(r'\s{0,5}\{\s{0,5}"(?:notificationType|eventType)"\s{0,5}:\s{0,5}"Complaint"')
_MICROSOFT = re.compile(r"^complaint about message from ", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Complaint:
    """A report of abuse. `recipient` is who complained, "" when the provider hides it; `feedback` is its type."""

    feedback: str
    recipient: str
    original: Original
    reporter: str


def read_complaint(mail: Mail) -> Complaint | None:
    """The complaint that this mail reports, or None. Never raises."""
    for part in mail.parts:
        if part.content_type == "message/feedback-report" and not part.enclosed:
            fields = {name.lower(): value.strip() for name, value in reversed(_FIELD.findall(part.text[:20_000]))}
            feedback = fields.get("feedback-type", "abuse").lower()
            return None if feedback in _HARMLESS else _complaint(mail, feedback, fields)
    if _AMAZON.match(mail.text[:200]):
        return _from_json(mail)
    if _MICROSOFT.match(mail.subject):
        return _complaint(mail, "abuse", {})
    return None


def is_failure_report(mail: Mail) -> bool:
    """Whether this is an authentication report of another server (DMARC, RFC 7489 §7): nothing that a contact did."""
    if any(part.content_type == "message/feedback-report" and not part.enclosed for part in mail.parts):
        return read_complaint(mail) is None
    return mail.subject.lower().startswith("report domain:")


def _complaint(mail: Mail, feedback: str, fields: Mapping[str, str]) -> Complaint:
    original = find_original(mail, split_notice(mail.words)[1])
    enclosed = next((part.message for part in mail.parts if part.message), None)
    named = [
        fields.get("original-rcpt-to", ""),
        fields.get("removal-recipient", ""),
        enclosed.get("x-hmxmroriginalrecipient") if enclosed else "",
        *(original.to if len(original.to) == 1 else ()),
    ]
    addresses = [address for value in named for address in find_addresses(value, 1)]
    return Complaint(
        feedback=feedback,
        recipient=addresses[0] if addresses else "",
        original=original,
        reporter=mail.from_address.rpartition("@")[2].lower(),
    )


def _from_json(mail: Mail) -> Complaint:
    """Amazon's notification of a complaint, one JSON object in the text."""
    value: Any = {}
    with contextlib.suppress(ValueError, RecursionError):
        value = json.JSONDecoder(strict=False).raw_decode(mail.text.lstrip()[:100_000])[0]
    text = json.dumps(value.get("complaint", "")) if isinstance(value, dict) else ""
    feedback = re.search(r'"complaintFeedbackType": "([a-z-]{1,30})"', text)
    addresses = find_addresses(text, 1)
    original = find_original(mail, "")
    return Complaint(feedback[1] if feedback else "abuse", addresses[0] if addresses else "", original, "amazonses.com")
