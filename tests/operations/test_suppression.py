"""Never again: suppressing addresses and domains, and lifting it."""

from __future__ import annotations

import pytest

from sequencer.core import events as e
from sequencer.core.model import Status
from sequencer.operations.enrollments import Kept, enroll
from sequencer.operations.live import Live
from sequencer.operations.suppression import Lifted, Suppressed, parse_target, suppress, unsuppress
from sequencer.operations.values import Unfit
from sequencer.store import suppressions, tasks
from tests.operations.shop import MONDAY, entered, happen, of_contact

ANNA, BEN, CARLA = "anna@example.com", "ben@example.org", "carla@example.org"


async def test_suppressing_an_address_stops_all_that_is_open(live: Live) -> None:
    (quote,) = await entered(live, "quote", ANNA)
    await entered(live, "birthday", ANNA)
    async with live.database.begin() as conn:
        task = await tasks.create(conn, quote.id, "call", "call", "", MONDAY, MONDAY)
    await happen(live, quote.id, e.TaskCreated(at=MONDAY, step="call", task=task, kind="call", note=""))
    (one,) = await suppress(live, ["ANNA@example.com"], MONDAY, reason="she asked on the phone", by="hand")
    assert isinstance(one, Suppressed)
    assert len(one.stopped) == 2
    for enrollment in await of_contact(live, ANNA):
        assert (enrollment.status, enrollment.reason) == (Status.STOPPED, "suppressed: she asked on the phone")
    async with live.database.read() as conn:
        assert await tasks.listing(conn) == []


async def test_suppressing_a_domain_concerns_everybody_there_and_nobody_else(live: Live) -> None:
    await entered(live, "quote", ANNA, BEN, CARLA)
    (one,) = await suppress(live, ["@Example.org"], MONDAY)
    assert isinstance(one, Suppressed)
    assert (one.target, len(one.stopped)) == ("@example.org", 2)
    assert [enrollment.status for enrollment in await of_contact(live, ANNA)] == [Status.ACTIVE]
    refused = await enroll(live, "quote", [BEN], MONDAY)
    assert refused == [Kept(BEN, "they are suppressed: by hand")]


async def test_an_address_that_is_no_contact_can_be_suppressed(live: Live) -> None:
    (one,) = await suppress(live, ["stranger@example.com"], MONDAY)
    assert one == Suppressed("stranger@example.com", "", ())


async def test_the_first_reason_stays(live: Live) -> None:
    await suppress(live, [ANNA], MONDAY, reason="unsubscribed")
    (again,) = await suppress(live, [ANNA], MONDAY, reason="again")
    assert again == Suppressed(ANNA, "unsubscribed", ())
    async with live.database.read() as conn:
        assert await suppressions.reason_for(conn, ANNA) == "unsubscribed"


async def test_lifting_tells_what_it_was_and_what_still_holds(live: Live) -> None:
    await suppress(live, [ANNA, BEN, "@example.org"], MONDAY, reason="unsubscribed")
    assert await unsuppress(live, [ANNA]) == [Lifted(ANNA, "unsubscribed", "")]
    assert await unsuppress(live, [ANNA]) == [Kept(ANNA, "was not suppressed")]
    assert await unsuppress(live, [BEN]) == [Lifted(BEN, "unsubscribed", "unsubscribed")]
    assert await unsuppress(live, [BEN]) == [Kept(BEN, "not suppressed itself, but its domain is: unsubscribed")]
    assert await unsuppress(live, ["@example.org"]) == [Lifted("@example.org", "unsubscribed", "")]
    async with live.database.read() as conn:
        assert await suppressions.reasons_for(conn, [ANNA, BEN, CARLA]) == {}


async def test_what_was_stopped_stays_stopped(live: Live) -> None:
    await entered(live, "quote", ANNA)
    await suppress(live, [ANNA], MONDAY)
    await unsuppress(live, [ANNA])
    assert [enrollment.status for enrollment in await of_contact(live, ANNA)] == [Status.STOPPED]


@pytest.mark.parametrize("text", ["@", "@localhost", "@exa mple.com", "@[127.0.0.1]", "anna", "", "@@example.com"])
async def test_what_is_neither_an_address_nor_a_domain(live: Live, text: str) -> None:
    assert isinstance(parse_target(text), Unfit)
    (one,) = await suppress(live, [text], MONDAY)
    assert isinstance(one, Kept)
    async with live.database.read() as conn:
        assert await suppressions.listing(conn) == []
