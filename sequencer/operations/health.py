"""How everything stands: the mailboxes, the enrollments, and what somebody should look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Status
from sequencer.operations.explain import doubt_json, iso
from sequencer.operations.freshness import inbox_age
from sequencer.operations.live import Live
from sequencer.store import agenda, alerts, attempts, enrollments, mailboxes, messages, set_aside
from sequencer.store.agenda import Load
from sequencer.store.attempts import Doubt
from sequencer.store.daemons import Daemon, daemon_named
from sequencer.store.mailboxes import MailboxRow, MailboxState
from sequencer.workspace.calendars import zone_of

MOST_PROBLEMS: Final = 20
MOST_DOUBTS: Final = 100
UNTOLD_FOR: Final = timedelta(days=7)
FOR_A_PERSON: Final = ("the template ", "the message cannot ", "the contact has no date ", "sequences/")
"""How the reasons of holds begin that last until somebody does something."""


@dataclass(frozen=True, slots=True)
class MailboxHealth:
    """One mailbox. `running`: a daemon owns it right now; `state` is `unknown` before the first run. `inbox_age`: how
    long ago all its folders were read to their end, None when they never were."""

    name: str
    state: str
    reason: str
    running: bool
    daemon: Daemon | None
    inbox_read_at: datetime | None
    inbox_age: timedelta | None
    sent_today: int
    due: int
    held: int
    in_doubt: int
    fills_sent: bool | None = None  # whether the provider fills Sent by itself, as far as that was learned


@dataclass(frozen=True, slots=True)
class Health:
    """How everything stands at one instant. `problems` are sentences for the owner; `changes_wait`: saved files wait
    for approval."""

    mailboxes: tuple[MailboxHealth, ...]
    enrollments: Mapping[Status, int]
    problems: tuple[str, ...]
    doubts: tuple[Doubt, ...] = ()
    changes_wait: bool = False


async def status(conn: AsyncConnection, live: Live, now: datetime) -> Health:
    """The health of this installation."""
    rows = {row.name: row for row in await mailboxes.listing(conn)}
    load = await agenda.load(conn, now)
    doubt = await attempts.in_doubt_counts(conn)
    names = list(live.workspace.config.mailboxes)
    names += [name for name in rows if name not in names and (name in load or name in doubt)]
    owners = await mailboxes.owners(conn)
    boxes = [await _mailbox(conn, live, name, rows.get(name), owners.get(name), load, doubt, now) for name in names]
    problems = [*_mailbox_problems(live, boxes), *_mistakes(live), *_waiting(live), *await _missing(conn)]
    problems += [*await _set_aside(conn), *await _unmatched(conn), *await _untold(conn, now)]
    doubts = await attempts.doubts(conn, limit=MOST_DOUBTS) if doubt else []
    return Health(tuple(boxes), await enrollments.counts(conn), tuple(problems), tuple(doubts), live.waits)


async def _mailbox(
    conn: AsyncConnection,
    live: Live,
    name: str,
    row: MailboxRow | None,
    owner: str | None,
    load: Mapping[str, Load],
    doubt: Mapping[str, int],
    now: datetime,
) -> MailboxHealth:
    zone = zone_of(live.workspace.config.contacts.timezone)
    midnight = datetime.combine(now.astimezone(zone).date(), time(), tzinfo=zone).astimezone(UTC)
    sent = await attempts.sent_since(conn, name, midnight)
    mine = load.get(name, Load(0, 0))
    return MailboxHealth(
        name=name,
        state=str(row.state) if row is not None else "unknown",
        reason=row.reason if row is not None else "never used yet",
        running=owner is not None,
        daemon=daemon_named(owner) if owner is not None else None,
        inbox_read_at=row.inbox_read_at if row is not None else None,
        inbox_age=inbox_age(row.inbox_read_at, now) if row is not None else None,
        sent_today=len(sent),
        due=mine.due,
        held=mine.held,
        in_doubt=doubt.get(name, 0),
        fills_sent=row.fills_sent if row is not None else None,
    )


def _mailbox_problems(live: Live, boxes: list[MailboxHealth]) -> list[str]:
    problems = []
    for box in boxes:
        if live.mailbox(box.name) is None:
            problems.append(f"people are waiting for the mailbox {box.name}, which is no longer in config.yaml")
        elif box.state == MailboxState.HALTED:
            way_back = f"`sequencer reopen {box.name}` lets it go on"
            problems.append(
                f"the mailbox {box.name} has stopped itself: {box.reason}; once that is seen to, {way_back}"
            )
        elif box.state == MailboxState.HELD:
            problems.append(f"the mailbox {box.name} is {box.state}: {box.reason}")
        if box.in_doubt:
            what = "1 message" if box.in_doubt == 1 else f"{box.in_doubt} messages"
            problems.append(f"{what} from {box.name} may or may not have arrived; nothing is sent twice")
        if box.due and not box.running and live.mailbox(box.name) is not None:
            problems.append(f"{box.due} due from {box.name}, and no daemon is running: start `sequencer run`")
    return problems


def _mistakes(live: Live) -> list[str]:
    found = live.mistakes[:MOST_PROBLEMS]
    return [f"{one.file}:{one.line}:{one.column}: {one.message}; what was last in force there holds" for one in found]


def _waiting(live: Live) -> list[str]:
    if not live.waits:
        return []
    return ["saved changes wait (`apply: manual`): `sequencer plan` shows them, `sequencer apply` puts them in force"]


async def _missing(conn: AsyncConnection) -> list[str]:
    """People whose message waits for a person to do something; what passes by itself is not told here."""
    found = await agenda.held_for_good(conn, FOR_A_PERSON, limit=MOST_PROBLEMS)
    return [
        f"{one.email}{f' and {one.number - 1} more are' if one.number > 1 else ' is'} held: {one.reason}"
        for one in found
    ]


async def _untold(conn: AsyncConnection, now: datetime) -> list[str]:
    failing = await alerts.failing(conn, now - UNTOLD_FOR)
    return [
        f"{'1 alert' if number == 1 else f'{number} alerts'} of the mailbox {name} could not be told: {error}"
        for name, (number, error) in sorted(failing.items())
    ]


async def _set_aside(conn: AsyncConnection) -> list[str]:
    found = await set_aside.listing(conn, limit=MOST_PROBLEMS)
    return [f"set aside on {one.created_at:%Y-%m-%d} ({one.mailbox}): {one.what}: {one.error}" for one in found]


async def _unmatched(conn: AsyncConnection) -> list[str]:
    found = await messages.unmatched(conn, limit=MOST_PROBLEMS)
    return [
        f"{one.sender} wrote “{one.subject}” on {one.received_at:%Y-%m-%d}; it belongs to no thread: answer it by hand"
        for one in found
    ]


def status_json(health: Health) -> dict[str, Any]:
    """DESIGN §6, `status`."""
    return {
        "mailboxes": [
            {
                "name": box.name,
                "state": box.state,
                "reason": box.reason,
                "running": box.running,
                "daemon": {"host": box.daemon.host, "pid": box.daemon.pid} if box.daemon is not None else None,
                "inbox_read_at": iso(box.inbox_read_at),
                "fills_sent": box.fills_sent,
                "inbox_age": int(box.inbox_age.total_seconds()) if box.inbox_age is not None else None,
                "sent_today": box.sent_today,
                "due": box.due,
                "held": box.held,
                "in_doubt": box.in_doubt,
            }
            for box in health.mailboxes
        ],
        "enrollments": {str(status): number for status, number in health.enrollments.items()},
        "problems": list(health.problems),
        "changes_wait": health.changes_wait,
        "doubts": [
            {"contact": one.contact, "sequence": one.sequence, **doubt_json(one.attempt)} for one in health.doubts
        ],
    }
