"""Copies of what we sent, in the Sent folder: made where the provider does not do that itself.

Whether it does is learned from what is seen there. What the config or the preset says is only believed until then: each
accepted message is looked for, for a while that depends on what is known, and only where it is absent a copy is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from sequencer.mail.incoming import Appended, Incoming, NoFolder, NotAppended
from sequencer.operations.live import Live
from sequencer.store import mailboxes, sent_copies
from sequencer.store.mailboxes import Learned, MailboxRow
from sequencer.store.sent_copies import PendingCopy
from sequencer.workspace.config import Mailbox

AT_ONCE: Final = 16
MOST_TRIES: Final = 5
LOST: Final = "the connection was lost meanwhile"

SETTLING: Final = timedelta(minutes=5)
"""So long a provider of which nothing is known is given to put its copy into Sent, before we do."""

OVERDUE: Final = timedelta(minutes=15)
"""So long one that is taken to fill Sent is given; after that its copy is missing."""


@dataclass(frozen=True, slots=True)
class Filed:
    """What came of it: how many copies are there now, and what was learned of the provider, for people (or nothing)."""

    count: int = 0
    learned: str = ""


def patience(mailbox: Mailbox, row: MailboxRow) -> timedelta:
    """How long after a message was accepted its copy is left to the provider."""
    if row.fills_sent is False:
        return timedelta()
    believed = mailbox.fills_sent and row.sent_seen >= 0
    return OVERDUE if row.fills_sent or believed else SETTLING


def wants_copies(live: Live, mailbox: str) -> bool:
    """Whether what a mailbox sends is to stand in Sent, whoever puts it there."""
    ours = live.mailbox(mailbox)
    return ours is not None and bool(ours.imap.sent)


async def file_copies(live: Live, mailbox: Mailbox, line: Incoming, folder: str, now: datetime) -> Filed:
    """See to the copies whose time has come, `AT_ONCE` at most. Raises ConnectionLost.

    One that stands there already is not put there again: the provider has made it, or we have and stopped between the
    APPEND and its record. Where the provider is known to leave it to us, the first of them is looked for only, to
    notice when that changes.
    """
    async with live.database.read() as conn:
        row = await mailboxes.get(conn, mailbox.name)
        if row is None:
            return Filed()
        waits = patience(mailbox, row)
        pending = await sent_copies.pending(conn, mailbox.name, AT_ONCE, until=now - waits)
    if not pending:
        return Filed()
    is_there = not isinstance(await line.examine(folder), NoFolder)
    await _begin(live, pending)
    failures: dict[PendingCopy, str] = {}
    filed: list[int] = []
    seen: list[bool] = []
    doubtful = True
    try:
        for copy in pending:
            failures[copy] = LOST  # unless we hear better
            look = is_there and bool(doubtful or copy.tries)
            there = look and bool(await line.uids_with_message_id(folder, f"<{copy.message_id}>"))
            doubtful = bool(waits) or there
            if copy.tries == 0 and (there or waits):
                seen.append(there)
            answer = Appended() if there else await _put(line, folder, copy)
            if isinstance(answer, NotAppended):
                failures[copy] = answer.reason
            else:
                del failures[copy]
                filed.append(copy.attempt)
    finally:
        learned = await _end(live, mailbox.name, filed, failures, seen)
    return Filed(len(filed), in_words(learned))


async def _begin(live: Live, pending: list[PendingCopy]) -> None:
    """Noted before the APPEND: a crash right after it must not pass for the provider's work."""
    async with live.database.begin() as conn:
        for copy in pending:
            if copy.tries == 0:
                await sent_copies.failed(conn, copy.attempt, "", give_up=False)


async def _end(
    live: Live, mailbox: str, filed: list[int], failures: dict[PendingCopy, str], seen: list[bool]
) -> Learned | None:
    """Record what became of the copies; what the mailbox is known for, when that has changed."""
    async with live.database.begin() as conn:
        learned = [await mailboxes.saw_sent(conn, mailbox, filled=filled) for filled in seen]
        await sent_copies.done(conn, filed)
        for copy, reason in failures.items():
            await sent_copies.failed(conn, copy.attempt, reason, give_up=copy.tries + 1 >= MOST_TRIES)
        return next((each for each in reversed(learned) if each is not None), None)


def in_words(learned: Learned | None) -> str:
    """What was learned of a provider, for people."""
    match learned:
        case None:
            return ""
        case Learned.FILLS:
            return "the provider puts what is sent into Sent by itself: no copies are made"
        case Learned.LEAVES:
            return "the provider puts nothing into Sent: copies are made at once"
        case Learned.UNSURE:
            return "Sent is not what it was taken for: each message is looked for there before a copy is made"
        case _:
            assert_never(learned)


async def _put(line: Incoming, folder: str, copy: PendingCopy) -> Appended | NotAppended:
    answer = await line.append(folder, copy.data, copy.sent_at)
    if isinstance(answer, NotAppended) and answer.no_folder and await line.create(folder):
        answer = await line.append(folder, copy.data, copy.sent_at)
    return answer
