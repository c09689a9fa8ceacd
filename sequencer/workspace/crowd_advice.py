"""What a crowd's load means, in plain words: whether the limits suffice, and what would help."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.hours import common_times
from sequencer.core.pace import Limits
from sequencer.core.timing import Calendar
from sequencer.workspace.crowd_load import Load, MailboxLoad, RepDay

ENOUGH: Final = timedelta(hours=2)
"""Limits suffice when no mail waits longer than this."""

MANY_TASKS: Final = 40
"""More calls, texts and cards than this on one day are too many for one person."""

_COUNTED: Final = ("call", "text", "card", "visit", "letter")
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)


def advice(load: Load, calendar: Calendar) -> list[str]:
    """Sentences, the most important first. `calendar` is that of most of these people, for the hours of a day."""
    said = [sentence for mailbox in load.mailboxes for sentence in _of_mailbox(load, mailbox, calendar)]
    said += _of_held(load)
    said += _of_expiry(load)
    said += _of_tasks(load)
    return said


def capacity(limits: Limits, calendar: Calendar) -> tuple[int, str] | None:
    """How many mails a mailbox past its ramp-up can send on a usual working day, and what keeps it from more; None when
    nothing does."""
    open_for = _open_hours(calendar)
    bounds: list[tuple[int, str]] = []
    if limits.per_day is not None:
        bounds.append((limits.per_day, f"at most {limits.per_day} a day"))
    if limits.per_hour is not None:
        bounds.append((int(limits.per_hour * open_for), f"at most {limits.per_hour} an hour"))
    if limits.gap is not None and sum(limits.gap) > 0:
        usual = sum(limits.gap) / 2
        bounds.append((int(open_for * 3600 / usual), f"a gap of {limits.gap[0]:g} to {limits.gap[1]:g} seconds"))
    return min(bounds) if bounds else None


def _open_hours(calendar: Calendar) -> float:
    """The hours of the longest day of the week."""
    days = (common_times(calendar.hours, weekday) for weekday in range(7))
    return max(sum((end - start for start, end in times), timedelta(0)) for times in days) / _HOUR


def _of_mailbox(load: Load, mailbox: MailboxLoad, calendar: Calendar) -> Iterator[str]:
    if not mailbox.mails or mailbox.first_due is None or mailbox.all_written is None or mailbox.limits == Limits():
        return
    usual, longest = mailbox.usual_wait, mailbox.longest_wait
    if longest < _MINUTE:
        yield f"The limits of {mailbox.name} suffice: no mail waits for them."
        return
    if longest <= ENOUGH:
        yield f"The limits of {mailbox.name} suffice: no mail waits longer than {lasting(longest)}."
        return
    room = capacity(mailbox.limits, calendar)
    took = mailbox.all_written - mailbox.first_due
    if took > _DAY and load.all_entered - load.began < _DAY:
        at = f" ({room[1]})" if room is not None else ""
        yield (
            f"{mailbox.name} needs {lasting(took)} to write to these {mailbox.people:,} people for the first time{at}:"
            f" until {_day(mailbox.all_written, load.zone)}."
        )
    half = f"at least {lasting(usual)}" if usual >= _MINUTE else "less than a minute"
    late = "; whatever is timed by a date comes late by that" if longest > 2 * _DAY else ""
    yield f"Half of the mails of {mailbox.name} wait {half} for the limits, one {lasting(longest)}{late}."
    yield from _of_ramp_up(mailbox)
    yield from _of_room(load, mailbox, room)


def _of_room(load: Load, mailbox: MailboxLoad, room: tuple[int, str] | None) -> Iterator[str]:
    """How many people may enter a day without a delay, where more do."""
    if room is None or not room[0]:
        return
    each = mailbox.mails / mailbox.people
    a_day = max(1, int(room[0] / each))
    if a_day < load.most_entered * mailbox.people / load.people:
        whole = max(1, int(a_day * load.people / mailbox.people))
        yield (
            f"With {each:.1f} mails a person, about {a_day:,} new people a working day are what {mailbox.name} can"
            f" follow up without delay: try --per-day {whole}, or share the work with one more mailbox in from:."
        )


def _of_ramp_up(mailbox: MailboxLoad) -> Iterator[str]:
    ramp, per_day = mailbox.limits.ramp_up, mailbox.limits.per_day
    if ramp is None or not any("ramp-up" in reason for reason in mailbox.reasons):
        return
    full = f"; it reaches {per_day} a day on day {-(-per_day // ramp)}" if per_day is not None else ""
    yield f"{mailbox.name} is taken to be new: it begins with {ramp} a day{full}. --warm leaves the ramp-up out."


def _of_held(load: Load) -> Iterator[str]:
    for reason, people in load.ends.items():
        if reason.startswith("held: "):
            who = "1 person is" if people == 1 else f"{people:,} people are"
            yield f"{who} held where nobody helps: {reason.removeprefix('held: ')}."


def _of_expiry(load: Load) -> Iterator[str]:
    for skipped in load.skipped:
        if skipped.reason.startswith("could not leave within"):
            people = "1 person misses" if skipped.people == 1 else f"{skipped.people:,} people miss"
            yield f"{people} {skipped.step}: it {skipped.reason}."


def _of_tasks(load: Load) -> Iterator[str]:
    if not load.rep:
        return
    peak = max(load.rep, key=lambda day: day.total)
    if peak.total <= MANY_TASKS:
        return
    many = sum(day.total > MANY_TASKS for day in load.rep)
    others = f"; on {many} days there are more than {MANY_TASKS}" if many > 1 else ""
    tasks = f"{peak.total:,} tasks on {_day(peak.day)} ({in_kinds(peak)}){others}"
    yield f"The rep gets {tasks}. Let fewer people enter a day."


def in_kinds(day: RepDay) -> str:
    """`12 calls, 1 text, 3 × linkedin`."""
    return ", ".join(_in_kind(number, kind) for kind, number in day.tasks.items())


def _in_kind(number: int, kind: str) -> str:
    if kind not in _COUNTED:
        return f"{number:,} × {kind}"
    return f"{number} {kind}" if number == 1 else f"{number:,} {kind}s"


def lasting(length: timedelta) -> str:
    """A length of time as people say it: `3 weeks`, `12 days`, `5 hours`, `20 minutes`."""
    minutes = round(length / timedelta(minutes=1))
    if abs(length - _DAY) <= _HOUR / 2:
        return "1 day"
    for unit, size, least in (
        ("week", 7 * 1440, 21 * 1440),
        ("day", 1440, 2 * 1440),
        ("hour", 60, 120),
        ("minute", 1, 0),
    ):
        if minutes >= least:
            number = round(minutes / size)
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    raise AssertionError("every length has minutes")


def _day(at: datetime | date, zone: ZoneInfo | None = None) -> str:
    day = at.astimezone(zone) if isinstance(at, datetime) else at
    return f"{day:%a} {day.day} {day:%b %Y}"
