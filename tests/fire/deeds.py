"""What people, machines and servers do to a business: each deed happens in the world, and the oracle is told."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, Literal, assert_never, get_args

from sequencer.core.model import Status
from sequencer.operations import steering
from sequencer.operations.adopt import adopt
from sequencer.operations.breakers import reopen
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.enrollments import Entered, Kept, Terms, enroll
from sequencer.operations.record import Refusal
from sequencer.operations.steering import Turned, Who
from sequencer.operations.suppression import suppress, unsuppress
from sequencer.operations.tasks import done, to_dos
from sequencer.store import contacts, enrollments
from sequencer.store.enrollments import Standing
from tests.fire import mails
from tests.fire.files import BACK_OFF_STEP, BRANCH, STEADY, edited
from tests.fire.ledger import Course, Person
from tests.fire.world import Handed, Reading, World
from tests.smtp_peer import Drop, Say

QUIET: Final = "quiet"
"""To whom nothing ever happens: they get every step of their plan."""

ZONES: Final = (
    "America/Denver",
    "America/St_Johns",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Sao_Paulo",
)
REPS: Final = {"mark": "mark@flatheadrv.example", "susan": "susan@flatheadrv.example"}
HUMAN: Final = tuple(mails.REPLIES)
Trouble = Literal["later", "no such user", "spam", "shut down", "gone before", "gone after", "unreachable"]
TROUBLES: Final[tuple[Trouble, ...]] = ("later", *get_args(Trouble))


# Contacts -------------------------------------------------------------------------------------------


async def import_people(world: World, people: list[Person]) -> None:
    """Rows of a file, each with all that is known of the person."""
    path = world.folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("email", "first_name", "product", "phone", "timezone", "holidays"))
        for each in people:
            rows.writerow((each.address, each.first_name, each.product, each.phone, each.zone, each.country))
    taken = await import_file(world.live, path, world.now, Wishes())
    assert isinstance(taken, Imported)
    assert not taken.refused, taken.refused
    world.ledger.people |= {each.address: each for each in people}


def new_people(world: World, number: int, chance: Random) -> list[Person]:
    """Some are colleagues, some have nobody beside them; some lack what a message needs."""
    begin = len(world.ledger.people)
    people = []
    for index in range(begin, begin + number):
        company = f"firm{index // 2}.example" if chance.random() < 0.2 else f"own{index}.example"
        people.append(
            Person(
                f"p{index}@{company}",
                f"Pat{index}",
                chance.choice(ZONES),
                chance.choice(("US", "US", "DE")),
                f"tent {index}" if chance.random() < 0.8 else "",
                "+1 406 555 0100" if chance.random() < 0.5 else "",
            )
        )
    return people


def quiet_people(number: int) -> list[Person]:
    return [Person(f"{QUIET}{index}@still{index}.example", f"Quinn{index}", product="boat") for index in range(number)]


async def enter(world: World, plan: str, addresses: list[str]) -> None:
    answers = await enroll(world.live, plan, addresses, world.now, Terms())
    assert not isinstance(answers, Refusal), answers
    for answer in answers:
        if isinstance(answer, Entered):
            known(world, answer.enrollment.id, answer.email, plan, answer.enrollment.mailbox)


def known(world: World, course: int, address: str, plan: str, mailbox: str) -> Course:
    return world.ledger.courses.setdefault(course, Course(course, address, plan, mailbox))


async def somebody_changes(world: World, chance: Random) -> None:
    """A new file: another zone, a product at last, another telephone."""
    person = somebody(world, chance)
    if person is None:
        return
    after = replace(
        person,
        zone=chance.choice(ZONES),
        product=f"van {chance.randrange(100)}" if chance.random() < 0.7 else person.product,
        first_name=f"{person.first_name}x" if chance.random() < 0.3 else person.first_name,
    )
    for course in world.ledger.of(person.address):
        course.disturbed = True
    await import_people(world, [after])


async def new_ones(world: World, chance: Random) -> None:
    people = new_people(world, chance.randint(1, 3), chance)
    await import_people(world, people)
    await enter(world, chance.choice(("a", "b", "side")), [each.address for each in people])


async def enroll_again(world: World, chance: Random) -> None:
    """In another sequence, or once more in one that has ended."""
    person = somebody(world, chance)
    if person is not None:
        await enter(world, chance.choice(("a", "b", "side", "keep")), [person.address])


def somebody(world: World, chance: Random) -> Person | None:
    addresses = [address for address in world.ledger.people if not address.startswith(QUIET)]
    return world.ledger.people[chance.choice(addresses)] if addresses else None


# What comes into the inbox --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that somebody had, and may answer."""

    course: Course
    handed: Handed


