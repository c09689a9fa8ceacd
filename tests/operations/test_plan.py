"""What an edit does before it is in force: to each person, and what goes out afterwards."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from sequencer.core import events as e
from sequencer.operations.approval import Versions, approve, both_versions
from sequencer.operations.plan import Effect, Planned, grouped, plan
from sequencer.operations.plan_json import planned_json
from sequencer.operations.record import Refusal
from sequencer.operations.rewording import rewordings
from sequencer.store import releases
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CONFIG, DAY, HOUR, PLAN, TEMPLATES, Desk, a_desk, loaded
from tests.operations.shop import happen

ENVIRON: dict[str, str] = {}
SECOND = "  - step: second\n    email: second\n    when: 3 days later\n"


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


def config(database_url: str) -> str:
    """The settings of the desk, for whoever opens its database by the file."""
    return CONFIG.replace("sqlite:///data/sequencer.db", f'"{database_url}"')


async def planned(desk: Desk, *, email: str = "", days: int = 14, **files: str) -> Planned:
    """What these files would do, none of them in force."""
    desk.write(**files)
    found = await plan(desk.live, loaded(desk.folder), desk.now, email=email, days=days)
    assert isinstance(found, Planned), found
    return found


def effects(found: Planned, email: str = ANNA) -> list[Effect]:
    return [effect for each in found.affected if each.contact.email == email for effect in each.effects]


def kinds(found: Planned, email: str = ANNA) -> list[str]:
    return [effect.kind for effect in effects(found, email)]


async def test_the_same_files_change_nothing(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    await desk.turn()
    found = await planned(desk, plan=f"# a remark\n{PLAN}")
    assert (bool(found.edits), found.affected, found.looked_at, found.due_at_once) == (False, (), 2, 0)
    assert [(one.contact.email, one.step) for one in found.coming] == [
        (ANNA, "second"),
        (BEN, "second"),
        (ANNA, "third"),
        (BEN, "third"),
    ]


async def test_a_longer_wait_moves_the_date_of_who_waits_there(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    desk.now += HOUR
    await desk.enroll(BEN)
    found = await planned(desk, plan=PLAN.replace("3 days", "5 days", 1))
    (edit,) = found.edits.sequences
    assert [(step.step, step.change, step.what) for step in edit.steps] == [
        ("second", "changed", ("when: “5 days later”, was “3 days later”",))
    ]
    assert kinds(found) == ["date"]
    assert kinds(found, BEN) == []  # Ben's first step comes first, and its date stays
    (effect,) = effects(found)
    assert effect.was is not None
    assert effect.now is not None
    assert effect.now - effect.was == 2 * DAY
    assert effect.together == "“second” moves from Thu 3 Dec to Sat 5 Dec"
    first = next(one for one in found.coming if one.contact.email == ANNA)
    assert (first.step, first.at) == ("second", effect.now)


async def test_what_plan_says_is_what_happens(desk: Desk) -> None:
    await desk.enroll(ANNA, BEN)
    await desk.turn()
    desk.now += 2 * DAY
    found = await planned(desk, plan=PLAN.replace("3 days", "1 day", 1))
    foretold = {one.contact.email: one.at for one in found.coming if one.step == "second"}
    assert found.due_at_once == 0
    await desk.adopt()
    for email in (ANNA, BEN):
        await desk.turn()
        assert (await desk.standing(email)).wake_at == foretold[email]
        assert len(desk.received(email)) == 1


async def test_a_step_that_goes_hands_over(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    found = await planned(desk, plan=PLAN.replace(SECOND, ""))
    assert kinds(found) == ["step", "less"]
    step = effects(found)[0]
    assert step.together.startswith("next is “third” (")
    assert ", was “second” (Thu 3 Dec)" in step.together
    (edit,) = found.edits.sequences
    assert edit.steps[0].what == ("was the e-mail second, 3 days later; whoever stands there goes on at “third”",)


async def test_other_words_are_told_to_whoever_still_gets_them(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turns(timedelta(), 3 * DAY)  # Anna has had the second
    await desk.enroll(BEN)
    found = await planned(desk, second_md=TEMPLATES["second"].replace("a look", "a good look"))
    assert kinds(found) == []
    assert kinds(found, BEN) == ["words"]
    assert effects(found, BEN)[0].what == (
        "other words in “second”: line 4 is “Have you had a good look?”, was “Have you had a look?”"
    )
    assert [edit.change for edit in found.edits.sequences] == ["words"]


async def test_a_variable_that_somebody_lacks_is_said_before_it_holds_them(desk: Desk) -> None:
    await desk.enroll(ANNA, product="a van")
    await desk.enroll(BEN)
    await desk.turn()
    needy = TEMPLATES["second"].replace("a look", "a look at {{ product }}")
    found = await planned(desk, second_md=needy)
    assert kinds(found) == ["words"]
    assert kinds(found, BEN) == ["words", "held"]
    assert effects(found, BEN)[1].what == "will be held at “second”: the template second needs product"
    held = [(one.contact.email, one.action, one.detail) for one in found.coming if one.action == "held"]
    assert held == [(BEN, "held", "the template second needs product")]


async def test_a_step_that_is_new_ahead_comes_as_well(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    new = "  - {step: tips, email: fresh, when: 1 day later}\n"
    found = await planned(desk, plan=PLAN.replace("  - step: third", f"{new}  - step: third"))
    assert kinds(found) == ["more"]
    behind = await planned(desk, plan=PLAN.replace("steps:\n", f"steps:\n{new}"))
    assert kinds(behind) == []  # it is not sent afterwards


async def test_a_shortened_plan_ends_for_whoever_has_had_it_all(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    found = await planned(desk, plan=PLAN[: PLAN.index("  - step: second")])
    assert kinds(found) == ["ends", "less", "less"]
    assert effects(found)[0].what == "finished: the steps are used up"


async def test_a_sequence_that_is_gone_holds_its_people(desk: Desk) -> None:
    await desk.adopt(other=PLAN)
    await desk.enroll(ANNA, sequence="other")
    (desk.folder / "sequences" / "other.yaml").unlink()
    found = await planned(desk)
    assert [(edit.sequence, edit.change) for edit in found.edits.sequences] == [("other", "gone")]
    assert kinds(found) == ["held"]
    assert found.coming == ()


async def test_whoever_has_paused_stays_so(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    paused = e.Paused(at=desk.now, reason="by hand")
    await happen(desk.live, (await desk.standing(ANNA)).enrollment.id, paused, now=desk.now)
    found = await planned(desk, plan=PLAN.replace("3 days", "1 day"))
    assert kinds(found) == []
    assert found.coming == ()


async def test_many_are_told_together(desk: Desk) -> None:
    people = [f"p{number}@example.com" for number in range(7)]
    await desk.enroll(*people)
    await desk.turn()
    found = await planned(desk, plan=PLAN.replace("3 days", "5 days", 1))
    (group,) = grouped(found.affected)
    assert (group.sequence, group.kind, group.text) == ("plan", "date", "“second” moves from Thu 3 Dec to Sat 5 Dec")
    assert set(group.people) == set(people)


async def test_one_contact_alone_with_their_words(desk: Desk, database_url: str) -> None:
    await desk.adopt(config=config(database_url))
    await desk.enroll(ANNA, BEN)
    desk.write(first_md=TEMPLATES["first"].replace("here it is", "here it comes"))
    async with both_versions(desk.folder, ENVIRON) as versions:
        assert isinstance(versions, Versions)
        found = await plan(versions.live, versions.after, desk.now, email=ANNA)
        assert isinstance(found, Planned)
        assert [each.contact.email for each in found.affected] == [ANNA]
        (rewording,) = rewordings(versions, found)
        assert [line for line in rewording.lines if line[0] in "+-"] == [
            "-Hello Anna, here it is.",
            "+Hello Anna, here it comes.",
        ]
        unknown = await plan(versions.live, versions.after, desk.now, email="nobody@example.com")
        assert isinstance(unknown, Refusal)


async def test_a_copy_of_the_workspace_is_compared_with_what_is_in_force(
    desk: Desk, tmp_path: Path, database_url: str
) -> None:
    await desk.adopt(config=config(database_url))
    await desk.enroll(ANNA)
    copy = tmp_path / "copy"
    shutil.copytree(desk.folder, copy, ignore=shutil.ignore_patterns("*.db*", "data"))
    (copy / "sequences" / "plan.yaml").write_text(PLAN.replace("3 days", "5 days"))
    settings = copy / "config.yaml"
    settings.write_text(settings.read_text().replace("min_gap: off", "min_gap: 9 days"))
    async with both_versions(desk.folder, ENVIRON, copy) as versions:
        assert isinstance(versions, Versions)
        assert (versions.apart, versions.same) == (True, False)
        found = await plan(versions.live, versions.after, desk.now)
        assert isinstance(found, Planned)
        assert found.edits.settings == ("contacts, min_gap: “9 days”, was not said",)
        assert planned_json(versions, found)["sequences"][0]["steps"][0]["step"] == "second"


# Approving ----------------------------------------------------------------------------------------


async def test_files_that_change_while_they_are_read_are_refused(desk: Desk, database_url: str) -> None:
    await desk.adopt(config=f"{config(database_url)}apply: manual\n")
    desk.write(plan=PLAN.replace("3 days", "5 days"))
    async with both_versions(desk.folder, ENVIRON) as versions:
        assert isinstance(versions, Versions)
        desk.write(plan=PLAN.replace("3 days", "6 days"))
        refused = await approve(versions, ENVIRON, desk.now)
        assert isinstance(refused, Refusal)
        assert "have changed while you were reading" in refused.reason
        desk.write(plan=PLAN.replace("3 days", "5 days"))
        async with both_versions(desk.folder, ENVIRON) as others:
            assert isinstance(others, Versions)
            assert isinstance(await approve(others, ENVIRON, desk.now), int)
        late = await approve(versions, ENVIRON, desk.now)
        assert isinstance(late, Refusal)
        assert "somebody else" in late.reason
        async with versions.live.database.read() as conn:
            # the one that the desk began with, and the one that was approved
            assert [one.by for one in await releases.listing(conn)] == ["the daemon", "sequencer apply"]
