"""Sending, as one pipeline: compose → MAIL, RCPT → commit the attempt → DATA → commit the outcome.

The order is promise 1. What fails before the attempt is committed never happened and may be tried again; what fails
after it is in doubt. Several messages go through together, one a connection, so that their commits are shared.
"""

from __future__ import annotations

import asyncio
import secrets
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.copying import changed
from sequencer.core.decide import evolve
from sequencer.core.model import Enrollment
from sequencer.mail.accounts import Unreachable
from sequencer.mail.ids import ids_in_answer
from sequencer.mail.smtp import Delivered, Offered, Outcome, Outgoing, Refused
from sequencer.operations.advance import Ready, put_aside
from sequencer.operations.happenings import Happening
from sequencer.operations.letters import Prepared, Unready, prepare
from sequencer.operations.lines import MOST_LINES, Lines
from sequencer.operations.live import Live
from sequencer.operations.outcomes import Ended, Trouble, ended_by, record_outcomes, refused_early, trouble_of
from sequencer.operations.quoting import words_of
from sequencer.operations.record import is_outage
from sequencer.store import agenda, attempts, contacts, enrollments, suppressions
from sequencer.store.agenda import Sleep
from sequencer.store.attempts import NewAttempt
from sequencer.store.enrollments import Change
from sequencer.store.mailboxes import LeaseLost
from sequencer.workspace.config import Mailbox
from sequencer.workspace.workspace import Workspace

UNREADY_AGAIN: Final = timedelta(hours=1)
CROWDED_AGAIN: Final = timedelta(minutes=1)


OVERSLEPT: Final = "we stood still between committing the attempt and handing the message over; it was kept back"


def _never() -> bool:
    return False


def _surely() -> bool:
    return True


async def _not_again() -> bool:
    return False


async def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Office:
    """What a worker sends with: its mailbox, the number of its lease, its connections. Once `stopping` says so, no
    further message is begun. `fresh` is asked right before attempts are committed: it may read the inbox once more
    (whoever has answered is then left out), and says whether what is known of the inbox is recent enough to send by.
    `holds` is asked right before DATA: whether the mailbox is certainly still ours, for we may have been frozen.
    `once_more` is asked while the database is away and outcomes wait to be written: it waits a moment, and says whether
    to try again."""

    mailbox: Mailbox
    lease: int
    lines: Lines
    stopping: Callable[[], bool] = _never
    fresh: Callable[[], Awaitable[bool]] = _always
    holds: Callable[[], bool] = _surely
    once_more: Callable[[], Awaitable[bool]] = _not_again


@dataclass(slots=True)
class Sent:
    """What became of the messages. `count` reached, or may have reached, somebody; `delivered` certainly left.

    `trouble` stops the mailbox; `lost` says that another worker owns it now.
    """

    count: int = 0
    delivered: int = 0
    happenings: list[Happening] = field(default_factory=list)
    trouble: Trouble | None = None
    lost: LeaseLost | None = None


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message that is ready to go, who asked for it, and the files that it was written by."""

    ready: Ready
    prepared: Prepared
    by: Workspace


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message whose attempt is committed."""

    line: Outgoing
    letter: _Letter
    started: e.AttemptStarted
    enrollment: Enrollment  # after it


_Pair = tuple[Outgoing, _Letter]


async def send(live: Live, office: Office, ready: Sequence[Ready], now: datetime) -> Sent:
    """Send these messages, in order, as many at a time as there are connections.

    While one batch is on its way, the next is composed and the outcomes of the former are committed.
    """
    run = _Run(live, office, now, await words_of(live, ready))
    try:
        await _send_all(run, ready)
    finally:
        if run.composing is not None:
            run.composing.cancel()
            await asyncio.gather(run.composing, return_exceptions=True)
        if run.recording is not None:  # also when we are cut off: what the server said is known, and gets written
            await run.recording
    return run.result