def a_letter(world: World, chance: Random) -> Letter | None:
    ids = [id_ for id_ in world.mails if not world.ledger.courses[id_].address.startswith(QUIET)]
    if not ids:
        return None
    # those who had a message lately answer more often
    recent = [id_ for id_ in ids if world.mails[id_][-1].at > world.now - timedelta(days=15)]
    id_ = chance.choice(recent or ids)
    return Letter(world.ledger.courses[id_], world.mails[id_][-1])


def arrives(world: World, mailbox: str, raw: bytes, kind: str, counts: Callable[[datetime], None], folder: str) -> None:
    """A mail stands there; sooner or later the server announces it."""
    world.shelves[mailbox].put(folder, raw, world.now)
    world.standing[raw] = Reading(mailbox, kind, counts)


async def reply(world: World, chance: Random, kind: str = "") -> None:
    letter = a_letter(world, chance)
    if letter is None:
        return
    course, kind = letter.course, kind or chance.choice(HUMAN)
    day = (world.now + timedelta(days=chance.randint(20, 90))).date()
    alone = len(world.ledger.of(course.address)) == 1
    threaded = chance.random() < 0.7 or not alone
    sender = course.address
    if chance.random() < 0.15 and threaded:
        sender = f"assistant@{course.address.partition('@')[2]}"
    raw = mails.reply(kind, letter.handed.raw, sender, world.now, day, chance, threaded=threaded)
    course.disturbed = True

    def counts(at: datetime) -> None:
        if sender != course.address and kind != "unsubscribe":
            course.forbid(f"{sender} answered")
            course.away_until = min(course.away_until, at) if course.away_until is not None else None
            world.ledger.paused(course.address, "somebody answered for them")
            world.ledger.company_paused(course.address)
        else:
            world.ledger.heard(course, kind, at, day if kind == "not_now" else None)

    arrives(world, course.mailbox, raw, kind, counts, chance.choice(("INBOX", "INBOX", "Junk")))
    if chance.random() < 0.5:
        wake(world)


async def notice(world: World, chance: Random, kind: str = "") -> None:
    letter = a_letter(world, chance)
    if letter is None:
        return
    course, ours, ledger = letter.course, letter.handed.raw, world.ledger
    course.disturbed = True
    kind = kind or chance.choice(
        ("out of office", "out of office", "ticket", "full", "full", "bounce", "gone", "abuse")
    )
    counts: Callable[[datetime], None]
    match kind:
        case "out of office":
            back = (world.now + timedelta(days=chance.randint(2, 20))).date()
            raw = mails.out_of_office(ours, course.address, world.now, back)
            counts = lambda at: ledger.away(course, back)  # noqa: E731
        case "ticket":
            raw = mails.ticket(ours, course.address, world.now)
            counts = lambda at: None  # noqa: E731
        case "full":
            raw = mails.bounce(ours, course.address, world.now, soft=True)
            counts = lambda at: course.taken.discard(letter.handed.step)  # noqa: E731
        case "bounce":
            raw = mails.bounce(ours, course.address, world.now)
            counts = lambda at: ledger.suppress(course.address, "it bounced")  # noqa: E731
        case "gone":
            raw = mails.gone_for_good(ours, course.address, world.now)
            counts = lambda at: course.forbid("they have left the company")  # noqa: E731
        case _:
            raw = mails.complaint(ours, course.address, world.now)
            counts = lambda at: ledger.suppress(course.address, "they complained")  # noqa: E731
    arrives(world, course.mailbox, raw, kind, counts, "INBOX")
    if chance.random() < 0.5:
        wake(world)


async def writes_by_hand(world: World, chance: Random) -> None:
    """The rep writes to somebody from their own mail program."""
    person = somebody(world, chance)
    if person is None:
        return
    mailbox, at = chance.choice(sorted(REPS)), world.now
    raw = mails.by_hand(REPS[mailbox], person.address, at)

    def counts(_read: datetime) -> None:
        for course in world.ledger.of(person.address):
            if course.until is not None or not course.forbidden:
                course.forbid("the rep wrote by hand")
            world.ledger.touch(person.address, at)

    arrives(world, mailbox, raw, "by hand", counts, "Sent")


async def noise(world: World, chance: Random) -> None:
    mailbox = chance.choice(sorted(REPS))
    world.shelves[mailbox].put("INBOX", mails.noise(REPS[mailbox], world.now), world.now)


