"""templates/*.md: front matter and a Markdown body with variables -> the subject, text and HTML of one message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final, Literal

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from pydantic import Field

from sequencer.core.model import Contact, Fields
from sequencer.workspace.config import Company, Mailbox
from sequencer.workspace.markdown import Damaged, clean, letters, reveal, without_marks
from sequencer.workspace.missing import Group
from sequencer.workspace.shapes import Allowed, OneOrMore, Strict, validate
from sequencer.workspace.source import Document, Problem, read_text, read_yaml
from sequencer.workspace.template_language import MAX_OUTPUT, Program, Unreadable, compile_text, run
from sequencer.workspace.template_needs import Read, needs_of, reads_of

FOOTER: Final = "footer"
"""templates/footer.md is not a template of its own: it ends every message."""

LONGEST_SUBJECT: Final = 400
THEY_SAID: Final = "they_said"
"""The fresh text of the contact's latest answer in this thread; missing for whoever has not answered."""

RESERVED: Final = frozenset({"sender", "our", "contact", "unsubscribe", THEY_SAID})
"""Names that a contact's field cannot take; such a field is still there as `contact.NAME`."""

GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "sender": frozenset({"name", "first_name", "address", "company"}),
    "our": frozenset({"name", "address"}),
}

NO_DOCUMENT: Final = Document("")


class FrontMatter(Strict):
    """The lines between `---` at the top of a template."""

    subject: str | None = Field(
        None,
        description="The subject, with variables. Only a message that never opens a thread may go without.",
        examples=["Your quote, and one question"],
        min_length=1,
    )
    format: Annotated[Literal["text", "html"], Field()] = Field(
        "html", description="text: plain text alone. html (the default): plain text with a light HTML part."
    )
    tags: OneOrMore = Field(
        (),
        description="Words by which you find the template again, and reports group it.",
        examples=[["quote", "article"]],
    )
    allow: Allowed = Field(
        (),
        description="Warnings of `check` that are meant in this template, by their names (docs/craft.md).",
        examples=[["long-subject"]],
    )


@dataclass(frozen=True, slots=True)
class Template:
    """One template. `needs`: the contact's fields it cannot do without, as far as its text tells."""

    name: str
    subject: str
    body: str
    format: Literal["text", "html"]
    tags: tuple[str, ...]
    needs: frozenset[str]
    path: Path
    reads: tuple[Read, ...] = ()  # lines count in the file
    document: Document = NO_DOCUMENT  # the front matter
    body_line: int = 1
    programs: tuple[Program, Program] | None = field(default=None, repr=False, compare=False)
    text: str = field(default="", repr=False)  # the whole file
    version: str = ""  # the hash of the text


@dataclass(frozen=True, slots=True)
class Rendered:
    """The parts of a message, footer included. `html` is None for a plain one."""

    subject: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Unfilled:
    """Variables without which this contact cannot get the template."""

    variables: tuple[str, ...]
    template: str


