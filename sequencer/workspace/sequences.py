"""sequences/*.yaml -> core.model.Sequence, with every mistake inside the one file.

What needs the other files (mailboxes, templates, other sequences) is checked in `check`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, time
from enum import Enum
from typing import Any, Final

from sequencer.core.model import (
    MAIN_LINE,
    BackOff,
    Base,
    Continue,
    Email,
    Ending,
    GoTo,
    MoveTo,
    Pause,
    Reaction,
    Sequence,
    Snooze,
    Span,
    Step,
    StepAction,
    Stop,
    Suppress,
    Task,
    When,
)
from sequencer.core.react import FINAL_KINDS, HUMAN_KINDS
from sequencer.workspace.phrases import MUST_BE_THERE, letters_needed
from sequencer.workspace.sequence_schema import (
    BackOffFile,
    EndingFile,
    ReactionFile,
    SequenceFile,
    StepFile,
)
from sequencer.workspace.shapes import validate
from sequencer.workspace.source import Document, Problem, Route, did_you_mean, read_yaml, shown

NOTICES_TO_REACT_TO: Final = frozenset({"out_of_office", "left_company", "auto_reply", "calendar"})
"""The notices on which `on_reply:` may say something; the others have one sensible answer."""

OTHER_NOTICES: Final = frozenset({"soft_bounce", "delayed", "receipt", "challenge"})
ANY: Final = "any"
KINDS: Final = HUMAN_KINDS | NOTICES_TO_REACT_TO | OTHER_NOTICES | frozenset(FINAL_KINDS)

IMMEDIATELY: Final = When("immediately", Base.NOW)

_LABEL: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class SequenceDraft:
    """One sequence file: what it means, if it can mean anything, and where everything stands in it."""

    name: str
    text: str
    document: Document
    sequence: Sequence | None
    routes: Mapping[str, Route]  # step id -> where the step stands
    fields: frozenset[str] = frozenset()  # the names that `enroll --set` gives


def load_sequence_text(name: str, text: str) -> tuple[Sequence | None, list[Problem]]:
    """The sequence that a text means (also one revived from the store), or None and the reasons."""
    draft, problems = read_sequence(name, text, f"sequences/{name}.yaml")
    return draft.sequence, problems


def read_sequence(name: str, text: str, file: str) -> tuple[SequenceDraft, list[Problem]]:
    """The draft of one file and every mistake that can be seen in it alone."""
    document, problems = read_yaml(file, text)
    if problems and document.data is None:
        return SequenceDraft(name, text, document, None, {}), problems
    document, unsupported = _without_repeat(document)
    shape, misshapen = validate(SequenceFile, document)
    problems += [*unsupported, *(p for p in misshapen if not (unsupported and p.message == _NO_STEPS))]
    if shape is None:
        return SequenceDraft(name, text, document, None, {}), problems
    routes, mistakes = _step_routes(shape, document)
    mistakes += [*_branch_mistakes(shape, document), *_reply_mistakes(shape, document)]
    lines, unclear = _lines(shape, document)
    problems += mistakes + unclear
    if any(problem.severity == "error" for problem in problems):
        return SequenceDraft(name, text, document, None, routes), problems
    sequence = _build(name, shape, lines)
    return SequenceDraft(name, text, document, sequence, routes, frozenset(shape.fields)), problems


# Mistakes -----------------------------------------------------------------------------------------

_NO_STEPS: Final = "the key `steps` is missing"


def _without_repeat(document: Document) -> tuple[Document, list[Problem]]:
    """`repeat:` is planned; until it exists it must not look like a spelling mistake."""
    if not isinstance(document.data, dict) or "repeat" not in document.data:
        return document, []
    data = {key: value for key, value in document.data.items() if key != "repeat"}
    hint = "write the touches out as steps; steps appended later also reach those who are already through"
    problem = document.problem(("repeat",), "repeat", "`repeat` is not supported yet", hint, key=True)
    return Document(document.file, data, document.keys, document.values), [problem]


def _all_steps(shape: SequenceFile) -> Iterator[tuple[Route, StepFile]]:
    for index, step in enumerate(shape.steps):
        yield ("steps", index), step
    for name, steps in shape.branches.items():
        for index, step in enumerate(steps):
            yield ("branches", name, index), step


def _step_routes(shape: SequenceFile, document: Document) -> tuple[dict[str, Route], list[Problem]]:
    routes: dict[str, Route] = {}
    problems: list[Problem] = []
    for route, step in _all_steps(shape):
        if step.step in routes:
            first = document.place((*routes[step.step], "step")).line
            message = f"a second step with the id {step.step}"
            hint = f"the first is in line {first}; an id is used once in a file, branches included"
            problems.append(document.problem((*route, "step"), "duplicate-step", message, hint))
        routes.setdefault(step.step, route)
    return routes, problems


def _branch_mistakes(shape: SequenceFile, document: Document) -> Iterator[Problem]:
    ids = {step.step for _, step in _all_steps(shape)}
    for name, steps in shape.branches.items():
        route = ("branches", name)
        if name == MAIN_LINE:
            yield document.problem(route, "branch-name", f"a branch cannot be called {MAIN_LINE}", key=True)
        elif name in ids:
            hint = "go_to could mean either: rename one of them"
            yield document.problem(route, "branch-name", f"{name} is a branch and a step", hint, key=True)
        if not steps:
            yield document.problem(route, "empty", f"the branch {name} has no steps", key=True)


def _reply_mistakes(shape: SequenceFile, document: Document) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name, phrases in shape.labels.items():
        yield from _label_mistakes(name, phrases, document)
        for phrase in phrases:
            other = taken.setdefault(" ".join(phrase.lower().split()), name)
            if other != name:
                message = f"`{shown(phrase)}` stands in the labels {other} and {name}"
                hint = f"the first one wins: delete it from {name}"
                yield document.problem(("labels", name), "same-phrase", message, hint, key=True, severity="warning")
    for key, reaction in shape.on_reply.items():
        if key in shape.labels:
            continue
        route = ("on_reply", key)
        if key in FINAL_KINDS:
            if key != "unsubscribe" or reaction.action() != "suppress":
                message = f"`{key}` always stops and suppresses; no file can change that"
                yield document.problem(route, "final-kind", message, "delete the line", key=True)
        elif key in OTHER_NOTICES:
            hint = "delete the line: the sequencer does the one sensible thing"
            yield document.problem(route, "notice-kind", f"there is no reaction to `{key}`", hint, key=True)
        elif key not in KINDS and key != ANY:
            known = {*HUMAN_KINDS, *NOTICES_TO_REACT_TO, *shape.labels, ANY}
            message = f"`{shown(key)}` is neither a kind of reply nor one of your labels"
            yield document.problem(route, "unknown-kind", message, did_you_mean(key, known), key=True)
        elif key == ANY and reaction.action() == "continue":
            message = "`any: continue` goes on mailing people who have answered"
            hint = "`any: pause` hands the conversation to the rep"
            yield document.problem(route, "deaf", message, hint, key=True, severity="warning")


def _label_mistakes(name: str, phrases: tuple[str, ...], document: Document) -> Iterator[Problem]:
    route = ("labels", name)
    if name in KINDS or name == ANY:
        hint = f"choose another name, for example my_{name}"
        yield document.problem(route, "label-name", f"`{name}` is a built-in kind of reply", hint, key=True)
    elif not _LABEL.fullmatch(name):
        message = "the name of a label is made of a-z, 0-9, _ and -, at most 40 characters"
        yield document.problem(route, "label-name", message, key=True)
    for index, phrase in enumerate(phrases):
        if not phrase.strip():
            yield document.problem((*route, index), "empty", f"an empty phrase in the label {shown(name)}")
            continue
        needed = letters_needed(phrase)
        if isinstance(needed, str):
            yield document.problem((*route, index), "phrase", needed, 'for example "(price|budget) [too] high"')
        elif not needed:
            message = f"`{shown(phrase)}` would match any mail"
            yield document.problem((*route, index), "phrase", message, MUST_BE_THERE)


# From the file to the core ------------------------------------------------------------------------


def _lines(shape: SequenceFile, document: Document) -> tuple[dict[str, tuple[Step, ...]], list[Problem]]:
    lines: dict[str, list[Step]] = {MAIN_LINE: [], **{name: [] for name in shape.branches}}
    problems: list[Problem] = []
    for route, file_step in _all_steps(shape):
        line = str(route[0] if len(route) == 2 else route[1])
        action = _action(file_step)
        when = file_step.when
        if when is None:
            touches = isinstance(action, (Email, Task))
            if touches and lines[line]:
                message = f"the step {file_step.step} does not say when"
                hint = "add for example `when: 5 days later` (counted from the touch before)"
                problems.append(document.problem(route, "when-missing", message, hint))
            when = IMMEDIATELY
        lines[line].append(Step(file_step.step, action, when, file_step.only_if, file_step.expires))
    return {name: tuple(steps) for name, steps in lines.items()}, problems


def _action(step: StepFile) -> StepAction:
    if step.email is not None:
        return Email(step.email.names, step.thread or "reply", step.email.percent)
    if step.task is not None:
        return Task(step.task, step.note)
    if step.go_to is not None:
        return GoTo(step.go_to)
    if step.move_to is not None:
        return MoveTo(step.move_to)
    return Stop(_reason(step.stop))


def _reason(text: str | None) -> str:
    """`stop: true` says no more than `stop:`."""
    return "" if text is None or text.lower() in ("true", "yes") else text


def _ending(file: EndingFile) -> Ending:
    return MoveTo(file.move_to) if file.move_to is not None else Stop(_reason(file.stop))


def _back_off(file: BackOffFile) -> BackOff:
    email = Email(file.email.names, file.thread, file.email.percent)
    return BackOff(file.after, email, _ending(file.then) if file.then is not None else None)


def _reaction(file: ReactionFile) -> Reaction:
    if file.snooze is not None:
        then = file.then or ""
        if isinstance(file.snooze, Span):
            return Snooze(until_they_say=False, otherwise=file.snooze, then=then)
        return Snooze(until_they_say=True, otherwise=file.otherwise or Snooze().otherwise, then=then)
    if file.go_to is not None:
        return GoTo(file.go_to)
    if file.move_to is not None:
        return MoveTo(file.move_to)
    if file.stop is not None:
        return Stop(_reason(file.stop))
    if file.suppress is not None:
        return Suppress(file.suppress)
    return Pause(file.pause) if file.pause is not None else Continue()


def _build(name: str, shape: SequenceFile, lines: Mapping[str, tuple[Step, ...]]) -> Sequence:
    meaning = Sequence(
        name=name,
        version="",
        mailboxes=shape.from_,
        lines=lines,
        about=shape.about,
        hours=shape.hours,
        decision_cycle=shape.decision_cycle,
        back_off=_back_off(shape.back_off) if shape.back_off is not None else None,
        labels=dict(shape.labels),
        on_reply={key: _reaction(reaction) for key, reaction in shape.on_reply.items()},
        finally_=_ending(shape.finally_) if shape.finally_ is not None else None,
        alongside=shape.alongside,
    )
    values = {f.name: getattr(meaning, f.name) for f in fields(meaning)}
    return Sequence(**{**values, "version": version_of(meaning)})


def version_of(sequence: Sequence) -> str:
    """The hash (16 hexadecimal digits) of what a sequence means: comments, spacing and the order of keys do not count.

    What has its default value does not count either, so that a later version of the product that knows one more
    key gives old files the same version.
    """
    canonical = json.dumps(_canonical(sequence), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def _canonical(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kept = {"is": type(value).__name__}
        for f in fields(value):
            item = getattr(value, f.name)
            default = f.default_factory() if f.default_factory is not MISSING else f.default
            wording = f.name == "text" and type(value).__name__ in ("When", "Hours")
            if item != default and f.name != "version" and not wording:
                kept[f.name] = _canonical(item)
        return kept
    if isinstance(value, Mapping):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, frozenset):
        return sorted(_canonical(item) for item in value)
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, (date, time)):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value
