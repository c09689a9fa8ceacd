"""HTML of strangers to plain lines, in one linear pass. For reading, not for showing."""

from __future__ import annotations

import html
import re

_HIDDEN = ("script", "style", "head", "title")
_BREAK = re.compile(
    r"<(?:br|/?p|/?div|/?tr|/?table|/?li|/?ul|/?ol|/?h[1-6]|hr|/?blockquote|/?pre)\b[^<>]{0,2000}>", re.I
)
_CELL = re.compile(r"</t[dh]\b[^<>]{0,200}>", re.I)
_TAG = re.compile(r"<[a-zA-Z/!?][^<>]{0,5000}>")
_BLANKS = re.compile(r"[ \t\xa0\r\f\v]+")
_EMPTY_LINES = re.compile(r"\n[ \n]{2,}")


def html_to_text(markup: str) -> str:
    """The visible words of an HTML part; block elements begin new lines. Never raises; time grows with the length."""
    text = _without_comments(markup)
    for element in _HIDDEN:
        text = _without_element(text, element)
    text = _BLANKS.sub(" ", text.replace("\n", " "))
    text = _BREAK.sub("\n", text)
    text = _CELL.sub(" ", text)
    text = html.unescape(_TAG.sub("", text)).replace("\xa0", " ").replace("\x00", "")
    text = "\n".join(line.strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", text).strip()


def _without_comments(markup: str) -> str:
    out, start = [], 0
    while (opening := markup.find("<!--", start)) >= 0:
        closing = markup.find("-->", opening + 4)
        if closing < 0:
            break
        out.append(markup[start:opening])
        start = closing + 3
    out.append(markup[start:])
    return "".join(out)


def _without_element(markup: str, element: str) -> str:
    """Markup without an element and its content; an opening tag that is never closed hides nothing."""
    lower = markup.lower()
    if len(lower) != len(markup):  # a character whose lower case is longer
        return markup
    out, start, seen = [], 0, 0
    while (opening := lower.find("<" + element, seen)) >= 0:
        seen = opening + 1 + len(element)
        if lower[seen : seen + 1] not in (">", " ", "\n", "\t", "/"):
            continue
        closing = lower.find("</" + element, seen)
        if closing < 0:
            break
        out.append(markup[start:opening])
        end = lower.find(">", closing)
        start = seen = len(lower) if end < 0 else end + 1
    out.append(markup[start:])
    return "".join(out)
