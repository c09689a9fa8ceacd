"""Sending, as one pipeline: compose → MAIL, RCPT → commit the attempt → DATA → commit the outcome.

The order is promise 1. What fails before the attempt is committed never happened and may be tried again; what fails
after it is in doubt. Several messages go through together, one a connection, so that their commits are shared.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from sequencer.core import events as e
from sequencer.core.decide import evolve
from sequencer.core.model import Enrollment
from sequencer.mail.accounts import Unreachable
from sequencer.mail.smtp import Offered, Outcome, Outgoing, Refused
from sequencer.operations.advance import Ready
from sequencer.operations.happenings import Happening
from sequencer.operations.letters import Prepared, Unready, prepare
from sequencer.operations.lines import Lines
from sequencer.operations.live import Live
from sequencer.operations.outcomes import Ended, Trouble, ended_by, record_outcomes, refused_early, trouble_of
from sequencer.operations.quoting import words_of
from sequencer.store import agenda, attempts, enrollments, suppressions
from sequencer.store.agenda import Sleep
from sequencer.store.attempts import NewAttempt
from sequencer.store.enrollments import Change
from sequencer.store.mailboxes import LeaseLost
from sequencer.workspace.config import Mailbox

UNREADY_AGAIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Office:
    """What a worker sends with: its mailbox, the number of its lease, its connections."""

    mailbox: Mailbox
    lease: int
    lines: Lines


@dataclass(slots=True)
class Sent:
    """What became of a batch. `trouble` stops the mailbox; `lost` says that another worker owns it now."""

    count: int = 0
    happenings: list[Happening] = field(default_factory=list)
    trouble: Trouble | None = None
    lost: LeaseLost | None = None


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message whose attempt is committed."""

    line: Outgoing
    letter: Prepared
    enrollment: Enrollment  # with AttemptStarted
    attempt: int


async def send(live: Live, office: Office, ready: Sequence[Ready], now: datetime) -> Sent:
    """Send these messages, in order, as many at a time as there are connections."""
    result = Sent()
    letters = await _compose(live, office, ready, now, result)
    while letters and result.trouble is None and result.lost is None:
        lines = await office.lines.ready(len(letters))
        if isinstance(lines, Unreachable):
            result.trouble = trouble_of(lines)
            break
        batch, letters = letters[: len(lines)], letters[len(lines) :]
        await _send_together(live, office, list(zip(lines, batch, strict=False)), now, result)
    return result


async def _compose(live: Live, office: Office, ready: Sequence[Ready], now: datetime, result: Sent) -> list[Prepared]:
    """The letters; who cannot be written to is held with the reason, which names what is missing."""
    config, templates = live.workspace.config, live.workspace.templates
    letters: list[Prepared] = []
    holds: list[Sleep] = []
    said = await words_of(live, ready)
    for item in ready:
        nonce = secrets.token_hex(6)
        letter = prepare(
            item.enrollment,
            item.action,
            item.contact,
            office.mailbox,
            config,
            templates,
            key=live.key,
            nonce=nonce,
            now=now,
            definition=_live_version(live, item.enrollment),
            extra=said.get(item.enrollment.id),
        )
        if isinstance(letter, Unready):
            holds.append(Sleep(item.seen, now + UNREADY_AGAIN, letter.reason, None, now))
            if item.seen.hold is None or item.seen.hold.reason != letter.reason:
                result.happenings.append(_told_held(item, letter.reason, now))
        else:
            letters.append(letter)
    if holds:
        async with live.database.begin() as conn:
            await agenda.sleep_many(conn, holds)
    return letters


async def _send_together(
    live: Live, office: Office, pairs: list[tuple[Outgoing, Prepared]], now: datetime, result: Sent
) -> None:
    sender = office.mailbox.from_address
    answers = await asyncio.gather(
        *(line.offer(sender, letter.contact.email, len(letter.data)) for line, letter in pairs)
    )
    offered: list[tuple[Outgoing, Prepared]] = []
    ended: list[Ended] = []
    for (line, letter), answer in zip(pairs, answers, strict=True):
        match answer:
            case Offered():
                offered.append((line, letter))
            case Refused():
                result.trouble = result.trouble or trouble_of(answer)
                ended += refused_early(letter, answer, now)
    flights = await _commit_attempts(live, office, offered, now, result)
    outcomes = await asyncio.gather(*(flight.line.deliver(flight.letter.data) for flight in flights))
    ended += [_landed(flight, outcome, now, result) for flight, outcome in zip(flights, outcomes, strict=True)]
    result.happenings += await record_outcomes(live, ended, now, copy=not office.mailbox.fills_sent)
    result.count += sum(1 for one in ended if one.reached)


def _landed(flight: _Flight, outcome: Outcome, now: datetime, result: Sent) -> Ended:
    if isinstance(outcome, Refused):
        result.trouble = result.trouble or trouble_of(outcome)
    return ended_by(flight.letter, flight.enrollment, flight.attempt, outcome, now)


async def _commit_attempts(
    live: Live, office: Office, offered: list[tuple[Outgoing, Prepared]], now: datetime, result: Sent
) -> list[_Flight]:
    """Commit that these messages are about to leave: under the lease, not suppressed, nobody changed meanwhile.

    The offers of the others are withdrawn.
    """
    flights: list[_Flight] = []
    if offered:
        async with live.database.begin() as conn:
            letters = {letter.enrollment.id: (line, letter) for line, letter in offered}
            gone = await enrollments.outrun(conn, {i: letter.enrollment.version for i, (_, letter) in letters.items()})
            refused = await suppressions.reasons_for(conn, [letter.contact.email for _, letter in offered])
            going = [
                (line, letter)
                for line, letter in offered
                if letter.enrollment.id not in gone and letter.contact.email not in refused
            ]
            ids = await attempts.start_many(
                conn, office.mailbox.name, office.lease, [_new_attempt(letter, now) for _, letter in going]
            )
            if isinstance(ids, LeaseLost):
                result.lost = ids
            else:
                flights = [_take_off(line, letter, i, now) for (line, letter), i in zip(going, ids, strict=True)]
                changes = [_change(flight) for flight in flights]
                lost = await enrollments.append_many(conn, changes)
                assert not lost, "outrun has locked them"
    flying = {id(flight.line) for flight in flights}
    await asyncio.gather(*(line.withdraw() for line, _ in offered if id(line) not in flying))
    return flights


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
    )


def _take_off(line: Outgoing, letter: Prepared, attempt: int, now: datetime) -> _Flight:
    started = e.AttemptStarted(
        at=now,
        step=letter.action.step,
        attempt=attempt,
        message_id=letter.message_id,
        variant=letter.variant,
        subject=letter.subject,
        due_at=letter.action.due_at,
    )
    after = evolve(letter.enrollment, started, letter.definition)
    return _Flight(line, replace(letter, started=started), after, attempt)


def _change(flight: _Flight) -> Change:
    # Nobody looks at it before its outcome is known; a restart finds the attempt by its lease number.
    started = flight.letter.started
    assert started is not None
    return Change(flight.letter.enrollment, flight.enrollment, (started,), flight.letter.definition, None)


def _live_version(live: Live, enrollment: Enrollment) -> str:
    sequence = live.sequence(enrollment.sequence)
    return sequence.version if sequence is not None else enrollment.definition


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
