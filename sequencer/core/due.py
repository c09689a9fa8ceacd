"""When a step is due, and what forbids an e-mail whose time has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sequencer.core import timing
from sequencer.core.decisions import Case, Held
from sequencer.core.model import BACK_OFF, Step, When

EDIT_SPREAD: Final = timedelta(hours=8)
"""Allowed time over which is spread what an edit makes due at once: about one working day."""

NOT_READ_SINCE: Final = "the inbox was not read to its end since this fell due"

READ_TOO_LONG_AGO: Final = "the inbox was last read to its end too long ago"

FRESH_FOR: Final = timedelta(minutes=10)
"""How long ago the inbox may have been read to its end when a message leaves."""


def due_for(case: Case, when: When, key: str) -> timing.Due | Held:
    """When a step may be taken: its wait, then the gap to any other touch, then hours, then the spread."""
    planned = _planned(case, when, key)
    if isinstance(planned, Held):
        return planned
    at, reasons = _not_before(case, *planned)
    slot = timing.next_allowed(at, case.facts.calendar)
    if isinstance(slot, timing.NeverAllowed):
        return Held(slot.reason, None, key)
    due = _spread(case, slot, key)
    return timing.Due(due.at, (*reasons, *due.reasons))


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
        return Held(", ".join(slot.reasons), _spread(case, slot, key).at, key, due_at)
    if facts.inbox_read_at is None or facts.inbox_read_at < due_at:
        return Held(NOT_READ_SINCE, None, key, due_at)
    if now - facts.inbox_read_at > FRESH_FOR:
        return Held(READ_TOO_LONG_AGO, None, key, due_at)
    return None


def _spread(case: Case, slot: timing.Due, key: str) -> timing.Due:
    en = case.enrollment
    return timing.spread_over(slot, case.facts.calendar, case.facts.spread, f"{en.id}:{key}:{en.emails_sent}")


def _planned(case: Case, when: When, key: str) -> tuple[datetime, tuple[str, ...]] | Held:
    """The instant that the plan itself names, with a pause, an absence and an edit taken into account."""
    facts, en = case.facts, case.enrollment
    at: datetime | timing.MissingDate
    at = en.ready_at or timing.due_at(when, en, case.fields, case.sequence.decision_cycle, facts.calendar)
    if isinstance(at, timing.MissingDate):
        return Held(f"the contact has no date “{at.field}”", None, key)
    reasons: list[str] = []
    if en.not_before is not None and en.not_before > at:
        at = en.not_before
    if facts.edited_at is not None and at < facts.edited_at and not _was_due(case, facts.edited_at, key):
        at = timing.spread_allowed(facts.edited_at, facts.calendar, EDIT_SPREAD, f"{en.id}:edited")
        reasons.append("the sequence was edited: what that made due is spread over a day")
    for away in en.away:
        if away.since <= case.now and at < away.until:
            at = away.until
            reasons.append("they are away")
    return at, tuple(reasons)


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
    return isinstance(at, datetime) and at <= edited_at


def _not_before(case: Case, at: datetime, reasons: tuple[str, ...]) -> tuple[datetime, tuple[str, ...]]:
    """What puts a planned instant off: another touch too near, a server that asked to try later."""
    facts, en = case.facts, case.enrollment
    if facts.min_gap is not None and facts.last_touch_to_contact is not None:
        gap_ends = timing.add_span(facts.last_touch_to_contact, facts.min_gap, facts.calendar)
        if gap_ends > at:
            at, reasons = gap_ends, (*reasons, f"{facts.min_gap} between two touches")
    if en.retry_at is not None and en.retry_at > at:
        at, reasons = en.retry_at, (*reasons, "the server asked to try later")
    return at, reasons
