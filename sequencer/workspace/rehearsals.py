"""sequences/NAME.test.yaml -> rehearsals of the sequence NAME, with every mistake inside the one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sequencer.core.model import Span
from sequencer.core.when import PhraseError
from sequencer.workspace.expectations import Expectation, What, parse_expectation
from sequencer.workspace.rehearsal_schema import EVERY_TASK, NEVER, AnswerFile, RehearsalFile, RehearsalsFile
from sequencer.workspace.shapes import validate
from sequencer.workspace.source import Document, Mark, Plain, Problem, Route, read_text, read_yaml

SUFFIXES: Final = (".test.yaml", ".test.yml")
_TOP: Final = "rehearsals"


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back `delay` after the touch of `step`. Without a kind its words tell it; `date` is the day they
    name, where the words are not to tell it. `kind` may be one of the author's labels."""

    step: str
    delay: Span
    words: str = ""
    kind: str = ""
    date: date | None = None
    date_words: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One contact who enters a sequence at `start`, what comes back, and what is expected.

    `start` without an offset is in the contact's zone. `tasks` says how long the rep takes, by step id ("" for all),
    None for never. `route` is where it stands in the document.
    """

    sequence: str
    route: Route
    start: datetime
    name: str = ""
    contact: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    mailbox: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[Answer, ...] = ()
    tasks: Mapping[str, Span | None] = field(default_factory=dict)
    expect: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True)
class RehearsalDraft:
    """One file of rehearsals; `rehearsals` is empty when it has mistakes, and `in_part` holds what could be read."""

    sequence: str
    document: Document
    rehearsals: tuple[Rehearsal, ...]
    in_part: tuple[Rehearsal, ...] = ()

    def place(self, rehearsal: Rehearsal, *parts: str | int) -> Mark:
        """Where something of a rehearsal stands; the line of the rehearsal itself when it is not in the file."""
        return self.document.place((*rehearsal.route, *parts))


def rehearsal_paths(folder: Path) -> list[Path]:
    """The files of rehearsals in a workspace, sorted."""
    found = sorted((folder / "sequences").glob("*.test.y*ml"))
    return [path for path in found if sequence_named(path.name) and path.name[0] != "." and path.is_file()]


def sequence_named(file_name: str) -> str:
    """The sequence that a file of rehearsals is about; empty for any other file."""
    for suffix in SUFFIXES:
        if file_name.endswith(suffix):
            return file_name.removesuffix(suffix)
    return ""


def read_rehearsals(path: Path, file: str) -> tuple[RehearsalDraft, list[Problem]]:
    """The rehearsals of one file, and every mistake that can be seen in it alone; `file` is how it is called there."""
    text = read_text(path, file)
    if isinstance(text, Problem):
        return RehearsalDraft(sequence_named(path.name), Document(file), ()), [text]
    return read_rehearsals_text(sequence_named(path.name), text, file)


def read_rehearsals_text(sequence: str, text: str, file: str) -> tuple[RehearsalDraft, list[Problem]]:
    """The same for the text of a file."""
    document, problems = read_yaml(file, text)
    if problems and document.data is None:
        return RehearsalDraft(sequence, document, ()), problems
    document = _as_mapping(document) if document.data else Document(file)
    if not isinstance(document.data, dict) or not isinstance(document.data[_TOP], list):
        example = "begin each with a dash: `- contact: …`, `start:` and `expect:` below"
        message = "expected a list of rehearsals" if document.data is not None else "the file is empty"
        problems.append(document.problem((), "shape", message, example))
        return RehearsalDraft(sequence, document, ()), problems
    shape, misshapen = validate(RehearsalsFile, document)
    problems += misshapen
    if shape is None or problems:
        return RehearsalDraft(sequence, document, (), tuple(_what_is_right(sequence, document))), problems
    rehearsals = tuple(_rehearsal(sequence, (_TOP, index), each) for index, each in enumerate(shape.rehearsals))
    return RehearsalDraft(sequence, document, rehearsals), problems


def _rehearsal(sequence: str, route: Route, file: RehearsalFile) -> Rehearsal:
    return Rehearsal(
        sequence=sequence,
        route=route,
        start=file.start,
        name=file.name,
        contact=file.contact,
        without=file.without,
        mailbox=file.mailbox,
        fields=file.set_,
        answers=tuple(_answer(each) for each in file.reply),
        tasks={step: None if takes == NEVER else takes for step, takes in file.tasks.items()},
        expect=file.expect,
    )


def _answer(file: AnswerFile) -> Answer:
    named = file.date.isoformat() if file.date is not None else ""
    return Answer(file.after, file.in_, file.says.strip(), file.kind, file.date, named)


# Files with mistakes in them ------------------------------------------------------------------------


def _what_is_right(sequence: str, document: Document) -> Iterator[Rehearsal]:
    """What can be read of a file with mistakes, so that wrong names are told together with wrong forms."""
    entries = document.data[_TOP] if isinstance(document.data, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            expect = entry.get("expect")
            lines = [expect] if isinstance(expect, str) else expect if isinstance(expect, list) else []
            yield Rehearsal(
                sequence=sequence,
                route=(_TOP, index),
                start=_NO_START,
                answers=tuple(_answers(entry.get("reply"))),
                expect=tuple(_expectation(line) for line in lines),
            )


_NO_START: Final = datetime(2000, 1, 1)  # noqa: DTZ001 (a rehearsal that is not played)
_NO_MISTAKE: Final = Expectation("nothing else", What.NOTHING_ELSE)


def _expectation(line: Plain) -> Expectation:
    try:
        return parse_expectation(line) if isinstance(line, str) else _NO_MISTAKE
    except PhraseError:
        return _NO_MISTAKE


def _answers(entries: Plain) -> Iterator[Answer]:
    """All of them, or none: they are told by their number."""
    try:
        answers = [AnswerFile.model_validate(entry) for entry in entries if entry] if isinstance(entries, list) else []
    except ValidationError:
        return
    yield from (_answer(answer) for answer in answers)


# The list at the top ------------------------------------------------------------------------------


def _as_mapping(document: Document) -> Document:
    """The document with its list under a key, and an answer that stands alone as a list of one: as the models are."""
    alone = set(_answers_alone(document.data))
    data: Plain = {_TOP: _with_lists(document.data)}
    keys = {_moved(route, alone): mark for route, mark in document.keys.items()}
    values = {_moved(route, alone): mark for route, mark in document.values.items()}
    # What stands alone, where a list or a mapping may stand, is its one entry.
    ones = {(*route, entry): mark for route, mark in values.items() for entry in _ENTRIES.get(str(route[-1]), ())}
    return Document(document.file, data, keys, {**ones, **values, (): document.values.get((), Mark(1, 1))})


_ENTRIES: Final[Mapping[str, tuple[str | int, ...]]] = {
    "reply": (0,),
    "without": (0,),
    "expect": (0,),
    "tasks": (EVERY_TASK,),
}


def _answers_alone(data: Plain) -> Iterator[Route]:
    for index, entry in enumerate(data if isinstance(data, list) else []):
        if isinstance(entry, dict) and isinstance(entry.get("reply"), dict):
            yield (index, "reply")


def _with_lists(data: Plain) -> Plain:
    if not isinstance(data, list):
        return data
    return [
        {key: [value] if key == "reply" and isinstance(value, dict) else value for key, value in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in data
    ]


def _moved(route: Route, alone: set[Route]) -> Route:
    if len(route) > 2 and route[:2] in alone:
        return (_TOP, *route[:2], 0, *route[2:])
    return (_TOP, *route)