@dataclass(frozen=True, slots=True)
class BrokenTemplate:
    """A template that fails for this contact, and why."""

    template: str
    message: str


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates of a workspace. `broken` are the names of files that exist and cannot be used."""

    by_name: Mapping[str, Template]
    footer: Template
    broken: frozenset[str] = frozenset()

    def names(self) -> list[str]:
        return sorted(self.by_name)

    def get(self, name: str) -> Template | None:
        return self.by_name.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self.by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)


# Reading ------------------------------------------------------------------------------------------


def read_templates(folder: Path) -> tuple[Templates, list[Problem]]:
    """The templates below a folder (names without `.md`), the packaged footer when there is none, and every mistake."""
    found: dict[str, Template] = {}
    broken: set[str] = set()
    problems: list[Problem] = []
    for path in sorted(folder.rglob("*.md")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or path.is_dir():
            continue
        name, file = relative.with_suffix("").as_posix(), f"templates/{relative.as_posix()}"
        text = read_text(path, file)
        template, mistakes = (None, [text]) if isinstance(text, Problem) else parse_template(name, text, file, path)
        problems += mistakes
        if template is None:
            broken.add(name)
        else:
            found[name] = template
    footer = found.pop(FOOTER, None) or default_footer()
    return Templates(found, footer, frozenset(broken)), problems


def default_footer() -> Template:
    """The footer of a workspace that has no templates/footer.md."""
    resource = files("sequencer.workspace") / "default_footer.md"
    template, problems = parse_template(FOOTER, resource.read_text("utf-8"), "footer.md", Path("footer.md"))
    if template is None:
        raise AssertionError(problems)
    return template


def parse_template(name: str, text: str, file: str, path: Path) -> tuple[Template | None, list[Problem]]:
    """The template in a text, or None and why not."""
    if len(text) > MAX_OUTPUT:
        message = f"is longer than {MAX_OUTPUT} characters"
        return None, [Problem(file, 1, 1, "error", "too-large", message, "a letter is short")]
    split = _split(without_marks(text), file)
    if isinstance(split, Problem):
        return None, [split]
    head, body, body_line = split
    document, problems = read_yaml(file, head, first_line=2)
    matter: FrontMatter | None = FrontMatter()
    if not problems and document.data is not None:
        matter, problems = validate(FrontMatter, document)
    subject = (matter.subject if matter is not None else None) or ""
    subject_program, body_program = compile_text(subject), compile_text(body)
    if isinstance(subject_program, Unreadable):
        problems.append(document.problem(("subject",), "template", subject_program.message, subject_program.hint))
    if isinstance(body_program, Unreadable):
        line = body_line + body_program.line - 1
        problems.append(Problem(file, line, 1, "error", "template", body_program.message, body_program.hint))
    if not body.strip():
        problems.append(Problem(file, body_line, 1, "error", "empty", "the template has no text"))
    if problems or matter is None or isinstance(subject_program, Unreadable) or isinstance(body_program, Unreadable):
        return None, problems
    needs = needs_of(subject_program.tree) | needs_of(body_program.tree)
    template = Template(
        name=name,
        subject=subject,
        body=body,
        format=matter.format,
        tags=matter.tags,
        needs=frozenset(filter(None, map(field_named, needs))),
        path=path,
        reads=_reads(subject_program, body_program, document, body_line),
        document=document,
        body_line=body_line,
        programs=(subject_program, body_program),
        text=text,
        version=text_version(text),
    )
    return template, []


def text_version(text: str) -> str:
    """The hash (16 hexadecimal digits) of a text as it stands."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _split(text: str, file: str) -> tuple[str, str, int] | Problem:
    """Front matter, body, and the line in which the body begins."""
    if not re.match(r"---[ \t]*\n", text):
        return _unopened(text, file) or ("", text, 1)
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return Problem(
            file, 1, 1, "error", "front-matter", "the front matter is never closed", "end it with a line `---`"
        )
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


_LOOKS_LIKE_A_HEAD: Final = re.compile(
    r"\s*(?P<opened>---[ \t]*\n\s*)?(?:subject|tags|format|allow)[ \t]*:", re.IGNORECASE
)


def _unopened(text: str, file: str) -> Problem | None:
    """Front matter that would be read as a part of the mail, and sent with it."""
    found = _LOOKS_LIKE_A_HEAD.match(text)
    if found is None:
        return None
    opened = found["opened"] is not None
    line = text[: found.start("opened") if opened else found.end()].count("\n") + 1
    message = "the front matter is not at the very top" if opened else "this line stands outside the front matter"
    hint = "delete what is above this line" if opened else "write a line `---` above it, and one where the mail begins"
    return Problem(file, line, 1, "error", "front-matter", message, hint)


def _reads(subject: Program, body: Program, document: Document, body_line: int) -> tuple[Read, ...]:
    top = document.place(("subject",)).line
    in_subject = [Read(read.name, top, read.guarded) for read in reads_of(subject.tree)]
    in_body = [Read(read.name, body_line + read.line - 1, read.guarded) for read in reads_of(body.tree)]
    return (*in_subject, *in_body)


def field_named(variable: str) -> str:
    """The contact's field that a variable means, empty when it means none (`sender.name`, `company.address`)."""
    root, _, rest = variable.partition(".")
    if root == "contact":
        return rest.split(".")[0]
    if root in RESERVED or (root == "company" and rest in GROUPS["our"]):
        return ""
    return root


# Variables ----------------------------------------------------------------------------------------

_TITLES: Final = re.compile(r"(?:dr|prof|mr|mrs|ms|herr|frau|ing|dipl)\.?", re.IGNORECASE)


