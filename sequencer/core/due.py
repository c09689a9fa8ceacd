"""When a step is due, and what forbids an e-mail whose time has come."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sequencer.core import timing
from sequencer.core.decisions import Case, Held
from sequencer.core.model import BACK_OFF, Step, When
from sequencer.core.shifts import Cause, Shift, shifted

EDIT_SPREAD: Final = timedelta(hours=8)
"""Allowed time over which is spread what an edit makes due at once: about one working day."""

NOT_READ_SINCE: Final = "the inbox was not read to its end since this fell due"

READ_TOO_LONG_AGO: Final = "the inbox was last read to its end too long ago"

UNTIL_THEN: Final = "it was paused, snoozed or edited until then"

EDITED: Final = "the sequence was edited: what that made due is spread over a day"

AWAY: Final = "they are away"

FRESH_FOR: Final = timedelta(minutes=10)
"""How long ago the inbox may have been read to its end when a message leaves."""


def due_for(case: Case, when: When, key: str) -> timing.Due | Held:
    """When a step may be taken: its wait, then the gap to any other touch, then hours, then the spread."""
    planned = _planned(case, when, key)
    if isinstance(planned, Held):
        return planned
    at, shifts = _not_before(case, *planned)
    slot = timing.next_allowed(at, case.facts.calendar)
    if isinstance(slot, timing.NeverAllowed):
        return Held(slot.reason, None, key)
    due = _spread(case, slot, key)
    return timing.Due(due.at, (*shifts, *due.shifts))


def after_edit(case: Case, key: str = "", *, used_up: bool = False) -> datetime | None:
    """Until when a plan waits that an edit has led on, so that not everybody goes on at once; None where that is no
    edit's doing. With `key`, the step at which it still stands: it is not put off when it was due by the earlier file.
    `used_up`: it goes on since there is nothing left where it stood, which may have been so before the edit."""
    facts, en = case.facts, case.enrollment
    if en.not_before is not None and en.not_before > case.now:
        return en.not_before  # an edit has just led it to where it stands
    if facts.edited_at is None or (key and _was_due(case, facts.edited_at, key)):
        return None
    if used_up and not en.position.step:
        return None
    return timing.spread_allowed(facts.edited_at, facts.calendar, EDIT_SPREAD, f"{en.id}:edited")


def too_late(case: Case, step: Step) -> bool:
    """Whether a step that expires has waited too long. What put it off in between does not renew its time."""
    planned = _planned(case, step.when, step.id)
    if step.expires is None or isinstance(planned, Held):
        return False
    slot = timing.next_allowed(planned[0], case.facts.calendar)
    if isinstance(slot, timing.NeverAllowed):
        return False
    return case.now > timing.add_span(_spread(case, slot, step.id).at, step.expires, case.facts.calendar)


def forbidden(case: Case, key: str, due_at: datetime) -> Held | None:
    """What holds an e-mail whose time has come. The order is the order of what a person wants to hear first."""
    facts, now = case.facts, case.now
    if facts.open_elsewhere:
        return Held(facts.open_elsewhere, None, key, due_at)
    if facts.hold:
        return Held(facts.hold, facts.hold_until, key, due_at)
    slot = timing.next_allowed(now, facts.calendar)
    if isinstance(slot, timing.NeverAllowed):
        return Held(slot.reason, None, key, due_at)
    if slot.at > now:
        # Not spread a second time: at the opening all are there, and whoever is due the longest goes first.
        return Held(", ".join(slot.reasons), slot.at, key, due_at, slot.shifts)
    if facts.inbox_read_at is None or facts.inbox_read_at < due_at:
        return Held(NOT_READ_SINCE, None, key, due_at)
    if now - facts.inbox_read_at > FRESH_FOR:
        return Held(READ_TOO_LONG_AGO, None, key, due_at)
    return None


def _spread(case: Case, slot: timing.Due, key: str) -> timing.Due:
    en = case.enrollment
    due = timing.spread_over(slot, case.facts.calendar, case.facts.spread, f"{en.id}:{key}:{en.emails_sent}")
    return timing.Due(due.at, shifted(slot.shifts, Cause.SPREAD, "the spread", slot.at, due.at))


def _planned(case: Case, when: When, key: str) -> tuple[datetime, tuple[Shift, ...]] | Held:
    """The instant that the plan itself names, with a pause, an absence and an edit taken into account."""
    facts, en = case.facts, case.enrollment
    named = _named(case, when)
    if isinstance(named, timing.MissingDate):
        return Held(f"the contact has no date “{named.field}”", None, key)
    at, shifts = named
    if en.not_before is not None and en.not_before > at:
        at, shifts = _later(at, shifts, Cause.RESUMED, UNTIL_THEN, en.not_before)
    if facts.edited_at is not None and at <= facts.edited_at and not _was_due(case, facts.edited_at, key):
        spread = timing.spread_allowed(facts.edited_at, facts.calendar, EDIT_SPREAD, f"{en.id}:edited")
        at, shifts = _later(at, shifts, Cause.EDITED, EDITED, spread)
    for away in en.away:
        if away.since <= case.now and at < away.until:
            at, shifts = _later(at, shifts, Cause.THEY_AWAY, AWAY, away.until)
    return at, shifts


def _named(case: Case, when: When) -> tuple[datetime, tuple[Shift, ...]] | timing.MissingDate:
    """The instant that the phrase itself names, and what an absence made of it."""
    en, cycle, calendar = case.enrollment, case.sequence.decision_cycle, case.facts.calendar
    if en.ready_at is not None:
        return en.ready_at, ()
    at = timing.due_at(when, en, case.fields, cycle, calendar)
    if isinstance(at, timing.MissingDate) or not en.away:
        return at if isinstance(at, timing.MissingDate) else (at, ())
    wished = timing.due_at(when, replace(en, away=()), case.fields, cycle, calendar)
    assert isinstance(wished, datetime), "the same phrase counts from the same date"
    return at, shifted((), Cause.THEY_AWAY, AWAY, wished, at)


def _later(
    at: datetime, shifts: tuple[Shift, ...], cause: Cause, reason: str, until: datetime
) -> tuple[datetime, tuple[Shift, ...]]:
    return until, shifted(shifts, cause, reason, at, until)


def _was_due(case: Case, edited_at: datetime, key: str) -> bool:
    """Whether the step was due by the earlier file already: an edit does not put it off."""
    earlier, en = case.facts.earlier, case.enrollment
    if earlier is None:
        return False
    if key == BACK_OFF:
        when = earlier.back_off.after if earlier.back_off is not None else None
    else:
        found = earlier.find(key)
        when = earlier.lines[found[0]][found[1]].when if found is not None else None
    if when is None or key != (en.position.step or BACK_OFF):
        return False
    at = en.ready_at or timing.due_at(when, en, case.fields, earlier.decision_cycle, case.facts.calendar)
    if not isinstance(at, datetime) or at > edited_at or case.facts.earlier_calendar is None:
        return isinstance(at, datetime) and at <= edited_at
    return _was_allowed(case, max(at, en.not_before or at), edited_at, case.facts.earlier_calendar)


def _was_allowed(case: Case, at: datetime, edited_at: datetime, calendar: timing.Calendar) -> bool:
    """Whether what was planned for then could leave before the edit, by the hours of the earlier file."""
    for away in case.enrollment.away:
        if away.since <= edited_at and at < away.until:
            at = away.until
    slot = timing.next_allowed(_not_before(case, at, ())[0], calendar)
    return isinstance(slot, timing.Due) and slot.at <= edited_at


def _not_before(case: Case, at: datetime, shifts: tuple[Shift, ...]) -> tuple[datetime, tuple[Shift, ...]]:
    """What puts a planned instant off: another touch too near, a server that asked to try later."""
    facts, en = case.facts, case.enrollment
    if facts.min_gap is not None and facts.last_touch_to_contact is not None:
        gap_ends = timing.add_span(facts.last_touch_to_contact, facts.min_gap, facts.calendar)
        if gap_ends > at:
            at, shifts = _later(at, shifts, Cause.MIN_GAP, f"{facts.min_gap} between two touches", gap_ends)
    if en.retry_at is not None and en.retry_at > at:
        at, shifts = _later(at, shifts, Cause.SERVER, "the server asked to try later", en.retry_at)
    return at, shifts
