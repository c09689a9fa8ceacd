"""What has become of the people: how far they got, what earned replies, how long it took, and who was left behind.

`report` reads everything once and returns frozen values; the terminal, JSON, CSV and the page only show them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sequencer.core.estimates import Quartiles, Share, Verdict, compare, quartiles, share
from sequencer.core.model import BACK_OFF, Email, Task
from sequencer.core.model import Sequence as Plan
from sequencer.core.survival import Curve, rise
from sequencer.operations.live import Live
from sequencer.operations.report_cycle import Cycle, suggested_cycle
from sequencer.operations.report_leaks import Leak, LeftBehind, Surroundings, Why, is_over, leaks, left_behind
from sequencer.operations.report_lives import (
    BY_HAND,
    Lives,
    Tally,
    came_back,
    instant,
    merged,
    micros,
)
from sequencer.store import report as rows
from sequencer.store.report import Scope

FRESH: Final = timedelta(days=3)
"""So long after a touch, most of the answers that will come are still to come."""

NO_KINDS: Final = ("not_interested", "unsubscribe", "wrong_person", "not_now", "complaint")
"""What says no, or not now; the last one is told by a provider."""

Tell = Callable[[int, int], None]
"""Told how much is done, of how much: messages, which are most of the work."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How many got so far. `kind` is entered, touched, step, replied, interested, won or silent (when it ended)."""

    kind: str
    name: str
    share: Share  # of those who entered


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One step: the people it reached, its touches, and how many of them earned a reply. `does` says what it is for
    people (`e-mail`, `call`), empty where the file has no such step any more; `step` is empty for what the rep wrote by
    hand."""

    step: str
    line: str
    does: str
    people: int
    replies: Share
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One template of a step, against the other templates of that step."""

    step: str
    template: str
    replies: Share
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Slot:
    """The e-mails that left on a weekday (0 is Monday) or in an hour, on the contact's clock."""

    slot: int
    replies: Share
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class PassedOver:
    """How often a step was passed over, for one reason."""

    step: str
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not: how many said it, and where it stands: closed (with close --lost), or reply."""

    source: str
    reason: str
    people: int


@dataclass(frozen=True, slots=True)
class Section:
    """One sequence, or all of them together (`name` is empty, and there are no steps). `people` are enrollments: of
    fewer `contacts`, where somebody came back or went on from one sequence into another. Times are in days; `arrivals`
    are the replies by weekday × 24 + hour on the contact's clock; `fresh` are touches so recent that their answers may
    still come; `going_on` are those who are open and have a next touch."""

    name: str
    in_workspace: bool
    people: int
    contacts: int
    first: datetime
    last: datetime
    stages: tuple[Stage, ...]
    steps: tuple[StepFigures, ...]
    variants: tuple[VariantFigures, ...]
    weekdays: tuple[Slot, ...]
    hours: tuple[Slot, ...]
    arrivals: tuple[int, ...]
    fresh: int
    answers: Quartiles | None
    curve: Curve
    won: Quartiles | None
    cycle: Cycle | None
    noes: tuple[Reason, ...]
    passed_over: tuple[PassedOver, ...]
    left_behind: tuple[LeftBehind, ...]
    leaks: tuple[Leak, ...]
    going_on: int

    @property
    def replies(self) -> int:
        """How many replies came."""
        return sum(self.arrivals)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole. `zone` is the workspace's, in which days begin; `never_enrolled` are contacts in no sequence ever,
    empty where the report is about some only. `whole` is None where nobody has entered anything."""

    at: datetime
    scope: Scope
    zone: str
    sections: tuple[Section, ...]
    whole: Section | None
    never_enrolled: tuple[LeftBehind, ...]


def _quietly(done: int, of: int) -> None:
    """Nobody wants to know."""


