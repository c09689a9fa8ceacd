"""The owner of one mailbox: reads its inbox, sends at its pace, and sleeps until there is something to do.

One turn is: read the inbox to its end → bring everybody who is due a step further → send what the pace allows →
file the copies. Only this task uses the mailbox's connections, so pace, limits and freshness cannot race.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sequencer.daemon.clock import boot_ticks, pulse, ticks
from sequencer.daemon.standing import judge, look_up, mind, note_state, shut
from sequencer.daemon.station import Station, hang_up, hold, lose, works_again
from sequencer.daemon.telling import Note
from sequencer.mail.accounts import Unreachable
from sequencer.mail.imap import ConnectionLost, ImapLine
from sequencer.operations.accounts import imap_account, smtp_account
from sequencer.operations.advance import advance
from sequencer.operations.copies import AT_ONCE, file_copies
from sequencer.operations.doubt import settle_by_absence, take_stock
from sequencer.operations.inbox import find_folders, read_inbox
from sequencer.operations.lines import MOST_LINES, Lines
from sequencer.operations.outcomes import REFUSED_AGAIN, Trouble, trouble_of
from sequencer.operations.queue import Queue, let_wait, look, whose_turn
from sequencer.operations.restored import look_back
from sequencer.operations.send import Office, Sent, send
from sequencer.operations.variants import keep_splits, leave_splits
from sequencer.store import agenda
from sequencer.workspace.config import Mailbox

TOGETHER: Final = 6 * MOST_LINES
"""Messages sent in one turn, between two looks into the inbox, where no limit binds."""

LOOK_AT: Final = TOGETHER
"""People looked at in one turn: as many as may be sent to, in full batches."""

KEEP_LINES: Final = timedelta(seconds=30)
"""Connections are closed when nothing is to be sent for longer: servers hang up on idle ones anyway."""

READ_AGAIN: Final = 2.0
"""Seconds of real time, while the machine sleeps as well, for which a reading of the inbox is good to send by; after
that, or when something is announced, it is read once more before the next messages leave. Of the folders, only the
inbox itself announces anything."""

DECIDED_FOR: Final = 300.0
"""The same for what a turn has decided: after that, hours may have ended, and it is decided anew."""

LOOKS: Final = 3
"""Readings in a row before messages leave, while more and more is announced: a flood must not hold them for ever."""

UNCERTAIN: Final = 1.0
"""Seconds between two looks whether a lease that may have run out has been renewed."""

OUTCOMES_AGAIN: Final = 1.0
KEEP_OUTCOMES: Final = 600.0
"""Seconds for which outcomes wait for a database that is away; then their messages are in doubt."""

SHORT_WAIT: Final = timedelta(minutes=1)
"""`run --once` waits out a gap no longer than this."""


@dataclass(slots=True)
class Turn:
    """What one turn came to: `again` when there is more to do at once. `began` is on the machine's clock."""

    again: bool = False
    began: float = 0.0


async def work(station: Station) -> None:
    """Own the mailbox until told to stop, or until the lease is lost."""
    try:
        for told in await take_stock(station.live, station.name, station.lease, station.clock.now()):
            station.tell(told)
        while not station.over():
            station.wake.clear()
            if not station.certain():
                station.heart.beat()
                await pulse(station.wake, UNCERTAIN)
                continue
            began, ticked = station.clock.now(), ticks()
            turn = await take_turn(station)
            station.tell(Note("debug", station.name, "one turn is done", "turn", ticks() - ticked))
            if not turn.again and not station.over():
                await _rest(station, began)
    finally:
        await hang_up(station)


async def _rest(station: Station, began: datetime) -> None:
    """Sleep until there is something to do, or somebody knows of something earlier."""
    station.hinted = None
    planned = await next_turn(station, began)
    planned = planned if station.hinted is None else min(planned, station.hinted)
    station.planned = planned
    try:
        if station.lines is not None and planned - station.clock.now() > KEEP_LINES:
            await station.lines.close()
        station.heart.rest(station.clock.now(), planned)
        await station.clock.wait(station.wake, planned)
    finally:
        station.planned = None


