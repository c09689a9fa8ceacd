"""A database that an earlier version has written goes on under this one: nobody is lost, nobody hears a step twice."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from sequencer.operations.approval import Versions, both_versions
from sequencer.operations.in_force import is_release
from sequencer.store import enrollments, migrate
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, DAY, PLAN, a_desk, write

CONDITION = PLAN.replace("email: second\n", "email: second\n    only_if: contact.product\n")
BEFORE_0003 = (
    "DROP INDEX ix_attempts_trial",
    "DROP INDEX ix_messages_telling",
    "ALTER TABLE attempts DROP COLUMN template_version",
    "ALTER TABLE attempts DROP COLUMN trial",
    "DROP TABLE texts",
    "DROP TABLE releases",
    "UPDATE alembic_version SET version_num = '0002'",
)
FORGET = {
    "sqlite": "UPDATE events SET data = json_remove(data, '$.not_before')",
    "postgresql": "UPDATE events SET data = data - 'not_before'",
}


async def test_a_database_of_before_the_releases_goes_on(database_url: str, tmp_path: Path) -> None:
    async with Database.opened(database_url) as database:
        async with a_desk(database, tmp_path, plan=CONDITION) as desk:
            await desk.enroll(ANNA, product="boat")
            await desk.enroll(BEN)
            await desk.turns(DAY, 3 * DAY)
            assert "Skipped" in await desk.log(BEN)
            now = desk.now
        async with database.begin() as conn:
            for statement in (*BEFORE_0003, FORGET[database.dialect]):
                await conn.execute(text(statement))
    assert await migrate.upgrade(database_url) == ("0003",)
    async with Database.opened(database_url) as database, a_desk(database, tmp_path, plan=CONDITION) as desk:
        desk.now = now
        await desk.turns(3 * DAY, DAY)
        assert [attempt.step for attempt in await desk.attempts(ANNA)] == ["first", "second", "third"]
        assert [attempt.step for attempt in await desk.attempts(BEN)] == ["first", "third"]
        async with database.read() as conn:
            recorded = await enrollments.events_of(conn, (await desk.enrollment(BEN)).id)
        assert any(type(line.event).__name__ == "Skipped" for line in recorded)
    config = (tmp_path / "config.yaml").read_text().replace("sqlite:///data/sequencer.db", f'"{database_url}"')
    write(tmp_path, {"config": config})
    async with both_versions(tmp_path, {"MARK_PASSWORD": "pw"}) as versions:
        assert isinstance(versions, Versions)
        assert versions.release is not None
        assert is_release(versions.after, versions.release)
