"""What an edit does before it goes live: to each person who is on the way, and what goes out in the days after it.

Both versions are asked with the real `decide`: the one in force, and the edited one as if it took over now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.decide import evolve
from sequencer.core.decisions import (
    Continue,
    CreateTask,
    Decision,
    End,
    Held,
    MoveOn,
    SendEmail,
    Skip,
    Wait,
    Wake,
    event_of,
)
from sequencer.core.lines import after_step, emails_of, locate
from sequencer.core.model import BACK_OFF, Contact, Email, Enrollment, Position, Step
from sequencer.core.model import Sequence as Definition
from sequencer.core.variants import choose_variant
from sequencer.operations.coming import Coming, Prospect, goes_out
from sequencer.operations.explain import zone_for
from sequencer.operations.facts import Question, answer, gather
from sequencer.operations.lacking import amiss, variables_of
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.operations.variants import keep_splits
from sequencer.operations.words import Words, named
from sequencer.store import contacts, enrollments
from sequencer.workspace.plan import Edits, compare, reworded_steps
from sequencer.workspace.workspace import Workspace

MOST_TURNS: Final = 50
PAGE: Final = 500
"""People who are read and asked about at once."""

A_MOMENT: Final = timedelta(minutes=1)
"""Dates that differ by less are the same to people."""

Kind = Literal["due", "held", "freed", "ends", "step", "date", "words", "more", "less"]
KINDS: Final[tuple[Kind, ...]] = ("due", "held", "freed", "ends", "step", "date", "words", "more", "less")
"""What an edit can do to somebody, the most serious first."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that an edit does to one person. `what` is the sentence about them; `together` the same for all to whom
    it happens alike. `was` and `now` are the dates of their next step, where these change."""

    kind: Kind
    step: str
    what: str
    together: str
    was: datetime | None = None
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Affected:
    """Somebody to whom an edit does something."""

    enrollment: Enrollment
    contact: Contact
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """All to whom the same happens, in one sequence."""

    sequence: str
    kind: Kind
    step: str
    text: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What the edited files do. `looked_at` is how many are on the way; `unreadable` those whose row cannot be read."""

    edits: Edits
    affected: tuple[Affected, ...]
    looked_at: int
    coming: tuple[Coming, ...]
    until: datetime
    unreadable: tuple[str, ...] = ()

    @property
    def unchanged(self) -> int:
        return self.looked_at - len(self.affected)

    @property
    def due_at_once(self) -> int:
        """How many the edit makes due at once."""
        return sum(any(effect.kind == "due" for effect in each.effects) for each in self.affected)


@dataclass(slots=True)
class _Case:
    """Both sides of one plan."""

    before: Live
    after: Live
    edits: Edits
    now: datetime
    until: datetime
    reworded: dict[str, dict[str, tuple[Email, Email]]] = field(default_factory=dict)  # sequence -> step -> was, is
    how: Mapping[str, str] = field(default_factory=dict)  # template -> how its text is another, in words
    texts: frozenset[str] = frozenset()  # the templates whose text is another, or that are new
    affected: list[Affected] = field(default_factory=list)
    coming: list[Coming] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    looked_at: int = 0


async def plan(
    live: Live,
    after: Workspace,
    now: datetime,
    *,
    days: int = 14,
    email: str = "",
    progress: Progress | None = None,
) -> Planned | Refusal:
    """What putting `after` in force at `now` would do to everybody on the way, or to one contact; `live` is in force.

    Nothing is written. `progress` is told how many of how many are done.
    """
    case = _case(live, after, now, days)
    await keep_splits(case.before, now)
    await keep_splits(case.after, now)
    async with live.database.read() as conn:
        if email:
            contact = await contacts.by_email(conn, email, live.defaults)
            if contact is None:
                return Refusal(f"there is no contact {email}")
            await _look_at(conn, case, await enrollments.active_of(conn, contact.id))
        else:
            await _look_at_all(conn, case, progress)
    return Planned(
        case.edits,
        tuple(case.affected),
        case.looked_at,
        tuple(sorted(case.coming, key=lambda one: (one.at, one.mailbox, one.contact.email))),
        case.until,
        tuple(case.unreadable),
    )


