"""The report for other programs: as JSON, and as one tidy table for spreadsheets and statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Final

from sequencer.core.estimates import Quartiles, Share
from sequencer.operations.explain import iso
from sequencer.operations.report import Report, Section, Slot
from sequencer.operations.report_leaks import Leak, LeftBehind
from sequencer.operations.variants import Split

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WAITS: Final = (1, 3, 7, 14, 30, 60, 90)
"""Days after the first touch for which the share that has answered is told."""

HEAD: Final = ("table", "sequence", "key", "detail", "count", "of", "rate", "low", "high", "verdict", "since")
PEOPLE_HEAD: Final = ("email", "sequence", "thread", "why", "reason", "since", "open")


def report_json(report: Report, splits: Iterable[Split] = ()) -> dict[str, Any]:
    """`{"at", "zone", "scope", "sequences": [section…], "all": section, "never_enrolled": number}`. Rates are 0 to 1,
    times are days; `low` and `high` hold the true value with 95 % confidence."""
    scope, told = report.scope, list(splits)
    return {
        "at": iso(report.at),
        "zone": report.zone,
        "scope": {
            "sequence": scope.sequence or None,
            "mailbox": scope.mailbox or None,
            "since": iso(scope.since),
            "until": iso(scope.until),
        },
        "sequences": [section_json(one, [s for s in told if s.sequence == one.name]) for one in report.sections],
        "all": section_json(report.whole) if report.whole is not None else None,
        "never_enrolled": len(report.never_enrolled),
    }


def section_json(section: Section, splits: Iterable[Split] = ()) -> dict[str, Any]:
    """One sequence, or all together."""
    return {
        "sequence": section.name or None,
        "in_workspace": section.in_workspace if section.name else None,
        "people": section.people,
        "contacts": section.contacts,
        "first_entered": iso(section.first),
        "last_entered": iso(section.last),
        "funnel": [{"stage": one.kind, "name": one.name, **share_json(one.share)} for one in section.stages],
        "steps": [
            {
                "step": one.step or None,
                "line": one.line,
                "does": one.does if one.step else "by hand",
                "people": one.people,
                **share_json(one.replies),
                "verdict": str(one.verdict),
            }
            for one in section.steps
        ],
        "variants": [
            {"step": one.step, "template": one.template, **share_json(one.replies), "verdict": str(one.verdict)}
            for one in section.variants
        ],
        "splits": [{"step": one.step, "kind": one.kind, "words": one.words} for one in splits],
        "weekdays": [{"weekday": WEEKDAYS[one.slot], **_slot(one)} for one in section.weekdays],
        "hours": [{"hour": one.slot, **_slot(one)} for one in section.hours],
        "arrivals": [list(section.arrivals[day * 24 : day * 24 + 24]) for day in range(7)],
        "fresh_touches": section.fresh,
        "time_to_answer": {**(_quartiles(section.answers) or {"people": 0}), "answered_after": _answered(section)},
        "time_to_won": _quartiles(section.won) or {"people": 0},
        "decision_cycle": _cycle(section),
        "noes": [{"source": one.source, "reason": one.reason, "people": one.people} for one in section.noes],
        "passed_over": [{"step": one.step, "reason": one.reason, "times": one.times} for one in section.passed_over],
        "next_touch": section.going_on,
        "leaks": [leak_json(one) for one in section.leaks],
    }


def share_json(one: Share) -> dict[str, Any]:
    """A share with its interval."""
    rate = one.rate
    return {
        "count": one.hits,
        "of": one.of,
        "rate": None if rate is None else round(rate, 6),
        "low": round(one.low, 6),
        "high": round(one.high, 6),
    }


def leak_json(one: Leak) -> dict[str, Any]:
    """How many are left behind for one reason."""
    return {
        "why": str(one.why),
        "open": one.why.open,
        "reason": one.reason,
        "people": one.people,
        "since": iso(one.since),
        "command": one.command,
    }


def left_behind_json(people: Iterable[LeftBehind]) -> list[dict[str, Any]]:
    """The people themselves."""
    return [
        {
            "email": one.email,
            "sequence": one.sequence or None,
            "thread": one.enrollment,
            "why": str(one.why),
            "open": one.why.open,
            "reason": one.reason,
            "since": iso(one.since),
        }
        for one in people
    ]


def _slot(one: Slot) -> dict[str, Any]:
    return {**share_json(one.replies), "verdict": str(one.verdict)}


def _quartiles(one: Quartiles | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "people": one.count,
        "first_quartile": round(one.first, 4),
        "median": round(one.median, 4),
        "third_quartile": round(one.third, 4),
        "low": None if one.low is None else round(one.low, 4),
        "high": None if one.high is None else round(one.high, 4),
    }


def _answered(section: Section) -> list[dict[str, Any]]:
    points = [(days, section.curve.at(days)) for days in WAITS]
    return [
        {"days": days, "rate": round(one.share, 6), "low": round(one.low, 6), "high": round(one.high, 6)}
        for days, one in points
        if one is not None
    ]


def _cycle(section: Section) -> dict[str, Any] | None:
    cycle = section.cycle
    if cycle is None:
        return None
    return {
        "won": cycle.won,
        "suggested_days": cycle.suggested,
        "low": None if cycle.days is None else cycle.days.low,
        "high": None if cycle.days is None else cycle.days.high,
        "in_file": cycle.in_file or None,
        "fit": str(cycle.fit),
    }


# CSV ----------------------------------------------------------------------------------------------


def report_csv(report: Report) -> str:
    """One tidy table: one fact a row, `table` says of what. Rates are 0 to 1, times are days."""
    sections = [*report.sections, *([report.whole] if report.whole is not None and len(report.sections) > 1 else [])]
    return _csv(HEAD, (row for section in sections for row in _rows(section)))


def people_csv(people: Iterable[LeftBehind]) -> str:
    """The people who are left behind, one a row."""
    rows = (
        (
            one.email,
            one.sequence,
            one.enrollment or "",
            str(one.why),
            one.reason,
            iso(one.since),
            "yes" if one.why.open else "no",
        )
        for one in people
    )
    return _csv(PEOPLE_HEAD, rows)


def _csv(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # RFC 4180 §2
    writer.writerow(head)
    writer.writerows([harmless_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def harmless_cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula (OWASP, *CSV Injection*): text that begins like one gets an
    apostrophe in front. Numbers stay numbers."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"):
        return f"'{value}"
    return "" if value is None else value


_Row = tuple[object, ...]


def _rows(section: Section) -> Iterator[_Row]:
    name = section.name or "(all)"
    for table, key, detail, share, verdict in _shares(section):
        rates = (_short(share.rate), _short(share.low), _short(share.high))
        yield (table, name, key, detail, share.hits, share.of, *rates, verdict, "")
    for table, key, detail, number, low, high, since in (*_numbers(section), *_times(section)):
        yield (table, name, key, detail, number, "", "", low, high, "", since)
    for days in WAITS:
        point = section.curve.at(days)
        if point is not None:
            rates = (_short(point.share), _short(point.low), _short(point.high))
            yield ("answered_after", name, days, "days", "", "", *rates, "", "")


def _shares(section: Section) -> Iterator[tuple[str, object, object, Share, str]]:
    for stage in section.stages:
        yield "funnel", stage.kind, stage.name, stage.share, ""
    for step in section.steps:
        yield "step", step.step or "(by hand)", step.does, step.replies, str(step.verdict)
    for variant in section.variants:
        yield "variant", variant.step, variant.template, variant.replies, str(variant.verdict)
    for slot in section.weekdays:
        yield "weekday", WEEKDAYS[slot.slot], slot.slot, slot.replies, str(slot.verdict)
    for slot in section.hours:
        yield "hour", slot.slot, f"{slot.slot:02}:00", slot.replies, str(slot.verdict)


_Number = tuple[str, object, object, object, object, object, object]


def _numbers(section: Section) -> Iterator[_Number]:
    for cell, count in enumerate(section.arrivals):
        yield "arrival", WEEKDAYS[cell // 24], cell % 24, count, "", "", ""
    for no in section.noes:
        yield "no", no.source, no.reason, no.people, "", "", ""
    for passed in section.passed_over:
        yield "passed_over", passed.step, passed.reason, passed.times, "", "", ""
    yield "next_touch", "", "", section.going_on, "", "", ""
    for leak in section.leaks:
        yield "leak", str(leak.why), leak.reason, leak.people, "", "", iso(leak.since)


def _times(section: Section) -> Iterator[_Number]:
    for table, times in (("days_to_answer", section.answers), ("days_to_won", section.won)):
        if times is not None:
            yield table, "people", "", times.count, "", "", ""
            yield table, "first quartile", "", _short(times.first), "", "", ""
            yield table, "median", "", _short(times.median), _short(times.low), _short(times.high), ""
            yield table, "third quartile", "", _short(times.third), "", "", ""
    cycle = section.cycle
    if cycle is not None:
        yield "decision_cycle", str(cycle.fit), cycle.in_file, cycle.suggested, "", "", ""


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
