"""What an edit of variants does, person by person: the plan names whom it deals other words, and nobody else."""

from __future__ import annotations

from pathlib import Path

from sequencer.operations.plan import Planned, plan
from sequencer.store.database import Database
from tests.operations.desk import DAY, PLAN, Desk, a_desk, loaded
from tests.operations.test_variants import people

SECOND = "step: second\n    email: "
BEFORE = PLAN.replace(f"{SECOND}second", f"{SECOND}{{second: 70%, fresh: 30%}}")


async def planned(desk: Desk, **files: str) -> Planned:
    desk.write(**files)
    found = await plan(desk.live, loaded(desk.folder), desk.now)
    assert isinstance(found, Planned)
    return found


def reworded(found: Planned) -> dict[str, str]:
    return {
        one.contact.email: effect.what for one in found.affected for effect in one.effects if effect.kind == "words"
    }


async def test_a_split_that_changes_names_those_who_get_other_words(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=BEFORE) as desk:
        await desk.enroll(*people(60))
        await desk.turn()
        found = await planned(desk, plan=BEFORE.replace("70%", "50%").replace("30%", "50%"))
        (edit,) = (edit for edit in found.edits.sequences if edit.sequence == "plan")
        assert "is split second 50%, fresh 50%, was second 70%, fresh 30%" in str(edit.steps)
        others = reworded(found)
        assert 4 <= len(others) <= 22
        assert {text.partition(": ")[2] for text in others.values()} == {"fresh in place of second"}
        await desk.adopt(plan=BEFORE)
        await desk.turn(3 * DAY)
        would_have_had = {email: (await desk.attempts(email))[1].variant for email in people(60)}
        assert {would_have_had[email] for email in others} == {"second"}


async def test_other_words_in_one_variant_concern_only_those_who_get_it(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=BEFORE) as desk:
        await desk.enroll(*people(30))
        await desk.turn()
        others = reworded(await planned(desk, fresh_md="---\nsubject: Something new\n---\nQuite another thing.\n"))
        desk.write(fresh_md="---\nsubject: Something new\n---\nSomething else.\n")
        await desk.turn(3 * DAY)
        assert others.keys() == {email for email in people(30) if (await desk.attempts(email))[1].variant == "fresh"}
        assert 2 <= len(others) <= 20


async def test_who_has_a_variant_keeps_it_in_the_plan(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=BEFORE) as desk:
        await desk.enroll(*people(10))
        await desk.turn()
        await desk.turn(3 * DAY)
        assert reworded(await planned(desk, plan=BEFORE.replace("70%", "0%").replace("30%", "100%"))) == {}
