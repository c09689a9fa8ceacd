"""The report on a terminal: tables and sentences, no colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from sequencer.cli.text import columns, paragraph, say
from sequencer.operations import report_words as words
from sequencer.operations.counting import headcount
from sequencer.operations.report import Report, Section, Slot
from sequencer.operations.report_leaks import Leak, LeftBehind, Why
from sequencer.operations.report_shapes import WEEKDAYS
from sequencer.operations.variants import Split

BAR: Final = 24
MOST: Final = 12
"""Lines of a list of reasons."""

SHADES: Final = " ·░▒▓█"


def print_report(found: Report, splits: Sequence[Split]) -> None:
    """All of it: one sequence in full; several in short, with what concerns all of them."""
    say(words.title(found))
    if found.whole is None:
        say("\nNobody has entered it yet." if found.scope.sequence else "\nNobody has entered a sequence yet.")
        say("`sequencer import FILE.csv --enroll SEQUENCE` begins some.")
        _print_strangers(found)
        return
    if len(found.sections) == 1:
        _print_section(found, found.sections[0], splits)
    else:
        _print_overview(found)
        _print_section(found, found.whole, ())
    _print_strangers(found)


def _print_overview(found: Report) -> None:
    head = ("SEQUENCE", "ENTERED", "TOUCHED", "REPLIED", "", "INTERESTED", "WON", "", "NO NEXT TOUCH")
    rows = [head]
    for one in found.sections:
        got = {stage.kind: stage.share for stage in one.stages}
        waiting = sum(leak.people for leak in one.leaks if leak.why.open)
        numbers = (
            f"{one.people:,}",
            f"{got['touched'].hits:,}",
            f"{got['replied'].hits:,}",
            words.percent(got["replied"].rate or 0),
            f"{got['interested'].hits:,}",
            f"{got['won'].hits:,}",
            words.percent(got["won"].rate or 0),
            f"{waiting:,}",
        )
        rows.append((one.name if one.in_workspace else f"{one.name} (no file)", *numbers))
    say()
    say("\n".join(_table(rows)))
    say("`sequencer report SEQUENCE` shows one of them in full.")


def _print_section(found: Report, section: Section, splits: Sequence[Split]) -> None:
    say(f"{words.entered(section, found.zone)}.")
    _print_funnel(section)
    _print_leaks(found, section)
    if section.name:
        _print_steps(section, splits)
    _print_slots(section)
    _title("How long it takes")
    for line in (*words.answer_words(section), *words.won_words(section)):
        _paragraph(line)
    _print_moments(section)
    _print_noes(section)


def _print_funnel(section: Section) -> None:
    _title("How far they got")
    rows = []
    for stage in section.stages:
        rate = stage.share.rate or 0.0
        name = words.step(stage.name) if stage.kind == "step" else stage.name
        indent = "  " if stage.kind == "step" else ""
        rows.append((f"{indent}{name}", f"{stage.share.hits:,}", words.percent(rate), "█" * round(rate * BAR)))
    say("\n".join(_table(rows, "  ")))


def _print_leaks(found: Report, section: Section) -> None:
    _title("Who has no next touch")
    _paragraph(words.behind_words(section))
    _print_reasons(found, [leak for leak in section.leaks if leak.why.open])
    over = [leak for leak in section.leaks if not leak.why.open]
    if over:
        _paragraph("Ended, and in no other sequence:")
        _print_reasons(found, over)


def _print_reasons(found: Report, leaks: Sequence[Leak]) -> None:
    if not leaks:
        return
    rows = [
        (f"{leak.people:,}", words.reason(leak), f"since {words.since(leak.since, found.zone)}", leak.command)
        for leak in leaks[:MOST]
    ]
    say("\n".join(_table(rows, "    ", right={0})))
    rest = leaks[MOST:]
    if rest:
        say(
            f"    {sum(leak.people for leak in rest):,} more, for {len(rest)} other reasons: `--left-behind` lists them"
        )


def _print_steps(section: Section, splits: Sequence[Split]) -> None:
    _title("What earned replies")
    rows: list[tuple[str, ...]] = [("STEP", "", "TOUCHES", "REPLIES", "RATE", "LIKELY", "")]
    for one in section.steps:
        told = words.verdict(one.verdict, one.replies)
        kind = "" if not one.step else one.does or "no longer in the file"
        rows.append(
            (
                words.step(one.step),
                kind,
                *_share(one.replies.hits, one.replies.of, one.replies.rate),
                words.interval(one.replies),
                told,
            )
        )
        templates = [each for each in section.variants if each.step == one.step]
        for each in templates if len(templates) > 1 else ():
            part = each.replies
            told = words.verdict(each.verdict, part)
            rows.append((f"  {each.template}", "", *_share(part.hits, part.of, part.rate), words.interval(part), told))
    say("\n".join(_table(rows, "  ", right={2, 3, 4})))
    if words.fresh_words(section):
        _paragraph(words.fresh_words(section))
    for split in splits:
        _paragraph(f"{split.step}: {split.words}")
    for passed in section.passed_over:
        _paragraph(words.passed_over(passed))


def _share(hits: int, of: int, rate: float | None) -> tuple[str, str, str]:
    return f"{of:,}", f"{hits:,}", "" if rate is None else words.percent(rate)


def _print_slots(section: Section) -> None:
    if not any(slot.replies.of for slot in section.weekdays):
        return
    for heading, slots, names in (
        ("Which weekday earns replies", section.weekdays, WEEKDAYS),
        ("Which hour earns replies", section.hours, words.HOURS),
    ):
        _title(f"{heading} (e-mails, by the contact's clock)")
        _paragraph(words.slot_words(slots, names))
        say("\n".join(_table([("", "E-MAILS", "REPLIES", "RATE", "LIKELY", ""), *_slot_rows(slots, names)], "  ")))


def _slot_rows(slots: Iterable[Slot], names: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        (
            names[one.slot],
            *_share(one.replies.hits, one.replies.of, one.replies.rate),
            words.interval(one.replies),
            words.verdict(one.verdict, one.replies),
        )
        for one in slots
        if one.replies.of
    ]


def _print_moments(section: Section) -> None:
    _title("When answers come (by the contact's clock)")
    _paragraph(words.moment_words(section))
    most = max(section.arrivals)
    if not most:
        return
    say("              " + "".join(f"{hour:<3}" for hour in range(0, 24, 1)).rstrip())
    for number, name in enumerate(WEEKDAYS):
        cells = section.arrivals[number * 24 : number * 24 + 24]
        say(f"  {name:<10}  {''.join(SHADES[words.shade(count, most)] * 2 + ' ' for count in cells)}".rstrip())
    say(f"  {SHADES[5] * 2} is {most:,} in an hour of the week")


def _print_noes(section: Section) -> None:
    _title("Why people say no")
    closed = [one for one in section.noes if one.source == "closed"]
    wrote = [one for one in section.noes if one.source == "reply"]
    if not section.noes:
        _paragraph("Nobody has said no yet. `sequencer close --lost EMAIL --reason …` keeps why.")
    for heading, group in (("closed as lost, because:", closed), ("what they wrote:", wrote)):
        if group:
            _paragraph(heading)
            rows = [(f"{one.people:,}", words.no(one)) for one in group[:MOST]]
            say("\n".join(_table(rows, "    ", right={0})))
            if len(group) > MOST:
                say(f"    and {len(group) - MOST} other reasons: `--csv` and `--json` have them all")


def _print_strangers(found: Report) -> None:
    number = len(found.never_enrolled)
    if number:
        were = "was" if number == 1 else "were"
        say(f"\n{headcount(number)} {were} imported and never enrolled: `sequencer report --left-behind` lists them.")


def print_people(found: Report, behind: Sequence[LeftBehind], most: int) -> None:
    """Those who have no next touch, by why."""
    say(words.title(found))
    if not behind:
        say("\nNobody is left behind.")
    for why, group in groupby(behind, key=lambda one: one.why):
        people = list(group)
        say(f"\n{_HEADINGS[why]} ({len(people):,})")
        rows = [
            (one.email, one.sequence, f"since {words.since(one.since, found.zone)}", words.reason(one))
            for one in people[:most]
        ]
        say("\n".join(columns(rows, "  ")))
        if len(people) > most:
            say(f"  and {len(people) - most:,} more: --csv FILE or --json has them all")
    if behind:
        say("\n`sequencer why EMAIL` tells all about one of them.")


_HEADINGS: Final = {
    Why.PAUSED: "Paused: they wait for you (`sequencer threads` shows what they wrote)",
    Why.TASK: "A task waits for you (`sequencer tasks`)",
    Why.HELD: "Held: due, and something forbids it",
    Why.SET_ASIDE: "Set aside with an error",
    Why.NO_FILE: "The sequence's file is gone",
    Why.NO_MAILBOX: "The mailbox is gone",
    Why.OVERDUE: "Due, and not taken",
    Why.ADRIFT: "Nothing is planned",
    Why.NOT_MOVED: "Ended: should have gone on elsewhere",
    Why.USED_UP: "Ended: the plan is used up",
    Why.STOPPED: "Ended: stopped",
    Why.UNREACHABLE: "Ended: cannot be reached",
    Why.UNWANTED: "Ended: they want no more mail",
    Why.LOST: "Ended: lost",
    Why.NEVER_ENROLLED: "Never in a sequence (`sequencer enroll SEQUENCE EMAIL` begins one)",
}


def _title(text: str) -> None:
    say(f"\n{text}")


def _paragraph(text: str) -> None:
    say("\n".join(paragraph(text, "  ")))


def _table(rows: Sequence[Sequence[str]], indent: str = "", right: set[int] | None = None) -> list[str]:
    """Aligned rows; the columns of `right` (else all that begin with a number below the heading) to the right."""
    if not rows:
        return []
    body = rows[1:] or rows
    numbers = (
        right
        if right is not None
        else {
            index
            for index in range(len(rows[0]))
            if all(row[index][:1].isdigit() or not row[index] for row in body) and index
        }
    )
    numbers -= {index for index in numbers if any(" to " in row[index] for row in body)}
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    aligned = [
        [cell.rjust(widths[index]) if index in numbers else cell for index, cell in enumerate(row)] for row in rows
    ]
    return columns(aligned, indent)
