"""Random workspaces: sequences as people write them, and what they mean, kept beside the text for the oracle.

Nothing here uses the product's own reading of these files: what a plan allows is written down once as YAML and once as
plain values, by hand.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from random import Random
from typing import Final

Open = tuple[frozenset[int], time, time]
"""Weekdays (0 is Monday), from, until."""

WORKDAYS: Final = frozenset(range(5))
HOURS: Final[Mapping[str, tuple[Open, ...]]] = {
    "Mon-Fri 08:30-17:00": ((WORKDAYS, time(8, 30), time(17)),),
    "Tue-Thu 10:00-16:00": ((frozenset({1, 2, 3}), time(10), time(16)),),
    "Mon-Fri 09:00-12:00, Mon-Fri 13:30-18:00": ((WORKDAYS, time(9), time(12)), (WORKDAYS, time(13, 30), time(18))),
    "Mon-Sat 07:00-20:00": ((frozenset(range(6)), time(7), time(20)),),
}
MAILBOX_HOURS: Final = {"mark": "Mon-Fri 08:30-17:00", "susan": "Mon-Sat 07:00-20:00"}
AWAY: Final = {"susan": (date(2027, 3, 8), date(2027, 3, 14))}

GAP, PER_HOUR, PER_DAY = (20, 60), 40, 250

CONFIG: Final = """\
database: {database}
company: {{name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}}
contacts: {{timezone: America/Denver, holidays: US, language: en, min_gap: 2 days}}
mailboxes:
  mark:
    from: Mark Holloway <mark@flatheadrv.example>
    smtp: {{host: 127.0.0.1, port: {port}, tls: none, username: mark, password: "${{PASSWORD}}"}}
    imap: {{host: 127.0.0.1, port: 1143, tls: none, username: mark, password: "${{PASSWORD}}", folders: [INBOX, Junk]}}
    hours: Mon-Fri 08:30-17:00
    limits: {limits}
  susan:
    from: Susan Reyes <susan@flatheadrv.example>
    smtp: {{host: 127.0.0.1, port: {port}, tls: none, username: susan, password: "${{PASSWORD}}"}}
    imap: {{host: 127.0.0.1, port: 1143, tls: none, username: susan, password: "${{PASSWORD}}", folders: [INBOX, Junk]}}
    hours: Mon-Sat 07:00-20:00
    limits: {limits}
    away: [2027-03-08..2027-03-14]
spread: 30 minutes
"""
LIMITS: Final = "{per_hour: 40, per_day: 250, gap: 20s-60s}"
ENVIRON: Final = {"PASSWORD": "pw"}

NEEDY: Final = frozenset({"s3", "s7", "s11", "b1"})
"""The steps whose message needs the contact's product."""

ASKED_FOR: Final = frozenset({"s5", "s9"})
"""The steps that only who has a telephone gets."""