@dataclass(slots=True)
class _Run:
    """One call of `send`."""

    live: Live
    office: Office
    now: datetime
    said: Mapping[int, Mapping[str, object]]
    result: Sent = field(default_factory=Sent)
    composing: asyncio.Task[list[_Letter]] | None = None
    recording: asyncio.Task[None] | None = None
    stale: bool = False  # the inbox has to be read first

    @property
    def over(self) -> bool:
        """Whether no further message may be begun."""
        return self.stale or self.result.trouble is not None or self.result.lost is not None or self.office.stopping()


async def _send_all(run: _Run, ready: Sequence[Ready]) -> None:
    slices = [ready[start : start + MOST_LINES] for start in range(0, len(ready), MOST_LINES)]
    for number in range(len(slices)):
        letters = await (run.composing or asyncio.create_task(_compose(run, slices[number])))
        later = slices[number + 1 : number + 2]
        run.composing = asyncio.create_task(_compose(run, later[0])) if later else None
        while letters:
            if run.over:
                return
            lines = await run.office.lines.ready(len(letters))
            if isinstance(lines, Unreachable):
                run.result.trouble = trouble_of(lines)
                return
            batch, letters = letters[: len(lines)], letters[len(lines) :]
            await _send_together(run, list(zip(lines, batch, strict=True)))


# Composing -------------------------------------------------------------------------------------------


@types.coroutine
def _breathe() -> Iterator[None]:
    """Let the others go on: composing is the one long piece of work that waits for nothing."""
    yield


async def _compose(run: _Run, ready: Sequence[Ready]) -> list[_Letter]:
    """The letters; who cannot be written to is held with the reason, which names what is missing."""
    live, now = run.live, run.now
    letters: list[_Letter] = []
    unready: list[tuple[Ready, str]] = []
    broken: list[tuple[Ready, Exception]] = []
    for item in ready:
        await _breathe()
        by = live.workspace
        if not _still_decides(by, item):
            continue
        try:
            written = prepare(
                item.enrollment,
                item.action,
                item.contact,
                run.office.mailbox,
                by.config,
                by.templates,
                key=live.key,
                nonce=secrets.token_hex(6),
                now=now,
                definition=by.sequences[item.enrollment.sequence].version,
                splits=live.splits,
                extra=run.said.get(item.enrollment.id),
            )
        except Exception as error:  # one message that cannot be written never stops the others
            broken.append((item, error))
            continue
        if isinstance(written, Unready):
            unready.append((item, written.reason))
        else:
            letters.append(_Letter(item, written, by))
    if unready or broken:
        async with live.database.begin() as conn:
            sleeps = [Sleep(item.seen, now + UNREADY_AGAIN, reason, None, now) for item, reason in unready]
            await agenda.sleep_many(conn, sleeps)
            run.result.happenings += [await put_aside(conn, item.seen, error, now) for item, error in broken]
    run.result.happenings += [
        _told_held(item, reason, now)
        for item, reason in unready
        if item.seen.hold is None or item.seen.hold.reason != reason
    ]
    return letters


# One batch -------------------------------------------------------------------------------------------


async def _send_together(run: _Run, pairs: list[_Pair]) -> None:
    sender, result, now = run.office.mailbox.from_address, run.result, run.now
    answers = await asyncio.gather(*(_offer(run.office.lines, line, sender, letter.prepared) for line, letter in pairs))
    offered: list[_Pair] = []
    ended: list[Ended] = []
    for (line, letter), answer in zip(pairs, answers, strict=True):
        match answer:
            case Offered():
                offered.append((line, letter))
            case Refused():
                result.trouble = result.trouble or trouble_of(answer)
                ended += [_asked(letter, one) for one in refused_early(letter.prepared, answer, now)]
            case Unreachable():
                result.trouble = result.trouble or trouble_of(answer)
            case _:
                assert_never(answer)
    if run.recording is not None:
        await asyncio.shield(run.recording)
    flights = await _commit_attempts(run, offered)
    outcomes = await asyncio.gather(*(_deliver(run.office, flight) for flight in flights))
    for flight, outcome in zip(flights, outcomes, strict=True):
        result.trouble = result.trouble or trouble_of(outcome)
        ended.append(_landed(run.office, flight, outcome, now))
    result.count += sum(1 for one in ended if one.reached)
    result.delivered += sum(1 for one in ended if one.delivered)
    run.recording = asyncio.create_task(_record(run, ended))


