"""Where the people of a sequence are now, by the steps that its file has today. Only looks: nothing is changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core import lines
from sequencer.core.model import BACK_OFF, MAIN_LINE, Position, Status
from sequencer.core.model import Sequence as Plan
from sequencer.store import definitions
from sequencer.store.database import CannotOpen, Database, SqliteFile, locate
from sequencer.store.places import Place, places
from sequencer.workspace.diagram import END, People, Standing
from sequencer.workspace.workspace import Workspace, load_sequence_text

NO_TABLES: Final = "the database has no tables of this version yet: `sequencer db upgrade` makes them"


async def whereabouts(workspace: Workspace, plan: Plan) -> Standing | str | None:
    """Where everybody in a plan is; None while there is no database, a sentence when it cannot be read.

    Who stands at a step that the file no longer has is counted where the plan goes on for them.
    """
    try:
        location = locate(workspace.database_url)
        if isinstance(location, SqliteFile) and not location.path.exists():
            return None
        async with Database.opened(workspace.database_url) as database, database.read() as conn:
            return await standing_in(conn, plan)
    except CannotOpen as error:
        return str(error)
    except DBAPIError:
        return NO_TABLES


async def standing_in(conn: AsyncConnection, plan: Plan) -> Standing:
    """Where everybody in a plan is."""
    ended: Counter[Status] = Counter()
    at: dict[str, People] = defaultdict(People)
    elsewhere: Counter[str] = Counter()
    for place in await places(conn, plan.name):
        if place.status.ended:
            ended[place.status] += place.count
            continue
        box = await _box_of(conn, plan, place)
        if box:
            at[box] = _with(at[box], place)
        else:
            elsewhere[place.step] += place.count
    return Standing(dict(at), dict(elsewhere), ended[Status.FINISHED], ended[Status.STOPPED])


async def _box_of(conn: AsyncConnection, plan: Plan, place: Place) -> str:
    """The step, the back-off or the end; empty where not even the version tells that they stand at."""
    if place.step == "":
        return BACK_OFF if plan.back_off is not None else END
    if plan.find(place.step) is not None:
        return place.step
    text = await definitions.text_of(conn, plan.name, place.definition)
    earlier = load_sequence_text(plan.name, text)[0] if text is not None else None
    found = earlier.find(place.step) if earlier is not None else None
    if earlier is None or found is None:
        return ""
    position, step = lines.locate(plan, Position(found[0], place.step), earlier)
    if step is not None:
        return step.id
    return (BACK_OFF if plan.back_off is not None else END) if position.line == MAIN_LINE else ""


def _with(people: People, place: Place) -> People:
    held = people.held + place.held
    match place.status:
        case Status.PAUSED:
            return replace(people, paused=people.paused + place.count, held=held)
        case Status.SNOOZED:
            return replace(people, snoozed=people.snoozed + place.count, held=held)
        case _:
            return replace(people, active=people.active + place.count, held=held)
