"""What became of the people who were dealt one of several variants of a step.

A trial is a step with several variants. `ix_attempts_trial` has only its messages, so a plan without variants pays
nothing for it, and what is read follows those messages (LATEST of them at most), not who is enrolled.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.store import tables
from sequencer.store.attempts import LIVE
from sequencer.store.columns import Instant

LATEST: Final = 20_000
"""Messages of one trial that are looked at, the latest ones: more would change nothing, and what was true a long time
ago may be so no more."""

GOOD: Final = ("interested",)
BAD: Final = ("unsubscribe", "complaint")
WON: Final = "won"


@dataclass(slots=True)
class Tally:
    """The people who had one variant. `fresh` were sent it too recently to have had time to answer, and are in none of
    the other figures. Whom the message never reached is in none at all."""

    people: int = 0
    good: int = 0
    bad: int = 0
    fresh: int = 0


def trial_of(sequence: str, step: str) -> str:
    """The name of the trial of a step."""
    return f"{sequence}/{step}"


async def tally(conn: AsyncConnection, trial: str, before: datetime) -> dict[str, Tally]:
    """The figures of each variant of a trial that anybody had; `before` is when whoever has had time to answer was
    sent it. A person (one enrollment) is good who became interested, or was won without saying so; bad who unsubscribed
    or complained; neither who did both. What somebody answers is counted for the message that it answers, else for the
    last one before it."""
    found: dict[str, Tally] = defaultdict(Tally)
    given = {"trial": trial, "before": before, "latest": LATEST}
    for row in await conn.execute(_PEOPLE, given):
        found[row.variant].people, found[row.variant].fresh = row.people - row.fresh, row.fresh
    said: dict[tuple[str, int], set[str]] = defaultdict(set)
    for row in await conn.execute(_SAID, given):
        said[row.variant, row.enrollment_id].add(row.kind)
    for (variant, _), kinds in said.items():
        _count(found[variant], kinds)
    return dict(found)


def _count(figures: Tally, kinds: set[str]) -> None:
    good, bad = not kinds.isdisjoint((*GOOD, WON)), not kinds.isdisjoint(BAD)
    if good or bad:
        figures.good += good and not bad
        figures.bad += bad and not good
    else:
        figures.people -= 1  # it came back


# The statements, built once -----------------------------------------------------------------------

_t, _m, _n = tables.attempts.c, tables.messages.c, tables.enrollments.c
_before_it: Final = tables.attempts.alias("before_it")
_b = _before_it.c
_before: Final = bindparam("before", type_=Instant())

_recent: Final = (
    select(_t.id, _t.enrollment_id, _t.variant, _t.started_at)
    .where(_t.trial == bindparam("trial"), literal_column(tables.TRIED))
    .order_by(_t.started_at.desc())
    .limit(bindparam("latest", type_=Integer()))
    .subquery("recent")
)
_r: Final = _recent.c

_each: Final = (
    select(_r.variant, func.min(_r.started_at).label("first"))
    .group_by(_r.variant, _r.enrollment_id)
    .subquery("each_person")
)
_PEOPLE: Final = select(
    _each.c.variant,
    func.count().label("people"),
    func.sum(case((_each.c.first > _before, 1), else_=0)).label("fresh"),
).group_by(_each.c.variant)

_ours: Final = _b.state.in_(LIVE)
_alias: Final = (
    exists()
    .where(tables.aliases.c.message_id == _m.in_reply_to, tables.aliases.c.attempt_id == _b.id)
    .correlate(tables.messages, _before_it)
)
_answered: Final = and_(_m.in_reply_to != "", or_(_b.message_id == _m.in_reply_to, _alias))
_newest: Final = select(_b.id).where(_ours).order_by(_b.started_at.desc(), _b.id.desc()).limit(1)
_theirs: Final = _newest.where(_b.enrollment_id == _m.enrollment_id).correlate(tables.messages)
_cause: Final = func.coalesce(  # two looks: SQLite lets no ORDER BY of a scalar subquery see the query around it
    _theirs.where(_answered).scalar_subquery(),
    _theirs.where(_b.started_at <= _m.received_at).scalar_subquery(),
)
_last: Final = _newest.where(_b.enrollment_id == _n.id).correlate(tables.enrollments).scalar_subquery()
_telling: Final[ColumnElement[bool]] = literal_column(f"messages.{tables.TELLING}")
_said_so: Final = exists().where(_m.enrollment_id == _n.id, _telling, _m.kind.in_(GOOD)).correlate(tables.enrollments)
_SAID: Final = union_all(
    select(_r.variant, _r.enrollment_id, _m.kind)
    .join_from(_recent, tables.messages, _m.enrollment_id == _r.enrollment_id)
    .where(_telling, _r.started_at <= _before, _r.id == _cause),
    select(_r.variant, _r.enrollment_id, literal(WON).label("kind"))
    .join_from(_recent, tables.enrollments, _n.id == _r.enrollment_id)
    .where(_n.status == Status.FINISHED, _n.reason == WON, _r.started_at <= _before, not_(_said_so), _r.id == _last),
)
