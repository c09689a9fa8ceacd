"""The HTML part of a mail as plain lines, quotes marked with ">", so that one set of rules reads both parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree, html  # type: ignore[import-untyped]

MAX_HTML: Final = 400_000
"""Characters of an HTML part that are read."""

_DROPPED: Final = frozenset(
    ("script", "style", "head", "title", "meta", "link", "noscript", "object", "svg", "template", "o:p", "xml")
)
_BLOCKS: Final = frozenset(
    [
        *("p", "div", "br", "hr", "pre", "blockquote", "center", "form", "dd", "dt", "dl", "li", "ul", "ol"),
        *("table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer"),
    ]
)
_QUOTED_MESSAGE: Final = re.compile(
    r"(?:^|\s)(?:x_)*(?:divrplyfwdmsg|appendonsend|mail-editor-reference-message-container|olk_src_body_section|"
    r"yahoo_quoted\w*|ydp\w*yahoo_quoted|protonmail_quote|tutanota_quote|zmail_extra|replyforwardmessage|"
    r"isforwardcontent|bloop_markdown_quote|reply-intro|mailcontentquote|qt_quote|ox-quote|moz-forward-container)(?:\s|$)",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(
    r"(?:^|\s)(?:x_)*(?:gmail_signature\w*|moz-signature|signature|ms-outlook-mobile-signature|bloop_sign\w*|"
    r"applemailsignature|protonmail_signature_block\S*|zmail_signature|ydp\w*signature)(?:\s|$)",
    re.IGNORECASE,
)
_HIDDEN: Final = re.compile(
    r"display\s*:\s*none|mso-hide\s*:\s*all|font-size\s*:\s*0(?:px|pt)?\s*(?:;|$)", re.IGNORECASE
)
_BLANKS: Final = re.compile(r"[ \t\r\n\f\v\u200b\ufeff]+")
_SPECIAL_COMMENT: Final = re.compile(r"<!\[(?:if|endif)[^>\]]{0,200}\]>|<\?xml[^>]{0,300}>", re.IGNORECASE)
_ORIGINAL_LINE: Final = "-----Original Message-----"
_RULE_LINE: Final = "________________________________"


def html_lines(markup: str) -> str:
    """Plain lines of an HTML part.

    Lines inside a blockquote begin with ">", the place where a known client put the message it answers begins with
    "-----Original Message-----", a horizontal rule is a line of underscores; hidden parts, and the signatures that
    clients mark as such, are left out. Never raises: what cannot be parsed gives "".
    """
    root = _parse(markup[:MAX_HTML])
    if root is None:
        return ""
    out = _Lines()
    for kind, value, depth in _walk(root):
        if kind == "text":
            out.add(value, depth)
        else:
            out.line_break(value, depth)
    return out.text()


def _parse(markup: str) -> Any:
    cleaned = _SPECIAL_COMMENT.sub("", markup.replace("\x00", ""))
    if not cleaned.strip():
        return None
    try:
        parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
        return html.document_fromstring(cleaned.encode("utf-8", "replace"), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


class _Lines:
    """Lines in the making; white space is folded as a browser would."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._current: list[str] = []
        self._depth = 0

    def add(self, text: str, depth: int) -> None:
        """Text of an inline element."""
        folded = _BLANKS.sub(" ", text)
        if not folded or (folded == " " and not self._current):
            return
        if not self._current:
            self._depth = depth
        self._current.append(folded)

    def line_break(self, special: str, depth: int) -> None:
        """The start or end of a block; `special` is a line to write in between."""
        if self._current or special == "br":
            line = _BLANKS.sub(" ", "".join(self._current)).strip(" ")
            self._lines.append("> " * self._depth + line if self._depth and self._current else line)
            self._current = []
        if special in (_RULE_LINE, _ORIGINAL_LINE):
            self._lines.append("> " * depth + special)
        elif special == "p" and self._lines and self._lines[-1].strip():
            self._lines.append("")

    def text(self) -> str:
        """All lines so far."""
        self.line_break("", 0)
        return "\n".join(self._lines)


def _walk(root: Any) -> Iterator[tuple[str, str, int]]:
    """Texts and line breaks in document order, with the depth of quoting. Iterative: nesting costs no stack."""
    depth = 0
    stack: list[tuple[str, Any]] = [("open", root)]
    while stack:
        step, node = stack.pop()
        if step == "tail":
            if node:
                yield "text", node, depth
            continue
        if step == "close":
            yield "break", "p" if node == "p" else "", depth
            depth -= node == "blockquote"
            continue
        tag = node.tag if isinstance(node.tag, str) else ""
        if not tag or _is_left_out(tag, node):
            continue
        depth += tag == "blockquote"
        if tag in _BLOCKS:
            yield "break", _break_of(tag, node), depth
        elif tag in ("td", "th"):
            yield "text", " ", depth
        elif _is_quoted_message(node):
            yield "break", _ORIGINAL_LINE, depth
        if node.text:
            yield "text", node.text, depth
        if tag in _BLOCKS and tag not in ("br", "hr"):
            stack.append(("close", tag))
        for child in reversed(node):
            stack += [("tail", child.tail), ("open", child)]


def _break_of(tag: str, node: Any) -> str:
    if tag == "hr":
        return _RULE_LINE
    if tag == "br":
        return "br"
    if _is_quoted_message(node):
        return _ORIGINAL_LINE
    return "p" if tag == "p" else ""


def _is_quoted_message(node: Any) -> bool:
    names = f"{node.get('id') or ''} {node.get('class') or ''}"
    return len(names) > 1 and bool(_QUOTED_MESSAGE.search(names[:500]))


def _is_left_out(tag: str, node: Any) -> bool:
    if tag in _DROPPED:
        return True
    style = node.get("style")
    if style and _HIDDEN.search(style[:500]) and tag not in ("body", "html"):
        return True
    if node.get("data-signatureblock") == "true":
        return True
    names = f"{node.get('id') or ''} {node.get('class') or ''}"
    return len(names) > 1 and bool(_SIGNATURE.search(names[:500]))