async def report(live: Live, scope: Scope, now: datetime, tell: Tell = _quietly) -> Report:
    """The report on these people as things stand at `now`. One reading transaction, so it is of one moment."""
    at, zone = micros(now), live.workspace.config.contacts.timezone
    async with live.database.read() as conn:
        last = await rows.last_attempt(conn)
        tell(0, last)
        lives = Lives(await rows.people(conn, scope), zone, micros(now - FRESH))
        lives.hear(await rows.replies(conn))
        lives.take_notice(await rows.notices(conn, ["complaint"]))
        endings = await rows.ends(conn)
        returned = await rows.returned(conn, sorted(came_back(endings)))
        async for done, sent in rows.sent(conn, last):
            lives.send(sent, returned)
            tell(done, last)
        by_hand = await rows.hand_written(conn)
        tasks = {row.enrollment_id: (row.kind, row.due) for row in await rows.open_tasks(conn)}
        around = Surroundings(
            now=at,
            sequences=set(live.workspace.sequences),
            mailboxes=set(live.workspace.config.mailboxes),
            open_contacts=await rows.open_contacts(conn),
            on_its_way=await rows.on_its_way(conn),
            tasks=tasks,
            paused_since=_paused_since(await rows.turns_of_paused(conn)),
        )
        partly = scope != Scope()
        never = [] if partly else await rows.never_enrolled(conn)
    lives.write_by_hand(by_hand)
    lives.end(endings)
    lives.sum_up(at, is_over)
    return _made(live, scope, now, lives, around, [(row.email, row.created) for row in never])


def _paused_since(turns: rows.Rows) -> dict[int, int]:
    since: dict[int, int] = {}
    for enrollment, kind, at in turns:
        if kind == "Paused":
            since.setdefault(enrollment, at)
        else:
            since.pop(enrollment, None)
    return since


def _made(
    live: Live, scope: Scope, now: datetime, lives: Lives, around: Surroundings, never: Sequence[tuple[str, int]]
) -> Report:
    behind: dict[str, list[LeftBehind]] = defaultdict(list)
    going_on: dict[str, int] = defaultdict(int)
    for life in lives.everybody.values():
        found = left_behind(life, around)
        if found is not None:
            behind[found.sequence].append(found)
        elif life.row.status not in ("stopped", "finished"):
            going_on[life.row.sequence] += 1
    sections = tuple(
        _section(
            name, tally, plan := live.sequence(name), plan.labels if plan else (), scope, behind[name], going_on[name]
        )
        for name, tally in sorted(lives.tallies.items())
    )
    everybody = [one for name in lives.tallies for one in behind[name]]
    labels = {label for plan in live.workspace.sequences.values() for label in plan.labels}
    going = sum(going_on.values())
    whole = _section("", merged(lives.tallies), None, labels, scope, everybody, going) if sections else None
    strangers = tuple(
        LeftBehind(email, "", None, Why.NEVER_ENROLLED, "imported, and never in a sequence", instant(created))
        for email, created in never
    )
    return Report(now, scope, live.workspace.config.contacts.timezone, sections, whole, strangers)


_ORDER: Final = {why: place for place, why in enumerate(sorted(Why, key=lambda why: not why.open))}


def _the_open_first(one: LeftBehind) -> tuple[int, datetime]:
    return _ORDER[one.why], one.since


def _section(
    name: str,
    tally: Tally,
    plan: Plan | None,
    labels: Collection[str],
    scope: Scope,
    behind: list[LeftBehind],
    going_on: int,
) -> Section:
    steps = _steps(tally, plan)
    assert tally.entered_first is not None
    assert tally.entered_last is not None
    return Section(
        name=name,
        in_workspace=plan is not None,
        people=tally.people,
        contacts=len(tally.contacts),
        first=instant(tally.entered_first),
        last=instant(tally.entered_last),
        stages=_stages(tally, steps),
        steps=steps,
        variants=_variants(tally, steps),
        weekdays=_slots(tally, [range(day * 24, day * 24 + 24) for day in range(7)]),
        hours=_slots(tally, [range(hour, 168, 24) for hour in range(24)]),
        arrivals=tuple(tally.arrived),
        fresh=tally.fresh,
        answers=quartiles(tally.to_answer),
        curve=rise(tally.to_answer, tally.waited),
        won=quartiles(tally.to_won),
        cycle=suggested_cycle(tally.to_decision, plan) if name else None,
        noes=_noes(tally, labels),
        passed_over=_passed_over(tally, steps),
        left_behind=tuple(sorted(behind, key=_the_open_first)),
        leaks=leaks(behind, scope.sequence or name),
        going_on=going_on,
    )


