"""The Markdown of a template as a plain mail and as light HTML, with contact data that stays data.

Values are put in between two private-use characters, each half byte as one more (`protect`). Markdown sees a word
in no script and leaves it alone; only afterwards is it turned back (`reveal`) and, in HTML, escaped. So a contact
whose company is called `**[x](http://evil)**` reads exactly that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

_OPEN: Final = "\ue000"
_CLOSE: Final = "\ue001"
_DIGIT: Final = 0xE010  # … 0xE01F: the sixteen half bytes
_PROTECTED: Final = re.compile(f"{_OPEN}([{chr(_DIGIT)}-{chr(_DIGIT + 15)}]*){_CLOSE}")
_REMAINS: Final = re.compile(f"[{_OPEN}{_CLOSE}{chr(_DIGIT)}-{chr(_DIGIT + 15)}]")
_URL: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"“”]+", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)'’]"
_ALLOWED_SCHEME: Final = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Damaged(ValueError):
    """A value was cut or changed between `protect` and `reveal`, e.g. by a filter on a block that holds it."""


def protect(value: str) -> str:
    """A value in a form that no Markdown and no HTML can touch."""
    raw = clean(value).encode("utf-8", "replace")
    return _OPEN + "".join(chr(_DIGIT + (byte >> 4)) + chr(_DIGIT + (byte & 15)) for byte in raw) + _CLOSE


def reveal(text: str) -> str:
    """The text with every protected value as it was. Raises Damaged."""
    result = _PROTECTED.sub(_value, text)
    if _REMAINS.search(result):
        raise Damaged("a value was cut in two")
    return result


def _value(found: re.Match[str]) -> str:
    digits = [ord(char) - _DIGIT for char in found[1]]
    if len(digits) % 2:
        raise Damaged("a value was cut in two")
    raw = bytes(high * 16 + low for high, low in zip(digits[::2], digits[1::2], strict=True))
    # The marks themselves cannot stand in a value: `clean` has taken them out.
    return raw.decode("utf-8", "replace")


def clean(text: str) -> str:
    """Text without control characters and without the marks of `protect`; line ends become `\\n`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return _REMAINS.sub("", _CONTROL.sub("", lines))


class _Markdown(MarkdownIt):
    """CommonMark without what has no place in a letter: HTML, images, setext headings, indented code."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True})
        self.disable(["image", "lheading", "code", "html_block", "html_inline"])

    # Links are judged once the values are revealed.
    def validateLink(self, url: str) -> bool:  # noqa: N802 (the library's name)
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802
        return link


_MARKDOWN: Final = _Markdown()


def letters(source: str) -> tuple[str, str]:
    """The plain text and the inner HTML of a Markdown text with protected values. Raises Damaged."""
    tokens = _MARKDOWN.parse(source)
    for token in tokens:
        token.content = reveal(token.content) if token.type in ("fence", "code_block") else token.content
        token.info = ""
        for child in token.children or ():
            child.content = reveal(child.content)
            if child.type == "link_open":
                child.attrs = {"href": _address(reveal(str(child.attrs.get("href", ""))))}
    text = _plain(tokens)
    return text, _html(tokens)


# Plain text ---------------------------------------------------------------------------------------


def _plain(tokens: Sequence[Token]) -> str:
    text = "\n\n".join(filter(None, (_block(node) for node in SyntaxTreeNode(tokens).children)))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _block(node: SyntaxTreeNode) -> str:
    match node.type:
        case "bullet_list" | "ordered_list":
            return _list(node)
        case "blockquote":
            return "\n".join(f"> {line}".rstrip() for line in _blocks(node).split("\n"))
        case "fence" | "code_block":
            return node.content.rstrip("\n")
        case "hr":
            return "* * *"
        case "inline":
            return _inline(node.children)
        case _:
            return _blocks(node)


def _blocks(node: SyntaxTreeNode, gap: str = "\n\n") -> str:
    return gap.join(filter(None, (_block(child) for child in node.children)))


def _list(node: SyntaxTreeNode) -> str:
    tight = any(
        paragraph.hidden for item in node.children for paragraph in item.children if paragraph.type == "paragraph"
    )
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    items: list[str] = []
    for item in node.children:
        sign = "- " if number is None else f"{number}{item.markup or '.'} "
        number = None if number is None else number + 1
        body = _blocks(item, "\n" if tight else "\n\n").replace("\n", "\n" + " " * len(sign))
        items.append(sign + body)
    return ("\n" if tight else "\n\n").join(items)


def _inline(children: Sequence[SyntaxTreeNode]) -> str:
    return "".join(_piece(child) for child in children)


def _piece(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            return _link(_inline(node.children), str(node.attrs.get("href", "")))
        case _:
            return _inline(node.children)


def _link(text: str, url: str) -> str:
    shown = url.removeprefix("mailto:") if "?" not in url else url
    if not url or text in (url, shown):
        return text
    return f"{text} <{shown}>"


# HTML ---------------------------------------------------------------------------------------------


def _html(tokens: Sequence[Token]) -> str:
    for token in tokens:
        if token.type == "inline":
            token.children = list(_settled(token.children or []))
    rendered: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return rendered.strip()


def _settled(children: Sequence[Token]) -> Iterator[Token]:
    """The inline tokens with bare URLs as links, line ends in values as breaks, and without links to nowhere."""
    inside: list[bool] = []  # for each open link, whether it leads anywhere
    for child in children:
        if child.type == "link_open":
            inside.append(bool(child.attrs.get("href")))
            if inside[-1]:
                yield child
        elif child.type == "link_close":
            if inside.pop():
                yield child
        elif child.type == "text":
            yield from _lines(child.content, linked=any(inside))
        else:
            yield child


def _lines(text: str, *, linked: bool) -> Iterator[Token]:
    for index, line in enumerate(text.split("\n")):
        if index:
            yield Token("hardbreak", "br", 0)
        yield from [_text(line)] if linked else _with_links(line)


def _with_links(text: str) -> Iterator[Token]:
    place = 0
    for found in _URL.finditer(text):
        url = found[0].rstrip(_TRAILING)
        address = _address(url)
        if not address:
            continue
        yield _text(text[place : found.start()])
        yield Token("link_open", "a", 1, attrs={"href": address})
        yield _text(url)
        yield Token("link_close", "a", -1)
        place = found.start() + len(url)
    yield _text(text[place:])


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _address(url: str) -> str:
    """The target of a link, or nothing when it is none that a letter should have."""
    url = "".join(url.split())
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~") if _ALLOWED_SCHEME.match(url) else ""
