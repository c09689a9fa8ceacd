"""Nobody gets left behind: who has no next touch, and why, by what the database and the files say of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sequencer.operations.report_lives import Life, instant

LATE: Final = timedelta(hours=1)
"""A running daemon takes what is due within seconds; the rest of the hour is for its restarts."""


class Why(StrEnum):
    """Why somebody has no next touch. The first eight are open: somebody can do something about them."""

    PAUSED = "paused"
    TASK = "task"
    HELD = "held"
    SET_ASIDE = "set_aside"
    NO_FILE = "no_file"
    NO_MAILBOX = "no_mailbox"
    OVERDUE = "overdue"
    ADRIFT = "adrift"
    NOT_MOVED = "not_moved"
    USED_UP = "used_up"
    STOPPED = "stopped"
    UNREACHABLE = "unreachable"
    UNWANTED = "unwanted"
    LOST = "lost"
    NEVER_ENROLLED = "never_enrolled"

    @property
    def open(self) -> bool:
        """Whether their plan has not ended, and stands still."""
        return self in _OPEN


_OPEN: Final = frozenset(
    {Why.PAUSED, Why.TASK, Why.HELD, Why.SET_ASIDE, Why.NO_FILE, Why.NO_MAILBOX, Why.OVERDUE, Why.ADRIFT}
)

_TIDIED: Final = (  # reasons that name people, without them: so that they can be counted
    (r"a reply came from \S+$", "somebody else replied in their thread"),
    (r"\S+, of the same company, replied$", "somebody of the same company replied"),
    (r"they replied in the thread of \S+$", "they replied in somebody else's thread"),
    (r"set aside: .*", "set aside with an error"),
    (r"\d+ messages came back: .*", "their messages keep coming back"),
)
_FINAL: Final = (  # how plans are stopped for good: by react.FINAL_KINDS, and by what `suppress` keeps as its reason
    (
        r"the address does not take mail$|suppressed: bounce( on |$)",
        Why.UNREACHABLE,
        "their address does not take mail",
    ),
    (
        (
            r"they asked not to be mailed again$|they reported the message as spam$"
            r"|suppressed: (unsubscribe|complaint|they asked on )"
        ),
        Why.UNWANTED,
        "they want no more mail",
    ),
    (r"suppressed: ", Why.UNWANTED, "suppressed"),
)


@dataclass(frozen=True, slots=True)
class LeftBehind:
    """Somebody without a next touch. `since` is when that began."""

    email: str
    sequence: str
    enrollment: int | None
    why: Why
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Leak:
    """How many have no next touch for one reason, since when the first of them has none, and what lists them."""

    why: Why
    reason: str
    people: int
    since: datetime
    command: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside a person's own rows."""

    now: int
    sequences: Set[str]  # in the workspace
    mailboxes: Set[str]
    open_contacts: Set[int]
    on_its_way: Set[int]
    tasks: Mapping[int, tuple[str, int]]  # by enrollment: what kind, and when it was due
    paused_since: Mapping[int, int]


def left_behind(life: Life, around: Surroundings) -> LeftBehind | None:
    """Why somebody has no next touch; None where they have one, were won, or go on in another sequence."""
    row = life.row
    found = _ended(life, around) if row.status in ("stopped", "finished") else _open(row, around)
    if found is None:
        return None
    why, reason, since = found
    return LeftBehind(row.email, row.sequence, row.id, why, reason, instant(row.changed if since is None else since))


_Found = tuple[Why, str, int | None] | None


def _open(row: Any, around: Surroundings) -> _Found:
    if row.sequence not in around.sequences:
        return Why.NO_FILE, f"sequences/{row.sequence}.yaml is no longer in the workspace", row.changed
    if row.mailbox not in around.mailboxes:
        return Why.NO_MAILBOX, f"the mailbox {row.mailbox} is no longer in config.yaml", row.changed
    if row.status == "paused":
        return Why.PAUSED, row.reason, around.paused_since.get(row.id, row.changed)
    if row.id in around.on_its_way:
        return None
    if row.status == "active" and row.id in around.tasks:
        kind, due = around.tasks[row.id]
        return Why.TASK, f"you are asked to {kind}", due
    if row.held_reason.startswith("set aside: "):
        return Why.SET_ASIDE, row.held_reason, row.held_since
    if row.held_reason:
        return None if row.held_until is not None else (Why.HELD, row.held_reason, row.held_since)
    if row.wake is None:
        return Why.ADRIFT, "nothing is planned, and the log does not say why", row.changed
    if row.wake < around.now - micros_of(LATE):
        return Why.OVERDUE, "due for more than an hour: is the daemon running?", row.wake
    return None


def _ended(life: Life, around: Surroundings) -> _Found:
    row = life.row
    if not row.latest or row.contact_id in around.open_contacts:
        return None  # what came after says where they are
    outcome = life.outcome[2] if life.outcome is not None else ""
    if outcome == "won" and row.reason == "won":
        return None
    if row.reason == "lost":
        return Why.LOST, "closed as lost", row.changed
    final = _final(row.reason) if row.status == "stopped" else None
    if final is not None:
        return *final, row.changed
    if row.status == "finished" and row.reason.startswith("moved to "):
        return Why.NOT_MOVED, f"was to be {row.reason}, and is not there", row.changed
    if row.status == "stopped":
        return Why.STOPPED, f"stopped: {row.reason}", row.changed
    return Why.USED_UP, f"{row.reason or 'finished'}, and in no other sequence", row.changed


@lru_cache(maxsize=4096)
def _final(reason: str) -> tuple[Why, str] | None:
    return next(((why, words) for pattern, why, words in _FINAL if re.match(pattern, reason)), None)


def micros_of(length: timedelta) -> int:
    """A length of time in microseconds."""
    return length // timedelta(microseconds=1)


def is_over(life: Life) -> bool:
    """Whether nothing could reach them any more when it ended: who cannot answer is not waited for."""
    return life.row.status == "stopped" and _final(life.row.reason) is not None


def leaks(people: list[LeftBehind], sequence: str) -> tuple[Leak, ...]:
    """The same by reason, those that are open first, the most frequent first; `sequence` is for the commands."""
    groups: dict[tuple[Why, str], list[LeftBehind]] = {}
    for one in people:
        groups.setdefault((one.why, tidied(one.reason)), []).append(one)
    found = [
        Leak(
            why,
            reason,
            len(group),
            min(one.since for one in group),
            _listed(why, sequence),
        )
        for (why, reason), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda leak: (not leak.why.open, -leak.people, leak.why, leak.reason)))


@lru_cache(maxsize=4096)
def tidied(reason: str) -> str:
    """A reason without the people it names."""
    return next((words for pattern, words in _TIDIED if re.match(pattern, reason)), reason)


def _listed(why: Why, sequence: str) -> str:
    match why:
        case Why.PAUSED:
            return "sequencer threads"
        case Why.TASK:
            return "sequencer tasks"
        case _:
            return f"sequencer report {sequence} --left-behind" if sequence else "sequencer report --left-behind"
