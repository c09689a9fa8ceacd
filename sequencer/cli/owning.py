"""resolve, backup, restore, reopen: what only the owner can decide."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import Json, load_workspace, now, print_json, problem_found, with_live, wrong_use
from sequencer.cli.text import say
from sequencer.operations.counting import counted

if TYPE_CHECKING:
    from rich.progress import TaskID

    from sequencer.operations.breakers import NoSuchMailbox, NotStopped, Reopened
    from sequencer.operations.doubt import Resolved
    from sequencer.operations.live import Live
    from sequencer.operations.record import Refusal
    from sequencer.operations.restored import Settled
    from sequencer.store.copying import Progress


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("resolve")(resolve)
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("reopen")(reopen)


# resolve ------------------------------------------------------------------------------------------


def resolve(
    ctx: typer.Context,
    attempts: Annotated[
        list[int] | None, typer.Argument(metavar="ATTEMPT...", help="The numbers that `status` and `why` show.")
    ] = None,
    mailbox: Annotated[
        str,
        typer.Option(
            "--mailbox",
            metavar="MAILBOX",
            help="Instead of attempts: all that fell due before a restore, where no Sent folder can tell.",
        ),
    ] = "",
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
    if bool(attempts) == bool(mailbox):
        wrong_use("name the attempts by their numbers, or one mailbox by --mailbox")
    if mailbox:
        _resolve_mailbox(ctx, mailbox, delivered=delivered, as_json=as_json)
        return

    async def work(live: Live, at: datetime) -> list[tuple[int, Resolved | Refusal, str]]:
        answers: list[tuple[int, Resolved | Refusal, str]] = []
        for number in dict.fromkeys(attempts or []):
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


def _resolve_mailbox(ctx: typer.Context, mailbox: str, *, delivered: bool, as_json: bool) -> None:
    from sequencer.operations import restored
    from sequencer.operations.record import Refusal
    from sequencer.workspace.source import did_you_mean

    async def work(live: Live, at: datetime) -> Settled | Refusal:
        if live.mailbox(mailbox) is None:
            known = did_you_mean(mailbox, live.workspace.config.mailboxes)
            wrong_use(f"there is no mailbox {mailbox} in config.yaml; {known}")
        async with live.database.begin() as conn:
            return await restored.settle(conn, live, mailbox, at, delivered=delivered)

    answer = with_live(ctx, work)
    if isinstance(answer, Refusal):
        problem_found(answer.reason)
    if as_json:
        print_json({"mailbox": mailbox, "counted": answer.counted})
    elif delivered:
        say(f"{mailbox} goes on; {counted(answer.counted, 'step')} that fell due before the restore count as sent.")
    else:
        say(f"{mailbox} goes on; what fell due before the restore leaves now.")


# backup, restore ----------------------------------------------------------------------------------

File = Annotated[Path, typer.Argument(metavar="FILE", help="The copy.")]
LARGE = 64 * 1024 * 1024
"""Bytes from which on a bar shows how far a copy is."""


def backup(
    ctx: typer.Context,
    file: File,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Copy the database into a file, while the daemon works. The file is secret: the signing key is in it."""
    from sequencer.operations.backup import back_up
    from sequencer.operations.explain import iso
    from sequencer.operations.record import Refusal

    workspace, began = load_workspace(ctx), now()
    with _bar(quiet=as_json) as progress:
        made = back_up(workspace, file, began, progress, force=force)
    if isinstance(made, Refusal):
        problem_found(made.reason)
    seconds = (now() - began).total_seconds()
    if as_json:
        row = {"file": str(made.file), "bytes": made.size, "seconds": round(seconds, 3), "latest": iso(made.latest)}
        print_json(row)
        return
    say(f"{file}: {_size(made.size)}, made in {seconds:.1f} s and read through.")
    say("Keep it secret: it holds your contacts, your mails and the key that signs your links.")


def restore(
    ctx: typer.Context,
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Even where the present database knows more than the copy.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a copy in the place of the database, which is kept aside. Stop the daemon before."""
    from sequencer.operations.backup import restore as put_back
    from sequencer.operations.explain import iso
    from sequencer.operations.record import Refusal

    done = put_back(load_workspace(ctx), file, now(), force=force)
    if isinstance(done, Refusal):
        problem_found(done.reason)
    if as_json:
        row = {"file": str(file), "latest": iso(done.latest), "aside": str(done.aside) if done.aside else None}
        print_json({**row, "unproven": list(done.unproven)})
        return
    say(f"{file} is in place.")
    if done.aside is not None:
        say(f"What was there before is in {done.aside}.")
    say("`sequencer run` first reads the Sent folders and the inboxes from then on, so that nothing leaves twice.")
    for name in done.unproven:
        say(f"{name} keeps no Sent folder: it is held until you say what has left, see `sequencer resolve --help`.")


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Progress]:
    """A progress bar on a terminal, once there is enough to do."""
    from rich.progress import Progress as Bars

    with Bars(transient=True, disable=quiet or not sys.stderr.isatty()) as bars:
        task: TaskID | None = None

        def step(done: int, total: int) -> None:
            nonlocal task
            if task is None and total * 4096 >= LARGE:
                task = bars.add_task("copying", total=total)
            if task is not None:
                bars.update(task, completed=done)

        yield step


def _size(number: int) -> str:
    return f"{number / 1_000_000:.1f} MB" if number >= 100_000 else f"{number / 1000:.1f} kB"
