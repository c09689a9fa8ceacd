"""What happened, in words: one sentence for each event of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from sequencer.core import events as e

SAID_DELIVERED: Final = "the owner says that it arrived"
"""The evidence of a message in doubt that was settled by a word."""


def moment(instant: datetime, zone: ZoneInfo) -> str:
    """An instant for people, in a zone: `Tue 1 Dec 2026 09:30`."""
    local = instant.astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y %H:%M}"


def told(event: e.Event, zone: ZoneInfo) -> str:
    """The sentence of an event. What it names of other times is in the zone."""
    match event:
        case e.Enrolled():
            return f"entered {event.sequence}, from the mailbox {event.mailbox}{_by(event.by)}"
        case e.AttemptStarted():
            return f"“{event.subject}” ({event.variant}) was being handed to the server"
        case e.Accepted():
            said = event.answer == SAID_DELIVERED
            return "it arrived, as the owner says" if said else f"the server took the message{_after(event.answer)}"
        case e.Deferred():
            return f"the server said not now{_after(event.answer)}; next try {moment(event.retry_at, zone)}"
        case e.Rejected():
            return f"the server refused it{_after(event.answer)}"
        case e.InDoubt():
            return f"it may or may not have arrived ({event.reason}); it counts as sent and is not sent again by itself"
        case e.NotDelivered():
            return f"it never arrived ({event.reason}); {_taken_again(event, zone)}"
        case e.Recovered():
            return f"it had left {moment(event.sent_at, zone)}, before the database was restored: {event.evidence}"
        case e.Skipped():
            return f"passed over: {event.reason}"
        case e.TaskCreated():
            return f"the rep was asked to {event.kind}{_after(event.note)}"
        case e.TaskDone():
            done = "the task was done" if event.touched else "the task was not needed, or reached nobody"
            return f"{done}{_after(event.outcome)}{_by(event.by)}"
        case _:
            return _turn(event, zone)


def _taken_again(event: e.NotDelivered, zone: ZoneInfo) -> str:
    if not event.again:
        return "the plan had gone on by then"
    return f"it is taken again {moment(event.retry_at, zone)}" if event.retry_at else "it is taken again"


def _turn(
    event: e.Replied
    | e.NoticeReceived
    | e.Relabelled
    | e.HandWritten
    | e.Paused
    | e.Resumed
    | e.Snoozed
    | e.Branched
    | e.Moved
    | e.Stopped
    | e.Finished,
    zone: ZoneInfo,
) -> str:
    match event:
        case e.Replied():
            why = "; ".join(part for part in (event.evidence, _matched(event.matched_by)) if part)
            return f"{event.sender} wrote, read as {event.kind.replace('_', ' ')}{_after(why)}"
        case e.NoticeReceived():
            away = f"; away until {moment(event.away_until, zone)}" if event.away_until else ""
            return f"a machine wrote: {event.kind.replace('_', ' ')}{_after(event.evidence)}{away}"
        case e.Relabelled():
            kind, read_as = event.kind.replace("_", " "), event.read_as.replace("_", " ")
            return f"the message is {kind}, and was read as {read_as}{_by(event.by)}"
        case e.HandWritten():
            return "the rep wrote to them by hand"
        case e.Paused():
            return f"paused{_why(event.reason, event.by)}"
        case e.Resumed():
            return f"went on{_by(event.by)}"
        case e.Snoozed():
            there = f", then “{event.to.step}”" if event.to is not None else ""
            return f"silent until {moment(event.until, zone)}{there}{_why(event.reason, event.by)}"
        case e.Branched():
            return f"went to “{event.to.step or event.to.line}”{_why(event.reason, event.by)}"
        case e.Moved():
            return f"moved to {event.to}{_why(event.reason, event.by)}"
        case e.Stopped():
            return f"stopped{_why(event.reason, event.by)}"
        case e.Finished():
            return f"{event.outcome or 'finished'}{_why(event.reason, event.by)}"
        case _:
            assert_never(event)


def _after(words: str) -> str:
    plain = " ".join(words.split())
    return f": {plain}" if plain else ""


def _by(who: str) -> str:
    return f" (by {who})" if who else ""


def _why(reason: str, by: str) -> str:
    return _after(reason) if by and reason.endswith(f"by {by}") else f"{_after(reason)}{_by(by)}"


def _matched(matched_by: str) -> str:
    return f"matched by {matched_by}" if matched_by else ""
