"""The Markdown of a template as a plain mail and as light HTML, with contact data that stays data.

Values travel between private-use characters, each half byte as one more (`protect`). Markdown sees a word in no
script and leaves it alone. What Markdown makes of the text around them is the same for every contact and is kept;
the values are put in last, and escaped in HTML. So a contact whose company is called `**[x](http://evil)**` reads
exactly that.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Final
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

_OPEN, _CLOSE = "\ue000", "\ue001"  # around a value
_LINK, _TO, _END = "\ue002", "\ue003", "\ue004"  # around a link in plain text whose label or target holds values
_HREF, _HREF_END = "\ue005", "\ue006"  # around such a target in HTML
_ALONE: Final = "\ue007"  # instead of _OPEN: outside of links, so that a value may become one
_DIGIT: Final = 0xE010  # … 0xE01F: the sixteen half bytes
_DIGITS: Final = f"[{chr(_DIGIT)}-{chr(_DIGIT + 15)}]*"
_TO_DIGITS: Final = {ord(digit): chr(_DIGIT + value) for value, digit in enumerate("0123456789abcdef")}
_FROM_DIGITS: Final = {ord(mark): chr(digit) for digit, mark in _TO_DIGITS.items()}
_MARKS: Final = re.compile(f"[{_OPEN}-{chr(_DIGIT + 15)}]")
_PROTECTED: Final = re.compile(f"{_OPEN}({_DIGITS}){_CLOSE}")
_SLOT: Final = re.compile(f"([{_OPEN}{_ALONE}])({_DIGITS}){_CLOSE}")
_LINK_IN_TEXT: Final = re.compile(f"{_LINK}([^{_TO}]*){_TO}([^{_END}]*){_END}")
_LINK_IN_HTML: Final = re.compile(f' href="{_HREF}([^{_HREF_END}]*){_HREF_END}"')
_URL: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"“”]+", re.IGNORECASE)
_TRAILING: Final = ".,;:!?)'’]"
_ALLOWED_SCHEME: Final = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MARGIN: Final = re.compile(r"(?:> ?|[-*] |[0-9]+[.)] | )*")


class Damaged(ValueError):
    """A value was cut or changed between `protect` and `reveal`, e.g. by a filter on a block that holds it."""


@lru_cache(maxsize=256)  # the company, our own name and address: the same values come again and again
def protect(value: str) -> str:
    """A value (without marks, see `clean`) in a form that no Markdown and no HTML can touch. Raises Damaged."""
    if _MARKS.search(value):
        raise Damaged("a block was taken apart")
    return _OPEN + _as_digits(value.encode("utf-8", "replace")) + _CLOSE


def reveal(text: str) -> str:
    """The text with every protected value as it was. Raises Damaged."""
    if _MARKS.search(_PROTECTED.sub("", text)):
        raise Damaged("a value was cut in two")
    return _PROTECTED.sub(lambda found: _from_digits(found[1]).decode("utf-8", "replace"), text)


def clean(text: str) -> str:
    """Text without control characters and without the marks of `protect`; line ends become `\\n`."""
    if text.isprintable():  # as most values are: no controls, no line ends, nothing for private use
        return text
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return without_marks(_CONTROL.sub("", lines))


def without_marks(text: str) -> str:
    """Text without the private-use characters that this module needs for itself."""
    return _MARKS.sub("", text)


def letters(source: str) -> tuple[str, str]:
    """The plain text and the inner HTML of a Markdown text with protected values. Raises Damaged."""
    pieces = _PROTECTED.split(source)  # every second one is a value
    numbers = {digits: number for number, digits in enumerate(dict.fromkeys(pieces[1::2]))}
    pieces[1::2] = [_slot(numbers[digits]) for digits in pieces[1::2]]
    text, inner = _skeletons("".join(pieces))
    values = [_from_digits(digits).decode("utf-8", "replace") for digits in numbers]
    return _fill_text(text, values), _fill_html(inner, values)


def _as_digits(raw: bytes) -> str:
    return raw.hex().translate(_TO_DIGITS)


@lru_cache(maxsize=256)
def _from_digits(text: str) -> bytes:
    try:
        return bytes.fromhex(text.translate(_FROM_DIGITS))
    except ValueError:
        raise Damaged("a value was cut in two") from None


@lru_cache(maxsize=256)
def _slot(number: int) -> str:
    return _OPEN + _as_digits(number.to_bytes(3, "big")) + _CLOSE


def _number(digits: str) -> int:
    return int.from_bytes(_from_digits(digits), "big")


# The same for every contact -----------------------------------------------------------------------


class _Markdown(MarkdownIt):
    """CommonMark without what has no place in a letter: HTML, images, setext headings, indented code."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True})
        self.disable(["image", "lheading", "code", "html_block", "html_inline"])

    # Targets are judged once the values are in.
    def validateLink(self, url: str) -> bool:  # noqa: N802 (the library's name)
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802
        return link


_MARKDOWN: Final = _Markdown()


@dataclass(frozen=True, slots=True)
class _Skeleton:
    """A text with slots where the values belong."""

    whole: str
    between: tuple[str, ...]  # the text before, between and after the slots
    slots: tuple[int, ...]  # the number of each slot's value
    alone: tuple[bool, ...]  # whether that value may become a link

    @staticmethod
    def of(whole: str) -> _Skeleton:
        between, signs, digits = (tuple(_SLOT.split(whole)[start::3]) for start in range(3))
        return _Skeleton(whole, between, tuple(map(_number, digits)), tuple(sign == _ALONE for sign in signs))

    def filled(self, values: Iterable[str]) -> str:
        """The text with these values, one a slot."""
        return "".join(chain.from_iterable(zip(self.between, (*values, ""), strict=True)))


