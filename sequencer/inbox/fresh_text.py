"""What somebody wrote just now, without what they quote and what their mail program adds.

The text is cut into lines, `quotes.mark_lines` names each line by a letter, and the rules below are patterns over
that string of letters: top-posted, bottom-posted and inline answers differ only in the order of the letters.
"""

from __future__ import annotations

import re
from typing import Final

from sequencer.inbox.html_text import html_lines
from sequencer.inbox.parse import Mail
from sequencer.inbox.quotes import mark_lines, split_shared_lines
from sequencer.inbox.signatures import is_legal_notice

MAX_TEXT: Final = 100_000
"""Characters of a text that are read."""
MAX_LINES: Final = 2_500

_ODD_BLANKS: Final = str.maketrans(
    {"\xa0": " ", "\u202f": " ", "\u2007": " ", "\u200b": "", "\u200e": "", "\u200f": "", "\ufeff": ""}
)
_BELOW: Final = re.compile(
    r"\b(?:below|inline|in[\s-]line|unten|weiter\s+unten|ci-dessous|abajo|más\s+abajo|sotto|abaixo|hieronder|nedan|nedenfor|"
    r"poniżej|ниже|aşağıda|níže)\b|以下|下記|如下|见下",
    re.IGNORECASE,
)
_TOO_LONG_FOR_A_SIGNATURE: Final = 7

_LEADING: Final = re.compile(r"^e*b+(?=[^b])")
_AFTER_ATTRIBUTION: Final = re.compile(r"b[eqbh]*+(?P<rest>[te]*+)$")
_TAIL_OF_QUOTES: Final = re.compile(r"[eqd]+$")


def fresh_text(mail: Mail) -> str:
    """The words of the person who wrote this mail, from its plain part, or from its HTML part when that tells more.

    Quoted lines stay only where the answer stands between them; they begin with ">".
    """
    return fresh_text_of(mail.text, mail.html)


def fresh_text_of(text: str, html: str = "") -> str:
    """As `fresh_text`, from the plain text and the HTML of a mail; either may be empty. Never raises."""
    if not text.strip():
        return _trim_html(html) if html.strip() else ""
    plain = trim(text)
    if html.strip() and _nothing_cut(plain, text):
        marked = _trim_html(html)
        if marked and len(marked) < 0.7 * len(plain):
            return marked
    return plain


def _trim_html(html: str) -> str:
    """The fresh lines of an HTML part; one quote in the middle of it goes too, since HTML marks quotes reliably."""
    lines = trim(html_lines(html)).split("\n")
    marks = "".join("q" if line.startswith(">") else "t" if line else "e" for line in lines)
    if re.fullmatch(r"[te]*+[qe]++[te]*+", marks) and "t" in marks:
        lines = [line for line in lines if not line.startswith(">")]
    return "\n".join(lines).strip()


def _nothing_cut(fresh: str, text: str) -> bool:
    """Whether the plain part showed no quote, though one may be there: some clients do not mark it."""
    return len(text) > 200 and len(fresh) > 0.9 * len(text.strip())


