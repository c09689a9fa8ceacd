"""The oracle: what may be mailed to whom, told from what happened to people and from the promises alone.

It is asked about every message at the moment at which its bytes are handed to the server. It never looks at how the
product decided. Where it knows less than the product it allows: it says what must not be, not what must.
"""

from __future__ import annotations

import email
import re
from collections import Counter, defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email import policy
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from tests.fire.files import ASKED_FOR, BACK_OFF_STEP, BRANCH, GAP, NEEDY, PER_DAY, PER_HOUR, Plan, allows

MIN_GAP: Final = timedelta(days=2)
_MARK: Final = re.compile(r"^\[(?P<plan>[a-z]+)/(?P<step>[a-z0-9_]+)\](?P<about>.*)$", re.MULTILINE)
_HOLIDAYS: Final[dict[str, Container[date]]] = {
    "US": holidays.country_holidays("US"),
    "DE": holidays.country_holidays("DE"),
    "": {},
}


@dataclass
class Person:
    """One contact as their rows were imported. An empty field was never given."""

    address: str
    first_name: str
    zone: str = "America/Denver"
    country: str = "US"
    product: str = ""
    phone: str = ""
    company: str = ""  # the domain they share with others
    last_touch: datetime | None = None

    def wall(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)


@dataclass
class Course:
    """One enrollment. `forbidden` says why nothing may leave in it, until somebody decides or `until` has come."""

    id: int
    address: str
    plan: str
    mailbox: str
    forbidden: str = ""
    until: datetime | None = None
    away_until: datetime | None = None
    taken: set[str] = field(default_factory=set)
    sent: list[tuple[datetime, str]] = field(default_factory=list)
    disturbed: bool = False  # something happened to it that changes what they get

    def forbid(self, why: str, until: datetime | None = None) -> None:
        self.forbidden, self.until, self.disturbed = why, until, True

    def allow(self) -> None:
        self.forbidden, self.until, self.disturbed = "", None, True


