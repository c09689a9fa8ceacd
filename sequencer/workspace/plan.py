"""What was edited: two versions of a workspace, compared, in plain English."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from sequencer.core.lines import emails_of
from sequencer.core.model import (
    Condition,
    Continue,
    Email,
    GoTo,
    Hours,
    MoveTo,
    Pause,
    Reaction,
    Sequence,
    Snooze,
    Step,
    StepAction,
    Stop,
    Suppress,
    Task,
    When,
)
from sequencer.workspace.config import Config
from sequencer.workspace.templates import Template, Templates
from sequencer.workspace.workspace import Workspace

Change = Literal["new", "gone", "changed", "moved"]

LONGEST_LINE: Final = 60
"""Characters of a line that are shown of a template."""


@dataclass(frozen=True, slots=True)
class StepEdit:
    """What was done to one step; `what` are sentences. `line` is `steps` or a branch."""

    line: str
    step: str
    change: Change
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SequenceEdit:
    """What was done to a sequence: its steps, and all else that it says. `words`: only templates of it changed."""

    sequence: str
    change: Literal["new", "gone", "changed", "words"]
    steps: tuple[StepEdit, ...] = ()
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateEdit:
    """What was done to a template. `footer` is one, too."""

    template: str
    change: Literal["new", "gone", "changed"]
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edits:
    """All differences. `settings` are those of config.yaml that decide about dates and words."""

    sequences: tuple[SequenceEdit, ...] = ()
    templates: tuple[TemplateEdit, ...] = ()
    phrases: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.sequences or self.templates or self.phrases or self.settings)


def compare(before: Workspace, after: Workspace) -> Edits:
    """What was edited between two workspaces."""
    templates = tuple(_templates(before.templates, after.templates))
    reworded = {edit.template: edit.what for edit in templates if edit.change == "changed"}
    names = sorted(before.sequences.keys() | after.sequences.keys())
    sequences = (sequence_edit(before.sequences.get(name), after.sequences.get(name), reworded) for name in names)
    languages = sorted(before.phrases.keys() | after.phrases.keys())
    phrases = tuple(
        f"phrases/{each}.yaml is {_presence(each, before.phrases, after.phrases)}"
        for each in languages
        if before.phrases.get(each) != after.phrases.get(each)
    )
    return Edits(
        tuple(edit for edit in sequences if edit is not None),
        templates,
        phrases,
        tuple(_settings(before.config, after.config)),
    )


def _presence(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Literal["new", "gone", "changed"]:
    if name not in before:
        return "new"
    return "changed" if name in after else "gone"


# Sequences ----------------------------------------------------------------------------------------


def sequence_edit(
    before: Sequence | None, after: Sequence | None, reworded: Mapping[str, tuple[str, ...]]
) -> SequenceEdit | None:
    """What was done to one sequence, None for nothing. `reworded`: the templates that changed, and how."""
    if before is None or after is None:
        if after is not None:
            return SequenceEdit(after.name, "new")
        return SequenceEdit(before.name, "gone") if before is not None else None
    steps, other = tuple(_steps(before, after, reworded)), tuple(_other(before, after, reworded))
    if not steps and not other:
        return None
    return SequenceEdit(after.name, "words" if before.version == after.version else "changed", steps, other)


def _steps(before: Sequence, after: Sequence, reworded: Mapping[str, tuple[str, ...]]) -> Iterator[StepEdit]:
    moved = _moved(before, after)
    for line, steps in after.lines.items():
        previous = ""
        for step in steps:
            found = before.find(step.id)
            if found is None:
                yield StepEdit(line, step.id, "new", (f"{_where(previous)}, {what_it_is(step)}",))
            else:
                what = list(_changes(before.lines[found[0]][found[1]], step, reworded))
                if step.id in moved:
                    what.insert(0, f"comes {_where(previous)} now" if found[0] == line else f"stands in {line} now")
                if what:
                    yield StepEdit(line, step.id, "moved" if step.id in moved else "changed", tuple(what))
            previous = step.id
    for line, steps in before.lines.items():
        for step in steps:
            if after.find(step.id) is None:
                heir = next((behind for behind in _behind(steps, step) if after.find(behind) is not None), "")
                hands = f"whoever stands there goes on at “{heir}”" if heir else "whoever stands there has had it all"
                yield StepEdit(line, step.id, "gone", (f"was {what_it_is(step)}; {hands}",))


def _behind(steps: tuple[Step, ...], step: Step) -> list[str]:
    return [each.id for each in steps[steps.index(step) + 1 :]]


def _where(previous: str) -> str:
    return f"after “{previous}”" if previous else "first of all"


def _moved(before: Sequence, after: Sequence) -> Set[str]:
    """The steps that stand in another order, or in another line."""
    moved = set()
    for line, steps in after.lines.items():
        mine = [step.id for step in steps if step.id in {each.id for each in before.lines.get(line, ())}]
        was = [step.id for step in before.lines.get(line, ()) if step.id in mine]
        still = {
            mine[at]
            for _, at, size in difflib.SequenceMatcher(None, was, mine, autojunk=False).get_matching_blocks()
            for at in range(at, at + size)
        }
        moved |= {each for each in mine if each not in still}
        moved |= {step.id for step in steps if step.id not in mine and before.find(step.id) is not None}
    return moved


def what_it_is(step: Step) -> str:
    """A step in words: `the e-mail thanks, 3 days later, only if contact.phone`."""
    parts = [do_in_words(step.do), step.when.text]
    parts += [f"only if {step.only_if.text}"] if step.only_if is not None else []
    parts += [f"not later than {step.expires} after that"] if step.expires is not None else []
    return ", ".join(part for part in parts if part)


def do_in_words(do: StepAction) -> str:
    """What a step does, in words."""
    match do:
        case Email():
            return f"the e-mail {' or '.join(do.variants)}"
        case Task():
            return f"a task ({do.kind})"
        case GoTo():
            return f"go to {do.target}"
        case MoveTo():
            return f"move to {do.sequence}"
        case Stop():
            return "stop"


def _changes(before: Step, after: Step, reworded: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if type(before.do) is not type(after.do):
        yield f"is {do_in_words(after.do)} now, was {do_in_words(before.do)}"
    elif isinstance(before.do, Email) and isinstance(after.do, Email):
        yield from _email(before.do, after.do, reworded)
    else:
        yield from _fields(before.do, after.do)
    if _meaning(before.when) != _meaning(after.when):
        yield f"when: “{after.when.text}”, was “{before.when.text}”"
    for name in ("only_if", "expires"):
        was, now = getattr(before, name), getattr(after, name)
        if _said(was) != _said(now):
            yield f"{name}: {_told(_said(was), _said(now))}"


def _meaning(value: Any) -> Any:
    """A phrase whose wording does not count."""
    return tuple(getattr(value, each.name) for each in fields(value) if each.name != "text")


def _email(before: Email, after: Email, reworded: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    if before.variants != after.variants:
        yield f"sends {' or '.join(after.variants)}, was {' or '.join(before.variants)}"
    if len(after.variants) > 1 and _split(before) != _split(after):
        yield f"is split {_split(after)}, was {_split(before)}"
    if before.thread != after.thread:
        yield "begins a new thread now" if after.thread == "new" else "answers in the thread now"
    for field in fields(Email):
        if field.name not in ("variants", "thread", "percent"):
            was, now = getattr(before, field.name), getattr(after, field.name)
            if was != now:
                yield f"{field.name}: {_told(_said(was), _said(now))}"
    for name in after.variants:
        if name in before.variants:
            yield from (
                f"other words{f' in {name}' if len(after.variants) > 1 else ''}: {each}"
                for each in reworded.get(name, ())
            )


def _split(email: Email) -> str:
    """How an e-mail is split among people, in words."""
    if email.percent:
        return ", ".join(f"{name} {percent}%" for name, percent in zip(email.variants, email.percent, strict=True))
    return "as the answers have it" if len(email.variants) > 1 else "not split"


def _fields(before: Any, after: Any) -> Iterator[str]:
    for field in fields(after):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if was != now:
            yield f"{field.name}: {_told(_said(was), _said(now))}"


def _said(value: object) -> str:
    """A value of a file in words, empty for None."""
    match value:
        case None:
            return ""
        case Hours() | Condition() | When():
            return value.text
        case GoTo() | MoveTo() | Stop() | Pause() | Suppress() | Snooze() | Continue():
            return _reaction(value)
        case tuple():
            return ", ".join(map(_said, value))
        case _:
            return str(value)


def _told(was: str, now: str) -> str:
    if not now:
        return f"none any more, was “{was}”"
    return f"“{now}”, was “{was}”" if was else f"“{now}”, was not said"


def _other(before: Sequence, after: Sequence, reworded: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """What a sequence says beside its steps."""
    for name, attribute in (("from", "mailboxes"), ("hours", "hours"), ("decision_cycle", "decision_cycle")):
        was, now = getattr(before, attribute), getattr(after, attribute)
        if was != now and not (isinstance(was, Hours) and isinstance(now, Hours) and _meaning(was) == _meaning(now)):
            yield f"{name}: {_told(_said(was), _said(now))}"
    yield from _back_off(before, after, reworded)
    yield from _by_key("when they answer", before.on_reply, after.on_reply)
    yield from _by_key("the label", before.labels, after.labels)
    if before.finally_ != after.finally_:
        yield f"finally: {_told(_said(before.finally_), _said(after.finally_))}"
    if before.alongside != after.alongside:
        yield "may run beside another sequence now" if after.alongside else "wants the contact for itself now"


def _by_key(what: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            yield f"{what} “{key}”: {_told(_said(was), _said(now))}"


def _back_off(before: Sequence, after: Sequence, reworded: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    was, now = before.back_off, after.back_off
    if was is None or now is None:
        if now is not None:
            yield f"back-off: new, the e-mail {' or '.join(now.email.variants)} after {now.after.text}"
        elif was is not None:
            yield "back-off: gone"
        return
    if _meaning(was.after) != _meaning(now.after):
        yield f"back-off: after “{now.after.text}”, was “{was.after.text}”"
    yield from (f"back-off: {each}" for each in _email(was.email, now.email, reworded))
    if was.then != now.then:
        yield f"back-off, then: {_told(_said(was.then), _said(now.then))}"


def _reaction(reaction: Reaction) -> str:
    match reaction:
        case GoTo():
            return f"go to {reaction.target}"
        case MoveTo():
            return f"move to {reaction.sequence}"
        case Stop() | Pause() | Suppress():
            return f"{type(reaction).__name__.lower()}{f': {reaction.reason}' if reaction.reason else ''}"
        case Snooze():
            until = f"until they say, otherwise {reaction.otherwise}" if reaction.until_they_say else reaction.otherwise
            return f"snooze {until}{f', then {reaction.then}' if reaction.then else ''}"
        case Continue():
            return "go on"


def reworded_steps(before: Sequence, after: Sequence, changed: Set[str]) -> dict[str, Email]:
    """The steps, the back-off message with them, that send other words than before; `changed` are the templates whose
    text is another."""
    was = dict(emails_of(before))
    found = {}
    for step, email in emails_of(after):
        before_it = was.get(step)
        same = before_it is not None and (before_it.variants, before_it.percent) == (email.variants, email.percent)
        if not same or changed & set(email.variants):
            found[step] = email
    return found


# Templates ----------------------------------------------------------------------------------------


def _templates(before: Templates, after: Templates) -> Iterator[TemplateEdit]:
    was, now = _with_footer(before), _with_footer(after)
    for name in sorted(was.keys() | now.keys()):
        if name not in was or name not in now:
            yield TemplateEdit(name, "new" if name in now else "gone")
        elif was[name].version != now[name].version:
            yield TemplateEdit(name, "changed", tuple(template_changes(was[name], now[name])))


def _with_footer(templates: Templates) -> dict[str, Template]:
    return {**templates.by_name, "footer": templates.footer}


def template_changes(before: Template, after: Template) -> Iterator[str]:
    """What is other in a template, in words."""
    if before.subject != after.subject:
        yield f"the subject is “{after.subject}”, was “{before.subject}”"
    if before.format != after.format:
        yield f"is sent as {after.format} now"
    if before.tags != after.tags:
        yield f"tags: {_told(', '.join(before.tags), ', '.join(after.tags))}"
    was, now = before.body.splitlines(), after.body.splitlines()
    blocks = [op for op in difflib.SequenceMatcher(None, was, now, autojunk=False).get_opcodes() if op[0] != "equal"]
    if not blocks:
        return
    _, was_from, was_to, now_from, now_to = blocks[0]
    removed, added = _around(_first_said(was[was_from:was_to]), _first_said(now[now_from:now_to]))
    more = f", and {len(blocks) - 1} more" if len(blocks) > 1 else ""
    line = after.body_line + now_from
    if removed and added:
        yield f"line {line} is “{added}”, was “{removed}”{more}"
    elif added:
        yield f"line {line} is new: “{added}”{more}"
    elif removed:
        yield f"gone at line {line}: “{removed}”{more}"
    else:
        yield f"only blank lines, at line {line}{more}"


def _first_said(lines: list[str]) -> str:
    return next((line.strip() for line in lines if line.strip()), "")


def _around(removed: str, added: str) -> tuple[str, str]:
    """Two long lines, cut so that what differs can be seen."""
    same = next((at for at, (one, other) in enumerate(zip(removed, added, strict=False)) if one != other), 0)
    start = removed.rfind(" ", 0, max(0, same - LONGEST_LINE // 3)) + 1 if same > LONGEST_LINE // 2 else 0
    return _cut(removed, start), _cut(added, start)


def _cut(line: str, start: int) -> str:
    shown = f"…{line[start:]}" if start else line
    return shown if len(shown) <= LONGEST_LINE else shown[: LONGEST_LINE - 1].rstrip() + "…"


# config.yaml --------------------------------------------------------------------------------------


def _settings(before: Config, after: Config) -> Iterator[str]:
    if before.company != after.company:
        yield "company: the name or the address in every footer is another one"
    for field in fields(after.contacts):
        was, now = getattr(before.contacts, field.name), getattr(after.contacts, field.name)
        if was != now:
            yield f"contacts, {field.name}: {_told(_said(was), _said(now))}"
    if before.spread != after.spread:
        yield f"spread: {_told(_said(before.spread), _said(after.spread))}"
    for name in sorted(before.mailboxes.keys() | after.mailboxes.keys()):
        was_box, box = before.mailboxes.get(name), after.mailboxes.get(name)
        if was_box is None or box is None:
            yield f"the mailbox {name} is {'new' if box is not None else 'gone'}"
            continue
        if _said(was_box.hours) != _said(box.hours):
            yield f"the mailbox {name}, hours: {_told(_said(was_box.hours), _said(box.hours))}"
        if (was_box.from_name, was_box.from_address) != (box.from_name, box.from_address):
            yield f"the mailbox {name} writes as {box.from_name} <{box.from_address}>"
        if was_box.limits != box.limits:
            yield f"the mailbox {name} has other limits"
        if was_box.away != box.away:
            yield f"the mailbox {name} is away on other days"