MAIN_STEPS, BRANCH_STEPS = [f"s{number}" for number in range(12)], ["b0", "b1", "b2"]
BACK_OFF_STEP, BRANCH = "back_off", "haggle"
WHENS: Final = (
    "1 day later",
    "3 hours later",
    "4 business days later",
    "6 days later at 09:30",
    "5 days later on Tuesday",
    "day 20",
    "2 weeks later",
    "12 days of silence",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `kind` is email or task."""

    id: str
    kind: str
    when: str
    expires: str = ""

    def lines(self, plan: str) -> str:
        does = f"email: {plan}-{self.id}" if self.kind == "email" else "task: call"
        asks = ", only_if: contact.phone" if self.id in ASKED_FOR else ""
        late = f", expires: {self.expires}" if self.expires else ""
        return f"{{step: {self.id}, {does}, when: {self.when}{asks}{late}}}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One sequence. `reactions` are by kind of reply: pause, stop, a number of days to snooze, go_to or move_to."""

    name: str
    hours: str
    steps: tuple[Step, ...]
    branch: tuple[Step, ...] = ()
    reactions: Mapping[str, str] = field(default_factory=dict)
    back_off: bool = False
    ending: str = ""  # move_to keep, stop, or nothing
    alongside: bool = False

    def text(self) -> str:
        parts = [f"from: [mark, susan]\nhours: {self.hours}\n"]
        if self.alongside:
            parts.append("alongside: yes\n")
        parts.append("steps:\n" + "".join(f"  - {step.lines(self.name)}\n" for step in self.steps))
        if self.branch:
            steps = "".join(f"    - {step.lines(self.name)}\n" for step in self.branch)
            parts.append(f"branches:\n  {BRANCH}:\n{steps}labels:\n  price: [over our budget]\n")
        if self.back_off:
            then = "\n  then: {move_to: keep}" if self.ending == "move_to" else ""
            parts.append(f"back_off:\n  after: 10 days of silence\n  email: {self.name}-back_off{then}\n")
        parts.append("on_reply:\n" + "".join(f"  {k}: {_reaction(r)}\n" for k, r in self.reactions.items()))
        parts.append("  any: pause\n")
        if self.ending:
            parts.append(f"finally: {'{move_to: keep}' if self.ending == 'move_to' else 'stop'}\n")
        return "".join(parts)

    def find(self, step_id: str) -> Step | None:
        return next((step for step in (*self.steps, *self.branch) if step.id == step_id), None)


def _reaction(reaction: str) -> str:
    match reaction:
        case "go_to":
            return f"{{go_to: {BRANCH}}}"
        case "move_to":
            return "{move_to: keep}"
        case "named":
            return "{snooze: until they say, otherwise: 30 days}"
        case days if days.isdigit():
            return f"{{snooze: {days} days}}"
        case word:
            return word


KEEP: Final = Plan(
    "keep", "Mon-Fri 08:30-17:00", (Step("s0", "email", "6 weeks later"), Step("s1", "email", "9 weeks later"))
)
STEADY: Final = Plan(
    "steady",
    "Mon-Fri 08:30-17:00",
    (
        Step("s0", "email", "1 day later"),
        Step("s1", "email", "4 business days later"),
        Step("s2", "email", "2 weeks later"),
        Step("s4", "email", "5 days later on Tuesday"),
        Step("s6", "email", "30 days later at 09:30"),
    ),
    back_off=True,
    ending="stop",
)


def a_plan(name: str, chance: Random, *, alongside: bool = False) -> Plan:
    """A sequence such as somebody might write."""
    ids = sorted(chance.sample(MAIN_STEPS, chance.randint(2, 5)), key=MAIN_STEPS.index)
    branch = tuple(_step(each, chance) for each in BRANCH_STEPS[: chance.randint(1, 2)])
    reactions = {
        "not_interested": chance.choice(("pause", "stop", "move_to")),
        "not_now": chance.choice(("pause", "20", "named")),
    }
    if chance.random() < 0.7:
        reactions["price"] = "go_to"
    return Plan(
        name,
        chance.choice(sorted(HOURS)),
        tuple(_step(each, chance) for each in ids),
        branch,
        reactions,
        back_off=chance.random() < 0.5,
        ending=chance.choice(("", "stop", "move_to")),
        alongside=alongside,
    )


def _step(step_id: str, chance: Random) -> Step:
    kind = "task" if chance.random() < 0.2 else "email"
    return Step(step_id, kind, chance.choice(WHENS), "6 days" if chance.random() < 0.1 else "")


def edited(plan: Plan, chance: Random) -> Plan:
    """The plan after somebody has been at it: reordered, shorter, longer, or with other waits and hours."""
    steps, at = list(plan.steps), chance.randrange(len(plan.steps))
    free = [each for each in MAIN_STEPS if plan.find(each) is None]
    match chance.choice(("reorder", "remove", "add", "rewrite", "hours", "back off")):
        case "reorder":
            chance.shuffle(steps)
        case "remove" if len(steps) > 1:
            del steps[at]
        case "add" if free:
            steps.insert(at, _step(chance.choice(free), chance))
        case "hours":
            return replace(plan, hours=chance.choice(sorted(HOURS)))
        case "back off":
            return replace(plan, back_off=not plan.back_off)
        case _:
            steps[at] = _step(steps[at].id, chance)
    return replace(plan, steps=tuple(steps))


def write_templates(folder: Path, names: list[str]) -> None:
    """A template for every step that any of these plans may ever have."""
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    for name in names:
        for step in (*MAIN_STEPS, *BRANCH_STEPS, BACK_OFF_STEP):
            about = " About your {{ product }}." if step in NEEDY else ""
            text = f"---\nsubject: {name} {step}\n---\n{{{{ first_name }}}},\n\n[{name}/{step}]{about}\n"
            (folder / "templates" / f"{name}-{step}.md").write_text(text, "utf-8")


def write_plan(folder: Path, plan: Plan) -> None:
    (folder / "sequences").mkdir(parents=True, exist_ok=True)
    (folder / "sequences" / f"{plan.name}.yaml").write_text(plan.text(), "utf-8")


def allows(plan: Plan, mailbox: str, wall: datetime, holidays: Container[date]) -> bool:
    """Whether a message of this plan may leave this mailbox when a clock on the contact's wall shows this."""
    away = AWAY.get(mailbox)
    if wall.date() in holidays or (away is not None and away[0] <= wall.date() <= away[1]):
        return False
    return all(
        any(wall.weekday() in days and start <= wall.time() < end for days, start, end in HOURS[text])
        for text in (plan.hours, MAILBOX_HOURS[mailbox])
    )
