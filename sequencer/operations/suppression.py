"""Never mail this address, or this domain, again: whatever any sequence says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import events as e
from sequencer.core.model import Enrollment
from sequencer.mail.addresses import wire_domain
from sequencer.operations.enrollments import Kept
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal, change_in
from sequencer.operations.values import Unfit, clean, parse_address
from sequencer.store import contacts, enrollments, suppressions, tasks


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A target that is suppressed now. `before`: why it already was; `stopped`: what was open and ended by it."""

    target: str
    before: str
    stopped: tuple[Enrollment, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """A target that may be mailed again. `reason` is why it was suppressed; `still`: why it is all the same."""

    target: str
    reason: str
    still: str = ""


def parse_target(text: str) -> str | Unfit:
    """An address, or `@` and a domain."""
    plain = clean(text)
    if not plain.startswith("@"):
        address = parse_address(plain)
        hint = "an address, or @ and a domain as in @example.com"
        return Unfit(f"{address.reason}; {hint}") if isinstance(address, Unfit) else address
    domain = plain[1:].lower()
    if wire_domain(domain) is None or "." not in domain or domain.startswith("["):
        return Unfit(f"“{plain[:80]}” is no domain: write it as in @example.com")
    return f"@{domain}"


async def suppress(
    live: Live, targets: Sequence[str], now: datetime, *, reason: str = "", by: str = ""
) -> list[Suppressed | Kept]:
    """Suppress addresses and @domains, and stop what is open for them; one answer a target."""
    answers: list[Suppressed | Kept] = []
    for text in targets:
        target = parse_target(text)
        if isinstance(target, Unfit):
            answers.append(Kept(text, target.reason))
            continue
        async with live.database.begin() as conn:
            answers.append(await _suppress(conn, live, target, now, reason or "by hand", by))
    return answers


async def _suppress(conn: AsyncConnection, live: Live, target: str, now: datetime, reason: str, by: str) -> Suppressed:
    before = await _reason_of(conn, target)
    await suppressions.add(conn, target, reason, by, now)

    def make(enrollment: Enrollment) -> tuple[e.Event, ...]:
        return () if enrollment.status.ended else (e.Stopped(at=now, reason=f"suppressed: {reason}", by=by),)

    stopped: list[Enrollment] = []
    for enrollment in await _open_for(conn, target):
        after = await change_in(conn, live, enrollment.id, now, make)
        if not isinstance(after, Refusal):
            await tasks.drop(conn, after.id, "suppressed", now)
            stopped.append(after)
    return Suppressed(target, before, tuple(stopped))


async def _open_for(conn: AsyncConnection, target: str) -> list[Enrollment]:
    if target.startswith("@"):
        return await enrollments.open_at_domain(conn, target[1:])
    contact = await contacts.by_email(conn, target)
    return await enrollments.active_of(conn, contact.id) if contact is not None else []


def reason_to_suppress(kind: str, at: datetime, text: str, evidence: str) -> str:
    """Why a received message suppresses its writer, with its first words or what the notice says."""
    if kind != "unsubscribe":
        return f"{kind.replace('_', ' ')} on {at:%Y-%m-%d}: {evidence}"
    return f"they asked on {at:%Y-%m-%d}: {first_words(text)}"


def first_words(text: str) -> str:
    """As much of a message as fits into a reason."""
    words = " ".join(text.split())
    return words if len(words) <= 80 else f"{words[:79]}…"


async def unsuppress(live: Live, targets: Sequence[str]) -> list[Lifted | Kept]:
    """Lift suppressions of exactly these addresses and @domains; what was stopped stays stopped."""
    answers: list[Lifted | Kept] = []
    for text in targets:
        target = parse_target(text)
        if isinstance(target, Unfit):
            answers.append(Kept(text, target.reason))
            continue
        async with live.database.begin() as conn:
            reason = await _reason_of(conn, target)
            lifted = await suppressions.remove(conn, target)
            still = await _reason_of(conn, target)
        if lifted:
            answers.append(Lifted(target, reason, still))
        elif still:
            answers.append(Kept(target, f"not suppressed itself, but its domain is: {still}"))
        else:
            answers.append(Kept(target, "was not suppressed"))
    return answers


async def _reason_of(conn: AsyncConnection, target: str) -> str:
    """Why an address or a domain is suppressed, empty when it is not."""
    return await suppressions.reason_for(conn, target) or ""