async def mailbox_has_trouble(world: World, chance: Random) -> None:
    """It cannot be read for a while, breaks off in the midst, is numbered anew, or tidied up."""
    shelf = world.shelves[chance.choice(sorted(REPS))]
    match chance.choice(("away", "back", "breaks", "breaks", "renumbered", "tidied")):
        case "away":
            shelf.unreadable = True
        case "breaks":
            shelf.breaks_after = chance.randint(0, 12)
        case "renumbered":
            shelf.number_anew(chance.choice(("INBOX", "Junk", "Sent")))
        case "tidied":
            for each in shelf.folders.values():
                each[:] = [
                    laid for laid in each if laid.raw in world.standing or laid.at > world.now - timedelta(days=3)
                ]
        case _:
            for other in world.shelves.values():
                other.unreadable = False


# What the rep does ----------------------------------------------------------------------------------


def wake(world: World) -> None:
    """An announcement of the mail server, or another process's change, wakes the workers."""
    world.late.clear()
    for station in world.stations.values():
        station.planned = world.now


def heed(world: World, answers: list[Turned | Kept], then: Callable[[Course], None]) -> None:
    """What a rep's decision means for those whom it reached."""
    for answer in answers:
        if isinstance(answer, Turned):
            en = answer.enrollment
            then(known(world, en.id, answer.email, en.sequence, en.mailbox))
            if answer.onto is not None:
                known(world, answer.onto.id, answer.email, answer.onto.sequence, answer.onto.mailbox)
    wake(world)


async def rep_decides(world: World, chance: Random, what: str = "") -> None:
    person = somebody(world, chance)
    if person is not None:
        kinds = ("pause", "resume", "resume", "resume", "snooze", "branch", "jump", "move", "stop", "close")
        await decide_for(world, chance, Who((person.address,)), what or chance.choice(kinds))


async def decide_for(world: World, chance: Random, who: Who, what: str) -> None:
    live, now, ledger = world.live, world.now, world.ledger
    match what:
        case "pause":
            heed(world, await steering.pause(live, who, now), lambda course: course.forbid("the rep paused"))
        case "resume":
            heed(world, await steering.resume(live, who, now), lambda course: course.allow())
        case "snooze":
            day = (now + timedelta(days=chance.randint(3, 40))).date()
            heed(world, await steering.snooze(live, who, now, day), lambda course: ledger.snoozed(course, day))
        case "branch":
            heed(world, await steering.branch(live, who, now, BRANCH), lambda course: sent_to(world, course, BRANCH))
        case "jump":
            step = chance.choice(world.plans[chance.choice(("a", "b", "side"))].steps).id
            heed(world, await steering.branch(live, who, now, step), lambda course: sent_to(world, course, step))
        case "move":
            heed(world, await steering.move(live, who, now, "keep"), lambda course: course.forbid("moved"))
        case "stop":
            heed(world, await steering.stop(live, who, now), lambda course: course.forbid("the rep stopped"))
        case _:
            heed(world, await steering.close(live, who, now, "won"), lambda course: course.forbid("won"))


async def decided_at_the_last_moment(world: World, chance: Random) -> None:
    """Between the server's word about the next recipient and the commit of the attempt."""
    what = chance.choice(("pause", "stop", "suppress"))

    async def meanwhile(address: str) -> None:
        if address.startswith(QUIET):
            return
        if what == "suppress":
            await suppress(world.live, [address], world.now)
            world.ledger.suppress(address, "at the last moment")
        else:
            await decide_for(world, chance, Who((address,)), what)

    world.flight.meanwhile = meanwhile


def sent_to(world: World, course: Course, target: str) -> None:
    course.allow()
    world.ledger.again(course, target)


async def rep_works(world: World, chance: Random, share: float = 0.5) -> None:
    """Some of the tasks are done, or turn out not to be needed."""
    async with world.live.database.read() as conn:
        waiting = await to_dos(conn, world.live)
    for each in waiting:
        if chance.random() < share:
            touched = chance.random() < 0.8
            result = await done(world.live, each.task.id, "", world.now, touched=touched)
            if touched and not isinstance(result, Refusal):
                world.ledger.touch(each.contact.email, world.now)
    wake(world)


async def edit(world: World, chance: Random) -> None:
    """A file is changed and goes live."""
    name = chance.choice(("a", "b", "side"))
    world.plans[name] = edited(world.plans[name], chance)
    world.write()
    for course in world.ledger.courses.values():
        course.disturbed = course.disturbed or course.plan == name
    await adopt(world.live, world.loaded(), world.now)
    wake(world)


async def suppresses(world: World, chance: Random) -> None:
    person = somebody(world, chance)
    if person is None:
        return
    domain = f"@{person.address.partition('@')[2]}"
    target = domain if chance.random() < 0.3 else person.address
    await suppress(world.live, [target], world.now)
    world.ledger.suppress(target, "by hand")


