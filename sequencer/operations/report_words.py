"""The sentences of the report, for the terminal and for the page alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from statistics import NormalDist
from typing import Final
from zoneinfo import ZoneInfo

from sequencer.core.estimates import Quartiles, Share, Verdict, share
from sequencer.core.model import BACK_OFF
from sequencer.operations.counting import counted, headcount, listed
from sequencer.operations.report import FRESH, PassedOver, Reason, Report, Section, Slot
from sequencer.operations.report_cycle import ENOUGH_WON, Fit
from sequencer.operations.report_leaks import Leak, LeftBehind, Why
from sequencer.operations.report_shapes import WEEKDAYS

ENOUGH_REPLIES: Final = 20
"""Replies from which on it is worth saying when most of them come."""

WINDOW: Final = 2
"""Hours that are looked at together for that."""

BUSIEST: Final = NormalDist().inv_cdf(1 - 0.05 / (2 * 24))
"""The busiest of seven days, or of 23 windows, is busy by chance, too: so it is asked more sharply (Dunn 1961)."""

HOURS: Final = tuple(f"{hour:02}:00" for hour in range(24))
TOO_LITTLE: Final = "too little is known"


def title(report: Report) -> str:
    """Whom the report is about."""
    scope, zone = report.scope, ZoneInfo(report.zone)
    parts = [scope.sequence or "All sequences"]
    if scope.mailbox:
        parts.append(f"from the mailbox {scope.mailbox}")
    if scope.since is not None:
        parts.append(f"entered since {day(scope.since.astimezone(zone).date())}")
    if scope.until is not None:
        last = scope.until.astimezone(zone).date() - timedelta(days=1)
        parts.append(f"{'' if scope.since is not None else 'entered '}until {day(last)}")
    return ", ".join(parts)


def entered(section: Section, zone: str) -> str:
    """`84 people entered, 3 Nov 2026 to 24 Nov 2026`; `84 enrollments of 60 people` where somebody came back."""
    first, last = (day(at.astimezone(ZoneInfo(zone)).date()) for at in (section.first, section.last))
    when = f"on {first}" if first == last else f"{first} to {last}"
    if section.contacts < section.people:
        return f"{section.people:,} enrollments of {headcount(section.contacts)}, {when}"
    return f"{headcount(section.people)} entered, {when}"


def day(of: date) -> str:
    """`3 Nov 2026`."""
    return f"{of.day} {of:%b %Y}"


def percent(rate: float) -> str:
    """`3.2%`, `45%`."""
    return f"{rate:.1%}" if rate < 0.1 else f"{rate:.0%}"


def interval(one: Share) -> str:
    """Between which shares the true one lies."""
    return f"{percent(one.low)} to {percent(one.high)}"


def verdict(of: Verdict, one: Share) -> str:
    """How it compares, in plain words; that too little is known, where it is."""
    if of is Verdict.ALONE:
        return "" if one.known else TOO_LITTLE
    return str(of)


def length(days: float) -> str:
    """A length of time for people: `40 minutes`, `5 hours`, `12 days`."""
    if days < 1 / 24:
        return counted(round(days * 1440), "minute")
    if days < 2:
        return counted(round(days * 24), "hour")
    return counted(round(days), "day")


def reason(leak: Leak | LeftBehind, words: str = "") -> str:
    """Why somebody has no next touch."""
    told = words or leak.reason
    prefix = {Why.PAUSED: "paused: ", Why.HELD: "held: "}.get(leak.why, "")
    return f"{prefix}{told}"


def answer_words(section: Section) -> list[str]:
    """How long people take to answer."""
    times, touched = section.answers, section.curve.people
    if times is None:
        return ["Nobody has answered yet."] if touched else ["Nobody has been written to yet."]
    words = [f"{headcount(times.count)} of {touched:,} answered. {_half(times, 'of those')}"]
    points = [(days, section.curve.at(days)) for days in (3, 7, 14, 30, 60)]
    reached = [(days, one) for days, one in points if one is not None]
    if reached and times.count >= ENOUGH_WON:
        told = [f"{percent(one.share)} within {counted(days, 'day')}" for days, one in reached]
        words.append(
            f"Of everybody, those counted in who still have time: {', '.join(told)} "
            f"({percent(reached[-1][1].low)} to {percent(reached[-1][1].high)})."
        )
    return words


def _half(times: Quartiles, of: str) -> str:
    if times.count == 1:
        return f"It took {length(times.median)}; {TOO_LITTLE} to say more."
    if times.count < ENOUGH_WON:
        return f"In the middle of them it took {length(times.median)}; {TOO_LITTLE} to say more."
    surely = "" if times.low is None or times.high is None else f" ({length(times.low)} to {length(times.high)})"
    return (
        f"A quarter {of} within {length(times.first)}, half within {length(times.median)}{surely}, "
        f"three quarters within {length(times.third)} of the first touch."
    )


def won_words(section: Section) -> list[str]:
    """How long it takes to win somebody, and what that means for `decision_cycle`."""
    if section.won is None:
        words = ["Nobody is known to be won yet: `sequencer close --won EMAIL` tells so."]
    else:
        words = [f"{headcount(section.won.count)} won. {_half(section.won, 'of them')}"]
    return [*words, *cycle_words(section)]


def cycle_words(section: Section) -> list[str]:
    """What `decision_cycle` should be, and what the file has."""
    cycle = section.cycle
    if cycle is None:
        return []
    if cycle.suggested is None or cycle.days is None or cycle.days.low is None or cycle.days.high is None:
        if not cycle.won and not cycle.in_file:
            return []
        has = f"; the file's {cycle.in_file} stand" if cycle.in_file else ""
        return [f"No decision_cycle is suggested before {ENOUGH_WON} are won{has}."]
    low, high = length(cycle.days.low), length(cycle.days.high)
    took = f"from entering to won, half took {length(cycle.days.median)} ({low} to {high})"
    match cycle.fit:
        case Fit.FITS:
            return [f"decision_cycle: {cycle.in_file} in the file fits: {took}."]
        case Fit.DIFFERS:
            return [f"decision_cycle: {cycle.suggested} days is suggested instead of {cycle.in_file}: {took}."]
        case _:
            return [f"decision_cycle: {cycle.suggested} days is suggested, the file has none: {took}."]


def moment_words(section: Section) -> str:
    """When most answers come, on the clock of those who write them."""
    total = section.replies
    if not total:
        return "No answer has come yet."
    if total < ENOUGH_REPLIES:
        told = "1 answer has come" if total == 1 else f"{total} answers have come"
        return f"{told}: {TOO_LITTLE} to say when most of them do."
    by_day = [sum(section.arrivals[n * 24 : n * 24 + 24]) for n in range(7)]
    by_hour = [sum(section.arrivals[n::24]) for n in range(24)]
    best_day = max(range(7), key=lambda n: by_day[n])
    windows = [sum(by_hour[n : n + WINDOW]) for n in range(25 - WINDOW)]
    best_hour = max(range(len(windows)), key=lambda n: windows[n])
    in_day, in_window = share(by_day[best_day], total, BUSIEST), share(windows[best_hour], total, BUSIEST)
    when = f"between {best_hour}:00 and {best_hour + WINDOW}:00 ({percent(in_window.hits / total)})"
    if in_day.low <= 1 / 7:
        alike = f"Of the {total:,} answers, no weekday has clearly more than the others"
        return f"{alike}; most come {when}." if in_window.low > WINDOW / 24 else f"{alike}, and no hour."
    most = f"Most of the {total:,} answers come on {WEEKDAYS[best_day]}s ({percent(in_day.hits / total)})"
    return f"{most} and {when}." if in_window.low > WINDOW / 24 else f"{most}."


def slot_words(slots: Sequence[Slot], names: Sequence[str]) -> str:
    """Which weekdays or hours stand out, in one sentence."""
    more = [names[one.slot] for one in slots if one.verdict is Verdict.MORE]
    less = [names[one.slot] for one in slots if one.verdict is Verdict.LESS]
    parts = [
        f"{listed(group)} earned {word} than the others" for group, word in ((more, "more"), (less, "less")) if group
    ]
    if parts:
        return f"{'; '.join(parts)}."
    if all(one.verdict in (Verdict.UNKNOWN, Verdict.ALONE) for one in slots):
        return f"{TOO_LITTLE.capitalize()} to say which is best."
    return "No clear difference between them."


def behind_words(section: Section) -> str:
    """How many go on by themselves, and how many do not."""
    waiting = sum(leak.people for leak in section.leaks if leak.why.open)
    still = section.going_on + waiting
    if not still:
        return "Nobody is on the way any more."
    if not waiting:
        return f"{headcount(still)} on the way, and all of them have a next touch."
    have = "has" if waiting == 1 else "have"
    return f"{headcount(still)} on the way: {section.going_on:,} with a next touch, {waiting:,} {have} none."


def fresh_words(section: Section) -> str:
    """A warning about the latest touches; empty when there are none."""
    if not section.fresh:
        return ""
    touches = "1 touch is" if section.fresh == 1 else f"{section.fresh:,} touches are"
    return f"{touches} less than {FRESH.days} days old: answers to them may still come."


def since(at: datetime, zone: str) -> str:
    """The day of an instant, in the workspace's zone."""
    return day(at.astimezone(ZoneInfo(zone)).date())


def step(name: str) -> str:
    """What a step is called for people."""
    return {"": "written by hand", BACK_OFF: "back-off"}.get(name, name)


def passed_over(one: PassedOver) -> str:
    """`first-call was passed over 12 times: only if contact.phone`."""
    times = "once" if one.times == 1 else f"{one.times:,} times"
    return f"{step(one.step)} was passed over {times}: {one.reason}"


def no(one: Reason) -> str:
    """A reason for a no; that none was given, where none was."""
    return one.reason.replace("_", " ") or "no reason was given"


def shade(count: int, most: int) -> int:
    """How dark a cell is: 0 where nothing is, 1 to 5 from the fewest to the most."""
    if not count:
        return 0
    return 5 if most == 1 else 1 + round(4 * (count - 1) / (most - 1))
