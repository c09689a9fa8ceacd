"""What an operation did, told in values: the daemon prints them, the demo tells its story with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

What = Literal[
    "sent",
    "in_doubt",
    "deferred",
    "rejected",
    "held",
    "task",
    "skipped",
    "resumed",
    "branched",
    "moved",
    "stopped",
    "finished",
    "replied",
    "notice",
    "hand_written",
    "paused",
    "snoozed",
    "retried",
    "never_left",
    "recovered",
    "set_aside",
    "no_opinion",
]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to one person. `contact` is an address: it does not belong into logs of machines.
    `attempt` is the number of the attempt that it is the outcome of, where it is one."""

    what: What
    at: datetime
    mailbox: str = ""
    enrollment: int = 0
    contact: str = ""
    sequence: str = ""
    step: str = ""
    detail: str = ""
    attempt: int = 0