def variables_for(
    contact: Contact,
    fields: Fields,
    mailbox: Mailbox,
    company: Company,
    *,
    unsubscribe: str,
    extra: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What a template may say about this contact: the fields (those of the enrollment over the contact's own),
    `full_name`, `email`, `contact.…`, `sender.…`, `our.…`, and `unsubscribe`, the link or mailto: of the footer.
    `extra` adds more, such as `they_said`.

    A bare `company` is the contact's company; `company.name` and `company.address` are ours, like `our.…`.
    """
    known: dict[str, object] = {"email": contact.email, **contact.fields, **fields}
    known = {**{name.lower(): value for name, value in known.items()}, **known}
    if is_empty(known.get("full_name")):
        parts = [known.get("first_name"), known.get("last_name")]
        whole = " ".join(str(part).strip() for part in parts if not is_empty(part))
        known["full_name"] = whole or known.get("name")
    names = [word for word in mailbox.from_name.split() if not _TITLES.fullmatch(word)]
    sender = {
        "name": mailbox.from_name,
        "first_name": names[0] if names else mailbox.from_name,
        "address": mailbox.from_address,
        "company": company.name,
    }
    return {
        **known,
        "contact": known,
        "sender": sender,
        "our": {"name": company.name, "address": company.address},
        "unsubscribe": unsubscribe,
        THEY_SAID: None,
        **(extra or {}),
    }


def is_empty(value: object) -> bool:
    """Whether a field says nothing: None, or a text in which nothing can be seen."""
    if isinstance(value, str):
        if value.isprintable():
            return not value or value.isspace()
        return not any(char.isprintable() and not char.isspace() for char in value)
    return value is None


def _cleaned(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _filled(variables: Mapping[str, object]) -> dict[str, object]:
    """The variables that say something; what is empty counts as missing."""
    result: dict[str, object] = {}
    for name, value in variables.items():
        if isinstance(value, Mapping):
            said = {key: _cleaned(item) for key, item in value.items()}
            result[name] = Group(name, {key: item for key, item in said.items() if not is_empty(item)})
        elif not is_empty(cleaned := _cleaned(value)):
            result[name] = cleaned
    own = result.get("company")
    if isinstance(own, Group):  # given by hand as {name, address}
        result.setdefault("our", Group("our", own))
        del result["company"]
    return result


# Rendering ----------------------------------------------------------------------------------------


def render(templates: Templates, name: str, variables: Mapping[str, object]) -> Rendered | Unfilled | BrokenTemplate:
    """The message of a template for these variables, with the footer after the body.

    Every missing variable is named, not only the first. None and blank texts count as missing. The subject is one
    line; it is empty when the template has none.
    """
    template = templates.get(name)
    if template is None or template.programs is None:
        return BrokenTemplate(name, "there is no such template")
    footer = templates.footer
    if footer.programs is None:
        return BrokenTemplate(FOOTER, "the footer cannot be used")
    known = _filled(variables)
    missing: list[str] = []
    try:
        subject = _run(template.programs[0], known, missing)
        body = _run(template.programs[1], known, missing)
        end = _run(footer.programs[1], known, missing)
        if missing:
            return Unfilled(tuple(dict.fromkeys(missing)), name)
        parts = letters(body)
        if is_empty(parts[0]):
            return BrokenTemplate(name, "the letter would be empty")
        return _put_together(template, _one_line(subject), parts, letters(end))
    except _FAILURES as error:
        return BrokenTemplate(name, _why(error))


_FAILURES: Final = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError)


def _why(error: Exception) -> str:
    match error:
        case SecurityError():
            return "it uses something that templates may not"
        case TemplateError():
            return error.message or "it cannot be rendered"
        case Damaged():
            return f"{error}: a filter shortens or changes a block that holds variables"
        case _:
            return f"an expression fails: {error}"


def _run(program: Program, known: Mapping[str, object], missing: list[str]) -> str:
    text, without = run(program, known)
    missing += without
    return text


def fill(text: str, variables: Mapping[str, object]) -> str | Unfilled | BrokenTemplate:
    """A line of a sequence file with its variables filled in, such as the note of a task."""
    program = compile_text(text)
    if isinstance(program, Unreadable):
        return BrokenTemplate("", program.message)
    missing: list[str] = []
    try:
        filled = reveal(_run(program, _filled(variables), missing))
    except _FAILURES as error:
        return BrokenTemplate("", _why(error))
    return Unfilled(tuple(dict.fromkeys(missing)), "") if missing else filled


def _one_line(subject: str) -> str:
    """A subject without line ends: a header holds one line, and nobody may add another."""
    line = " ".join(clean(reveal(subject)).split())
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1].rstrip() + "…"


def _put_together(template: Template, subject: str, body: tuple[str, str], end: tuple[str, str]) -> Rendered:
    text = f"{body[0]}\n\n{end[0]}\n"
    if template.format == "text":
        return Rendered(subject, text, None)
    foot = f'<div style="color:#555;font-size:small">\n{end[1]}\n</div>'
    return Rendered(subject, text, f"<!DOCTYPE html>\n<html><body>\n{body[1]}\n{foot}\n</body></html>\n")


_DECEPTIVE: Final = re.compile(r"\s*(?:re|aw|sv|antw|fwd?|wg|tr|rif)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)


def pretends_to_answer(subject: str) -> bool:
    """Whether a subject looks like an answer or a forward. A first message never may (CAN-SPAM, 15 USC 7704(a)(2))."""
    return _DECEPTIVE.match(subject) is not None
