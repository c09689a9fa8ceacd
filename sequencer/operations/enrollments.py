"""Entering a sequence: who may, from which mailbox, and what becomes of those who move from one into another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.decisions import Wait
from sequencer.core.lines import start_of
from sequencer.core.model import Contact, Enrollment, Fields
from sequencer.core.model import Sequence as Plan
from sequencer.operations.facts import answer, gather
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, record
from sequencer.operations.recovered import recall
from sequencer.operations.values import Unfit, parse_address
from sequencer.store import contacts, definitions, enrollments, histories, suppressions
from sequencer.store.addresses import normal
from sequencer.store.agenda import Sleep, sleep_many
from sequencer.store.contacts import Incoming
from sequencer.store.enrollments import NewEnrollment, Occupied, Standing
from sequencer.workspace.source import did_you_mean

BATCH = 500
"""People who are enrolled in one transaction."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A contact who entered a sequence. `created`: nobody knew the address before, so there is nothing but it."""

    email: str
    enrollment: Enrollment
    created: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """Somebody who was not enrolled, and why."""

    email: str
    reason: str


@dataclass(frozen=True, slots=True)
class Terms:
    """How people enter. An empty mailbox is chosen for each; with `once`, who ever was in the sequence stays out."""

    mailbox: str = ""
    fields: Fields | None = None
    by: str = ""
    once: bool = False


def plan_named(live: Live, name: str) -> Plan | Refusal:
    """The live sequence of this name, or a refusal that names the nearest one there is."""
    plan = live.sequence(name)
    if plan is None:
        hint = did_you_mean(name, live.workspace.sequences)
        return Refusal(f"there is no sequence “{name}” in sequences/" + (f"; {hint}" if hint else ""))
    return plan


def mailbox_refused(live: Live, name: str) -> Refusal | None:
    """Why a mailbox that somebody asked for cannot be used; None when it can, or when nobody asked."""
    if not name or live.mailbox(name) is not None:
        return None
    hint = did_you_mean(name, live.workspace.config.mailboxes)
    return Refusal(f"there is no mailbox “{name}” in config.yaml" + (f"; {hint}" if hint else ""))


async def enroll(
    live: Live, sequence: str, emails: Sequence[str], now: datetime, terms: Terms | None = None
) -> list[Entered | Kept] | Refusal:
    """Put people into a sequence, by address; one answer an address, in order.

    An address that nobody knows becomes a contact with nothing but the address. Refused as a whole when there is no
    such sequence or mailbox.
    """
    terms = terms or Terms()
    plan = plan_named(live, sequence)
    if isinstance(plan, Refusal):
        return plan
    if (refused := mailbox_refused(live, terms.mailbox)) is not None:
        return refused
    read = [(email, parse_address(email)) for email in emails]
    answers: dict[int, Entered | Kept] = {}
    good: list[tuple[int, str]] = []
    for index, (written, address) in enumerate(read):
        if isinstance(address, Unfit):
            answers[index] = Kept(written, address.reason)
        else:
            good.append((index, address))
    for start in range(0, len(good), BATCH):
        batch = good[start : start + BATCH]
        async with live.database.begin() as conn:
            entered = await _enroll_addresses(conn, live, plan, [address for _, address in batch], now, terms)
        answers |= {index: answer for (index, _), answer in zip(batch, entered, strict=True)}
    return [answers[index] for index in range(len(read))]


async def _enroll_addresses(
    conn: AsyncConnection, live: Live, plan: Plan, addresses: Sequence[str], now: datetime, terms: Terms
) -> list[Entered | Kept]:
    made = await contacts.upsert_many(conn, [Incoming(address) for address in addresses], now)
    known = await contacts.by_ids(conn, {one.id for one in made}, live.defaults)
    people = [known[one.id] for one in made]
    entered = await enter(conn, live, plan, people, now, terms)
    return [
        Kept(person.email, answer.reason)
        if isinstance(answer, Refusal)
        else Entered(person.email, answer, created=one.outcome == "created")
        for person, answer, one in zip(people, entered, made, strict=True)
    ]


async def enter(
    conn: AsyncConnection, live: Live, plan: Plan, people: Sequence[Contact], now: datetime, terms: Terms
) -> list[Enrollment | Refusal]:
    """Enroll contacts within a transaction; one answer a person, in order. The people must exist."""
    await _keep_definition(conn, live, plan, now)
    ids = {person.id for person in people}
    past = await histories.by_contacts(conn, ids)
    suppressed = await suppressions.reasons_for(conn, {person.email for person in people})
    answers: dict[int, Enrollment | Refusal] = {}
    entries: dict[int, NewEnrollment] = {}
    entering: set[int] = set()
    for index, person in enumerate(people):
        history = past.get(person.id, [])
        mailbox = terms.mailbox or choose_mailbox(live, plan, person, history)
        refusal = _refusal(plan, person, history, suppressed, mailbox, terms)
        if refusal is None and person.id in entering:
            refusal = Refusal("they are in this list twice")
        if refusal is not None:
            answers[index] = refusal
            continue
        entering.add(person.id)
        entries[index] = _entry(plan, person, mailbox, now, terms)
    made = await enrollments.create_many(conn, list(entries.values()))
    entered = [one for one in made if isinstance(one, Enrollment)]
    recalled = await recall(conn, live, entered, [people[index] for index in entries], now)
    made = [recalled.get(one.id, one) if isinstance(one, Enrollment) else one for one in made]
    for index, one in zip(entries, made, strict=True):
        answers[index] = await _occupied(conn, one) if isinstance(one, Occupied) else one
    await _schedule(conn, live, [one for one in made if isinstance(one, Enrollment)], not plan.alongside, now)
    return [answers[index] for index in range(len(people))]


