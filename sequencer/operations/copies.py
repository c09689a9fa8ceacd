"""Copies of what we sent, put into the Sent folder where the provider does not do that itself."""

from __future__ import annotations

from typing import Final

from sequencer.mail.incoming import Appended, Incoming, NotAppended
from sequencer.operations.live import Live
from sequencer.store import sent_copies
from sequencer.store.sent_copies import PendingCopy

AT_ONCE: Final = 16
MOST_TRIES: Final = 5
LOST: Final = "the connection was lost meanwhile"


async def file_copies(live: Live, mailbox: str, line: Incoming, folder: str) -> int:
    """Put pending copies into the Sent folder, `AT_ONCE` at most; how many were put there. Raises ConnectionLost.

    A copy that stands there already (we stopped between the APPEND and its record) is not put there again.
    """
    async with live.database.read() as conn:
        pending = await sent_copies.pending(conn, mailbox, AT_ONCE)
    if not pending:
        return 0
    # Noted before the APPEND: a crash right after it must make the next try look first.
    async with live.database.begin() as conn:
        for copy in pending:
            if copy.tries == 0:
                await sent_copies.failed(conn, copy.attempt, "", give_up=False)
    failures: dict[PendingCopy, str] = {}
    filed: list[int] = []
    try:
        for copy in pending:
            failures[copy] = LOST  # unless we hear better
            answer = await _put(line, folder, copy)
            if isinstance(answer, NotAppended):
                failures[copy] = answer.reason
            else:
                del failures[copy]
                filed.append(copy.attempt)
    finally:
        async with live.database.begin() as conn:
            await sent_copies.done(conn, filed)
            for copy, reason in failures.items():
                await sent_copies.failed(conn, copy.attempt, reason, give_up=copy.tries + 1 >= MOST_TRIES)
    return len(filed)


async def _put(line: Incoming, folder: str, copy: PendingCopy) -> Appended | NotAppended:
    if copy.tries and await line.uids_with_message_id(folder, f"<{copy.message_id}>"):
        return Appended()
    answer = await line.append(folder, copy.data, copy.sent_at)
    if isinstance(answer, NotAppended) and answer.no_folder and await line.create(folder):
        answer = await line.append(folder, copy.data, copy.sent_at)
    return answer