async def work_once(station: Station) -> None:
    """Read the inbox to its end and do all that is due now; waits out short gaps, not hours or caps."""
    try:
        for told in await take_stock(station.live, station.name, station.lease, station.clock.now()):
            station.tell(told)
        while not station.over() and station.certain():
            turn = await take_turn(station)
            if turn.again:
                continue
            gap_ends = await _short_gap(station)
            if gap_ends is None:
                return
            await station.clock.wait(station.stop, gap_ends)
    finally:
        await hang_up(station)


async def _short_gap(station: Station) -> datetime | None:
    """When the next one in the queue may go, if that is soon."""
    if station.troubles or station.standing.halts or not station.queue.line:
        return None
    async with station.live.database.read() as conn:
        wake_at = await agenda.next_wake(conn, station.name)
    return wake_at if wake_at is not None and wake_at - station.clock.now() <= SHORT_WAIT else None


async def take_turn(station: Station) -> Turn:
    """One turn at the present instant."""
    mailbox = station.live.mailbox(station.name)
    if mailbox is None:
        return Turn()
    if station.opened_for is not mailbox:
        await hang_up(station)
        station.opened_for = mailbox
        station.lines = Lines(smtp_account(mailbox))
        station.retry_at.clear()
        station.queue = Queue()
        station.standing.suspect = True
        await _line_up_anew(station)
    now = station.clock.now()
    station.heart.beat()
    turn = Turn(began=boot_ticks())
    try:
        await look_up(station, mailbox, now)
        await _read(station, mailbox, now)
        await _probe(station, now)
        await judge(station, mailbox, now)
        await note_state(station, now)
        await _send(station, mailbox, now, turn)
        await _file(station, mailbox, turn, now)
        station.dropped = False
    except ConnectionLost as error:
        # Servers end connections all the time: once in a row, that is no trouble, only a reason to connect again.
        turn.again = not station.dropped
        await _inbox_lost(station, Unreachable("network", str(error), temporary=True), now, told=station.dropped)
        station.dropped = True
    await judge(station, mailbox, now)
    await note_state(station, now)
    await mind(station, mailbox, now)
    return turn


async def _line_up_anew(station: Station) -> None:
    """Whoever waits for room sleeps until their place in a line that only the former worker knew: where those before
    them have dropped out meanwhile, nobody else would let them move up."""
    async with station.live.database.begin() as conn:
        await agenda.wake_held(conn, station.name, station.clock.now())


async def next_turn(station: Station, last: datetime) -> datetime:
    """When there will be something to do, as far as anybody knows after a turn that began at `last`."""
    async with station.live.database.read() as conn:
        wake_at = await agenda.next_wake(conn, station.name)
    _tell_wait(station, wake_at)
    moments = [last + station.poll, *station.retry_at.values()]
    if wake_at is not None:
        moments.append(wake_at)
    if station.queue.line and station.queue.opens is not None:
        moments.append(station.queue.opens)
    return min(moments)


def _tell_wait(station: Station, wake_at: datetime | None) -> None:
    """Say once what the mailbox waits for; trouble has said so itself."""
    if station.troubles or station.standing.halts:
        return
    if wake_at is None:
        waits = "nothing is planned; listening for mail"
    elif station.queue.line and station.queue.pace.count == 0 and station.queue.pace.next_at is not None:
        waits = f"the next message waits until {_clock_time(wake_at)}: {station.queue.pace.reason}"
    elif wake_at <= station.clock.now():
        return
    else:
        waits = f"nothing to do before {_clock_time(wake_at)}; listening for mail"
    if waits != station.waits_told:
        station.waits_told = waits
        station.tell(Note("info", station.name, waits, "waiting"))


def _clock_time(at: datetime) -> str:
    return f"{at.astimezone():%a %d %b %H:%M}"