@dataclass
class Ledger:
    """Everybody, what they are in, and what was handed to the server. `plans` are the files in force."""

    plans: dict[str, Plan]
    people: dict[str, Person] = field(default_factory=dict)
    courses: dict[int, Course] = field(default_factory=dict)
    suppressed: dict[str, str] = field(default_factory=dict)  # an address or @domain, and why
    left: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    kinds: Counter[str] = field(default_factory=Counter)

    def of(self, address: str) -> list[Course]:
        return [course for course in self.courses.values() if course.address == address]

    # What happens -----------------------------------------------------------------------------------

    def suppress(self, target: str, why: str) -> None:
        self.suppressed.setdefault(target, why)
        for course in self.courses.values():
            if target in (course.address, f"@{course.address.partition('@')[2]}"):
                course.forbid(f"suppressed: {why}")

    def refuses(self, address: str) -> str:
        return self.suppressed.get(address) or self.suppressed.get(f"@{address.partition('@')[2]}", "")

    def paused(self, address: str, why: str, *, but: int = 0) -> None:
        for course in self.of(address):
            if course.id != but:
                course.forbid(why)

    def heard(self, course: Course, kind: str, at: datetime, named: date | None = None) -> None:
        """A human reply in their own thread, read by the product at `at`."""
        course.away_until = min(course.away_until, at) if course.away_until is not None else None
        if kind == "unsubscribe":
            self.suppress(course.address, "they asked")
        elif course.forbidden and course.until is None:
            course.forbid(f"{course.forbidden}; they wrote again")
        else:
            self._react(course, kind, at, named)
        self.paused(course.address, f"they replied in {course.plan}", but=course.id)
        self.company_paused(course.address)

    def _react(self, course: Course, kind: str, at: datetime, named: date | None) -> None:
        plan, person = self.plans[course.plan], self.people[course.address]
        reaction = plan.reactions.get(kind, "pause")
        if reaction == "go_to" and not plan.branch:
            reaction = "pause"
        match reaction:
            case "go_to":
                course.allow()
                self.again(course, BRANCH)
            case "named" if named is not None:
                self.snoozed(course, named)
            case days if days.isdigit() or days == "named":
                wall = person.wall(at) + timedelta(days=30 if days == "named" else int(days))
                course.forbid("snoozed", wall.replace(tzinfo=ZoneInfo(person.zone)).astimezone(UTC))
            case _:
                course.forbid(f"they replied: {kind}")

    def snoozed(self, course: Course, day: date) -> None:
        zone = ZoneInfo(self.people[course.address].zone)
        course.forbid("snoozed", datetime.combine(day, time(), zone).astimezone(UTC))

    def company_paused(self, address: str) -> None:
        """One answer speaks for all of a company."""
        domain = address.partition("@")[2]
        for course in self.courses.values():
            if course.address != address and course.address.endswith(f"@{domain}"):
                course.forbid(f"{address} replied")

    def away(self, course: Course, back: date) -> None:
        """Out of office: nothing before one business day after the day they are back."""
        person = self.people[course.address]
        day = back + timedelta(days=1)
        while day.weekday() > 4 or day in _HOLIDAYS[person.country]:
            day += timedelta(days=1)
        course.away_until = datetime.combine(day, time(), ZoneInfo(person.zone)).astimezone(UTC)
        course.disturbed = True

    def again(self, course: Course, target: str) -> None:
        """Somebody was sent to a branch or step on purpose: what lies there may be had once more."""
        plan = self.plans[course.plan]
        for line in (plan.steps, plan.branch):
            ids = [step.id for step in line]
            if target == BRANCH and line is plan.branch:
                course.taken -= set(ids)
            elif target in ids:
                course.taken -= set(ids[ids.index(target) :])
        course.disturbed = True

    def touch(self, address: str, at: datetime) -> None:
        person = self.people[address]
        person.last_touch = max(person.last_touch or at, at)

    # What leaves ------------------------------------------------------------------------------------

    def hand_over(self, course: Course, mailbox: str, raw: bytes, at: datetime, unread: int) -> str:
        """These bytes are handed to the server: the step they are, or an AssertionError that names the promise."""
        person = self.people[course.address]
        step = self._written(course, person, raw)
        where = f"{course.plan}/{step} to {course.address} at {at:%Y-%m-%d %H:%M:%S} UTC"
        assert course.mailbox == mailbox, f"{where}: from {mailbox}, not {course.mailbox}"
        assert not unread, f"{where}: {unread} messages stood unread in the inbox"
        assert not self.refuses(course.address), f"{where}: suppressed: {self.refuses(course.address)}"
        blocked = course.forbidden and (course.until is None or at < course.until)
        assert not blocked, f"{where}: {course.forbidden} until {course.until}"
        assert course.away_until is None or at >= course.away_until, f"{where}: away until {course.away_until}"
        assert step not in course.taken, f"{where}: a second time; {course.sent}"
        self._at_a_good_hour(course, person, at, where)
        if person.last_touch is not None:
            apart = person.wall(at) - person.wall(person.last_touch)
            assert apart >= MIN_GAP, f"{where}: {apart} after another touch"
        return step

    def _written(self, course: Course, person: Person, raw: bytes) -> str:
        """The step, once the words are what they must be for this person."""
        message = email.message_from_bytes(raw, policy=policy.default)
        assert str(message["To"]).strip("<>").endswith(course.address) or course.address in str(message["To"])
        body = message.get_body(("plain",))
        assert body is not None
        text = body.get_content().replace("\r\n", "\n")
        found = _MARK.search(text)
        assert found is not None, text
        step, plan = found["step"], self.plans[course.plan]
        assert found["plan"] == course.plan
        assert text.startswith(f"{person.first_name},\n\n["), f"{course.address}: {text[:80]!r}"
        about = f" About your {person.product}." if step in NEEDY else ""
        assert found["about"] == about, f"{course.address}: {found['about']!r}, not {about!r}"
        assert step not in NEEDY or person.product, f"{course.address}: a blank"
        assert step not in ASKED_FOR or person.phone, f"{course.address}: {step} only with a telephone"
        if step == BACK_OFF_STEP:
            assert plan.back_off
        else:
            known = plan.find(step)
            assert known is not None, f"{step} is no longer in {course.plan}"
            assert known.kind == "email", f"{step} is no message in {course.plan}"
        return step

    def _at_a_good_hour(self, course: Course, person: Person, at: datetime, where: str) -> None:
        wall = person.wall(at)
        days = _HOLIDAYS[person.country]
        assert allows(self.plans[course.plan], course.mailbox, wall, days), f"{where}: {wall:%a %H:%M} there"

    def may_have_landed(self, course: Course, step: str, at: datetime) -> None:
        """Accepted, or nobody knows."""
        course.taken.add(step)
        course.sent.append((at, step))
        self.touch(course.address, at)
        self.kinds["sent"] += 1

    def accepted(self, mailbox: str, at: datetime) -> None:
        """The mailbox's pace, from what the server took."""
        left = self.left[mailbox]
        if left:
            apart = (at - left[-1]) / timedelta(seconds=1)
            assert apart >= GAP[0], f"{mailbox}: only {apart} s between two messages"
        left.append(at)
        for most, window in ((PER_HOUR, timedelta(hours=1)), (PER_DAY, timedelta(days=1))):
            if len(left) > most:
                assert at - left[-1 - most] >= window, f"{mailbox}: more than {most} within {window}"
