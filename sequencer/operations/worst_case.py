"""The worst case: a plan's mails for made-up people whose data is as people's data is, and what is to be looked at.

Each of them stands for one kind of trouble: nothing known, names without an end, other scripts, line breaks, signs
that mean something in HTML or in a template.
"""

from __future__ import annotations

import email
import email.policy
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from html.parser import HTMLParser
from typing import Final, Literal

from sequencer.core.lines import emails_of
from sequencer.core.model import Contact, Fields, FieldValue
from sequencer.core.model import Sequence as Plan
from sequencer.operations.counting import listed
from sequencer.operations.foresight import Letter, letters, made_up
from sequencer.operations.previews import NOBODYS_KEY
from sequencer.operations.record import Refusal
from sequencer.workspace.templates import LONGEST_SUBJECT, Template, field_named
from sequencer.workspace.workspace import Workspace

Weight = Literal["held", "look", "note"]
"""held: cannot be written. look: somebody should see it before it leaves. note: good to know, nothing to do."""

LONG_SUBJECT: Final = 60
PHONE_SHOWS: Final = 40
LONGEST_LINE: Final = 998  # RFC 5322 §2.1.1, in bytes
_INSTEAD: Final[Mapping[str, str]] = {"first_name": "there", "full_name": "there", "company": "your company"}
LONG_WORD: Final = 45
"""Characters without a break that a phone cannot show in one line."""

