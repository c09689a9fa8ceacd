"""resolve, reopen: what only the owner can decide."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import Json, print_json, with_live, wrong_use
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.breakers import NoSuchMailbox, NotStopped, Reopened
    from sequencer.operations.doubt import Resolved
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("resolve")(resolve)
    app.command("reopen")(reopen)


# resolve ------------------------------------------------------------------------------------------


def resolve(
    ctx: typer.Context,
    attempts: Annotated[
        list[int], typer.Argument(metavar="ATTEMPT...", help="The numbers that `status` and `why` show.")
    ],
    delivered: Annotated[bool, typer.Option("--delivered", help="It arrived: the plan goes on as it is.")] = False,
    not_delivered: Annotated[
        bool, typer.Option("--not-delivered", help="It never left: the step is due again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Decide what became of a message in doubt, where nothing else can tell."""
    from sequencer.operations import doubt
    from sequencer.operations.record import Refusal

    if delivered == not_delivered:
        wrong_use("say what became of it: either --delivered or --not-delivered")

    async def work(live: Live, at: datetime) -> list[tuple[int, Resolved | Refusal, str]]:
        answers: list[tuple[int, Resolved | Refusal, str]] = []
        for number in dict.fromkeys(attempts):
            async with live.database.begin() as conn:
                answer = await doubt.resolve(conn, live, number, at, delivered=delivered)
                words = answer.reason if isinstance(answer, Refusal) else await doubt.in_words(conn, live, answer, at)
                answers.append((number, answer, words))
        return answers

    answers = with_live(ctx, work)
    if as_json:
        print_json([_json(number, answer, words) for number, answer, words in answers])
    else:
        for _, answer, words in answers:
            say(words, err=isinstance(answer, Refusal))
    raise typer.Exit(1 if any(isinstance(answer, Refusal) for _, answer, _ in answers) else 0)


def _json(number: int, answer: Resolved | Refusal, words: str) -> dict[str, Any]:
    from sequencer.operations.doubt import Resolved

    if not isinstance(answer, Resolved):
        return {"attempt": number, "state": None, "contact": None, "step": None, "again": False, "reason": words}
    return {
        "attempt": number,
        "state": "not_delivered" if answer.not_delivered else "delivered",
        "contact": answer.attempt.recipient,
        "step": answer.attempt.step,
        "again": answer.again,
        "reason": words,
    }


# reopen -------------------------------------------------------------------------------------------


def reopen(
    ctx: typer.Context,
    mailboxes: Annotated[list[str], typer.Argument(metavar="MAILBOX...", help="As they are called in config.yaml.")],
    as_json: Json = False,
) -> None:
    """Let a mailbox that has stopped itself go on, once its trouble is seen to."""
    from sequencer.operations import breakers
    from sequencer.operations.breakers import NoSuchMailbox, Reopened

    async def work(live: Live, at: datetime) -> list[Reopened | NotStopped] | NoSuchMailbox:
        return await breakers.reopen(live, mailboxes, at)

    found = with_live(ctx, work)
    if isinstance(found, NoSuchMailbox):
        wrong_use(f"there is no mailbox {found.name} in config.yaml; {found.hint}")
    if as_json:
        print_json([_reopened_json(one) for one in found])
    else:
        for one in found:
            say("\n".join(_reopened_lines(one)), err=not isinstance(one, Reopened))
    raise typer.Exit(0 if all(isinstance(one, Reopened) for one in found) else 1)


def _reopened_json(one: Reopened | NotStopped) -> dict[str, Any]:
    from sequencer.operations.breakers import Reopened

    if isinstance(one, Reopened):
        return {"mailbox": one.mailbox.name, "reopened": True, "reason": one.reason, "waiting": one.waiting}
    return {"mailbox": one.mailbox, "reopened": False, "reason": one.reason, "waiting": None}


def _reopened_lines(one: Reopened | NotStopped) -> list[str]:
    from sequencer.operations.breakers import Reopened

    if not isinstance(one, Reopened):
        return [f"{one.mailbox}: nothing to reopen: {one.reason}"]
    name = one.mailbox.name
    lines = [f"{name} goes on. It had stopped itself: {one.reason}."]
    pace = _pace(one)
    match one.waiting:
        case 0:
            lines.append("Nobody waits.")
        case 1:
            lines.append(f"1 waits and leaves {pace}.")
        case number:
            lines.append(f"{number} wait and leave {pace}, the longest due first; what has expired is skipped.")
    lines.append("What spoke against it until now counts no more; if it goes on like that, it stops itself again.")
    if not one.running:
        lines.append("No daemon works for it: start `sequencer run`.")
    return lines


def _pace(one: Reopened) -> str:
    limits = one.mailbox.limits
    parts = [
        f"{number} {per}"
        for number, per in ((limits.per_hour, "an hour"), (limits.per_day, "a day"))
        if number is not None
    ]
    return f"at the mailbox's pace ({', '.join(parts)} at most)" if parts else "at once, as no limit is set"
