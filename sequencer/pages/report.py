"""The report as a page: what is shown where, in words and charts. The page itself is `report.html`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sequencer.core.estimates import Share, Verdict
from sequencer.operations import report_words as words
from sequencer.operations.counting import headcount
from sequencer.operations.history import moment
from sequencer.operations.report import Report, Section, Slot
from sequencer.operations.report_leaks import Leak
from sequencer.operations.report_shapes import WAITS, WEEKDAYS
from sequencer.operations.variants import Split
from sequencer.pages import charts
from sequencer.pages.shell import page


def report_page(report: Report, splits: Sequence[Split] = ()) -> str:
    """The whole report as one HTML page."""
    several = len(report.sections) > 1
    shown = list(report.sections)
    if several and report.whole is not None:
        shown.insert(0, report.whole)
    never = len(report.never_enrolled)
    were = "was" if never == 1 else "were"
    return page(
        "report.html",
        sheets=("report.css",),
        title=f"Report: {words.title(report)}",
        entered=f"{words.entered(report.whole, report.zone)}." if report.whole is not None else "",
        made=moment(report.at, ZoneInfo(report.zone)),
        overview=[_overview(one) for one in report.sections] if several else [],
        sections=[_section(one, report, splits, several=several) for one in shown],
        nobody="Nobody has entered it yet." if report.scope.sequence else "Nobody has entered a sequence yet.",
        strangers=f"{headcount(never)} {were} imported and never enrolled." if never else "",
    )


def _overview(one: Section) -> dict[str, Any]:
    got = {stage.kind: stage.share for stage in one.stages}

    def with_rate(kind: str) -> str:
        return f"{got[kind].hits:,} ({words.percent(got[kind].rate or 0)})"

    return {
        "anchor": f"sequence-{one.name}",
        "name": one.name if one.in_workspace else f"{one.name} (its file is gone)",
        "entered": f"{one.people:,}",
        "touched": f"{got['touched'].hits:,}",
        "replied": with_rate("replied"),
        "interested": f"{got['interested'].hits:,}",
        "won": with_rate("won"),
        "waiting": f"{sum(leak.people for leak in one.leaks if leak.why.open):,}",
    }


def _section(one: Section, report: Report, splits: Sequence[Split], *, several: bool) -> dict[str, Any]:
    heading = (one.name or "All of them together") if several else ""
    return {
        "anchor": f"sequence-{one.name}" if several and one.name else "",
        "heading": heading,
        "entered": f"{words.entered(one, report.zone)}.",
        "tiles": _tiles(one),
        "funnel": _funnel(one),
        "behind": words.behind_words(one),
        "leaks": _leaks([leak for leak in one.leaks if leak.why.open], report.zone),
        "over": _leaks([leak for leak in one.leaks if not leak.why.open], report.zone),
        **_earned(one, splits),
        **_times(one),
        **_moments(one),
        "closed": _noes(one, "closed", "closed as lost, because"),
        "wrote": _noes(one, "reply", "what they wrote"),
    }


def _tiles(one: Section) -> list[dict[str, str]]:
    names = {"entered": "entered", "replied": "replied", "interested": "interested", "won": "won"}
    tiles = [
        {
            "name": names[stage.kind],
            "number": f"{stage.share.hits:,}",
            "rate": "" if stage.kind == "entered" else words.percent(stage.share.rate or 0),
        }
        for stage in one.stages
        if stage.kind in names
    ]
    waiting = sum(leak.people for leak in one.leaks if leak.why.open)
    return [*tiles, {"name": "wait for somebody", "number": f"{waiting:,}", "rate": ""}]


def _funnel(one: Section) -> list[dict[str, Any]]:
    return [
        {
            "sub": stage.kind == "step",
            "name": words.step(stage.name) if stage.kind == "step" else stage.name,
            "people": f"{stage.share.hits:,}",
            "rate": words.percent(stage.share.rate or 0),
            "chart": charts.bar(stage.share.rate or 0, f"{stage.name}: {words.percent(stage.share.rate or 0)}"),
        }
        for stage in one.stages
    ]


def _leaks(leaks: Sequence[Leak], zone: str) -> list[dict[str, str]]:
    return [
        {
            "people": f"{leak.people:,}",
            "reason": words.reason(leak),
            "since": words.since(leak.since, zone),
            "command": leak.command,
        }
        for leak in leaks
    ]


def _earned(one: Section, splits: Sequence[Split]) -> dict[str, Any]:
    most = _most([step.replies for step in one.steps])
    steps = []
    for step in one.steps:
        does = (step.does or "no longer in the file") if step.step else ""
        steps.append(_rate(words.step(step.step), step.replies, step.verdict, most, does=does))
        templates = [each for each in one.variants if each.step == step.step]
        if len(templates) > 1:
            steps += [_rate(each.template, each.replies, each.verdict, most, sub=True) for each in templates]
    mailed = any(slot.replies.of for slot in one.weekdays)
    return {
        "steps": steps,
        "most": most,
        "fresh": words.fresh_words(one),
        "splits": [f"{split.step}: {split.words}." for split in splits if split.sequence == one.name],
        "passed_over": [words.passed_over(passed) for passed in one.passed_over],
        "weekdays": _slots(one.weekdays, WEEKDAYS) if mailed else [],
        "hours": _slots(one.hours, words.HOURS) if mailed else [],
        "weekday_words": words.slot_words(one.weekdays, WEEKDAYS),
        "hour_words": words.slot_words(one.hours, words.HOURS),
    }


def _slots(slots: Sequence[Slot], names: Sequence[str]) -> list[dict[str, Any]]:
    shown = [slot for slot in slots if slot.replies.of]
    most = _most([slot.replies for slot in shown])
    return [_rate(names[slot.slot], slot.replies, slot.verdict, most) for slot in shown]


def _most(shares: Sequence[Share]) -> float:
    """What fills the width of a chart: the end of the longest interval that says something."""
    known = [share.high for share in shares if share.known and share.of] or [share.high for share in shares if share.of]
    return charts.nice(max(known, default=1.0))


def _rate(
    name: str, share: Share, verdict: Verdict, most: float, *, does: str = "", sub: bool = False
) -> dict[str, Any]:
    told = f"{name}: {share.hits:,} of {share.of:,}, {words.interval(share)}"
    return {
        "name": name,
        "does": does,
        "sub": sub,
        "of": f"{share.of:,}",
        "hits": f"{share.hits:,}",
        "rate": "" if share.rate is None else words.percent(share.rate),
        "likely": words.interval(share),
        "chart": charts.bar_with_interval(share.rate, share.low, share.high, most, told),
        "verdict": words.verdict(verdict, share),
        "telling": verdict not in (Verdict.ALIKE, Verdict.ALONE),
        "tone": {Verdict.MORE: "more", Verdict.LESS: "less"}.get(verdict, "quiet"),
    }


def _times(one: Section) -> dict[str, Any]:
    told = [*words.answer_words(one), *words.won_words(one)]
    points = [(days, point) for days in WAITS if (point := one.curve.at(days)) is not None]
    drawn = one.curve.answered > 1
    name = "How many have answered, by days since the first touch"
    return {
        "times": told,
        "curve": charts.rising(one.curve.points, one.curve.longest, name, " ".join(told)) if drawn else "",
        "curve_rows": [
            {
                "within": "1 day" if days == 1 else f"{days} days",
                "rate": words.percent(point.share),
                "likely": f"{words.percent(point.low)} to {words.percent(point.high)}",
            }
            for days, point in points
        ],
    }


def _moments(one: Section) -> dict[str, Any]:
    told = words.moment_words(one)
    return {
        "moment": told,
        "heat": charts.heat(one.arrivals, WEEKDAYS, "Answers by weekday and hour", told) if one.replies else "",
        "heat_rows": [{"day": day[:3], "counts": one.arrivals[n * 24 : n * 24 + 24]} for n, day in enumerate(WEEKDAYS)],
    }


def _noes(one: Section, source: str, caption: str) -> dict[str, Any] | None:
    found = [no for no in one.noes if no.source == source]
    if not found:
        return None
    most = max(no.people for no in found)
    return {
        "caption": caption,
        "rows": [
            {
                "reason": words.no(no),
                "people": f"{no.people:,}",
                "chart": charts.bar(no.people / most, f"{words.no(no)}: {no.people:,}"),
            }
            for no in found
        ],
    }
