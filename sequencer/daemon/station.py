"""One mailbox and what its worker knows of it: its connections, its trouble, when it wakes.

The worker (`mailbox_worker`) and its ear (`watcher`) share it; whoever shares out the mailboxes (`sharing`) begins and
ends it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sequencer.core.breakers import Cause
from sequencer.daemon.clock import Clock, boot_ticks
from sequencer.daemon.telling import Note, Told
from sequencer.daemon.vitals import Heart
from sequencer.mail.imap import ImapLine
from sequencer.operations.happenings import Happening
from sequencer.operations.inbox import Watched
from sequencer.operations.lines import Lines
from sequencer.operations.live import Live
from sequencer.operations.outcomes import Trouble
from sequencer.operations.queue import Queue
from sequencer.store.mailboxes import MailboxState
from sequencer.store.strikes import Strike
from sequencer.workspace.config import Mailbox

LONGEST_PATIENCE: Final = timedelta(minutes=30)
"""Between two tries of a server that has been in trouble for long."""

DOORS: Final[Mapping[str, Strike]] = {"smtp": Strike.SMTP_LOGIN, "imap": Strike.IMAP_LOGIN}


@dataclass
class Standing:
    """What a worker knows of how its mailbox stands. `happened` and `welcomed` are not yet recorded."""

    halts: Mapping[str, str] = field(default_factory=dict)
    logins: dict[Strike, int] = field(default_factory=dict)  # refused in a row
    happened: list[Strike] = field(default_factory=list)
    welcomed: set[Strike] = field(default_factory=set)
    said: dict[Cause, str] = field(default_factory=dict)
    suspect: bool = True  # something has happened since it was judged
    noted: tuple[MailboxState, str] | None = None  # as the database has it
    held_since: datetime | None = None
    tried_with: Mailbox | None = None  # the accounts that need not be tried anew
    anew_at: datetime | None = None
    next_look: datetime | None = None

    def take(self, happening: Happening) -> None:
        """A mail that came back, a recipient that was refused: worth a judgement."""
        self.suspect = self.suspect or happening.what in ("notice", "rejected")

    def strike(self, where: str, trouble: Trouble) -> None:
        """Trouble that may speak against the mailbox. `where` is smtp or imap."""
        match trouble.against_us:
            case "login":
                self.happened.append(DOORS[where])
                self.said["login"] = trouble.reason
            case "refusal":
                self.happened.append(Strike.REFUSAL)
                self.said["refusals"] = trouble.reason
            case "returned":
                self.said["refusals"] = trouble.reason
                self.suspect = True

    def welcome(self, where: str) -> None:
        """A login was taken."""
        door = DOORS[where]
        self.happened = [strike for strike in self.happened if strike is not door]
        if self.logins.get(door):
            self.welcomed.add(door)


@dataclass
class Station:
    """One mailbox and what its worker needs. `wake` is set by whoever knows of something to do, `news` when the server
    has announced mail since the inbox was last read."""

    live: Live
    name: str
    lease: int
    clock: Clock
    tell: Callable[[Told], None]
    stop: asyncio.Event
    poll: timedelta
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    read_at: float = (
        0.0  # when the last reading of the inbox to its end began, on the machine's clock, see `boot_ticks`
    )
    inbox: ImapLine | None = None
    watched: Watched | None = None
    lines: Lines | None = None
    opened_for: Mailbox | None = None
    reads: asyncio.Event = field(default_factory=asyncio.Event)  # set while the inbox is logged in to
    standing: Standing = field(default_factory=Standing)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    retry_at: dict[str, datetime] = field(default_factory=dict)
    queue: Queue = field(default_factory=Queue)
    planned: datetime | None = None
    waits_told: str = ""
    lost: bool = False
    looked_back: bool = False  # it is known what has left: the database is no copy, or Sent was read since
    lost_at: float = 0.0  # on the machine's clock, see `boot_ticks`
    leaving: bool = False  # it is to go to another daemon
    certain_until: float = math.inf  # on the machine's clock: the lease may have run out after that
    hinted: datetime | None = None
    dropped: bool = False  # the connection to the inbox broke in the last turn
    heart: Heart = field(default_factory=Heart)

    def stopping(self) -> bool:
        """Whether no further message may be begun. Asked between two of them, so the worker gets on."""
        self.heart.beat()
        return self.over() or not self.certain()

    def over(self) -> bool:
        """Whether the mailbox is no longer this worker's business."""
        return self.stop.is_set() or self.lost or self.leaving or self.live.mailbox(self.name) is None

    def certain(self) -> bool:
        """Whether the lease cannot have run out, as far as this machine's clock tells."""
        return boot_ticks() < self.certain_until

    def look_by(self, at: datetime) -> None:
        """Somebody else knows of something to do at `at`; when that is earlier than planned, the worker wakes."""
        if self.planned is None:  # in the middle of a turn
            self.hinted = at if self.hinted is None else min(self.hinted, at)
        elif at < self.planned:
            self.wake.set()


def lose(station: Station) -> None:
    """Another daemon owns the mailbox now: nothing more is begun here."""
    if not station.lost:
        station.lost, station.lost_at = True, boot_ticks()
        station.wake.set()
        station.tell(Note("warning", station.name, "another sequencer has taken over this mailbox", "lease_lost"))


def hold(station: Station, where: str, trouble: Trouble, now: datetime) -> None:
    """Note why the mailbox is held, and when to try again: twice as long each time, up to half an hour."""
    station.standing.strike(where, trouble)
    if where == "smtp" and station.standing.halts:
        return  # it sends nothing anyway
    known = station.troubles.get(where)
    if known is None or known.reason != trouble.reason:
        station.tell(Note("warning", station.name, f"held: {trouble.reason}", "mailbox_held"))
    failures = station.failures.get(where, 0)
    station.troubles[where] = trouble
    station.failures[where] = failures + 1
    wait = min(max(LONGEST_PATIENCE, trouble.again), trouble.again * 2 ** min(failures, 10))
    station.retry_at[where] = now + wait


def works_again(station: Station, where: str) -> None:
    """`where` is in trouble no more, and the mailbox held no longer, where nothing else is."""
    if where != "smtp":  # a connection is not yet a message that has left
        station.failures.pop(where, None)
    station.retry_at.pop(where, None)
    if station.troubles.pop(where, None) is not None and not station.troubles:
        station.tell(Note("info", station.name, "works again", "mailbox_works"))


async def hang_up(station: Station) -> None:
    """Close all of its connections but its ear's; its next turn opens them anew."""
    line, lines = station.inbox, station.lines
    station.inbox = station.watched = station.lines = station.opened_for = None
    station.reads.clear()
    if line is not None:
        await line.close()
    if lines is not None:
        await lines.close()