# The inbox -------------------------------------------------------------------------------------------


async def _read(station: Station, mailbox: Mailbox, now: datetime) -> bool:
    """Whether every folder was read to its end. Raises ConnectionLost."""
    line = await _inbox_line(station, mailbox, now)
    if line is None or station.watched is None:
        return False
    began = boot_ticks()
    station.news.clear()
    result = await read_inbox(station.live, mailbox, line, station.watched, now, station.heart.beat)
    for happening in result.happenings:
        station.tell(happening)
        station.standing.take(happening)
    if result.refusal:
        hold(station, "smtp", Trouble(result.refusal, False, REFUSED_AGAIN, "returned"), now)
    if result.missing:
        names = ", ".join(result.missing)
        hold(station, "imap", Trouble(f"there is no folder {names} in the mailbox", False, SHORT_WAIT), now)
        station.watched = await find_folders(mailbox, line)
        return False
    station.read_at = began
    works_again(station, "imap")
    await _look_back(station, now)
    return True


async def _look_back(station: Station, now: datetime) -> None:
    """Where the database was restored, nothing leaves before it is known what has left since it was copied."""
    if station.looked_back or station.watched is None:
        return
    found = await look_back(station.live, station.name, station.watched, now)
    if found is not None and found.hold:
        hold(station, "copy", Trouble(found.hold, False, SHORT_WAIT), now)
        return
    station.looked_back = True
    works_again(station, "copy")
    if found is None:
        return
    match found.recovered:
        case 0:
            found_there = "nothing that left since it was copied is in Sent"
        case 1:
            found_there = "1 message that left since it was copied is in Sent"
        case number:
            found_there = f"{number} messages that left since it was copied are in Sent"
    station.tell(Note("warning", station.name, f"the database was restored: {found_there}"))
    for happening in found.happenings:
        station.tell(happening)


async def _fresh(station: Station, mailbox: Mailbox) -> bool:
    """Whether messages may leave by the last reading; it is done anew when it is too old or something was announced.

    Raises ConnectionLost.
    """
    age = boot_ticks() - station.read_at
    if age < READ_AGAIN and not station.news.is_set():
        return True
    for _ in range(LOOKS):
        if not await _read(station, mailbox, station.clock.now()):
            return False
        if not station.news.is_set():  # nothing came while we read
            break
    return True


async def _inbox_line(station: Station, mailbox: Mailbox, now: datetime) -> ImapLine | None:
    if station.inbox is not None:
        return station.inbox
    if station.retry_at.get("imap", now) > now or shut(station, "imap"):
        return None
    line = ImapLine(imap_account(mailbox))
    opened = await line.open()
    if isinstance(opened, Unreachable):
        await _inbox_lost(station, opened, now)
        return None
    station.inbox = line
    station.reads.set()
    station.standing.welcome("imap")
    station.watched = await find_folders(mailbox, line)
    return line


async def _inbox_lost(station: Station, why: Unreachable, now: datetime, *, told: bool = True) -> None:
    line, station.inbox, station.watched = station.inbox, None, None
    station.reads.clear()
    if line is not None:
        await line.close()
    if not told:
        return
    trouble = _unreachable(why)
    hold(station, "imap", replace(trouble, reason=f"the inbox cannot be read: {trouble.reason}"), now)


def _unreachable(why: Unreachable) -> Trouble:
    """A server that is away is asked again soon; a login that was refused is not."""
    trouble = trouble_of(why)
    known = trouble is not None and trouble.against_us == "login"
    return trouble if trouble is not None and known else Trouble(why.message, why.temporary, SHORT_WAIT)


# Sending ---------------------------------------------------------------------------------------------


async def _probe(station: Station, now: datetime) -> None:
    """After trouble: is the server there again? Nobody is asked to leave before that is known."""
    if "smtp" not in station.troubles or station.retry_at.get("smtp", now) > now or station.lines is None:
        return
    if station.standing.halts:
        return
    lines = await station.lines.ready(1)
    if isinstance(lines, Unreachable):
        hold(station, "smtp", _unreachable(lines), now)
    else:
        station.standing.welcome("smtp")
        works_again(station, "smtp")


