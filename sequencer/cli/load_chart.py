"""What a crowd comes to, printed: bars of text, the waits, who ended how, and the advice. No colours: it is piped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from sequencer.cli.text import WIDEST, columns, paragraph, say
from sequencer.operations.counting import counted, headcount

if TYPE_CHECKING:
    from sequencer.core.pace import Limits
    from sequencer.operations.crowds import Outlook
    from sequencer.workspace.crowd_load import Load, MailboxLoad

WIDTH: Final = 40
NARROWEST: Final = 8
MOST_LINES: Final = 60
"""A chart of more days than this is drawn by weeks."""

MINUTE: Final = timedelta(minutes=1)
FULL: Final = "█"
ROOM: Final = "·"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart: `limit` is as far as it may reach."""

    label: str
    value: int
    limit: int | None
    words: str


def print_outlook(outlook: Outlook) -> None:
    """All of it."""
    load = outlook.load
    for mailbox in load.mailboxes:
        say(f"\n{mailbox.name}: e-mails a day; {limits_in_words(mailbox.limits)}")
        if not mailbox.mails:
            say("  none")
            continue
        for line in chart(_mailbox_bars(mailbox)):
            say(f"  {line}")
        for line in _mailbox_summary(mailbox):
            say("\n".join(paragraph(line, "  ", "    ")))
    if load.rep:
        say("\nthe rep: calls, texts and other tasks a day")
        for line in chart(_rep_bars(load)):
            say(f"  {line}")
    _print_ends(load)
    if outlook.advice:
        say("\nWhat this means:")
    for sentence in outlook.advice:
        say("\n".join(paragraph(sentence, "  ", "    ")))


def limits_in_words(limits: Limits) -> str:
    """`80 a day, 20 an hour, a gap of 90 to 240 seconds, 10 more each day while it is new`."""
    said = [f"{limits.per_day} a day"] if limits.per_day is not None else []
    if limits.per_hour is not None:
        said.append(f"{limits.per_hour} an hour")
    if limits.gap is not None:
        said.append(f"a gap of {limits.gap[0]:g} to {limits.gap[1]:g} seconds")
    if limits.ramp_up is not None:
        said.append(f"{limits.ramp_up} more each day while it is new")
    return ", ".join(said) or "no limits"


def chart(bars: Sequence[Bar]) -> Iterator[str]:
    """Labels, bars and words, aligned. The longest bar, or the highest limit, fills the width, or a narrow terminal."""
    beside = max((len(bar.label) for bar in bars), default=0) + max((len(bar.words) for bar in bars), default=0)
    width = min(WIDTH, max(NARROWEST, shutil.get_terminal_size((WIDEST, 24)).columns - beside - 6))
    most = max((max(bar.value, bar.limit or 0) for bar in bars), default=0)
    return iter(columns([(bar.label, _drawn(bar, most, width), bar.words) for bar in bars]))


def _drawn(bar: Bar, most: int, width: int) -> str:
    eighths = round(bar.value / most * width * 8) if most else 0
    if bar.value and not eighths:
        eighths = 1
    drawn = FULL * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    room = round((bar.limit or 0) / most * width) if most else 0
    return drawn + ROOM * max(0, room - len(drawn))


def _mailbox_bars(mailbox: MailboxLoad) -> list[Bar]:
    days = [day for day in mailbox.days if day.sent]
    if len(days) <= MOST_LINES:
        return [
            Bar(_day(day.day), day.sent, day.limit, _words(day.sent, day.limit, day.waiting, "wait")) for day in days
        ]
    weeks: dict[date, list[int]] = {}
    limited = mailbox.days[0].limit is not None
    for day in mailbox.days:
        week = weeks.setdefault(_monday(day.day), [0, 0, 0])
        week[0] += day.sent
        week[1] += day.limit or 0 if day.sent else 0
        week[2] = day.waiting
    return [
        Bar(
            f"week of {_day(monday)}",
            sent,
            limit if limited else None,
            _words(sent, limit if limited else None, waiting, "wait"),
        )
        for monday, (sent, limit, waiting) in weeks.items()
    ]


def _words(sent: int, limit: int | None, waiting: int, wait: str) -> str:
    of = f"{sent:,} of {limit:,}" if limit is not None else f"{sent:,}"
    return f"{of}; {waiting:,} {wait}" if waiting else of


def _mailbox_summary(mailbox: MailboxLoad) -> Iterator[str]:
    from sequencer.workspace.crowd_advice import lasting

    peak = mailbox.peak
    assert peak is not None
    most = f"most on {' '.join(_day(peak.day).split())}: {peak.sent:,}"
    yield f"{counted(mailbox.mails, 'mail')} to {headcount(mailbox.people)}; {most}"
    if mailbox.longest_wait <= timedelta(0):
        yield "no mail waits for the limits"
        return
    waiting = sum(wait > timedelta(0) for wait in mailbox.waits)
    half = f": half of all mails no longer than {lasting(mailbox.usual_wait)}" if mailbox.usual_wait >= MINUTE else ""
    wait = "1 waits" if waiting == 1 else f"{waiting:,} wait"
    yield f"{wait} for the limits{half}, the longest {lasting(mailbox.longest_wait)}"


def _rep_bars(load: Load) -> list[Bar]:
    from sequencer.workspace.crowd_advice import in_kinds

    if len(load.rep) <= MOST_LINES:
        return [Bar(_day(day.day), day.total, None, in_kinds(day)) for day in load.rep]
    weeks: dict[date, list[int]] = {}
    for day in load.rep:
        weeks.setdefault(_monday(day.day), []).append(day.total)
    return [
        Bar(f"week of {_day(monday)}", sum(totals), None, f"{sum(totals):,}, at most {max(totals):,} a day")
        for monday, totals in weeks.items()
    ]


def _print_ends(load: Load) -> None:
    say("\nHow it ends for them:")
    for line in columns([(f"{people:,}", reason) for reason, people in load.ends.items()], "  "):
        say(line)
    if load.skipped:
        say("\nSteps passed over:")
        for line in columns([(f"{one.people:,}", one.step, one.reason) for one in load.skipped], "  "):
            say(line)


def _day(day: date) -> str:
    return f"{day:%a} {day.day:>2} {day:%b %Y}"


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
