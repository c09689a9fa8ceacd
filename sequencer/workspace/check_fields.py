"""Fields that no contact has: in templates, in conditions and in `when:` phrases."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sequencer.core.model import Base, Sequence
from sequencer.workspace.check_letters import problem_at
from sequencer.workspace.check_names import emails_of
from sequencer.workspace.draft import Draft
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Problem, did_you_mean
from sequencer.workspace.templates import Template, field_named

STANDARD_FIELDS: Final = frozenset(
    {
        "email",
        "first_name",
        "last_name",
        "full_name",
        "name",
        "title",
        "salutation",
        "company",
        "position",
        "department",
    }
    | {"phone", "mobile", "website", "street", "address", "city", "state", "zip", "country", "timezone", "language"}
    | {"holidays", "rating", "source", "product", "birthday", "decision_date", "notes"}
)
"""Fields that contacts commonly have, so that a workspace without a single contact yet can be checked."""

MAX_CSV_FILES: Final = 20


def field_mistakes(draft: Draft, known_fields: frozenset[str] | None) -> Iterator[Problem]:
    """Warnings about fields that, as far as can be seen, nobody has; `known_fields` are those of the store."""
    known = STANDARD_FIELDS | _lower(known_fields or frozenset()) | _columns(draft.folder)
    for each in draft.sequences.values():
        if each.sequence is not None:
            yield from _of_sequence(each, each.sequence, known | _lower(each.fields))
    uses = _uses(draft)
    for name in draft.templates.names():
        sequences, asked = uses.get(name, (frozenset(), frozenset()))
        declared = frozenset().union(*(draft.sequences[sequence].fields for sequence in sequences))
        yield from _of_template(draft.templates.by_name[name], known | _lower(declared), asked)


def _lower(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name.lower() for name in names)


def _columns(folder: Path) -> frozenset[str]:
    """The columns of the CSV files that lie in the workspace."""
    columns: set[str] = set()
    for path in sorted(folder.glob("*.csv"))[:MAX_CSV_FILES]:
        try:
            with path.open("rb") as file:
                head = file.readline(10_000).decode("utf-8-sig", "replace")
        except OSError:
            continue
        delimiter = max(",;\t", key=head.count)
        for row in csv.reader([head.replace("\x00", "")], delimiter=delimiter):
            columns |= {re.sub(r"\W+", "_", cell.strip().lower()).strip("_") for cell in row}
    return frozenset(columns)


def _uses(draft: Draft) -> Mapping[str, tuple[frozenset[str], frozenset[str]]]:
    """By template: the sequences that send it, and the fields that every step sending it has asked about (only_if)."""
    uses: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for sequence, each in draft.sequences.items():
        for _, email, step in emails_of(each):
            asked = step.only_if.names if step is not None and step.only_if is not None else frozenset()
            fields = frozenset(name.rpartition(".")[2].lower() for name in asked)
            for name in email.variants:
                before, together = uses.get(name, (frozenset(), fields))
                uses[name] = (before | {sequence}, together & fields)
    return uses


def _of_template(template: Template, known: frozenset[str], asked: frozenset[str]) -> Iterator[Problem]:
    told: set[str] = set()
    for read in template.reads:
        field = field_named(read.name)
        if not field or field.lower() in known or field in told or field.lower() in asked:
            continue
        hint = did_you_mean(field, known)
        near = hint.startswith("did you mean")
        if read.guarded and not near:
            continue
        told.add(field)
        message = f"no contact has the field `{field}`, as far as can be seen"
        hint = f"{hint} Otherwise {_way_out(field)}" if near and not read.guarded else hint if near else _way_out(field)
        yield problem_at(template, read, "unknown-field", message, hint, warning=True)


def _way_out(field: str) -> str:
    return (
        f"import it, or name it under `fields:` in the sequence and enroll with --set {field}=…; "
        f'or write {{{{ {field} | default("…") }}}}'
    )


def _of_sequence(each: SequenceDraft, sequence: Sequence, known: frozenset[str]) -> Iterator[Problem]:
    for steps in sequence.lines.values():
        for step in steps:
            route = each.routes[step.id]
            for name in sorted(step.only_if.names) if step.only_if is not None else ():
                yield from _unknown(each, (*route, "only_if"), name.rpartition(".")[2], known)
            if step.when.base is Base.FIELD:
                yield from _unknown(each, (*route, "when"), step.when.field, known)
            undated = sequence.decision_cycle is None and "decision_date" not in each.fields
            if step.when.base is Base.DECISION and undated:
                message = "nobody knows when they decide: there is no decision_cycle in this file"
                hint = (
                    "add for example `decision_cycle: 32 days`; only contacts with a decision_date would get this step"
                )
                yield each.document.problem((*route, "when"), "no-decision", message, hint, severity="warning")


def _unknown(each: SequenceDraft, route: tuple[str | int, ...], field: str, known: frozenset[str]) -> Iterator[Problem]:
    if field.lower() in known:
        return
    near = did_you_mean(field, known)
    way_out = f"import it, or name it under `fields:` and enroll with --set {field}=…"
    hint = f"{near} Otherwise {way_out}" if near.startswith("did you mean") else way_out
    message = f"no contact has the field `{field}`, as far as can be seen"
    yield each.document.problem(route, "unknown-field", message, hint, severity="warning")
