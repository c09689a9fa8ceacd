"""What is wrong with the messages themselves: subjects that deceive or are missing, a footer without an address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sequencer.core.model import BACK_OFF, MAIN_LINE, Email, Sequence, Step
from sequencer.workspace.check_flow import Edges, flow_of, reached
from sequencer.workspace.check_names import variant_place
from sequencer.workspace.draft import Draft
from sequencer.workspace.own_words import without_programs
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Mark, Problem, Route
from sequencer.workspace.template_needs import Read
from sequencer.workspace.templates import FOOTER, GROUPS, THEY_SAID, Template, pretends_to_answer

_OPT_OUT: Final = re.compile(
    r"unsubscri|opt.?out|\bstop\b|abmeld|abbestell|austrag|désabonn|désinscri|desuscri|darse de baja|\bbaja\b|"
    r"disiscri|annulla|cancelar|afmeld|uitschrijv|avregistr|afmeld|wypis|odhlás",
    re.IGNORECASE,
)


def letter_mistakes(draft: Draft) -> Iterator[Problem]:
    """Mistakes that a recipient, or the law, would notice."""
    for each in draft.sequences.values():
        if each.sequence is not None:
            yield from _subjects(draft, each, each.sequence)
    for name in draft.templates.names():
        yield from _groups(draft.templates.by_name[name])
        yield from _strange_braces(draft.templates.by_name[name])
    yield from _strange_braces(draft.templates.footer)
    yield from _unanswered(draft)
    yield from _footer(draft)


def _unanswered(draft: Draft) -> Iterator[Problem]:
    """Templates that quote an answer, at steps that people reach who have given none."""
    told: set[str] = set()
    for each in draft.sequences.values():
        if each.sequence is None:
            continue
        emails = [step.do for step in each.sequence.steps if isinstance(step.do, Email)]
        emails += [each.sequence.back_off.email] if each.sequence.back_off is not None else []
        for name in sorted({name for email in emails for name in email.variants} - told):
            template = draft.templates.get(name)
            read = (
                next((r for r in template.reads if r.name == THEY_SAID and not r.guarded), None) if template else None
            )
            if template is None or read is None:
                continue
            told.add(name)
            message = f"whoever has not answered has no `{THEY_SAID}`: their mail would be held"
            hint = f"put it between {{% if {THEY_SAID} %}} and {{% endif %}}, or send it from a branch"
            yield problem_at(template, read, "unanswered", message, hint, warning=True)


def opening_steps(each: SequenceDraft, sequence: Sequence) -> set[str]:
    """The ids of the e-mails that may open a thread: nothing was surely sent before, or they ask for a new one."""
    opening = first_mails(each, sequence)
    opening |= {step.id for step in each_step(sequence) if isinstance(step.do, Email) and step.do.thread == "new"}
    if sequence.back_off is not None and sequence.back_off.email.thread == "new":
        opening.add(BACK_OFF)
    return opening


def each_step(sequence: Sequence) -> Iterator[Step]:
    """The steps of all lines."""
    return (step for steps in sequence.lines.values() for step in steps)


def first_mails(each: SequenceDraft, sequence: Sequence) -> set[str]:
    """The ids of the e-mails before which none was surely sent."""
    flow = flow_of(each, sequence)
    all_edges = flow.edges()
    sure = {
        node
        for node, step in flow.nodes()
        if isinstance(step.do, Email) and step.only_if is None and step.expires is None
    }
    edges: Edges = {node: onward for node, onward in all_edges.items() if node not in sure}
    first = reached([flow.start()], edges)
    found = {step.id for node, step in flow.nodes() if isinstance(step.do, Email) and node in first}
    if sequence.back_off is not None and flow.end(MAIN_LINE) in first:
        found.add(BACK_OFF)
    return found


def _subjects(draft: Draft, each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    emails: list[tuple[str, Route, Email]] = [
        (step.id, (*each.routes[step.id], "email"), step.do)
        for steps in sequence.lines.values()
        for step in steps
        if isinstance(step.do, Email)
    ]
    if sequence.back_off is not None:
        emails.append((BACK_OFF, ("back_off", "email"), sequence.back_off.email))
    opening = opening_steps(each, sequence)
    for step_id, route, email in emails:
        for index, name in enumerate(email.variants):
            template = draft.templates.get(name)
            if template is None or step_id not in opening:
                continue
            place, key = variant_place(each, route, index, name)
            if not template.subject.strip():
                message = f"`{name}` has no subject, and {step_id} may open a thread"
                hint = f"add `subject: …` to templates/{name}.md"
                yield each.document.problem(place, "subject-missing", message, hint, key=key)
            elif pretends_to_answer(template.subject):
                message = f"{step_id} of {sequence.name} opens a thread, and its subject pretends to be an answer"
                hint = "the law forbids it (CAN-SPAM): take the `Re:` off"
                yield template.document.problem(("subject",), "deceptive-subject", message, hint)


def _groups(template: Template) -> Iterator[Problem]:
    """`sender.firstname` names nothing; `company.name` names us, which few mean."""
    for read in template.reads:
        root, _, rest = read.name.partition(".")
        if root in GROUPS and rest not in GROUPS[root]:
            known = ", ".join(f"{root}.{name}" for name in sorted(GROUPS[root]))
            message = f"there is no `{read.name}`" if rest else f"`{root}` alone is no text"
            yield problem_at(template, read, "unknown-variable", message, f"known: {known}")
        elif root == "company" and rest in GROUPS["our"]:
            message = f"`{read.name}` is your own company, from config.yaml"
            hint = f"write {{{{ our.{rest} }}}} if you mean that, {{{{ company }}}} for the contact's company"
            yield problem_at(template, read, "whose-company", message, hint, warning=True)
        elif root == "company" and rest:
            message = f"there is no `{read.name}`"
            yield problem_at(template, read, "unknown-variable", message, "the contact's company is {{ company }}")


_ELSEWHERE: Final = re.compile(
    r"<<\s*(\w{1,40})\s*>>|\*\|\s*(\w{1,40})\s*\|\*|%%\s*(\w{1,40})\s*%%|"
    r"(?<!\{)\{\s*([A-Za-z_]\w{0,39})\s*\}(?!\})|\[([a-z]{1,20}_name)\](?![(\[:])"
)
"""Variables as other programs write them."""


def _strange_braces(template: Template) -> Iterator[Problem]:
    """`{first_name}` or `<<first_name>>` would be sent as it stands."""
    places = [(Mark(template.body_line, 1), template.body)]
    if ("subject",) in template.document.values:
        places.append((template.document.place(("subject",)), template.subject))
    for place, text in places:
        for number, line in enumerate(without_programs(text).split("\n")):
            for found in _ELSEWHERE.finditer(line):
                name = next(group for group in found.groups() if group)
                column = found.start() + (place.column if number == 0 else 1)
                message = f"`{found[0]}` is no variable: it would be sent as it stands"
                hint = f"write {{{{ {name.lower()} }}}}"
                place_of_it = (template.document.file, place.line + number, column)
                yield Problem(*place_of_it, "error", "no-variable", message, hint, len(found[0]))


def problem_at(template: Template, read: Read, code: str, message: str, hint: str, *, warning: bool = False) -> Problem:
    """A problem where a template reads a variable."""
    file = template.document.file
    lines = template.body.split("\n")
    index = read.line - template.body_line
    column = 1
    if 0 <= index < len(lines):
        found = re.search(rf"(?<![\w.]){re.escape(read.name)}(?!\w)", lines[index])
        column = found.start() + 1 if found else 1
    elif ("subject",) in template.document.values:
        column = template.document.place(("subject",)).column
    width = len(read.name) if column > 1 else 0
    return Problem(file, read.line, column, "warning" if warning else "error", code, message, hint, width)


def _footer(draft: Draft) -> Iterator[Problem]:
    footer = draft.templates.footer
    if footer.name != FOOTER or not footer.document.file.startswith("templates/") or draft.config is None:
        return  # the packaged one
    named = {read.name for read in footer.reads}
    if not named & {"our.address", "company.address"} and draft.config.company.address not in footer.body:
        message = "the footer does not show your postal address"
        hint = "the law wants it in every mail: add {{ our.address }}"
        yield Problem(footer.document.file, footer.body_line, 1, "error", "footer-address", message, hint)
    if "unsubscribe" not in named and not _OPT_OUT.search(footer.body):
        message = "the footer does not say how to be left alone"
        hint = "add a line such as: Answer “unsubscribe” and I will not write again."
        yield Problem(footer.document.file, footer.body_line, 1, "error", "footer-opt-out", message, hint)
    for read in footer.reads:
        root, _, rest = read.name.partition(".")
        allowed = (root in GROUPS and rest in GROUPS[root]) or read.name in (
            "unsubscribe",
            "company.name",
            "company.address",
        )
        if not allowed and not read.guarded:
            message = f"the footer needs `{read.name}`: whoever lacks it would get no mail at all"
            hint = "use our.name, our.address, sender.name and unsubscribe, or give a default"
            yield problem_at(footer, read, "footer-variable", message, hint)
