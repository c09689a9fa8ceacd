"""The ear at the inbox: a connection of its own that waits in IDLE (RFC 2177) and wakes the worker.

It is a hint only. What it misses, the worker finds at its next poll; before anything is sent, the inbox is read
anyway.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sequencer.daemon.station import Station
from sequencer.mail.accounts import Unreachable
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.mail.incoming import NoFolder, Pushed, Quiet
from sequencer.operations.accounts import imap_account

INBOX: Final = "INBOX"
LISTEN_FOR: Final = 290.0
"""Seconds of one IDLE: the least patient providers end it after five minutes."""

FIRST_RETRY: Final = timedelta(seconds=15)
LONGEST_RETRY: Final = timedelta(minutes=15)


async def watch_inbox(station: Station) -> None:
    """Listen until cancelled. Failures are the worker's to tell: it uses the same account."""
    failures = 0
    while not station.stop.is_set():
        await station.reads.wait()  # the worker logs in first: a refused login is not refused twice
        began = station.clock.now()
        await _listen(station)
        failures = 0 if station.clock.now() - began > LONGEST_RETRY else failures + 1
        wait = min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(failures, 6))
        await station.clock.wait(station.stop, station.clock.now() + wait)


async def _listen(station: Station) -> None:
    """One connection's life."""
    mailbox = station.live.mailbox(station.name)
    if mailbox is None:
        return
    line = ImapLine(imap_account(mailbox))
    try:
        if isinstance(await line.open(), Unreachable):
            return
        state = await line.examine(INBOX)
        if isinstance(state, NoFolder):
            return
        seen = max([state.uidnext - 1, *await line.uids_after(INBOX, state.uidnext - 1)])
        _announce(station)  # something may have come before we listened
        while station.live.mailbox(station.name) is mailbox:
            match await line.wait_for_push(INBOX, LISTEN_FOR):
                case Pushed():
                    _announce(station)
                    # The announcement is used up by looking; the worker reads on its own connection.
                    seen = max([seen, *await line.uids_after(INBOX, seen)])
                case Quiet(idle=False):
                    return
                case Quiet():
                    continue
    except ConnectionLost:
        return
    finally:
        await line.close()


def _announce(station: Station) -> None:
    station.news.set()  # a turn that is sending reads the inbox before its next message
    station.wake.set()