async def _deliver(office: Office, flight: _Flight) -> Outcome:
    """DATA, unless so much time has gone by since the commit that another owner may have called the message in doubt,
    and even found that it never left. The next offer on this connection takes this one back."""
    if not office.holds():
        return Refused("data", 0, OVERSLEPT, temporary=True, blame="message")
    return await flight.line.deliver(flight.letter.prepared.data)


async def _record(run: _Run, ended: Sequence[Ended]) -> None:
    """What the server said is known here only: it is kept until the database can take it."""
    copy = bool(run.office.mailbox.imap.sent)
    while True:
        try:
            run.result.happenings += await record_outcomes(run.live, ended, run.now, copy=copy)
        except Exception as error:
            if not is_outage(error) or not await run.office.once_more():
                raise
        else:
            return


def _asked(letter: _Letter, ended: Ended, other_ids: tuple[str, ...] = ()) -> Ended:
    ready = letter.ready
    return changed(ended, question=ready.question, wakes=ready.seen.wakes, other_ids=other_ids)


def _landed(office: Office, flight: _Flight, outcome: Outcome, now: datetime) -> Ended:
    ended = ended_by(flight.letter.prepared, flight.enrollment, flight.started.attempt, outcome, now)
    others = ids_in_answer(outcome.answer, office.mailbox.smtp.host) if isinstance(outcome, Delivered) else ()
    return _asked(flight.letter, ended, others)


async def _offer(lines: Lines, line: Outgoing, sender: str, letter: Prepared) -> Offered | Refused | Unreachable:
    """MAIL and RCPT. A connection that has come to its end (idle for too long, enough messages) is made anew."""
    answer = await line.offer(sender, letter.contact.email, len(letter.data))
    if isinstance(answer, Refused) and answer.phase in ("connect", "mail") and not line.is_open:
        unreachable = await lines.again(line)
        if unreachable is not None:
            return unreachable
        answer = await line.offer(sender, letter.contact.email, len(letter.data))
    return answer


async def _commit_attempts(run: _Run, offered: Sequence[_Pair]) -> list[_Flight]:
    """Commit that these messages are about to leave; the offers of those that may not leave are withdrawn."""
    run.stale = bool(offered) and not await run.office.fresh()
    try:
        may = bool(offered) and not run.stale and run.office.holds()
        flights = await _take_off_together(run, offered) if may else []
    except Exception as error:
        if is_outage(error):
            raise
        flights = await _one_by_one(run, offered)
    flying = {flight.letter.ready.enrollment.id for flight in flights}
    await asyncio.gather(*(line.withdraw() for line, letter in offered if letter.ready.enrollment.id not in flying))
    return flights


async def _one_by_one(run: _Run, offered: Sequence[_Pair]) -> list[_Flight]:
    """One of them cannot be recorded: it is set aside, and the others go on."""
    flights: list[_Flight] = []
    for pair in offered:
        try:
            flights += await _take_off_together(run, [pair])
        except Exception as error:
            if is_outage(error):
                raise
            async with run.live.database.begin() as conn:
                run.result.happenings.append(await put_aside(conn, pair[1].ready.seen, error, run.now))
    return flights


