"""Whom a command looks ahead for: the sequence, a contact or somebody made up, the fields of the enrollment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sequencer.cli.context import load_workspace, now, problem_found, sequence_called, with_live, wrong_use

if TYPE_CHECKING:
    from sequencer.core.model import Fields
    from sequencer.core.model import Sequence as Plan
    from sequencer.operations.foresight import Subject
    from sequencer.operations.live import Live
    from sequencer.workspace.workspace import Workspace

Name = Annotated[str, typer.Argument(metavar="SEQUENCE", help="The name of a file in sequences/, without .yaml.")]
ForContact = Annotated[
    str,
    typer.Option("--contact", metavar="EMAIL", help="For this contact; else for a made-up one who has every field."),
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A field of the enrollment; may be repeated.")
]


def subject_of(
    ctx: typer.Context, name: str, contact: str, sets: list[str] | None
) -> tuple[Workspace, Plan, Subject, bytes]:
    """The workspace, the plan, whom to look ahead for, and the signing key (any, for somebody made up)."""
    from sequencer.operations import foresight
    from sequencer.operations.record import Refusal
    from sequencer.operations.variants import keep_splits

    if contact:

        async def look(live: Live, at: datetime) -> tuple[Workspace, Plan, Subject | Refusal, bytes]:
            plan = plan_of(live.workspace, name)
            await keep_splits(live, at)
            async with live.database.read() as conn:
                found = await foresight.real(conn, live, plan, contact, fields_set(sets, live.workspace))
            return live.workspace, plan, found, live.key

        workspace, plan, subject, key = with_live(ctx, look, saved=True)
    else:
        workspace = load_workspace(ctx)
        plan, key = plan_of(workspace, name), b"nobody's key"
        subject = foresight.made_up(workspace, plan, now().date(), fields_set(sets, workspace))
    if isinstance(subject, Refusal):
        problem_found(subject.reason)
    return workspace, plan, subject, key


def plan_of(workspace: Workspace, name: str) -> Plan:
    from sequencer.workspace.source import did_you_mean

    plan = workspace.sequences.get(sequence_called(name))
    if plan is None:
        wrong_use(f"there is no sequence “{name}” in sequences/; {did_you_mean(name, workspace.sequences)}")
    return plan


def fields_set(assignments: list[str] | None, workspace: Workspace) -> Fields:
    """The fields that `--set NAME=VALUE` gives. Ends with code 2 for what is no assignment."""
    from sequencer.operations.values import Unfit, order_of, parse_assignment

    ours = workspace.config.contacts
    fields: dict[str, Any] = {}
    for text in assignments or []:
        parsed = parse_assignment(text, order_of(ours.holidays, ours.timezone))
        if isinstance(parsed, Unfit):
            wrong_use(parsed.reason)
        fields[parsed[0]] = parsed[1]
    return fields
