"""Alerts: once a kind and day, taken by one daemon, told once. Strikes: what is counted, and what is forgotten."""

from __future__ import annotations

from datetime import timedelta

from sequencer.store import alerts, strikes
from sequencer.store.database import Database
from sequencer.store.strikes import LOGINS, Strike
from tests.store.people import NOW, later

MARK = "mark"


async def test_an_alert_is_raised_once_a_kind_and_day_for_every_place(database: Database) -> None:
    async with database.begin() as conn:
        assert await alerts.add(conn, MARK, "held", ["mailto", "abc"], "Held", "why", NOW)
        assert not await alerts.add(conn, MARK, "held", ["mailto"], "Held", "why", later(hours=23))
        assert await alerts.add(conn, MARK, "doubt", ["mailto"], "Doubt", "why", later(hours=1))
        assert await alerts.add(conn, "jane", "held", ["mailto"], "Held", "why", later(hours=1))
        assert await alerts.add(conn, MARK, "held", ["mailto"], "Held", "why", later(hours=25))
        assert not await alerts.add(conn, MARK, "other", [], "Nobody", "is told", NOW)
        waiting = await alerts.waiting(conn, [MARK], later(hours=2), 10)
    assert [(one.kind, one.target) for one in waiting] == [("held", "mailto"), ("held", "abc"), ("doubt", "mailto")]


async def test_after_an_instant_it_is_news_again(database: Database) -> None:
    async with database.begin() as conn:
        assert await alerts.add(conn, MARK, "stopped", ["mailto"], "Stopped", "why", NOW)
        reopened = later(hours=1)
        assert await alerts.add(
            conn, MARK, "stopped", ["mailto"], "Stopped", "why", later(hours=2), unless_since=reopened
        )
        assert not await alerts.add(
            conn, MARK, "stopped", ["mailto"], "Stopped", "why", later(hours=3), unless_since=reopened
        )


async def test_one_of_two_takes_it_and_what_was_told_does_not_wait_any_more(database: Database) -> None:
    async with database.begin() as conn:
        await alerts.add(conn, MARK, "held", ["mailto"], "Held", "why", NOW)
        (seen,) = await alerts.waiting(conn, [MARK, "jane"], NOW, 10)
        assert await alerts.take(conn, seen, later(minutes=1))
        assert not await alerts.take(conn, seen, later(minutes=1))
        assert await alerts.waiting(conn, [MARK], NOW, 10) == []
        await alerts.failed(conn, seen.id, "no way", NOW, give_up=False)
        assert await alerts.failing(conn, later(hours=-1)) == {MARK: (1, "no way")}
        (again,) = await alerts.waiting(conn, [MARK], later(minutes=1), 10)
        assert (again.tries, again.error) == (1, "no way")
        assert await alerts.take(conn, again, later(minutes=5))
        await alerts.told(conn, again.id, later(minutes=2))
        assert await alerts.waiting(conn, [MARK], later(days=1), 10) == []
        assert await alerts.failing(conn, later(hours=-1)) == {}


async def test_strikes_are_counted_by_kind_from_an_instant_on_and_old_ones_go(database: Database) -> None:
    old = NOW - strikes.KEEP - timedelta(days=1)
    async with database.begin() as conn:
        await strikes.add(conn, MARK, [Strike.REFUSAL], old)
        assert await strikes.count(conn, MARK, Strike.REFUSAL, None) == 1
        await strikes.add(conn, MARK, [Strike.REFUSAL, Strike.SMTP_LOGIN, Strike.REFUSAL], NOW)
        await strikes.add(conn, "jane", [Strike.REFUSAL], NOW)
        assert await strikes.count(conn, MARK, Strike.REFUSAL, None) == 2
        assert await strikes.count(conn, MARK, Strike.REFUSAL, NOW) == 0
        await strikes.clear(conn, MARK, LOGINS)
        assert await strikes.count(conn, MARK, Strike.SMTP_LOGIN, None) == 0
        assert await strikes.count(conn, MARK, Strike.REFUSAL, None) == 2
