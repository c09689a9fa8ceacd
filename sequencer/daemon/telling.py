"""What the daemon tells: plain lines for a person at a terminal, JSON lines for machines.

A plain line on a terminal names the contact. JSON, and plain lines that go into a file or a journal, do not: an
address is personal data, and logs are kept, copied and shipped. Only lines of the level debug name the contact there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from sequencer.daemon.veil import Veil, without_addresses
from sequencer.operations.happenings import Happening, What

Level = Literal["debug", "info", "warning", "error"]
LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Note:
    """Something about the daemon or a mailbox, not about one person. `event` is a name that stays, for machines;
    `seconds` is how long it took."""

    level: Level
    mailbox: str
    message: str
    event: str = "note"
    seconds: float = 0.0


Told = Note | Happening

_SENTENCES: Final[dict[What, str]] = {
    "sent": "sent “{step}” to {who}",
    "in_doubt": "may or may not have sent “{step}” to {who}: {detail}; attempt {attempt} is not repeated by itself",
    "deferred": "“{step}” to {who} was put off by the server: {detail}",
    "rejected": "“{step}” to {who} was refused: {detail}",
    "held": "“{step}” to {who} is due but held: {detail}",
    "task": "a task for you: {who}: {detail}",
    "skipped": "skipped “{step}” for {who}: {detail}",
    "resumed": "goes on with {who}: {detail}",
    "branched": "goes on with {who} {detail}",
    "moved": "moved {who} to {detail}",
    "stopped": "stopped with {who}: {detail}",
    "finished": "finished with {who}: {detail}",
    "replied": "{who} wrote: {detail}",
    "notice": "a machine answered for {who}: {detail}",
    "hand_written": "you wrote to {who} by hand",
    "paused": "paused {who}: {detail}",
    "snoozed": "silent towards {who} {detail}",
    "retried": "“{step}” to {who} came back and will be tried again: {detail}",
    "never_left": "“{step}” to {who} never left: {detail}; the plan has gone on since, so it is not sent again",
    "recovered": "“{step}” to {who} had left before the database was restored: {detail}",
    "set_aside": "set aside: {detail}",
    "no_opinion": "the second opinion cannot be had: {detail}",
}

_OF_A_KIND: Final = frozenset({"replied", "notice"})
_WITH_REASON: Final = frozenset({"in_doubt", "deferred", "rejected", "held", "no_opinion"})
"""What servers, files and hours say. The other details may hold words of people."""

_MARKS: Final[dict[Level, str]] = {"debug": "·", "info": " ", "warning": "!", "error": "✗"}
_WARNINGS: Final = frozenset({"in_doubt", "never_left", "rejected", "held", "set_aside", "deferred", "no_opinion"})


def sentence(told: Told, *, personal: bool) -> str:
    """One line for a person. Without `personal`, people are called by their enrollment's number."""
    if isinstance(told, Note):
        return f"{told.mailbox}: {told.message}" if told.mailbox else told.message
    who = told.contact if personal and told.contact else f"enrollment {told.enrollment}"
    detail = (
        told.detail if personal else told.detail.replace(told.contact, "the contact") if told.contact else told.detail
    )
    text = (
        _SENTENCES[told.what]
        .format(step=told.step or told.sequence, who=who, detail=detail, attempt=told.attempt)
        .rstrip(" :")
    )
    return f"{told.mailbox}: {text}" if told.mailbox else text


def level_of(told: Told) -> Level:
    """How much a line matters."""
    if isinstance(told, Note):
        return told.level
    return "warning" if told.what in _WARNINGS else "info"


def veiled(told: Told, veil: Veil) -> Told:
    """What is told, without the secrets of the workspace."""
    if isinstance(told, Note):
        return replace(told, message=veil.over(told.message))
    return replace(told, detail=veil.over(told.detail)) if told.detail else told


def plain_line(told: Told, now: datetime, zone: ZoneInfo | None = None, *, personal: bool) -> str:
    """A line with the time in front, as `run` prints it."""
    text = sentence(told, personal=personal)
    shown = text if personal else without_addresses(text)
    # One line, whatever a server answers: nobody may forge another one.
    return f"{now.astimezone(zone):%Y-%m-%d %H:%M:%S} {_MARKS[level_of(told)]} {' '.join(shown.split())}"


def json_line(told: Told, now: datetime) -> str:
    """One JSON object a line; no address, no words of a message, no secret."""
    row: dict[str, object] = {"at": now.isoformat(), "level": level_of(told)}
    if isinstance(told, Note):
        row |= {
            "event": told.event,
            "mailbox": told.mailbox,
            "message": without_addresses(told.message),
            "seconds": round(told.seconds, 3),
        }
    else:
        row |= {
            "event": told.what,
            "mailbox": told.mailbox,
            "enrollment": told.enrollment,
            "attempt": told.attempt,
            "sequence": told.sequence,
            "step": told.step,
            "kind": told.detail if told.what in _OF_A_KIND else "",
            "reason": without_addresses(told.detail) if told.what in _WITH_REASON else "",
        }
    return _one_line(row)


def who_line(told: Happening, now: datetime, *, as_json: bool, zone: ZoneInfo | None = None) -> str:
    """The line of the level debug that names whom the line before it was about."""
    if not as_json:
        text = " ".join(sentence(told, personal=True).split())
        return f"{now.astimezone(zone):%Y-%m-%d %H:%M:%S} {_MARKS['debug']} {text}"
    return _one_line(
        {
            "at": now.isoformat(),
            "level": "debug",
            "event": "who",
            "mailbox": told.mailbox,
            "enrollment": told.enrollment,
            "attempt": told.attempt,
            "contact": told.contact,
            "detail": told.detail,
        }
    )


def _one_line(row: dict[str, object]) -> str:
    return json.dumps({key: value for key, value in row.items() if value not in ("", 0)}, ensure_ascii=False)
