"""`sequencer demo`: the real daemon, an embedded post office, a dozen prospects, seven weeks in less than a minute."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console

from sequencer.core.model import Status
from sequencer.daemon import supervisor
from sequencer.daemon.telling import Told
from sequencer.demo.cast import BUYER, CAST, FIELD_MISSING, WRITTEN_TO_BY_HAND
from sequencer.demo.clock import AcceleratedClock
from sequencer.demo.letters import text_of
from sequencer.demo.post_office import Arrival, PostOffice, header_of
from sequencer.demo.premises import PASSWORD_VARIABLE, REP, furnish
from sequencer.demo.prospects import Prospect
from sequencer.demo.rep import Rep
from sequencer.demo.stage import Stage
from sequencer.demo.story import Standing, Story
from sequencer.operations import explain
from sequencer.operations.adopt import Unusable
from sequencer.operations.contacts import Imported, Wishes, import_file
from sequencer.operations.explain import Explanation, Way
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.opening import opened

ZONE: Final = ZoneInfo(REP.zone)
START: Final = datetime(2027, 3, 1, 8, 0, tzinfo=ZONE).astimezone(UTC)
"""A Monday morning; two weeks later the clocks are put forward."""

LENGTH: Final = timedelta(days=46, hours=10)
LONGEST: Final = 58.0
"""Seconds of real time after which the demo is given up."""

READING: Final = 0.3
"""Seconds of real time for every line of the story, so that people can follow; none when nobody watches."""

HURRY: Final = 40.0
"""Seconds after which the reading time is left out."""

POLL: Final = timedelta(hours=4)
"""Virtual time between two looks into the inbox when nobody says that something has arrived."""

BY_HAND: Final = (
    "The blue one",
    "Claire, the blue van that you liked is back from the workshop. Do you want to see it this week?\n\nMark",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `failures` are for people; there are none when all went well."""

    explanations: Mapping[str, Explanation]
    arrivals: tuple[Arrival, ...]
    failures: tuple[str, ...]
    jumps: int
    impatient: int


def demo(console: Console) -> int:
    """Run it in this terminal; the exit status."""
    try:
        outcome = asyncio.run(_in_time(console))
    except TimeoutError:
        console.print("The demo did not come to its end within a minute. Is this machine very busy? Please try again.")
        return 1
    for failure in outcome.failures:
        console.print(f"This should not have happened: {failure}")
    return 1 if outcome.failures else 0


async def _in_time(console: Console) -> Outcome:
    async with asyncio.timeout(LONGEST):
        with tempfile.TemporaryDirectory(prefix="sequencer-demo-", ignore_cleanup_errors=True) as folder:
            return await play(console, Path(folder))


async def play(console: Console, folder: Path) -> Outcome:
    """Play the whole story in an empty folder."""
    cast = CAST
    _introduce(console, cast)
    story = Story(console, ZONE, {one.email: one.name for one in cast})
    password = secrets.token_urlsafe()
    office = PostOffice(lambda: clock.now())
    clock = AcceleratedClock(START, office)
    stage = Stage(cast, office, clock, story)
    office.on_arrival = stage.arrived
    office.refusals.update({one.email: one.refusal for one in cast if one.refusal is not None})
    environ = {PASSWORD_VARIABLE: password}
    async with office:
        await office.add_user(REP.address, password)
        files = furnish(folder, office, cast)
        async with opened(folder, environ) as live:
            if isinstance(live, Unusable):
                return Outcome({}, (), _reasons(live), 0, 0)
            rep = Rep(live, office, clock, story)
            failures = [*await _bring_in(live, files, clock.now())]
            rep.look_up(START + timedelta(days=1, hours=7), FIELD_MISSING, {"product": "a teardrop trailer"}, folder)
            rep.write_by_hand(START + timedelta(days=3, hours=3), WRITTEN_TO_BY_HAND, *BY_HAND)
            failures += await _run(folder, environ, clock, story, rep)
            explanations = await _explain(live, cast, clock.now())
    story.table(f"Who is where on {clock.now().astimezone(ZONE):%B %d}, and why", standings(explanations))
    _take_leave(console, stage)
    failures += [*rep.failures, *surprises(cast, explanations), *unwanted(stage.arrivals, explanations)]
    return Outcome(explanations, tuple(stage.arrivals), tuple(failures), clock.jumps, clock.impatient)


async def _run(folder: Path, environ: Mapping[str, str], clock: AcceleratedClock, story: Story, rep: Rep) -> list[str]:
    """The daemon's code as `sequencer run` runs it, while time jumps ahead; what went wrong."""

    def tell(told: Told) -> None:
        story.told(told, clock.now())
        if isinstance(told, Happening):
            rep.heard(told, BUYER)

    stop = asyncio.Event()
    running = asyncio.ensure_future(supervisor.run(folder, environ, clock, tell, stop, poll=POLL))
    driving = asyncio.ensure_future(_drive(clock, story))
    try:
        await asyncio.wait({running, driving}, return_when=asyncio.FIRST_COMPLETED)
        await rep.finish()
        if running.done():
            return [f"the daemon ended before its time: {await running}"]
        await driving
        stop.set()
        await running
        return []
    finally:
        for task in (driving, running):
            task.cancel()
        await asyncio.gather(driving, running, return_exceptions=True)