def _case(live: Live, after: Workspace, now: datetime, days: int) -> _Case:
    before, edited = live.workspace, Live(live.database, after, live.key)
    edits = compare(before, after)
    case = _Case(live, edited, edits, now, now + timedelta(days=days))
    case.texts = frozenset(edit.template for edit in edits.templates if edit.change != "gone")
    case.how = {edit.template: "; ".join(edit.what) for edit in edits.templates}
    for name, sequence in after.sequences.items():
        was = before.sequences.get(name)
        if was is None or was.version != sequence.version:
            edited.suppose_applied(sequence, now)
        if was is not None:
            emails = reworded_steps(was, sequence, case.texts)
            former = dict(emails_of(was))
            case.reworded[name] = {step: (former[step], email) for step, email in emails.items() if step in former}
    return case


def _other_words(case: _Case, enrollment: Enrollment, step: str, before: Email, after: Email) -> str:
    """How what this person gets differs; empty where it does not, since they are dealt another variant."""
    had = choose_variant(before, enrollment, step, case.before.splits)
    gets = choose_variant(after, enrollment, step, case.after.splits)
    return f"{gets} in place of {had}" if had != gets else case.how.get(gets, "")


async def _look_at_all(conn: AsyncConnection, case: _Case, progress: Progress | None) -> None:
    numbers = await enrollments.open_by_sequence(conn)
    total = sum(numbers.values())
    for sequence in sorted(numbers):
        after = 0
        while True:
            people, broken = await enrollments.readable(conn, sequence, after=after, limit=PAGE)
            if not people and not broken:
                break
            case.unreadable += [f"enrollment {number} in {sequence}" for number in broken]
            await _look_at(conn, case, people)
            after = max([*broken, *(enrollment.id for enrollment in people)])
            if progress is not None:
                progress(case.looked_at, total)


async def _look_at(conn: AsyncConnection, case: _Case, people: Sequence[Enrollment]) -> None:
    before = await gather(conn, case.before, people, case.now)
    after = await gather(conn, case.after, people, case.now)
    for enrollment in people:
        case.looked_at += 1
        was, will = _fresh(before[enrollment.id], case.now), _fresh(after[enrollment.id], case.now)
        facts = will.facts or was.facts
        if facts is None:
            continue
        effects = tuple(_effects(case, enrollment, was, will, facts.contact))
        if effects:
            case.affected.append(Affected(enrollment, facts.contact, effects))
        prospect = Prospect(enrollment, facts.contact, will)
        case.coming += goes_out(case.after, prospect, case.now, case.until)


def _fresh(question: Question, now: datetime) -> Question:
    """The question with an inbox that was just read: only what an edit does is asked."""
    if question.facts is None:
        return question
    return replace(question, facts=replace(question.facts, inbox_read_at=now))


# One person ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rest:
    """Where somebody comes to rest: at which step, due when. `state`: waits, due, held, idle or ended."""

    state: Literal["waits", "due", "held", "idle", "ended"]
    step: str
    at: datetime | None
    reason: str
    enrollment: Enrollment


def _rest(question: Question, enrollment: Enrollment, now: datetime) -> _Rest:
    """Where one version brings them without a touch."""
    version = question.sequence.version if question.sequence is not None else ""
    reason = ""
    for _ in range(MOST_TURNS):
        decision = answer(question, enrollment, now)
        if isinstance(decision, Skip | Wake | Continue | MoveOn | End):
            reason = _why_it_ends(decision)
            enrollment = evolve(enrollment, event_of(decision, now), version)
            continue
        if enrollment.status.ended:
            return _Rest("ended", "", None, reason, enrollment)
        return _at_rest(decision, enrollment)
    return _Rest("held", enrollment.position.step, None, "it goes round in circles", enrollment)