def trim(text: str) -> str:
    """The fresh lines of a plain text."""
    prepared = text[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n").translate(_ODD_BLANKS)
    lines = [line.rstrip() for line in split_shared_lines(prepared).split("\n")[:MAX_LINES]]
    marks = mark_lines(lines)
    lines, marks = _cut_at_original(lines, marks)
    lines, marks = _cut_at_rule(lines, marks)
    lines, marks = _cut_closing(lines, marks)
    lines, marks = _reply_below(lines, marks)
    lines, marks = _cut_at_attribution(lines, marks)
    lines, marks = _cut_at_header_block(lines, marks)
    lines, marks = _cut_trailing_quotes(lines, marks)
    return "\n".join(_without_legal_notice(lines)).strip()


_Marked = tuple[list[str], str]


def _cut_at_original(lines: list[str], marks: str) -> _Marked:
    """What follows "-----Original Message-----" is quoted; a mail that was only forwarded stays whole."""
    found = re.search(r"[of]", marks)
    if found is None:
        return lines, marks
    if found.group() == "f":
        return lines, "t" * len(marks)
    if not re.search(r"[tq]", marks[: found.start()]):
        return _drop(lines, marks, found.start(), found.end())
    return lines[: found.start()], marks[: found.start()]


def _cut_at_rule(lines: list[str], marks: str) -> _Marked:
    """A line of dashes ends the text, unless a long text of their own goes on below it."""
    for found in re.finditer("d", marks):
        start = found.start()
        below = marks[start + 1 :]
        if "t" not in marks[:start]:
            continue
        dashes = lines[start].strip()
        if dashes in ("--", "—", "__") or not re.search(r"(?:t[e]*){13}", below):
            return lines[:start], marks[:start]
    keep = [index for index, mark in enumerate(marks) if mark != "d"]
    return [lines[index] for index in keep], "".join(marks[index] for index in keep)


def _cut_closing(lines: list[str], marks: str) -> _Marked:
    """ "Sent from my phone" ends the text; above the first word it is only taken out."""
    for found in re.finditer("s", marks):
        if "t" in marks[: found.start()]:
            return lines[: found.start()], marks[: found.start()]
    keep = [index for index, mark in enumerate(marks) if mark != "s"]
    return [lines[index] for index in keep], "".join(marks[index] for index in keep)


def _reply_below(lines: list[str], marks: str) -> _Marked:
    """Bottom-posted: what stands below the attribution and its quote is the reply."""
    start = marks.find("t")
    above, reply = marks[:start], marks[start:]
    announced = next((index for index, mark in enumerate(above) if mark in "bho"), len(above))
    if start > 0 and "q" in above[announced:] and not set(above) - set("eqbho") and not set(reply) - set("te"):
        return lines[start:], reply
    return lines, marks


def _cut_at_attribution(lines: list[str], marks: str) -> _Marked:
    """Top-posted: the reply ends at the attribution. Inline answers lose the attribution only."""
    leading = _LEADING.match(marks)
    if leading:
        lines, marks = _drop(lines, marks, 0, leading.end())
    position = 0
    while (start := marks.find("b", position)) >= 0:
        found = _AFTER_ATTRIBUTION.match(marks, start)
        if "t" in marks[:start] and _ends_here(lines, marks, start, found):
            return lines[:start], marks[:start]
        end = start
        while end < len(marks) and marks[end] == "b":
            end += 1
        if found and "t" in marks[:start] and _wraps(lines[:start], found["rest"]):
            end = found.start("rest")
        lines, marks = _drop(lines, marks, start, end)
        position = start
    return lines, marks


def _ends_here(lines: list[str], marks: str, start: int, found: re.Match[str] | None) -> bool:
    """Whether nothing below this attribution is the writer's own."""
    if "q" not in marks[start:]:
        return True
    if found is None:
        return re.match(r"b+e*t", marks[start : start + 50]) is not None
    if "t" not in found["rest"]:
        return True
    quoted = lines[start + marks[start:].index("q")].lstrip()
    return not quoted.startswith((">", "&gt;")) and found["rest"].count("t") < _TOO_LONG_FOR_A_SIGNATURE


def _wraps(above: list[str], rest: str) -> bool:
    """Whether a few words follow below the whole quote: the quote goes then, unless it is needed to understand them."""
    if not 0 < rest.count("t") < _TOO_LONG_FOR_A_SIGNATURE:
        return False
    return not _BELOW.search("\n".join(above[-12:])[:2_000])


def _cut_at_header_block(lines: list[str], marks: str) -> _Marked:
    found = re.search("h+", marks)
    if found is None:
        return lines, marks
    if "t" in marks[: found.start()]:
        return lines[: found.start()], marks[: found.start()]
    return _drop(lines, marks, found.start(), found.end())


def _cut_trailing_quotes(lines: list[str], marks: str) -> _Marked:
    if "t" not in marks:
        return [], ""
    found = _TAIL_OF_QUOTES.search(marks[marks.rindex("t") :])
    end = marks.rindex("t") + (found.start() if found else len(marks))
    return lines[:end], marks[:end]


def _without_legal_notice(lines: list[str]) -> list[str]:
    """Without the last paragraphs when they are a confidentiality notice."""
    end = len(lines)
    while end:
        start = end
        while start and lines[start - 1].strip():
            start -= 1
        if start and is_legal_notice(" ".join(lines[start:end])):
            end = start
            while end and not lines[end - 1].strip():
                end -= 1
        else:
            break
    return lines[:end]


def _drop(lines: list[str], marks: str, start: int, end: int) -> _Marked:
    return lines[:start] + lines[end:], marks[:start] + marks[end:]