async def _drive(clock: AcceleratedClock, story: Story) -> None:
    """Let time go once the daemon is up. Those who watch get the time to read, as long as there is enough of it."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    def breath() -> float:
        used = loop.time() - began
        return min(story.lines * READING - used, 1.5) if story.watched and used < HURRY else 0.0

    await clock.first_wait()
    await clock.drive(START + LENGTH, breath=breath)


async def _bring_in(live: Live, files: Mapping[str, Path], now: datetime) -> list[str]:
    """Import the contacts and enroll them, as `sequencer import FILE --enroll SEQUENCE` does."""
    failures: list[str] = []
    for sequence, path in files.items():
        imported = await import_file(live, path, now, Wishes(enroll=sequence))
        if isinstance(imported, Imported):
            failures += [f"{path.name}, line {one.line}: {one.reason}" for one in imported.refused]
            failures += [one.reason for one in imported.not_enrolled]
        else:
            failures.append(imported.reason)
    return failures


async def _explain(live: Live, cast: Sequence[Prospect], now: datetime) -> dict[str, Explanation]:
    """For each of the cast, what `sequencer why EMAIL` says."""
    explanations: dict[str, Explanation] = {}
    async with live.database.read() as conn:
        for prospect in cast:
            answer = await explain.why(conn, live, prospect.email, now)
            if isinstance(answer, Explanation):
                explanations[prospect.email] = answer
    return explanations


# Who is where -------------------------------------------------------------------------------------


def standings(explanations: Mapping[str, Explanation]) -> list[Standing]:
    """The lines of the table: for everybody what is open, what was won, and otherwise the last thing."""
    return [
        Standing(_name(explanation) if first else "", way.enrollment.sequence, str(way.enrollment.status), _why(way))
        for explanation in explanations.values()
        for first, way in zip((True, *[False] * 9), _telling_ways(explanation), strict=False)
    ]


def _telling_ways(explanation: Explanation) -> list[Way]:
    ways = [way for way in explanation.ways if not way.enrollment.status.ended or way.enrollment.reason == "won"]
    return ways or list(explanation.ways[:1])


def _name(explanation: Explanation) -> str:
    fields = explanation.contact.fields
    return f"{fields.get('first_name', '')} {fields.get('last_name', '')}".strip() or explanation.contact.email


def _why(way: Way) -> str:
    enrollment = way.enrollment
    if enrollment.status.ended or enrollment.status is Status.PAUSED:
        return enrollment.reason
    return f"held: {way.held.reason}" if way.held is not None else way.next


def surprises(cast: Sequence[Prospect], explanations: Mapping[str, Explanation]) -> list[str]:
    """Whose story did not end as it had to."""
    found: list[str] = []
    for prospect in cast:
        ending, explanation = prospect.ending, explanations.get(prospect.email)
        ways = explanation.ways if explanation is not None else ()
        fits = any(
            way.enrollment.sequence == ending.sequence
            and way.enrollment.status == ending.status
            and ending.reason in _why(way)
            for way in ways
        )
        if not fits:
            are = "; ".join(f"{way.enrollment.sequence} {way.enrollment.status} ({_why(way)})" for way in ways)
            found.append(f"{prospect.name} should be {ending.status} in {ending.sequence}, and is: {are or 'nowhere'}")
    return found


def unwanted(arrivals: Sequence[Arrival], explanations: Mapping[str, Explanation]) -> list[str]:
    """Mails that somebody got twice, or got although they had asked not to."""
    found: list[str] = []
    seen: set[tuple[str, str]] = set()
    for arrival in arrivals:
        mail = (arrival.recipient, text_of(arrival))
        if mail in seen:
            found.append(f"{arrival.recipient} got a mail twice: {header_of(arrival.message, 'Subject')}")
        seen.add(mail)
        explanation = explanations.get(arrival.recipient)
        stopped = (
            [line.at for way in explanation.ways for line in way.history if line.event == "Stopped"]
            if explanation
            else []
        )
        if any(arrival.at > at for at in stopped):
            found.append(f"{arrival.recipient} got a mail after the end: {header_of(arrival.message, 'Subject')}")
    return found


# Words --------------------------------------------------------------------------------------------


def _introduce(console: Console, cast: Sequence[Prospect]) -> None:
    console.print(
        f"This is the real daemon, at work on a post office of its own. Nothing leaves this machine.\n"
        f"Mark Holloway of Flathead RV has {len(cast)} people to follow up with. It is Monday, March 1, 2027, and the "
        "clock is fast.\n\n"
        f"  [cyan]→[/] a mail reaches somebody   [green]←[/] somebody writes to Mark   "
        f"[magenta]✎[/] Mark does something   [yellow]·[/] the sequencer decides"
    )


def _take_leave(console: Console, stage: Stage) -> None:
    console.print(
        f"\n{len(stage.arrivals)} mails reached somebody. The plans behind them are in sequences/, the words in "
        "templates/.\nNext: “Your own mailbox in five minutes” in README.md."
    )


def _reasons(unusable: Unusable) -> tuple[str, ...]:
    problems = tuple(f"{one.file}:{one.line}:{one.column}: {one.message}" for one in unusable.problems)
    return problems or (unusable.reason,)
