"""Names that lead nowhere: mailboxes, templates, sequences, steps and branches that do not exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sequencer.core.model import MAIN_LINE, Email, Ending, GoTo, MoveTo, Reaction, Sequence, Snooze, Step, Task
from sequencer.workspace.draft import Draft
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Plain, Problem, Route, did_you_mean, shown
from sequencer.workspace.template_language import Unreadable, compile_text
from sequencer.workspace.templates import FOOTER


def name_mistakes(draft: Draft) -> Iterator[Problem]:
    """Every reference in every sequence that names nothing, and templates that nobody names."""
    for each in draft.sequences.values():
        if each.sequence is not None:
            yield from _of_sequence(draft, each, each.sequence)
        else:
            yield from _of_unfinished(draft, each)
    if draft.complete():
        yield from _unused_templates(draft)


def emails_of(each: SequenceDraft) -> Iterator[tuple[Route, Email, Step | None]]:
    """Every e-mail of a sequence, where its template stands, and its step (None for the back-off message)."""
    if each.sequence is None:
        return
    for steps in each.sequence.lines.values():
        for step in steps:
            if isinstance(step.do, Email):
                yield (*each.routes[step.id], "email"), step.do, step
    if each.sequence.back_off is not None:
        yield ("back_off", "email"), each.sequence.back_off.email, None


def _of_sequence(draft: Draft, each: SequenceDraft, sequence: Sequence) -> Iterator[Problem]:
    yield from _mailboxes(draft, each, sequence.mailboxes)
    for route, email, _ in emails_of(each):
        yield from _templates(draft, each, route, email)
    for line, steps in sequence.lines.items():
        for step in steps:
            route = each.routes[step.id]
            match step.do:
                case GoTo(target=target):
                    yield from _target(each, sequence, (*route, "go_to"), target, line)
                case MoveTo():
                    yield from _moves(draft, each, route, step.do)
                case Task(note=note):
                    program = compile_text(note)
                    if isinstance(program, Unreadable):
                        yield each.document.problem((*route, "note"), "template", program.message, program.hint)
                case _:
                    pass
    for key, reaction in sequence.on_reply.items():
        yield from _reaction(draft, each, sequence, ("on_reply", key), reaction)
    if sequence.back_off is not None:
        yield from _moves(draft, each, ("back_off", "then"), sequence.back_off.then)
    yield from _moves(draft, each, ("finally",), sequence.finally_)


def _mailboxes(draft: Draft, each: SequenceDraft, names: Iterable[str]) -> Iterator[Problem]:
    known = draft.mailbox_names()
    for index, name in enumerate(names):
        if known and name not in known:
            message = f"there is no mailbox `{shown(name)}` in config.yaml"
            yield each.document.problem(
                _item(each, ("from",), index), "unknown-mailbox", message, did_you_mean(name, known)
            )


def _templates(draft: Draft, each: SequenceDraft, route: Route, email: Email) -> Iterator[Problem]:
    known = draft.templates
    for index, name in enumerate(email.variants):
        place, key = variant_place(each, route, index, name)
        if name in email.variants[:index]:
            message = f"the variant `{shown(name)}` stands here twice"
            yield each.document.problem(place, "duplicate-variant", message, "delete one of them")
        elif name not in known and name not in known.broken:
            if name == FOOTER:
                message, hint = "footer.md is not a template: it ends every message", "name another one"
            elif name.removesuffix(".md") in known:
                message, hint = f"there is no template `{shown(name)}`", f"did you mean `{name.removesuffix('.md')}`?"
            else:
                message = f"there is no template `{shown(name)}`"
                hint = did_you_mean(name, known.names())
                hint = hint if hint.startswith("did") else f"write templates/{shown(name)}.md"
            yield each.document.problem(place, "unknown-template", message, hint, key=key)


def variant_place(each: SequenceDraft, route: Route, index: int, name: str) -> tuple[Route, bool]:
    """Where one variant of an e-mail stands, and whether it is a key there, with its share."""
    here = (*route, name)
    return (here, True) if here in each.document.keys else (_item(each, route, index), False)


def _item(each: SequenceDraft, route: Route, index: int) -> Route:
    """The place of one entry of a key that takes a text or a list."""
    return (*route, index) if (*route, index) in each.document.values else route


def _target(each: SequenceDraft, sequence: Sequence, route: Route, target: str, line: str) -> Iterator[Problem]:
    """`go_to` leads to a branch, to a step of the main line, or to a step of the same line."""
    branches = {name for name in sequence.lines if name != MAIN_LINE}
    own = {step.id for step in (*sequence.steps, *sequence.lines[line])}
    if target in branches or target in own:
        return
    found = sequence.find(target)
    if found is not None:
        message = f"the step {shown(target)} lies inside the branch {found[0]}"
        yield each.document.problem(route, "into-branch", message, f"go to the branch: {found[0]}")
    else:
        message = f"there is no step or branch `{shown(target)}` in this file"
        yield each.document.problem(route, "unknown-step", message, did_you_mean(target, branches | own))


def _moves(draft: Draft, each: SequenceDraft, route: Route, ending: Ending | None) -> Iterator[Problem]:
    if isinstance(ending, MoveTo) and ending.sequence not in draft.sequence_names:
        message = f"there is no sequence `{shown(ending.sequence)}`"
        hint = did_you_mean(ending.sequence, draft.sequence_names)
        yield each.document.problem((*route, "move_to"), "unknown-sequence", message, hint)


def _reaction(
    draft: Draft, each: SequenceDraft, sequence: Sequence, route: Route, reaction: Reaction
) -> Iterator[Problem]:
    match reaction:
        case GoTo(target=target):
            yield from _target(each, sequence, (*route, "go_to"), target, MAIN_LINE)
        case Snooze(then=then) if then:
            yield from _target(each, sequence, (*route, "then"), then, MAIN_LINE)
        case MoveTo():
            yield from _moves(draft, each, route, reaction)
        case _:
            pass


# Files with other mistakes in them ------------------------------------------------------------------


def _of_unfinished(draft: Draft, each: SequenceDraft) -> Iterator[Problem]:
    """The same names in a file that means nothing yet, so that nobody mends it mistake by mistake."""
    data = each.document.data
    if not isinstance(data, dict):
        return
    yield from _mailboxes(draft, each, _texts(data.get("from")))
    branches = data.get("branches")
    targets = set(branches) if isinstance(branches, dict) else set()
    entries = list(_entries((), data))
    targets |= {value for route, value in entries if route[-1] == "step" and isinstance(value, str)}
    for route, value in entries:
        is_step = len(route) > 1 and isinstance(route[-2], int)
        if route[-1] == "email" and (is_step or route == ("back_off", "email")):
            names = tuple(value if isinstance(value, dict) else _texts(value))
            yield from _templates(draft, each, route, Email(names)) if names else ()
        elif not isinstance(value, str):
            continue
        elif route[-1] == "move_to":
            yield from _moves(draft, each, route[:-1], MoveTo(value))
        elif (route[-1] == "go_to" or (route[-1] == "then" and route[0] == "on_reply")) and value not in targets:
            message = f"there is no step or branch `{shown(value)}` in this file"
            yield each.document.problem(route, "unknown-step", message, did_you_mean(value, targets))


def _texts(value: Plain) -> list[str]:
    """A text, or a list of texts; nothing for what is none."""
    texts = value if isinstance(value, list) else [value]
    return [text for text in texts if isinstance(text, str)]


def _entries(route: Route, value: Plain) -> Iterator[tuple[Route, Plain]]:
    """Every key with its value, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*route, key), inner
            yield from _entries((*route, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _entries((*route, index), inner)


def _unused_templates(draft: Draft) -> Iterator[Problem]:
    used = {name for each in draft.sequences.values() for _, email, _ in emails_of(each) for name in email.variants}
    for name in draft.templates.names():
        if name not in used:
            file = f"templates/{name}.md"
            message = "no sequence sends this template"
            yield Problem(file, 1, 1, "warning", "unused-template", message, "name it in a step, or delete it")
