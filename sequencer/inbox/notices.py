"""Notices that are neither bounces nor absence: read receipts, calendar messages and challenges to senders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from sequencer.inbox.addresses import find_addresses, find_ids
from sequencer.inbox.mime import Part
from sequencer.inbox.parse import Mail
from sequencer.inbox.wording_files import read_wording

_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}):\s{0,8}(.{0,500})$", re.MULTILINE)
_TYPED = re.compile(r"^\s{0,5}[\w-]{1,20}\s{0,3};\s{0,5}")
_DAY: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d))?")
_MOST_CALENDAR: Final = 60_000

_ANSWERS: Final = {
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentatively accepted",
    "DELEGATED": "delegated",
    "NEEDS-ACTION": "did not decide on",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """A disposition notification (RFC 8098). `what` is displayed, deleted, dispatched or processed."""

    what: str
    recipient: str
    original_message_id: str


@dataclass(frozen=True, slots=True)
class CalendarNote:
    """An invitation, its answer or its withdrawal (iTIP, RFC 5546). `answer` is in plain words; `when` as written."""

    method: str
    answer: str
    attendee: str
    summary: str
    when: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """A mail that holds ours back until somebody proves to be human. `words` betrayed it."""

    words: str


def read_receipt(mail: Mail) -> Receipt | None:
    """The read receipt that this mail is, or None. Never raises."""
    for part in mail.parts:
        if part.content_type == "message/disposition-notification" and not part.enclosed:
            fields = {name.lower(): value.strip() for name, value in reversed(_FIELD.findall(part.text[:20_000]))}
            mode, _, kind = fields.get("disposition", "").partition(";")
            what = (kind or mode).strip().split("/", 1)[0].strip().lower() or "displayed"
            recipient = fields.get("original-recipient") or fields.get("final-recipient", "")
            ids = find_ids(fields.get("original-message-id", "")) or mail.in_reply_to or mail.references[-1:]
            addresses = find_addresses(_TYPED.sub("", recipient), 1)
            return Receipt(what[:40], addresses[0] if addresses else mail.from_address, ids[0] if ids else "")
    return None


def read_calendar(mail: Mail) -> CalendarNote | None:
    """The calendar message that this mail is, or None.

    A file that somebody attached to a mail with words of their own is no calendar message but a reply.
    """
    for part in _calendar_parts(mail):
        lines = _unfolded(part.text[:_MOST_CALENDAR])
        method = (part.params.get("method") or next(_values(lines, "METHOD"), "")).strip().upper()
        if method not in ("REPLY", "REQUEST", "COUNTER", "CANCEL", "DECLINECOUNTER"):
            continue
        if part.attached and method == "REQUEST" and mail.words.strip():
            continue
        return _calendar_note(lines, method)
    return None


def _calendar_parts(mail: Mail) -> Iterator[Part]:
    for part in mail.parts:
        if part.content_type in ("text/calendar", "application/ics") and not part.enclosed:
            yield part


def _calendar_note(lines: list[str], method: str) -> CalendarNote:
    attendee, answer = "", ""
    for line in lines:
        if line[:8].upper() == "ATTENDEE":
            status = re.search(r"PARTSTAT=\"?([A-Za-z-]{1,20})", line)
            address = find_addresses(line.partition(":")[2] + " " + line, 2)
            attendee = address[-1].removeprefix("mailto:") if address else ""
            answer = _ANSWERS.get(status[1].upper(), "") if status else ""
            if method in ("REPLY", "COUNTER"):
                break
    answers = {"REQUEST": "invites to", "CANCEL": "cancels", "COUNTER": "proposes another time for"}
    day = _DAY.search(next(_values(lines, "DTSTART"), ""))
    when = f"{day[1]}-{day[2]}-{day[3]}" + (f" {day[4]}:{day[5]}" if day[4] else "") if day else ""
    return CalendarNote(
        method=method,
        answer=answers.get(method, answer or "answers"),
        attendee=attendee if method in ("REPLY", "COUNTER") else "",
        summary=next(_values(lines, "SUMMARY"), "").replace("\\,", ",").replace("\\;", ";")[:200],
        when=when,
    )


def _unfolded(text: str) -> list[str]:
    """Content lines of iCalendar (RFC 5545 §3.1), unfolded; the definitions of time zones are left out."""
    lines: list[str] = []
    zone = False
    for line in text.split("\n")[:2000]:
        if line[:1] in (" ", "\t") and lines:
            lines[-1] = (lines[-1] + line[1:])[:1000]
            continue
        start = line[:20].upper().strip()
        zone = (zone or start == "BEGIN:VTIMEZONE") and start != "END:VTIMEZONE"
        if not zone:
            lines.append(line[:1000])
    return lines


def _values(lines: list[str], name: str) -> Iterator[str]:
    for line in lines:
        if line[: len(name)].upper() == name and line[len(name) : len(name) + 1] in (":", ";"):
            yield line.partition(":")[2].strip()


def read_challenge(mail: Mail) -> Challenge | None:
    """The challenge of a sender-verification service, or None: its own words, and a way to answer it."""
    for name in ("x-spamarrest-message", "x-boxbe-notice", "x-tmda-fingerprint", "x-choicemail-registration-request"):
        if name in mail.headers:
            return Challenge(name)
    text = " ".join(f"{mail.subject} . {mail.words[:4000]}".split())
    asks = _pattern("challenge").search(text)
    if not asks or not _pattern("challenge_way").search(text):
        return None
    return Challenge(asks[0][:120])


def is_unsubscribe_mail(mail: Mail) -> bool:
    """Whether a mail client wrote this for somebody who pressed "unsubscribe" (RFC 2369 §3.2, by List-Unsubscribe)."""
    return bool(_pattern("unsubscribe_subject").fullmatch(mail.subject.strip()))


@cache
def _pattern(key: Literal["challenge", "challenge_way", "unsubscribe_subject"]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{words})" for words in read_wording("notices")[key]), re.IGNORECASE)
