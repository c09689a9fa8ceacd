"""Invented people: what they are like, when they enter, and what some of them answer. The same seed, the same people.

Each trait is drawn by hash of seed, person and trait, so that more people change nothing about those before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Many
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, TypeVar

from sequencer.core.model import BACK_OFF, Contact, Email, FieldValue, Sequence, Span, Unit
from sequencer.core.react import Heard
from sequencer.core.timing import Calendar
from sequencer.workspace.simulate import Said, ScriptedReply

FIRST_NAMES: Final = (
    "Anna", "Ben", "Carla", "David", "Elena", "Frank", "Grace", "Henry", "Ines", "James", "Karin", "Luis",
    "Maria", "Noah", "Olga", "Peter", "Rosa", "Samuel", "Teresa", "Walter",
)  # fmt: skip
LAST_NAMES: Final = (
    "Adams", "Berg", "Castillo", "Dietrich", "Evans", "Fischer", "Garcia", "Hansen", "Ivanov", "Jones", "Keller",
    "Lopez", "Miller", "Nguyen", "Olsen", "Park", "Quinn", "Rossi", "Schmidt", "Turner",
)  # fmt: skip

HAVE_A_PHONE: Final = 2 / 3
RATINGS: Final = {"A": 20, "B": 50, "C": 30}
ANSWERS: Final = {
    "interested": 25,
    "question": 20,
    "reply": 20,
    "not_now": 15,
    "not_interested": 15,
    "unsubscribe": 5,
}
"""What the answers of invented people are, in parts of a hundred: a guess, not a measurement."""

HALF_ANSWER_WITHIN: Final = timedelta(hours=8)
_LATER_BY: Final = 5.0  # one in six answers comes so many times later than that, one in six as many times earlier
_LONGEST: Final = timedelta(days=21)
_DATE_AROUND: Final = 30  # days by which an invented date is later or earlier than that of the sample
_T = TypeVar("_T")


def invent(sample: Contact, count: int, seed: int, zones: Many[str] = ()) -> Iterator[Contact]:
    """So many people like the sample, who has every field that the sequence asks for; in these zones in equal parts,
    or all in the sample's."""
    for number in range(1, count + 1):
        first, last = _pick(FIRST_NAMES, seed, number, "first"), _pick(LAST_NAMES, seed, number, "last")
        shift = timedelta(days=round((_drawn(seed, number, "dates") * 2 - 1) * _DATE_AROUND))
        fields: dict[str, FieldValue] = {
            name: value + shift if isinstance(value, date) else value for name, value in sample.fields.items()
        }
        fields |= {"first_name": first, "last_name": last, "full_name": f"{first} {last}"}
        fields["rating"] = _weighted(RATINGS, seed, number, "rating")
        if _drawn(seed, number, "phone") >= HAVE_A_PHONE:
            fields.pop("phone", None)
        zone = zones[number % len(zones)] if zones else sample.timezone
        yield replace(sample, id=number, email=f"person-{number}@example.com", fields=fields, timezone=zone)


def entering(count: int, start: datetime, per_day: int | None, calendar: Calendar) -> Iterator[datetime]:
    """When each of them enters (UTC): all at `start`, or so many every working day, at that time of day."""
    if per_day is None:
        yield from (start for _ in range(count))
        return
    local, entered = start.astimezone(calendar.zone), 0
    while entered < count:
        if local.weekday() < 5 and local.date() not in calendar.holidays:
            now = min(per_day, count - entered)
            yield from (local.astimezone(start.tzinfo) for _ in range(now))
            entered += now
        local += timedelta(days=1)


def answers(sequence: Sequence, number: int, seed: int, share: float) -> tuple[ScriptedReply, ...]:
    """What one of them answers: so large a share of people does, each once. Early mails earn more than late ones."""
    if _drawn(seed, number, "answers") >= share:
        return ()
    mails = [step.id for step in sequence.steps if isinstance(step.do, Email)]
    if sequence.back_off is not None:
        mails.append(BACK_OFF)
    if not mails:
        return ()
    step = _weighted({mail: 100 // (place + 2) for place, mail in enumerate(mails)}, seed, number, "step")
    kind = _weighted(ANSWERS, seed, number, "kind")
    late = NormalDist().inv_cdf(min(max(_drawn(seed, number, "delay"), 1e-6), 1 - 1e-6))
    delay = min(HALF_ANSWER_WITHIN * _LATER_BY**late, _LONGEST)
    return (ScriptedReply(step, Span(max(1, delay // timedelta(minutes=1)), Unit.MINUTES), Said(Heard(kind))),)


def _pick(options: Many[_T], seed: int, number: int, trait: str) -> _T:
    return options[int(_drawn(seed, number, trait) * len(options))]


def _weighted(weights: Mapping[str, int], seed: int, number: int, trait: str) -> str:
    left = _drawn(seed, number, trait) * sum(weights.values())
    for option, weight in weights.items():
        left -= weight
        if left < 0:
            return option
    raise AssertionError("what is drawn is less than 1")


def _drawn(seed: int, number: int, trait: str) -> float:
    """At least 0, less than 1."""
    digest = blake2b(f"{seed}:{number}:{trait}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48