_A_HOLE: Final = re.compile(
    r"(?<=\w) +[,;!?](?=\s|$)|\( *\)|^[ >]*[,;.!?](?!\.)|\b(?:None|nan|null)\b|“”|\"\"", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """One made-up person, and what they stand for."""

    name: str
    contact: Contact


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a mail, for people. `file` and `line` say where it comes from, where that is known."""

    weight: Weight
    text: str
    variable: str = ""
    file: str = ""
    line: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Examined:
    """One mail for one made-up person, and what is to be said about it."""

    person: MadeUp
    letter: Letter
    findings: tuple[Finding, ...]


def worst_case(
    workspace: Workspace, plan: Plan, now: datetime, fields: Fields | None = None, *, step: str = ""
) -> list[Examined] | Refusal:
    """Every mail of a plan, each variant, for each of the made-up people; or those of one step."""
    usual = made_up(workspace, plan, now.date(), fields)
    if isinstance(usual, Refusal):
        return usual
    plain = letters(workspace, plan, usual, now, NOBODYS_KEY, step=step)
    found: list[Examined] = []
    for person in made_up_people(workspace, plan, usual.contact):
        subject = replace(usual, contact=person.contact)
        for letter, ordinary in zip(letters(workspace, plan, subject, now, NOBODYS_KEY, step=step), plain, strict=True):
            template = workspace.templates.get(letter.template)
            found.append(Examined(person, letter, tuple(_findings(person, letter, ordinary, template))))
    return found


# Who they are -------------------------------------------------------------------------------------

_LONG: Final[Mapping[str, str]] = {
    "first_name": "Maximiliana Theodora Konstanze Wilhelmine",
    "last_name": "von Hohenlohe-Schillingsfürst zu Waldenburg-Bartenstein",
    "company": "Gesellschaft für die Vermittlung von Reisemobilen, Wohnwagen und Zubehör aller Art mit beschränkter "
    "Haftung und Compagnie Kommanditgesellschaft auf Aktien, Niederlassung Süd",
}
_UNBROKEN: Final[Mapping[str, str]] = {
    "first_name": "Wolfeschlegelsteinhausenbergerdorff",
    "last_name": "Keihanaikukauakahihuliheekahaunaele",
    "company": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
}
_CHINESE: Final[Mapping[str, str]] = {"first_name": "小明", "last_name": "王", "company": "上海明日旅行车有限公司"}
_ARABIC: Final[Mapping[str, str]] = {"first_name": "فاطمة", "last_name": "الزهراء", "company": "شركة القوافل المحدودة"}
_MARKS: Final[Mapping[str, str]] = {
    "first_name": "Nguye\u0302\u0303n Zoe\u0308",
    "last_name": "क्षत्रिय",
    "company": "Cafe\u0301 Crème & Fils",
}
_EMOJI: Final[Mapping[str, str]] = {
    "first_name": "Anna 👩‍👩‍👧‍👦",
    "last_name": "Berg 🏕️",
    "company": "🚐 Vans & Co. 🇨🇭",
}
_CODE: Final[Mapping[str, str]] = {
    "first_name": "<b>Anna</b> {{ first_name }}",
    "last_name": 'O"Brien & <script>alert(1)</script>',
    "company": "**Bold** [here](https://example.com/) {% raw %} # 1",
}
_BROKEN: Final[Mapping[str, str]] = {
    "first_name": "Anna\nBcc: everybody@example.com",
    "last_name": "Example\r\nJunior",
    "company": "Example\n& Daughters\tLtd",
}
_SHOUTED: Final[Mapping[str, str]] = {"first_name": "ANNA", "last_name": "EXAMPLE", "company": "EXAMPLE & DAUGHTERS"}

_AND_MORE: Final = (
    "in the long version with everything that can be had for it, the winter package, the second awning and a rack for "
    "four bicycles, as we talked about it at the fair"
)
_KINDS: Final[tuple[tuple[str, Mapping[str, str], Callable[[str], str]], ...]] = (
    ("very long names", _LONG, lambda text: f"{text} {_AND_MORE}"),
    ("names without a break", _UNBROKEN, lambda text: re.sub(r"\W", "", text) * 4),
    ("Chinese", _CHINESE, lambda _: "旅行拖车"),
    ("Arabic, from right to left", _ARABIC, lambda _: "عربة التخييم"),
    ("combining marks", _MARKS, lambda text: f"{text} Stu\u0308ckchen"),
    ("emoji", _EMOJI, lambda text: f"{text} 🎉"),
    ("signs of HTML and templates", _CODE, lambda text: f"<i>{text}</i> {{{{ {text} }}}}"),
    ("line breaks in the fields", _BROKEN, lambda text: f"{text}\nand more"),
    ("all in capitals", _SHOUTED, lambda text: text.upper()),
)


def made_up_people(workspace: Workspace, plan: Plan, usual: Contact) -> list[MadeUp]:
    """The people of the worst case. `usual` has every field that the plan asks for."""
    asked = {field for template in _templates(workspace, plan) for field in template.needs} - {"full_name", "email"}
    people = [MadeUp("nothing but an address", replace(usual, fields={}))]
    if asked:
        only = {name: value for name, value in usual.fields.items() if name in asked}
        people.append(MadeUp("no more than the mails need", replace(usual, fields=only)))
    for name, known, other in _KINDS:
        people.append(MadeUp(name, replace(usual, fields=_changed(usual.fields, known, other))))
    people.append(MadeUp("an address in another script", replace(usual, email="anna@bücher.example")))
    return people


def _templates(workspace: Workspace, plan: Plan) -> Iterator[Template]:
    for _, each in emails_of(plan):
        for name in each.variants:
            template = workspace.templates.get(name)
            if template is not None:
                yield template


def _changed(fields: Fields, known: Mapping[str, str], other: Callable[[str], str]) -> Fields:
    """Every text in the manner of this person; dates, numbers and what is asked about (`rating`, `phone`) stay."""
    changed: dict[str, FieldValue] = {}
    for name, value in fields.items():
        if name == "full_name":
            changed[name] = f"{known['first_name']} {known['last_name']}"
        elif name in known:
            changed[name] = known[name]
        elif isinstance(value, str) and name not in ("rating", "phone"):
            changed[name] = other(value.strip("[]").replace("_", " "))
        else:
            changed[name] = value
    return changed


# What is to be looked at --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail as it arrives."""

    subject: str
    to: str
    text: str
    html: str
    raw_subject: str  # as it goes over the wire


def _read(data: bytes) -> _Mail:
    message = email.message_from_bytes(data, policy=email.policy.default)
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    head = data.partition(b"\r\n\r\n")[0].decode("ascii", "replace")
    raw = re.search(r"(?m)^Subject: (.*(?:\r\n[ \t].*)*)", head)
    return _Mail(
        str(message["Subject"]),
        str(message["To"]),
        str(plain.get_content()).replace("\r\n", "\n") if plain is not None else "",
        str(rich.get_content()) if rich is not None else "",
        raw[1] if raw is not None else "",
    )


def _findings(person: MadeUp, letter: Letter, ordinary: Letter, template: Template | None) -> Iterator[Finding]:
    if letter.skipped:
        return
    if not letter.data:
        yield from _held(letter, template)
        return
    mail = _read(letter.data)
    usual = _read(ordinary.data) if ordinary.data else None
    texts = _said(person.contact.fields, template)
    yield from _in_the_subject(mail, usual, texts)
    yield from _in_the_text(mail, usual, texts)
    if mail.html and usual is not None and (added := _tags(mail.html) - _tags(usual.html) - {"a"}):
        yield Finding("look", f"the HTML part has tags that are not yours: {', '.join(sorted(added))}")
    if not person.contact.email.isascii():
        yield Finding("note", f"To: {mail.to}, which is how {person.contact.email} is written for mail servers")


def _said(fields: Fields, template: Template | None) -> dict[str, str]:
    """The texts among the fields that a template reads, without those that stand for themselves (`[product]`)."""
    read = {field_named(each.name) for each in template.reads} if template is not None else set()
    return {
        name: value for name, value in fields.items() if name in read and isinstance(value, str) and value[:1] != "["
    }


def _held(letter: Letter, template: Template | None) -> Iterator[Finding]:
    if not letter.missing or template is None:
        yield Finding("held", letter.trouble)
        return
    for variable in letter.missing:
        places = [read for read in template.reads if field_named(read.name) == field_named(variable)]
        place = next((read for read in places if not read.guarded), None)
        file, line = f"templates/{template.name}.md", place.line if place is not None else 0
        instead = _INSTEAD.get(variable, "…")
        way_out = f'{{{{ {variable} | default("{instead}") }}}} would let it leave without'
        yield Finding("held", f"{variable} is missing", variable, file, line, way_out)


def _in_the_subject(mail: _Mail, usual: _Mail | None, texts: Mapping[str, str]) -> Iterator[Finding]:
    size = len(mail.subject)
    if size > LONG_SUBJECT and (usual is None or size > len(usual.subject)):
        cut = f"; it was cut at {LONGEST_SUBJECT}" if mail.subject.endswith("…") and size > LONGEST_SUBJECT - 9 else ""
        yield Finding("look", f"the subject has {size} characters, of which a phone shows about {PHONE_SHOWS}{cut}")
    for name, value in texts.items():
        if "\n" in value and " ".join(value.split()) in mail.subject:
            yield Finding("note", f"the line break in {name} became a space in the subject", name)
    if "=?utf-8?" in mail.raw_subject.lower() and (usual is None or "=?utf-8?" not in usual.raw_subject.lower()):
        yield Finding("note", "the subject travels encoded (RFC 2047); mail programs show it as written")
    elif "\r\n" in mail.raw_subject and (usual is None or "\r\n" not in usual.raw_subject):
        folds = mail.raw_subject.count("\r\n") + 1
        yield Finding("note", f"the subject travels in {folds} lines; mail programs show one")


def _in_the_text(mail: _Mail, usual: _Mail | None, texts: Mapping[str, str]) -> Iterator[Finding]:
    before = usual.text if usual is not None else ""
    usual_lines = set(before.splitlines())
    holed = (line for line in mail.text.splitlines() if _A_HOLE.search(line) and line not in usual_lines)
    if hole := next(holed, ""):
        yield Finding("look", f"something seems to be missing in “{_short(hole)}”")
    yield from _of_values({name: value.replace("\r\n", "\n") for name, value in texts.items()}, mail.text)
    words = (word for word in mail.text.split() if not word.startswith(("http", "<http", "<mailto")))
    longest = max(words, key=len, default="")
    if len(longest) > LONG_WORD and longest not in before:
        yield Finding(
            "look", f"“{_short(longest)}” has {len(longest)} characters without a break, too wide for a phone"
        )
    widest = max(len(line.encode("utf-8", "replace")) for line in mail.text.splitlines() or [""])
    if widest > LONGEST_LINE:
        yield Finding(
            "note", f"a line of {widest} bytes; it travels as quoted-printable, since mail allows {LONGEST_LINE}"
        )
    backwards = [line for line in mail.text.splitlines() if _from_right(line)]
    if backwards:
        yield Finding(
            "look", f"“{_short(backwards[0])}” begins from right to left, and so mail programs set the whole line"
        )


def _of_values(texts: Mapping[str, str], text: str) -> Iterator[Finding]:
    """What the values themselves bring into a letter."""
    there = {name: value for name, value in texts.items() if value in text}
    broken = [name for name, value in there.items() if "\n" in value]
    shouted = [name for name, value in there.items() if value.isascii() and value.isupper() and len(value) > 3]
    signs = [name for name, value in there.items() if re.search(r"[<>{}*\[]", value)]
    if broken:
        yield Finding("look", f"line breaks in {listed(broken)} are line breaks in the letter")
    if shouted:
        yield Finding("look", f"{listed([f'“{_short(there[name])}”' for name in shouted])}: shouted, as in the list")
    if signs:
        yield Finding("note", f"{listed(signs)}: printed as typed, signs and all; nothing of it is obeyed")


def _from_right(line: str) -> bool:
    """Whether a line's first letter that has a direction is written from right to left (UAX #9, P2)."""
    for char in line:
        direction = unicodedata.bidirectional(char)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 50 else text[:47].rstrip() + "…"


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)


def _tags(html: str) -> set[str]:
    reader = _Tags()
    reader.feed(html)
    return reader.names
