"""Whether the daemon can do its work, and if not, why: without addresses, servers' answers or secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, assert_never

from sequencer.core.due import FRESH_FOR
from sequencer.daemon.vitals import Vitals
from sequencer.operations.figures import MailboxFigures

Code = Literal["starting", "stuck", "database", "worker_failed", "inbox_unread", "inbox_stale"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the daemon is not ready. `mailbox` is empty where it concerns all of them; `message` is for people."""

    code: Code
    message: str
    mailbox: str = ""


def dead(vitals: Vitals) -> list[Reason]:
    """Why the process should be restarted, if it should."""
    return [Reason("stuck", f"{task} does not get on") for task in vitals.stuck()]


def unready(vitals: Vitals, figures: tuple[MailboxFigures, ...] | str, now: datetime) -> list[Reason]:
    """Why the daemon cannot do its work right now; empty when it can."""
    reasons = dead(vitals)
    if not vitals.standing.is_set():
        reasons.append(Reason("starting", "the first round of leases is not done yet"))
    for name in vitals.failing():
        reasons.append(Reason("worker_failed", "its worker failed and is started anew", name))
    match figures:
        case str():
            reasons.append(Reason("database", figures))
        case tuple():
            reasons += _unread(figures, now)
        case _:
            assert_never(figures)
    return reasons


def _unread(figures: tuple[MailboxFigures, ...], now: datetime) -> Iterator[Reason]:
    for box in figures:
        if not box.owned:
            continue
        if box.inbox_read_at is None:
            yield Reason("inbox_unread", "the inbox was never read to its end", box.name)
        elif now - box.inbox_read_at > FRESH_FOR:
            minutes = (now - box.inbox_read_at) // timedelta(minutes=1)
            yield Reason("inbox_stale", f"the inbox was last read to its end {minutes} minutes ago", box.name)