async def _send(station: Station, mailbox: Mailbox, now: datetime, turn: Turn) -> None:
    live, queue = station.live, station.queue
    step = await advance(live, station.name, now, LOOK_AT)
    for happening in step.happenings:
        station.tell(happening)
    await look(live, station.name, mailbox.limits, queue, now)
    # After trouble, one message has to show that things are well again.
    room = 1 if "smtp" in station.failures else TOGETHER
    turns = await whose_turn(live, queue, step.ready, room, now, more=step.more)
    if turns.going and station.lines is not None:
        await _keep_splits(station, now)
        lost: list[ConnectionLost] = []

        async def fresh() -> bool:
            try:
                return boot_ticks() - turn.began < DECIDED_FOR and await _fresh(station, mailbox)
            except ConnectionLost as error:
                lost.append(error)
                return False

        once_more = _patience(station)
        office = Office(mailbox, station.lease, station.lines, station.stopping, fresh, station.certain, once_more)
        _take_in(station, await send(live, office, turns.going, now), now)
        if lost:
            raise lost[0]
        await look(live, station.name, mailbox.limits, queue, now)
    if turns.waiting and queue.pace.count is not None:
        await let_wait(live, queue, turns.waiting, now)
    unfinished = step.more or turns.again or bool(turns.going) or bool(turns.waiting and queue.pace.count != 0)
    turn.again = unfinished and not station.troubles


async def _keep_splits(station: Station, now: datetime) -> None:
    """Who gets which variant is worth knowing, but nobody's mail waits for it."""
    try:
        await keep_splits(station.live, now)
    except Exception as error:
        leave_splits(station.live, now)
        what = f"how the variants do could not be read, so they are split as before: {type(error).__name__}: {error}"
        station.tell(Note("warning", station.name, what, "splits_kept"))


def _patience(station: Station) -> Callable[[], Awaitable[bool]]:
    """For outcomes that the database cannot take now: tried again at once, since one connection alone may have broken,
    then every second, for a while. At the end they are tried a last time."""
    until, tries, ended = ticks() + KEEP_OUTCOMES, 0, False

    async def once_more() -> bool:
        nonlocal tries, ended
        station.heart.beat()
        tries += 1
        if ended or tries == 1:
            return not ended
        if tries == 2:
            what = "the database is away; what the server said is kept until it is back"
            station.tell(Note("warning", station.name, what, "outcomes_wait"))
        ended = await pulse(station.stop, OUTCOMES_AGAIN) or ticks() >= until
        return True

    return once_more


def _take_in(station: Station, sent: Sent, now: datetime) -> None:
    for happening in sent.happenings:
        station.tell(happening)
        station.standing.take(happening)
    if sent.lost is not None:
        lose(station)
    if sent.delivered:
        station.standing.welcome("smtp")
    if sent.trouble is not None:
        hold(station, "smtp", sent.trouble, now)
    elif sent.delivered:
        station.failures.pop("smtp", None)


async def _file(station: Station, mailbox: Mailbox, turn: Turn, now: datetime) -> None:
    """The Sent folder: our copies go there, and it may tell what became of a message in doubt."""
    line, watched, wanted = station.inbox, station.watched, mailbox.imap.sent
    if line is None or watched is None or not wanted:
        return
    folder = watched.sent or ("Sent" if wanted.startswith("\\") else wanted)
    filed = await file_copies(station.live, mailbox, line, folder, now)
    if filed.learned:
        station.tell(Note("info", station.name, filed.learned))
    turn.again = turn.again or filed.count == AT_ONCE
    if filed.count and not watched.sent:  # it was not there yet
        station.watched = await find_folders(mailbox, line)
    for happening in await settle_by_absence(station.live, mailbox, line, folder, now):
        station.tell(happening)
        turn.again = True