def _why_it_ends(decision: Skip | Wake | Continue | MoveOn | End) -> str:
    match decision:
        case MoveOn():
            return f"moves on to {decision.sequence}: {decision.reason}"
        case End():
            return f"{'stopped' if decision.stopped else 'finished'}: {decision.reason}"
        case _:
            return ""


def _at_rest(decision: Decision, enrollment: Enrollment) -> _Rest:
    match decision:
        case SendEmail() | CreateTask():
            return _Rest("due", decision.step, decision.due_at, "", enrollment)
        case Wait(until=None):
            return _Rest("idle", decision.step, None, decision.reason, enrollment)
        case Wait():
            return _Rest("waits", decision.step, decision.until, decision.reason, enrollment)
        case Held():
            return _Rest("held", decision.step, decision.due_at, decision.reason, enrollment)
        case Skip() | Wake() | Continue() | MoveOn() | End():
            raise AssertionError(decision)
        case _:
            assert_never(decision)


def _effects(case: _Case, enrollment: Enrollment, was: Question, will: Question, contact: Contact) -> Iterator[Effect]:
    unedited = was.sequence is not None and was.sequence == will.sequence and was.facts == will.facts
    if not unedited:
        before, after = _rest(was, enrollment, case.now), _rest(will, enrollment, case.now)
        yield from _next_step(before, after, Words(zone_for(contact), case.now))
    if was.sequence is not None and will.sequence is not None:
        yield from _further_steps(case, enrollment, was.sequence, will.sequence, (was, will), contact)


def _next_step(before: _Rest, after: _Rest, words: Words) -> Iterator[Effect]:
    """What becomes of their next step, if it changes."""
    if after.state == "ended":
        if (before.state, before.reason) != ("ended", after.reason):
            yield Effect("ends", "", after.reason, after.reason, before.at)
        return
    if after.state == "held" and (before.state, before.reason) != ("held", after.reason):
        text = f"held at {named(after.step)}: {after.reason}"
        yield Effect("held", after.step, text, text, before.at, after.at)
        return
    if after.state == "due" and before.state != "due":
        yield _due(before, after, words)
        return
    if after.step != before.step:
        yield _other_step(before, after, words)
    elif before.at is not None and after.at is not None and abs(after.at - before.at) >= A_MOMENT:
        what = f"{named(after.step)} moves from {words.moment(before.at)} to {words.moment(after.at)}"
        days = words.day(before.at), words.day(after.at)
        whither = f"from {days[0]} to {days[1]}" if days[0] != days[1] else f"to another time of {days[0]}"
        yield Effect("date", after.step, what, f"{named(after.step)} moves {whither}", before.at, after.at)


def _due(before: _Rest, after: _Rest, words: Words) -> Effect:
    if before.state == "held":
        text = f"{named(after.step)} is no longer held ({before.reason}), and leaves"
        return Effect("freed", after.step, text, text, before.at, after.at)
    was = f", was to be {words.moment(before.at)}" if before.at is not None else ""
    text = f"{named(after.step)} is due at once"
    return Effect("due", after.step, f"{text}{was}", text, before.at, after.at)


def _other_step(before: _Rest, after: _Rest, words: Words) -> Effect:
    def standing(rest: _Rest, when: Callable[[datetime], str]) -> str:
        name = named(rest.step) if rest.step else "the end"
        return f"{name} ({when(rest.at)})" if rest.at is not None else name

    one, all_ = (f"next is {standing(after, when)}, was {standing(before, when)}" for when in (words.moment, words.day))
    return Effect("step", after.step, one, all_, before.at, after.at)


# The steps behind the next one --------------------------------------------------------------------


