"""resolve: what only the owner can decide."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import Json, print_json, with_live, wrong_use
from sequencer.cli.text import say

if TYPE_CHECKING:
    from sequencer.operations.doubt import Resolved
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("resolve")(resolve)


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