def _stages(tally: Tally, steps: tuple[StepFigures, ...]) -> tuple[Stage, ...]:
    def stage(kind: str, name: str, people: int) -> Stage:
        return Stage(kind, name, share(people, tally.people))

    reached = [stage("step", one.step, one.people) for one in steps if one.step != BY_HAND]
    return (
        stage("entered", "entered", tally.people),
        stage("touched", "first touch", tally.touched),
        *reached,
        stage("replied", "replied", tally.replied),
        stage("interested", "interested", tally.interested),
        stage("won", "won", tally.won),
        stage("silent", "ended without an answer", tally.ended_silent),
    )


def _steps(tally: Tally, plan: Plan | None) -> tuple[StepFigures, ...]:
    """In the order of the file; then what the file does not have any more, and what was written by hand."""
    places = _places(plan)
    known = [
        step for step in places if step in tally.steps and (tally.steps[step].touches or tally.steps[step].passed_over)
    ]
    gone = sorted(step for step in tally.steps if step not in places and step != BY_HAND)
    by_hand = [BY_HAND] if BY_HAND in tally.steps else []
    names = [*known, *gone, *by_hand]
    shares = [share(tally.steps[step].answered, tally.steps[step].touches) for step in names]
    return tuple(
        StepFigures(step, *places.get(step, ("", "")), tally.steps[step].people, part, verdict)
        for step, part, verdict in zip(names, shares, compare(shares), strict=True)
    )


def _places(plan: Plan | None) -> dict[str, tuple[str, str]]:
    """The line and the kind of touch of every step of a plan that is one."""
    if plan is None:
        return {}
    places: dict[str, tuple[str, str]] = {}
    for line, steps in plan.lines.items():
        for step in steps:
            match step.do:
                case Email():
                    places[step.id] = (line, "e-mail")
                case Task(kind=kind):
                    places[step.id] = (line, kind)
                case _:
                    places[step.id] = (line, "")
    if plan.back_off is not None:
        places[BACK_OFF] = ("", "e-mail")
    return places


def _variants(tally: Tally, steps: tuple[StepFigures, ...]) -> tuple[VariantFigures, ...]:
    found: list[VariantFigures] = []
    for one in steps:
        templates = sorted(tally.steps[one.step].templates.items()) if one.step in tally.steps else []
        shares = [share(answered, touches) for _, (touches, answered) in templates]
        found += [
            VariantFigures(one.step, template, part, verdict)
            for (template, _), part, verdict in zip(templates, shares, compare(shares), strict=True)
        ]
    return tuple(found)


def _slots(tally: Tally, groups: Sequence[range]) -> tuple[Slot, ...]:
    shares = [share(sum(tally.earned[i] for i in cells), sum(tally.sent[i] for i in cells)) for cells in groups]
    return tuple(Slot(n, part, verdict) for n, (part, verdict) in enumerate(zip(shares, compare(shares), strict=True)))


def _noes(tally: Tally, labels: Collection[str]) -> tuple[Reason, ...]:
    """What people were closed as lost for, and what they wrote: the kinds that say no, and all labels of the file."""
    closed = [Reason("closed", reason, people) for reason, people in tally.lost_because.items()]
    wrote = [Reason("reply", kind, people) for kind, people in tally.said.items() if kind in {*NO_KINDS, *labels}]
    return tuple(sorted([*closed, *wrote], key=lambda one: (one.source, -one.people, one.reason)))


def _passed_over(tally: Tally, steps: tuple[StepFigures, ...]) -> tuple[PassedOver, ...]:
    return tuple(
        PassedOver(one.step, reason, times)
        for one in steps
        for reason, times in tally.steps[one.step].passed_over.most_common()
    )
