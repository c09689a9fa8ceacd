"""What `plan` and `apply` show: the edits, whom they concern, and what goes out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sequencer.cli.text import columns, instant, paragraph, person, say
from sequencer.operations.counting import counted, headcount

if TYPE_CHECKING:
    from sequencer.operations.approval import Versions
    from sequencer.operations.coming import Coming
    from sequencer.operations.plan import Planned
    from sequencer.operations.rewording import Rewording
    from sequencer.workspace.plan import Edits, SequenceEdit

FEW = 3
"""People who are named rather than counted."""

MOST_GROUPS = 15
"""Lines about one sequence and one kind of change; the others are counted."""


def show(versions: Versions, found: Planned, now: datetime, *, everybody: bool) -> None:
    """The whole plan."""
    zone = ZoneInfo(versions.live.workspace.config.contacts.timezone)
    say(_where_it_stands(versions, found, zone))
    if found.edits:
        say("\nWhat was edited")
        for line in edits_in_words(found.edits):
            say(line)
        say(f"\nWhom it concerns: {_of(found)}")
        for line in _one_by_one(found) if everybody else _together(found):
            say(line)
        if not found.due_at_once:
            say("  Nobody becomes due at once.")
    for text in found.unreadable:
        say(f"  ! {text} cannot be read, and is left out")
    days = (found.until - now).days
    say(f"\nWhat goes out in the next {counted(days, 'day')}, if nobody answers and every task is done at once")
    for line in _each(found.coming) if everybody else _by_day(versions, found.coming, zone):
        say(line)


def _where_it_stands(versions: Versions, found: Planned, zone: ZoneInfo) -> str:
    release = versions.release
    if release is None:
        return "Nothing was ever in force here: `sequencer run` puts the files in force."
    since = instant(release.at, zone)
    state = f"In force since {since}"
    if release.adopted_at is None:
        state = f"Approved {since}, and in force when `sequencer run` starts"
    if not found.edits:
        what = "the files there mean the same" if versions.apart else "the saved files mean the same"
        return f"{state}; {what}, so nothing changes."
    if versions.apart:
        how = "the files compared with it are not those of this workspace"
    elif versions.manual:
        how = "the saved files wait: `sequencer apply` puts them in force"
    elif versions.running:
        how = "the running daemon is about to put the saved files in force (`apply: auto`)"
    else:
        how = "the saved files are in force once `sequencer run` starts (`apply: auto`)"
    return f"{state}; {how}."


def _of(found: Planned) -> str:
    if not found.looked_at:
        return "nobody, since nobody is on the way"
    if not found.affected:
        return f"nobody of the {found.looked_at} on the way"
    if not found.unchanged:
        return "everybody on the way" if found.looked_at > 1 else "the one who is on the way"
    return f"{len(found.affected)} of {found.looked_at} on the way; for the others nothing changes"


# The edits ----------------------------------------------------------------------------------------


def edits_in_words(edits: Edits) -> Iterator[str]:
    """Each edit, indented under its file."""
    for edit in edits.sequences:
        yield from sequence_in_words(edit)
    shown = [step for edit in edits.sequences for each in edit.steps for step in each.what]
    for template in edits.templates:
        words = [what for what in template.what if not any(each.endswith(what) for each in shown)]
        if template.change != "changed" or words or not template.what:
            told = "; ".join(words) if template.change == "changed" else template.change
            yield from paragraph(f"templates/{template.template}.md: {told or 'only spaces'}", "  ", "      ")
    yield from (f"  {phrase}" for phrase in edits.phrases)
    for setting in edits.settings:
        yield from paragraph(f"config.yaml: {setting}", "  ", "      ")


def sequence_in_words(edit: SequenceEdit) -> Iterator[str]:
    """The edits of one sequence."""
    word = {"new": " is new", "gone": " is gone: whoever is in it is held until it is back"}.get(edit.change, "")
    yield f"  sequences/{edit.sequence}.yaml{word}"
    rows = [
        (f"“{each.step}”{f' in {each.line}' if each.line != 'steps' else ''}", each.change, "; ".join(each.what))
        for each in edit.steps
    ]
    for text in columns([row[:2] for row in rows], "    "):
        yield from paragraph(f"{text}  {rows.pop(0)[2]}", "", " " * 8)
    for other in edit.other:
        yield from paragraph(other, "    ", "        ")


# Whom it concerns ---------------------------------------------------------------------------------


def _together(found: Planned) -> Iterator[str]:
    from sequencer.operations.plan import grouped

    sequence, shown, left = "", Counter[str](), Counter[str]()
    lines: list[tuple[str, str, list[str]]] = []
    for group in grouped(found.affected):
        shown[f"{group.sequence} {group.kind}"] += 1
        if shown[f"{group.sequence} {group.kind}"] > MOST_GROUPS:
            left[group.sequence] += len(group.people)
            continue
        count = headcount(len(group.people))
        named = [", ".join(group.people)] if len(group.people) <= FEW else []
        lines.append((group.sequence, f"{'! ' if group.kind in ('due', 'held') else ''}{group.text}", [count, *named]))
    for name, text, (count, *named) in lines:
        if name != sequence:
            if left[sequence]:
                yield f"    … and {left.pop(sequence)} more of such changes; --all lists each"
            yield f"  {name}"
            sequence = name
        yield from paragraph(f"{count}: {text}", "    ", "        ")
        yield from (text for each in named for text in paragraph(each, "        "))
    if left[sequence]:
        yield f"    … and {left[sequence]} more of such changes; --all lists each"


def _one_by_one(found: Planned) -> Iterator[str]:
    for each in found.affected:
        yield f"  {person(each.contact)}, in {each.enrollment.sequence}"
        for effect in each.effects:
            mark = "! " if effect.kind in ("due", "held") else ""
            yield from paragraph(f"{mark}{effect.what}", "    ", "      ")


# What goes out ------------------------------------------------------------------------------------


def _by_day(versions: Versions, coming: Sequence[Coming], zone: ZoneInfo) -> Iterator[str]:
    """Day by day, mailbox by mailbox: how many, and of which steps."""
    held = Counter((one.mailbox, one.detail) for one in coming if one.action == "held")
    days: dict[tuple[date, str], list[Coming]] = {}
    for one in coming:
        if one.action != "held":
            days.setdefault((one.at.astimezone(zone).date(), one.mailbox), []).append(one)
    if not days:
        yield "  nothing"
    rows = []
    last: date | None = None
    for (day, mailbox), ones in sorted(days.items()):
        shown = f"{day:%a} {day.day} {day:%b}" if day != last else ""
        last = day
        mails, tasks = [one for one in ones if _is_mail(one)], [one for one in ones if not _is_mail(one)]
        box = versions.after.config.mailboxes.get(mailbox)
        most = box.limits.per_day if box is not None else None
        over = f" (limit {most}: some leave later)" if most is not None and len(mails) > most else ""
        count = f"{counted(len(mails), 'mail')}{over}" if mails else ""
        todo = counted(len(tasks), "task") if tasks else ""
        rows.append((shown, mailbox, ", ".join(filter(None, (count, todo))), _steps(ones)))
    for row, text in zip(rows, columns([row[:3] for row in rows], "  "), strict=True):
        yield from paragraph(f"{text}  {row[3]}", "", " " * 12)
    for (mailbox, reason), number in sorted(held.items()):
        yield from paragraph(f"{mailbox}: {number} held: {reason}", "  ! ", "      ")


def _is_mail(one: Coming) -> bool:
    return one.action in ("email", "back_off")


def _steps(ones: Sequence[Coming]) -> str:
    """Of each step how many, and to whom where they are few."""
    whom: dict[str, list[str]] = {}
    for one in ones:
        whom.setdefault(f"{one.sequence}/{one.step}", []).append(one.contact.email)
    if len(ones) <= FEW:
        return "; ".join(f"{step} to {', '.join(emails)}" for step, emails in whom.items())
    most = sorted(whom.items(), key=lambda item: -len(item[1]))
    return ", ".join(f"{len(emails)} {step}" for step, emails in most)


def _each(coming: Sequence[Coming]) -> Iterator[str]:
    from sequencer.operations.explain import zone_for

    if not coming:
        yield "  nothing"
    yield from columns(
        [
            (
                instant(one.at, zone_for(one.contact)),
                one.mailbox,
                one.contact.email,
                f"{one.sequence}/{one.step}",
                f"held: {one.detail}" if one.action == "held" else one.action.replace("_", "-"),
            )
            for one in coming
        ],
        "  ",
    )


# Words --------------------------------------------------------------------------------------------


def show_rewording(rewording: Rewording) -> None:
    """The words before and after, for one contact."""
    say(f"\nThe words of “{rewording.step}” ({rewording.template}):")
    if rewording.trouble:
        say(f"  ! {rewording.trouble}")
    for line in rewording.lines:
        say(f"  {line}")
