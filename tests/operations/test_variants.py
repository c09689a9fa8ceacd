"""The split of variants, from real mails and real answers to what is dealt next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event, insert

from sequencer.operations import foresight
from sequencer.operations.explain import Explanation, why, why_json
from sequencer.operations.live import Live
from sequencer.operations.relabel import relabel
from sequencer.operations.steering import Who, close, stop
from sequencer.operations.variants import KEPT_FOR, TIME_TO_ANSWER, Split, VariantFigures, keep_splits, splits
from sequencer.store import aliases, attempts, tables
from sequencer.store.aliases import Alias
from sequencer.store.attempts import AttemptState
from sequencer.store.database import Database
from tests.operations.desk import ANNA, BEN, CLEO, DAY, HOUR, PLAN, Desk, a_desk
from tests.operations.letterbox import a_letterbox, bounce, mail
from tests.smtp_peer import Say

SEVERAL: Final = PLAN.replace("email: first", "email: [first, fresh]")
FIXED: Final = PLAN.replace("email: first", "email: {first: 70%, fresh: 30%}")
BOTH_STEPS: Final = SEVERAL.replace("email: second", "email: [second, third]")
WAITED: Final = TIME_TO_ANSWER + HOUR
YES, NO_MORE = "Yes, please send me a quote.", "Please unsubscribe me."


def people(count: int) -> list[str]:
    return [f"p{number}@d{number}.example" for number in range(count)]


async def seen(desk: Desk, sequence: str = "plan") -> list[Split]:
    plan = desk.live.sequence(sequence)
    assert plan is not None
    async with desk.live.database.read() as conn:
        return await splits(conn, plan, desk.now)


async def only(desk: Desk) -> dict[str, VariantFigures]:
    (split,) = await seen(desk)
    return {one.template: one for one in split.variants}


def counts(figures: dict[str, VariantFigures]) -> dict[str, tuple[int, int, int, int]]:
    """People, good, bad, fresh, of the variants that anybody had."""
    found = {name: (one.people, one.good, one.bad, one.fresh) for name, one in figures.items()}
    return {name: each for name, each in found.items() if any(each)}


async def had(desk: Desk, email: str, index: int = 0) -> str:
    return (await desk.attempts(email))[index].variant


# What counts ------------------------------------------------------------------------------------------


async def test_people_count_once_they_have_had_time_to_answer(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, plan=SEVERAL) as box:
        variant = await had(box.desk, ANNA)
        assert await box.arrives(box.answer(ANNA, YES)) == ["replied", "paused"]
        assert counts(await only(box.desk)) == {variant: (0, 0, 0, 1)}
        box.desk.now += WAITED
        assert counts(await only(box.desk)) == {variant: (1, 1, 0, 0)}


async def test_good_and_bad_ones(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(
        database, tmp_path, *people(8), plan=FIXED.replace("70%", "100%").replace("30%", "0%")
    ) as box:
        desk, everybody = box.desk, people(8)
        await box.arrives(box.answer(everybody[0], YES))
        await box.arrives(box.answer(everybody[1], NO_MORE))
        await box.arrives(box.answer(everybody[2], YES))
        await box.arrives(box.answer(everybody[2], NO_MORE))  # both: neither
        await box.arrives(box.answer(everybody[3], "We are not interested."))
        await box.arrives(bounce(everybody[4], box.sent_id(everybody[4])))  # it never reached them
        await close(desk.live, Who((everybody[5],)), desk.now, "won")
        await close(desk.live, Who((everybody[6],)), desk.now, "lost")
        desk.now += WAITED
        assert counts(await only(desk)) == {"first": (7, 2, 1, 0)}


async def test_a_correction_counts(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, BEN, plan=SEVERAL) as box:
        await box.arrives(box.answer(ANNA, YES))
        await box.arrives(box.answer(BEN, "Thanks."))
        for email, kind in ((ANNA, "not_interested"), (BEN, "interested")):
            (message,) = await box.messages(email)
            await relabel(box.desk.live, message.id, kind, box.desk.now)
        box.desk.now += WAITED
        good = Counter({name: one.good for name, one in (await only(box.desk)).items() if one.good})
        assert good == Counter({await had(box.desk, BEN): 1})


async def test_an_answer_counts_for_the_message_that_it_answers(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, BEN, CLEO, plan=BOTH_STEPS) as box:
        desk, first = box.desk, {email: await had(box.desk, email) for email in (ANNA, BEN, CLEO)}
        early = box.answer(ANNA, YES)  # written to the first message, read after the second
        await desk.turn(3 * DAY)
        second = {email: await had(desk, email, 1) for email in (ANNA, BEN, CLEO)}
        await box.arrives(early)
        await box.arrives(box.answer(BEN, YES))  # to the newest
        await box.arrives(mail(CLEO, "Your quote", YES))  # to none: the last one before it
        desk.now += WAITED
        one, two = await seen(desk)
        good = [{each.template: each.good for each in split.variants if each.good} for split in (one, two)]
        assert good == [{first[ANNA]: 1}, dict(Counter([second[BEN], second[CLEO]]))]


async def test_an_answer_to_an_id_that_the_server_gave_counts_for_its_message(
    database: Database, tmp_path: Path
) -> None:
    async with a_letterbox(database, tmp_path, ANNA, plan=SEVERAL) as box:
        desk, variant = box.desk, await had(box.desk, ANNA)
        (attempt,) = await desk.attempts(ANNA)
        async with desk.live.database.begin() as conn:
            await aliases.add_many(conn, [Alias("<new@ses.example>", attempt.enrollment_id, "smtp answer", attempt.id)])
        await desk.turn(3 * DAY)
        await box.arrives(mail(ANNA, "Re: Your quote", YES, In_Reply_To="<new@ses.example>"))
        desk.now += WAITED
        assert counts(await only(desk)) == {variant: (1, 1, 0, 0)}


async def test_an_answer_to_a_later_message_counts_for_no_earlier_one(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, BEN, plan=SEVERAL) as box:
        await box.desk.turn(3 * DAY)  # the second step has one template only
        await box.arrives(box.answer(ANNA, YES))
        await box.arrives(mail(BEN, "Your quote", NO_MORE))
        await close(box.desk.live, Who((CLEO,)), box.desk.now, "won")
        box.desk.now += WAITED
        found = (await only(box.desk)).values()
        assert [sum(values) for values in zip(*((o.people, o.good, o.bad) for o in found), strict=True)] == [2, 0, 0]


async def test_what_was_sent_without_a_choice_does_not_count(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA) as box:
        await box.desk.adopt(plan=SEVERAL)
        await box.desk.enroll(BEN)
        await box.desk.turn()
        box.desk.now += WAITED
        assert counts(await only(box.desk)) == {await had(box.desk, BEN): (1, 0, 0, 0)}


async def test_what_certainly_never_left_does_not_count(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=SEVERAL) as desk:
        desk.peer.once("data", Say("550 5.7.1 no"))
        await desk.enroll(ANNA)
        await desk.turn()
        assert await desk.states(ANNA) == [AttemptState.REJECTED]
        desk.now += WAITED
        assert counts(await only(desk)) == {}


async def test_a_variant_that_the_file_no_longer_has_is_shown_all_the_same(database: Database, tmp_path: Path) -> None:
    async with a_letterbox(database, tmp_path, ANNA, plan=SEVERAL) as box:
        gone = await had(box.desk, ANNA)
        left = "fresh" if gone == "first" else "first"
        await box.desk.adopt(plan=PLAN.replace("email: first", f"email: [{left}, third]"))
        box.desk.now += WAITED
        found = await only(box.desk)
        assert (found[gone].people, found[gone].listed, found[gone].share) == (1, False, 0.0)
        assert [found[left].share, found["third"].share] == [0.5, 0.5]


# Whoever has a variant keeps it -------------------------------------------------------------------------


async def test_a_message_that_was_deferred_keeps_its_variant_whatever_the_split_is_now(
    database: Database, tmp_path: Path
) -> None:
    async with a_desk(database, tmp_path, plan=SEVERAL) as desk:
        desk.peer.always("data", Say("451 4.3.0 later"))
        await desk.enroll(ANNA)
        await desk.turn()
        (tried,) = await desk.attempts(ANNA)
        desk.peer.always("data", None)
        other = "fresh" if tried.variant == "first" else "first"
        desk.live.splits = {("plan", "first"): {tried.variant: 1e-12, other: 1 - 1e-12}}
        await desk.turn(HOUR)
        assert [(one.variant, one.state) for one in await desk.attempts(ANNA)] == [
            (tried.variant, AttemptState.DEFERRED),
            (tried.variant, AttemptState.ACCEPTED),
        ]


async def test_a_fixed_split_that_changes_moves_only_those_who_were_not_sent_it(
    database: Database, tmp_path: Path
) -> None:
    async with a_desk(database, tmp_path, plan=FIXED) as desk:
        await desk.enroll(*people(40))
        await desk.turn()
        before = {email: await had(desk, email) for email in people(40)}
        assert 20 <= Counter(before.values())["first"] <= 36
        await desk.adopt(plan=FIXED.replace("70%", "0%").replace("30%", "100%"))
        await desk.enroll(BEN)
        await desk.turn()
        assert await had(desk, BEN) == "fresh"
        for email in people(40)[:3]:
            assert (await desk.enrollment(email)).sent_variants == {"first": before[email]}


async def test_somebody_who_enters_again_mostly_meets_the_same_words(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=SEVERAL) as desk:
        await desk.enroll(*people(6))
        await desk.turn()
        before = [await had(desk, email) for email in people(6)]
        await stop(desk.live, Who(tuple(people(6))), desk.now)
        again = await desk.enroll(*people(6))
        await desk.turn()
        async with desk.live.database.read() as conn:
            assert [(await attempts.of_enrollment(conn, en.id))[0].variant for en in again] == before


async def test_a_template_that_lacks_something_holds_and_is_not_exchanged(database: Database, tmp_path: Path) -> None:
    plan = PLAN.replace("email: first", "email: {needy: 100%, first: 0%}")
    async with a_desk(database, tmp_path, plan=plan) as desk:
        await desk.enroll(ANNA)
        assert (await desk.turn()).count == 0
        hold = (await desk.standing(ANNA)).hold
        assert hold is not None
        assert hold.reason == "the template needy needs product"


# The split, kept and dealt by -----------------------------------------------------------------------------


async def learned(desk: Desk, good: dict[str, int], of: int = 400) -> None:
    """So many of 400 people each have become interested in each of the variants of the first step, and sent to by now
    are all of them; as rows, for speed."""
    (model,) = await desk.enroll(BEN, sequence="other")
    async with desk.live.database.begin() as conn:
        t = tables.enrollments
        row = (await conn.execute(t.select().where(t.c.id == model.id))).one()._mapping
        rows = {name: range(10_000 * n, 10_000 * n + of) for n, name in enumerate(good, 1)}
        numbers = [n for each in rows.values() for n in each]
        await conn.execute(insert(t), [{**row, "id": n, "status": "stopped", "wake_at": None} for n in numbers])
        sent = [_attempt(n, name, desk) for name, each in rows.items() for n in each]
        await conn.execute(insert(tables.attempts), sent)
        answered = [_message(n, desk) for name, each in rows.items() for n in each[: good[name]]]
        await conn.execute(insert(tables.messages), answered)


def _attempt(n: int, variant: str, desk: Desk) -> dict[str, Any]:
    return {
        "enrollment_id": n,
        "mailbox": "mark",
        "step": "first",
        "variant": variant,
        "template": variant,
        "trial": "plan/first",
        "message_id": f"{n}@example.org",
        "recipient": "x",
        "lease_number": 1,
        "state": "accepted",
        "started_at": desk.now - WAITED,
        "copy_state": "done",
        "bytes": b"x",
    }


def _message(n: int, desk: Desk) -> dict[str, Any]:
    return {
        "mailbox": "mark",
        "enrollment_id": n,
        "direction": "received",
        "kind": "interested",
        "content_hash": str(n),
        "received_at": desk.now,
        "recorded_at": desk.now,
        "raw": b"",
    }


@asynccontextmanager
async def a_trial(database: Database, folder: Path, first: int, fresh: int, plan: str = SEVERAL) -> AsyncIterator[Desk]:
    """A desk that knows how many of 400 people each variant has made interested."""
    async with a_desk(database, folder, plan=plan, other=PLAN) as desk:
        await learned(desk, {"first": first, "fresh": fresh})
        yield desk


async def test_the_split_follows_what_is_known(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 8, 30) as desk:
        await keep_splits(desk.live, desk.now)
        (split,) = await seen(desk)
        shown = {one.template: one.share for one in split.variants}
        assert desk.live.splits == {("plan", "first"): shown}  # what is shown is what is dealt by
        assert shown["fresh"] > 0.9
        await desk.enroll(*people(60))
        await desk.turn()
        assert Counter([await had(desk, email) for email in people(60)])["fresh"] >= 50
        await keep_splits(desk.live, desk.now)


async def test_a_fixed_split_does_not_follow(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 8, 30, FIXED) as desk:
        await keep_splits(desk.live, desk.now)
        assert desk.live.splits == {}
        (split,) = await seen(desk)
        assert [one.share for one in split.variants] == [0.7, 0.3]


async def test_the_split_is_looked_at_anew_every_few_minutes_and_after_an_edit(
    database: Database, tmp_path: Path
) -> None:
    async with a_trial(database, tmp_path, 8, 30) as desk:
        await keep_splits(desk.live, desk.now)
        before = desk.live.splits
        with asked(desk.live) as statements:
            await keep_splits(desk.live, desk.now + KEPT_FOR / 2)
            assert statements == []
            await keep_splits(desk.live, desk.now + KEPT_FOR)
            assert statements
            statements.clear()
            await desk.adopt(plan=BOTH_STEPS, other=PLAN)
            statements.clear()
            await keep_splits(desk.live, desk.now + KEPT_FOR)
            assert statements
        assert before == {key: shares for key, shares in desk.live.splits.items() if key in before}
        assert desk.live.splits["plan", "second"] == {"second": 0.5, "third": 0.5}


async def test_several_workers_look_once(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 8, 30) as desk:
        with asked(desk.live) as statements:
            await asyncio.gather(*(keep_splits(desk.live, desk.now) for _ in range(5)))
        assert len(statements) == 2
        assert len(desk.live.splits) == 1


@pytest.mark.parametrize("plan", [PLAN, FIXED])
async def test_without_variants_that_adapt_nothing_is_asked(database: Database, tmp_path: Path, plan: str) -> None:
    async with a_desk(database, tmp_path, plan=plan) as desk:
        with asked(desk.live) as statements:
            await keep_splits(desk.live, desk.now)
        assert statements == []


async def test_after_an_edit_the_split_of_before_is_not_dealt_by(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 8, 30) as desk:
        await keep_splits(desk.live, desk.now)
        await desk.adopt(plan=PLAN.replace("email: first", "email: [first, third]"), other=PLAN)
        await desk.enroll(*people(30))
        await desk.turn()
        assert min(Counter([await had(desk, email) for email in people(30)]).values()) >= 6


async def test_a_preview_marks_the_variant_that_will_be_dealt(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 8, 30) as desk:
        plan = desk.live.workspace.sequences["plan"]
        await desk.enroll(*people(12))
        await keep_splits(desk.live, desk.now)
        foreseen = {}
        for email in people(12):
            async with desk.live.database.read() as conn:
                subject = await foresight.real(conn, desk.live, plan, email)
            assert isinstance(subject, foresight.Subject)
            shown = foresight.letters(desk.live.workspace, plan, subject, desk.now, desk.live.key, step="first")
            assert [letter.template for letter in shown] == ["first", "fresh"]
            (foreseen[email],) = (letter.template for letter in shown if letter.chosen)
        await desk.turn()
        assert foreseen == {email: await had(desk, email) for email in people(12)}


async def test_a_preview_shows_no_variant_that_nobody_new_gets(database: Database, tmp_path: Path) -> None:
    plan = FIXED.replace("70%", "100%").replace("30%", "0%")
    async with a_desk(database, tmp_path, plan=plan) as desk:
        anybody = foresight.made_up(desk.live.workspace, desk.live.workspace.sequences["plan"], desk.now.date())
        assert isinstance(anybody, foresight.Subject)
        plan_now = desk.live.workspace.sequences["plan"]
        shown = foresight.letters(desk.live.workspace, plan_now, anybody, desk.now, desk.live.key, step="first")
        assert [letter.template for letter in shown] == ["first"]


async def test_a_message_that_was_deferred_is_still_shown(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path, plan=SEVERAL) as desk:
        desk.peer.once("data", Say("451 4.3.0 later"))
        await desk.enroll(ANNA)
        await desk.turn()
        async with desk.live.database.read() as conn:
            subject = await foresight.real(conn, desk.live, desk.live.workspace.sequences["plan"], ANNA)
        assert isinstance(subject, foresight.Subject)
        plan = desk.live.workspace.sequences["plan"]
        shown = foresight.letters(desk.live.workspace, plan, subject, desk.now, desk.live.key)
        assert [letter.step for letter in shown if letter.chosen] == ["first", "second", "third"]


@contextmanager
def asked(live: Live) -> Iterator[list[str]]:
    """The statements that the database is asked meanwhile."""
    statements: list[str] = []

    def keep(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    engine = live.database.reader.sync_engine
    event.listen(engine, "before_cursor_execute", keep)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", keep)


# In words ---------------------------------------------------------------------------------------------------


LITTLE: Final = (
    "too little is known yet: 800 people had time to answer, 3 interested; both are sent equally often until each has "
    "reached 50 people, and 5 in all are interested or unsubscribed"
)


@pytest.mark.parametrize(
    ("plan", "first", "fresh", "kind", "words"),
    [
        (SEVERAL, 2, 1, "too little", LITTLE),
        (
            SEVERAL,
            12,
            16,
            "leaning",
            "fresh seems better, which may be chance (77% sure); net good of 100 people: fresh 4.0, first 3.0; 74 of",
        ),
        (
            SEVERAL,
            5,
            40,
            "certain",
            "fresh is better (more than 99% sure); net good of 100 people: fresh 10.0, first 1.2;",
        ),
        (FIXED, 5, 40, "fixed", "fixed by hand: first 70%, fresh 30%; fresh is better (more than 99% sure)"),
        (
            FIXED,
            1,
            0,
            "fixed",
            "fixed by hand: first 70%, fresh 30%; too little is known yet to say which one is better",
        ),
    ],
)
async def test_it_is_said_plainly(
    database: Database, tmp_path: Path, plan: str, first: int, fresh: int, kind: str, words: str
) -> None:
    async with a_trial(database, tmp_path, first, fresh, plan) as desk:
        (split,) = await seen(desk)
        assert (split.kind, split.words[: len(words)]) == (kind, words)


async def test_why_names_the_variant_that_comes_next(database: Database, tmp_path: Path) -> None:
    async with a_trial(database, tmp_path, 5, 40) as desk:
        await desk.enroll(ANNA)
        await keep_splits(desk.live, desk.now)
        assert await variant_of(desk) == "fresh, which 95 of 100 new people get at present"
        desk.peer.always("data", Say("451 4.3.0 later"))
        await desk.turn()
        desk.peer.always("data", None)
        assert await variant_of(desk) == "fresh, as before"
        await desk.turn(HOUR)
        assert await desk.states(ANNA) == [AttemptState.DEFERRED, AttemptState.ACCEPTED]
        assert await variant_of(desk) == ""  # the next step has one template


async def variant_of(desk: Desk) -> str:
    async with desk.live.database.read() as conn:
        found = await why(conn, desk.live, ANNA, desk.now)
    assert isinstance(found, Explanation)
    (way,) = found.ways
    shown = why_json(found)["enrollments"][0]["variant"]
    assert shown == (way.dealt.template if way.dealt is not None else None)
    return way.dealt.words if way.dealt is not None else ""


async def test_a_plan_without_variants_has_nothing_to_say(database: Database, tmp_path: Path) -> None:
    async with a_desk(database, tmp_path) as desk:
        assert await seen(desk) == []
