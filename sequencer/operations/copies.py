"""Copies of what we sent, put into the Sent folder where the provider does not do that itself."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sequencer.mail.incoming import Appended, Incoming, NotAppended
from sequencer.operations.live import Live
from sequencer.store import sent_copies
from sequencer.store.sent_copies import PendingCopy

MOST_TRIES: Final = 5


async def file_copies(live: Live, mailbox: str, line: Incoming, folder: str, now: datetime) -> int:
    """Put the pending copies into the Sent folder; how many were put there. Raises ConnectionLost.

    A copy that stands there already (we stopped between the APPEND and its record) is not put there again.
    """
    filed = 0
    async with live.database.read() as conn:
        pending = await sent_copies.pending(conn, mailbox)
    for copy in pending:
        there = bool(copy.tries) and await line.uids_with_message_id(folder, f"<{copy.message_id}>")
        answer = Appended() if there else await _append(live, line, folder, copy)
        async with live.database.begin() as conn:
            if isinstance(answer, NotAppended):
                await sent_copies.failed(conn, copy.attempt, answer.reason, give_up=copy.tries + 1 >= MOST_TRIES)
            else:
                await sent_copies.done(conn, [copy.attempt])
                filed += 1
    return filed


async def _append(live: Live, line: Incoming, folder: str, copy: PendingCopy) -> Appended | NotAppended:
    # Noted before the APPEND: a crash right after it must make the next try look first.
    async with live.database.begin() as conn:
        await sent_copies.failed(conn, copy.attempt, "", give_up=False)
    answer = await line.append(folder, copy.data, copy.sent_at)
    if isinstance(answer, NotAppended) and answer.no_folder and await line.create(folder):
        answer = await line.append(folder, copy.data, copy.sent_at)
    return answer