async def lifts_suppression(world: World, chance: Random) -> None:
    if world.ledger.suppressed:
        target = chance.choice(sorted(world.ledger.suppressed))
        await unsuppress(world.live, [target])
        del world.ledger.suppressed[target]


# What servers and machines do -----------------------------------------------------------------------


async def smtp_has_trouble(world: World, chance: Random) -> None:
    """The next message, or a few hours, meet this."""
    peer = world.peer
    what = chance.choice(TROUBLES)
    match what:
        case "later":
            peer.once(chance.choice(("rcpt", "end")), Say("451 4.7.1 Greylisted, try again later"))
        case "no such user":
            peer.once("rcpt", Say("550 5.1.1 No such user"))
        case "spam":
            peer.once("end", Say("554 5.6.0 This message looks odd"))
        case "shut down":
            peer.once("mail", Say("421 4.3.2 Shutting down", then_drop=True))
        case "gone before":
            peer.once("end", Drop())
        case "gone after":
            peer.once("end", Drop(accepting=True))
        case "unreachable":
            await peer.stop()
            await world.pass_time(timedelta(hours=chance.randint(1, 30)))
            await peer.start(world.port)
        case _:
            assert_never(what)


async def process_dies(world: World, chance: Random) -> None:
    """At the next message, around DATA; or right now, between two turns."""
    match chance.choice(("before", "after", "now")):
        case "now":
            for name in list(world.stations):
                await world.takes_over(name)
        case when:
            world.flight.dies = when


EVERYTHING: Final = (
    *(reply,) * 6,
    *(notice,) * 4,
    *(rep_decides,) * 4,
    *(rep_works,) * 2,
    *(decided_at_the_last_moment,) * 2,
    *(somebody_changes,) * 2,
    *(smtp_has_trouble,) * 2,
    *(mailbox_has_trouble,) * 2,
    *(process_dies,) * 2,
    *(writes_by_hand, new_ones, enroll_again, suppresses, lifts_suppression, noise, edit),
)
"""What may happen, the frequent more often."""


async def anything(world: World, chance: Random) -> None:
    await chance.choice(EVERYTHING)(world, chance)


async def repair(world: World) -> None:
    """Everything works again, and the owner lets go on what had stopped itself."""
    world.flight.dies, world.flight.meanwhile = "", None
    for shelf in world.shelves.values():
        shelf.unreadable, shelf.breaks_after = False, None
    await reopens(world)


async def reopens(world: World) -> None:
    """The owner has looked at the mailboxes that stopped themselves."""
    await reopen(world.live, list(world.shelves), world.now)
    wake(world)


async def all_come_to_an_end(world: World, weeks: int = 60) -> None:
    """Everything works again, what was missing is known, and the rep looks after everybody: all come to an end. Nobody
    is left behind."""
    chance = Random(7)
    lacking = [replace(each, product="tent") for each in world.ledger.people.values() if not each.product]
    if lacking:
        await import_people(world, lacking)
    still: list[Standing] = []
    for _ in range(weeks):
        await repair(world)
        still = await open_ones(world)
        if not still:
            return
        await rep_works(world, chance, share=1)
        paused = {each.enrollment.contact_id for each in still if each.enrollment.status is Status.PAUSED}
        async with world.live.database.read() as conn:
            people = await contacts.by_ids(conn, paused)
        for person in people.values():
            await decide_for(world, chance, Who((person.email,)), "resume")
        await world.pass_time(timedelta(days=7))
        await world.check(chance)
    raise AssertionError(f"left behind: {still[0]}")


async def open_ones(world: World) -> list[Standing]:
    async with world.live.database.read() as conn:
        found = [await enrollments.of_sequence(conn, name) for name in world.plans]
    return [standing for some in found for standing in some]


def quiet_ones_got_everything(world: World, *, ended: bool) -> int:
    """To whom nothing happened got their plan's messages, each once, in the order of the file, with its waits (and
    all of them, once they have `ended`); how many these are."""
    plan = [step.id for step in STEADY.steps] + [BACK_OFF_STEP]
    least = dict(zip(plan, (1, 4, 14, 5, 30, 10), strict=True))
    quiet = [each for each in world.ledger.courses.values() if each.plan == STEADY.name and not each.disturbed]
    for course in quiet:
        got = [step for _, step in course.sent]
        assert got == plan[: len(got)], f"{course.address} got {got}"
        assert not ended or got == plan, f"{course.address} got only {got}"
        person = world.ledger.people[course.address]
        for (before, _), (at, step) in itertools.pairwise(course.sent):
            days = (person.wall(at).date() - person.wall(before).date()).days
            assert days >= least[step], f"{step} came too early"
    return len(quiet)