def _further_steps(
    case: _Case,
    enrollment: Enrollment,
    was: Definition,
    will: Definition,
    questions: tuple[Question, Question],
    contact: Contact,
) -> Iterator[Effect]:
    """What they get that they would not have got, what not any more, and in which words."""
    reworded = case.reworded.get(will.name, {})
    if was.version == will.version and not reworded:
        return
    earlier = [question.facts.earlier if question.facts is not None else None for question in questions]
    before = dict(steps_ahead(was, enrollment, earlier[0]))
    after = dict(steps_ahead(will, enrollment, earlier[1]))
    for step in after:
        if step not in before and was.find(step) is None and step != BACK_OFF:
            text = f"{named(step)} comes as well"
            yield Effect("more", step, text, text)
        elif step in reworded and (how := _other_words(case, enrollment, step, *reworded[step])):
            text = f"other words in {named(step)}: {how}"
            yield Effect("words", step, text, text)
    for step in before:
        if step not in after and will.find(step) is None and step != BACK_OFF:
            text = f"{named(step)} no longer comes"
            yield Effect("less", step, text, text)
    concerned = {step: email for step, email in after.items() if email and (step in reworded or step not in before)}
    for step, email in concerned.items():
        assert email is not None
        lacking = _lacks(case, enrollment, contact, email)
        if lacking:
            text = f"will be held at {named(step)}: {lacking}"
            yield Effect("held", step, text, text)


def _lacks(case: _Case, enrollment: Enrollment, contact: Contact, email: Email) -> str:
    """Why an e-mail could not be written to them that could be, or was not there, before."""
    for name in email.variants:
        if name not in case.texts and "footer" not in case.texts:
            continue
        variables = variables_of(case.after, enrollment, contact)
        lacking = amiss(case.after.workspace, name, variables) if variables is not None else ""
        if lacking and name in case.before.workspace.templates:
            before = variables_of(case.before, enrollment, contact)
            if before is not None and amiss(case.before.workspace, name, before) == lacking:
                continue
        if lacking:
            return lacking
    return ""


def steps_ahead(
    sequence: Definition, enrollment: Enrollment, earlier: Definition | None
) -> Iterator[tuple[str, Email | None]]:
    """The steps that somebody has not taken yet, in their order, the back-off message last; those of the branches in
    which they do not stand are left out. The e-mail of each, None for what is none."""
    if enrollment.status.ended:
        return
    stand = enrollment.task.position if enrollment.task is not None else enrollment.position
    for place in (stand, *reversed(enrollment.returns)):
        here, step = locate(sequence, place, earlier, enrollment.taken)
        if enrollment.task is not None and place == stand and step is not None and step.id == enrollment.task.step:
            here = after_step(sequence, here)
        for each in _from(sequence, here):
            if each.id not in enrollment.taken:
                yield each.id, each.do if isinstance(each.do, Email) else None
    if sequence.back_off is not None and not enrollment.backed_off:
        yield BACK_OFF, sequence.back_off.email


def _from(sequence: Definition, place: Position) -> Sequence[Step]:
    steps = sequence.lines.get(place.line, ())
    ids = [step.id for step in steps]
    return steps[ids.index(place.step) :] if place.step in ids else ()


# Together -----------------------------------------------------------------------------------------


def grouped(affected: Sequence[Affected]) -> list[Group]:
    """The same effects together: by sequence, the most serious first, then by step and date."""
    groups: dict[tuple[str, int, str, str], list[tuple[Affected, Effect]]] = {}
    for each in affected:
        for effect in each.effects:
            key = (each.enrollment.sequence, KINDS.index(effect.kind), effect.step, effect.together)
            groups.setdefault(key, []).append((each, effect))

    def order(key: tuple[str, int, str, str]) -> tuple[str, int, str, str, str]:
        first = min((effect.was.isoformat() for _, effect in groups[key] if effect.was is not None), default="")
        return (*key[:3], first, key[3])

    return [
        Group(key[0], KINDS[key[1]], key[2], key[3], tuple(each.contact.email for each, _ in groups[key]))
        for key in sorted(groups, key=order)
    ]