async def _take_off_together(run: _Run, offered: Sequence[_Pair]) -> list[_Flight]:
    """One transaction: under the lease, not suppressed, no other message to the same person, nobody changed since."""
    office, now = run.office, run.now
    async with run.live.database.begin(brief=True) as conn:
        going, locked = await _still_allowed(conn, offered, now)
        # Asked after all waiting: what was written by files that have been edited since is written anew.
        going = [pair for pair in going if pair[1].by is run.live.workspace]
        ids = await attempts.start_many(
            conn, office.mailbox.name, office.lease, [_new_attempt(letter.prepared, now) for _, letter in going]
        )
        if isinstance(ids, LeaseLost):
            run.result.lost = ids
            return []
        flights = [_take_off(line, letter, i, now) for (line, letter), i in zip(going, ids, strict=True)]
        lost = await enrollments.append_many(conn, [_change(flight) for flight in flights], locked)
        assert not lost, "they are locked"
    return flights


async def _still_allowed(
    conn: AsyncConnection, offered: Sequence[_Pair], now: datetime
) -> tuple[list[_Pair], enrollments.Locked]:
    """Those for whom nothing has changed since it was decided, locked. The others are decided on anew."""
    letters = [letter.ready for _, letter in offered]
    people = {ready.contact.id for ready in letters}
    touches = await contacts.last_touch_of(conn, people, lock=True)
    versions = {ready.enrollment.id: ready.enrollment.version for ready in letters}
    locked = await enrollments.lock(conn, versions.keys())
    gone = enrollments.moved_on(locked, versions)
    refused = await suppressions.reasons_for(conn, {ready.contact.email for ready in letters})
    crowded = await attempts.in_flight_to(conn, people)
    going: list[_Pair] = []
    for pair in offered:
        ready = pair[1].ready
        if ready.enrollment.id in gone or ready.contact.email in refused:
            continue
        if touches.get(ready.contact.id) != _touch_known(ready):
            continue
        if ready.contact.id in crowded:
            reason = "another message to them is on its way"
            await agenda.sleep_many(conn, [Sleep(ready.seen, now + CROWDED_AGAIN, reason, None, now)])
            continue
        crowded.add(ready.contact.id)
        going.append(pair)
    return going, locked


def _touch_known(ready: Ready) -> datetime | None:
    return ready.question.facts.last_touch_to_contact if ready.question.facts is not None else None


def _new_attempt(letter: Prepared, now: datetime) -> NewAttempt:
    return NewAttempt(
        enrollment_id=letter.enrollment.id,
        step=letter.action.step,
        message_id=letter.message_id,
        recipient=letter.contact.email,
        subject=letter.subject,
        data=letter.data,
        started_at=now,
        variant=letter.variant,
        template=letter.variant,
        template_version=letter.words,
        trial=letter.trial,
    )


def _take_off(line: Outgoing, letter: _Letter, attempt: int, now: datetime) -> _Flight:
    prepared = letter.prepared
    started = e.AttemptStarted(
        at=now,
        step=prepared.action.step,
        attempt=attempt,
        message_id=prepared.message_id,
        variant=prepared.variant,
        subject=prepared.subject,
        due_at=prepared.action.due_at,
        position=prepared.action.position,
    )
    return _Flight(line, letter, started, evolve(prepared.enrollment, started, prepared.definition))


def _change(flight: _Flight) -> Change:
    # Nobody looks at it before its outcome is known; a restart finds the attempt by its lease number.
    prepared, wakes = flight.letter.prepared, flight.letter.ready.seen.wakes
    return Change(prepared.enrollment, flight.enrollment, (flight.started,), prepared.definition, None, wakes)


def _still_decides(by: Workspace, item: Ready) -> bool:
    """Whether the plan that decided this message is in force. Else its person is decided on anew: the step may be gone,
    and a place of one file must not be taken for one of another."""
    decided, present = item.question.sequence, by.sequences.get(item.enrollment.sequence)
    return decided is not None and present is not None and decided.version == present.version


def _told_held(item: Ready, reason: str, now: datetime) -> Happening:
    enrollment = item.enrollment
    return Happening(
        "held",
        now,
        enrollment.mailbox,
        enrollment.id,
        item.contact.email,
        enrollment.sequence,
        item.action.step,
        reason,
    )