async def _schedule(
    conn: AsyncConnection, live: Live, entered: Sequence[Enrollment], alone: bool, now: datetime
) -> None:
    """Say when each is to be looked at: what is not due yet must not look as if it were."""
    questions = await gather(conn, live, entered, now)
    sleeps = []
    for enrollment in entered:
        decision = answer(questions[enrollment.id], enrollment, now)
        if isinstance(decision, Wait) and decision.until is not None:
            sleeps.append(Sleep(Standing(enrollment, now, None, alone, 0), decision.until))
    await sleep_many(conn, sleeps)


def _entry(plan: Plan, person: Contact, mailbox: str, now: datetime, terms: Terms) -> NewEnrollment:
    event = e.Enrolled(
        at=now,
        contact_id=person.id,
        sequence=plan.name,
        mailbox=mailbox,
        position=start_of(plan),
        fields=terms.fields or {},
        by=terms.by,
    )
    return NewEnrollment(event, plan.version, wake_at=now, alone=not plan.alongside)


def _refusal(
    plan: Plan,
    person: Contact,
    history: Sequence[Standing],
    suppressed: Mapping[str, str],
    mailbox: str,
    terms: Terms,
) -> Refusal | None:
    if person.email in suppressed:
        return Refusal(f"they are suppressed: {suppressed[person.email]}")
    if not mailbox:
        return Refusal(f"none of the mailboxes of {plan.name} ({', '.join(plan.mailboxes)}) is in config.yaml")
    here = [standing.enrollment for standing in history if standing.enrollment.sequence == plan.name]
    if any(not enrollment.status.ended for enrollment in here):
        return Refusal(f"they are in {plan.name} already")
    if terms.once and here:
        return Refusal(f"they have been through {plan.name} before ({here[-1].status}: {here[-1].reason})")
    return None


async def _occupied(conn: AsyncConnection, occupied: Occupied) -> Refusal:
    other = await enrollments.get(conn, occupied.enrollment_id)
    where = f"{other.sequence} ({other.status})" if other is not None else "another sequence"
    return Refusal(f"they are in {where}; one sequence at a time, unless it says `alongside: yes`")


async def _keep_definition(conn: AsyncConnection, live: Live, plan: Plan, now: datetime) -> None:
    """The text of the version that people enter by; one that is known already stays as it is."""
    if await definitions.text_of(conn, plan.name, plan.version) is None:
        await definitions.keep(conn, plan.name, plan.version, live.workspace.sources[plan.name], now)


# The mailbox --------------------------------------------------------------------------------------


def choose_mailbox(live: Live, plan: Plan, person: Contact, history: Sequence[Standing]) -> str:
    """The mailbox this person will hear from; empty when the config has none of the sequence's mailboxes.

    The one they had mail from first, else one they are enrolled with, else one by hash of the address: the same one
    whenever it is asked, evenly spread over people.
    """
    allowed = [name for name in plan.mailboxes if live.mailbox(name) is not None]
    if not allowed:
        return ""
    used = [standing.enrollment for standing in history if standing.enrollment.mailbox in allowed]
    for enrollment in sorted(used, key=lambda enrollment: enrollment.emails_sent == 0):
        return enrollment.mailbox
    return mailbox_by_hash(allowed, person.email)


def mailbox_by_hash(names: Sequence[str], email: str) -> str:
    """Which of these mailboxes somebody hears from who has had mail from none of them."""
    digest = blake2b(normal(email).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return names[int.from_bytes(digest, "big") % len(names)]


# Moving on ----------------------------------------------------------------------------------------


async def move_on(conn: AsyncConnection, live: Live, moved: Enrollment, to: str, now: datetime) -> Enrollment | Refusal:
    """Enroll the contact of an enrollment that has just `Moved` into the sequence it moved to, from the same mailbox
    where that sequence has it.

    Nobody is left behind: where the sequence cannot be entered, the enrollment they come from is opened again as
    paused, with the reason, unless they are suppressed or in another sequence already.
    """
    person = await contacts.by_id(conn, moved.contact_id, live.defaults)
    if person is None:
        return Refusal("the contact is gone")
    plan = plan_named(live, to)
    if isinstance(plan, Refusal):
        return await _stranded(conn, live, moved, to, plan.reason, now)
    stays = moved.mailbox if moved.mailbox in plan.mailboxes and live.mailbox(moved.mailbox) is not None else ""
    terms = Terms(mailbox=stays, fields=moved.fields, by=f"{moved.sequence}")
    answer = (await enter(conn, live, plan, [person], now, terms))[0]
    if isinstance(answer, Enrollment):
        return answer
    if await suppressions.reason_for(conn, person.email) is not None:
        return answer
    elsewhere = [other for other in await enrollments.active_of(conn, person.id) if other.id != moved.id]
    return answer if elsewhere else await _stranded(conn, live, moved, to, answer.reason, now)


async def _stranded(
    conn: AsyncConnection, live: Live, moved: Enrollment, to: str, reason: str, now: datetime
) -> Refusal:
    paused = e.Paused(at=now, reason=f"could not move to {to}: {reason}")
    present = await enrollments.get(conn, moved.id)
    if present is not None and present.version == moved.version:
        await record(conn, live, moved, [paused], now)
    return Refusal(reason)