@lru_cache(maxsize=1024)
def _skeletons(source: str) -> tuple[_Skeleton, _Skeleton]:
    """Plain text and HTML of a Markdown text with slots. Raises Damaged."""
    if _MARKS.search(_SLOT.sub("", source)):
        raise Damaged("a value was cut in two")
    tokens = _MARKDOWN.parse(source)
    for token in tokens:
        token.info = ""
        for child in token.children or ():
            if child.type == "link_open":
                child.attrs = {"href": str(child.attrs.get("href", ""))}
    blocks = "\n\n".join(filter(None, (_block(node) for node in SyntaxTreeNode(tokens).children)))
    text = "\n".join(line.rstrip() for line in blocks.split("\n")).strip("\n")
    for token in tokens:
        if token.type == "inline":
            token.children = list(_settled(token.children or []))
    rendered: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return _Skeleton.of(text), _Skeleton.of(rendered.strip())


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
    paragraphs = (child for item in node.children for child in item.children if child.type == "paragraph")
    gap = "\n" if any(paragraph.hidden for paragraph in paragraphs) else "\n\n"
    number = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
    items: list[str] = []
    for item in node.children:
        sign = "- " if number is None else f"{number}{item.markup or '.'} "
        number = None if number is None else number + 1
        items.append(sign + _blocks(item, gap).replace("\n", "\n" + " " * len(sign)))
    return gap.join(items)


def _inline(children: Sequence[SyntaxTreeNode]) -> str:
    return "".join(_piece(child) for child in children)


def _piece(node: SyntaxTreeNode) -> str:
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak" | "hardbreak":
            return "\n"
        case "link":
            label, target = _inline(node.children), str(node.attrs.get("href", ""))
            holds_values = _MARKS.search(label + target)
            return f"{_LINK}{label}{_TO}{target}{_END}" if holds_values else _link(label, target)
        case _:
            return _inline(node.children)


def _link(label: str, target: str) -> str:
    """A link in plain text: `the label <the address>`, or what is left when both are the same."""
    url = _address(target)
    shown = url.removeprefix("mailto:") if "?" not in url else url
    return label if not url or label in (url, shown, target) else f"{label} <{shown}>"


def _address(target: str) -> str:
    """The target of a link, or nothing when it is none that a letter should have."""
    url = target.strip()
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~") if _ALLOWED_SCHEME.match(url) else ""


def _settled(children: Sequence[Token]) -> Iterator[Token]:
    """The inline tokens of the HTML: bare URLs as links, no links to nowhere."""
    inside: list[bool] = []  # for each open link, whether it leads anywhere
    for child in children:
        if child.type == "link_open":
            target = str(child.attrs.get("href", ""))
            child.attrs = {"href": _href(target)}
            inside.append(bool(child.attrs["href"]))
            if inside[-1]:
                yield child
        elif child.type == "link_close":
            if inside.pop():
                yield child
        elif child.type == "text" and not any(inside):
            yield from _with_links(child.content)
        else:
            yield child


def _href(target: str) -> str:
    return f"{_HREF}{target}{_HREF_END}" if _MARKS.search(target) else _address(target)


def _with_links(text: str) -> Iterator[Token]:
    place = 0
    for found in _URL.finditer(text):
        url = found[0].rstrip(_TRAILING)
        yield _text(text[place : found.start()])
        yield Token("link_open", "a", 1, attrs={"href": _href(url)})
        yield Token("text", "", 0, content=url)
        yield Token("link_close", "a", -1)
        place = found.start() + len(url)
    yield _text(text[place:])


def _text(content: str) -> Token:
    """A text outside of links."""
    return Token("text", "", 0, content=content.replace(_OPEN, _ALONE))


# Of one contact -----------------------------------------------------------------------------------


def _fill_text(skeleton: _Skeleton, values: Sequence[str]) -> str:
    def linked(found: re.Match[str]) -> str:
        return _link(_fill(found[1], values), _fill(found[2], values))

    if _LINK in skeleton.whole:
        skeleton = _Skeleton.of(_LINK_IN_TEXT.sub(linked, skeleton.whole))
    if any("\n" in value for value in values):
        return "\n".join(_with_margin(line, values) for line in skeleton.whole.split("\n"))
    return skeleton.filled([values[number] for number in skeleton.slots])


def _fill(text: str, values: Sequence[str]) -> str:
    return _SLOT.sub(lambda found: values[_number(found[2])], text)


def _with_margin(line: str, values: Sequence[str]) -> str:
    """A line whose values may have several: the further ones are indented, or quoted, like the first."""
    margin = _MARGIN.match(line)
    indent = re.sub("[^>]", " ", margin[0]) if margin is not None else ""
    return _fill(line, [value.replace("\n", "\n" + indent) for value in values])


def _fill_html(skeleton: _Skeleton, values: Sequence[str]) -> str:
    def href(found: re.Match[str]) -> str:
        url = _address(_fill(html.unescape(found[1]), values))
        return f' href="{html.escape(url)}"' if url else ""

    if _HREF in skeleton.whole:
        skeleton = _Skeleton.of(_LINK_IN_HTML.sub(href, skeleton.whole))
    inside = [html.escape(value).replace("\n", "<br />\n") for value in values]
    outside = [_linked(value, escaped) for value, escaped in zip(values, inside, strict=True)]
    slots = zip(skeleton.slots, skeleton.alone, strict=True)
    return skeleton.filled([outside[number] if alone else inside[number] for number, alone in slots])


def _linked(value: str, escaped: str) -> str:
    """A value that stands outside of links: when it is an address of the web or of mail, it becomes one."""
    url = _address(value) if _URL.fullmatch(value) else ""
    return f'<a href="{html.escape(url)}">{escaped}</a>' if url else escaped
