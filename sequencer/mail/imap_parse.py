"""Reading what an IMAP server says (RFC 3501 §9), in linear time and without recursion.

Pure: bytes in, values out. Whatever is not understood raises Garbled, after which a connection is of no more use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

MAX_LINE = 16 * 1024 * 1024  # the numbers of a search through a million mails are such a line
MAX_LITERAL = 64 * 1024 * 1024

Value = bytes | None | list["Value"]
"""An atom, a string or a literal; NIL; a parenthesised list."""

_LITERAL = re.compile(rb"\{(\d{1,12})\+?\}$")
_PLAIN_TEXT = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.IGNORECASE)  # their text may end in braces
_CODE = re.compile(r"\[([A-Z0-9.-]+)(?: ([^\]]*))?\]", re.IGNORECASE)
_NUMBERED = re.compile(rb"\* (\d{1,12}) ([A-Z]+)", re.IGNORECASE)
_DATE = re.compile(r" ?(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_TOKEN = re.compile(
    rb'[ \t]+|(?P<open>\()|(?P<close>\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|~?\{(?P<literal>\d{1,12})\+?\}\r\n'
    rb'|(?P<atom>(?:[^\s()"{\[\]]|\[[^\]]*\]|\])+)',
    re.DOTALL,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Garbled(Exception):
    """The server sent what is not IMAP, or more than anybody asked for."""


class Framer:
    """Cuts the byte stream into whole responses: lines with the literals that they announce, inline."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._from = 0  # where the search for the next line end starts
        self._need = 0  # how many bytes must be there before: the end of a literal

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The responses that are complete now, each without its final CRLF."""
        self._buffer += data
        begin = 0
        try:
            while len(self._buffer) >= self._need:
                end = self._buffer.find(b"\r\n", self._from)
                if end < 0:
                    self._from = max(self._from, len(self._buffer) - 1)
                    if len(self._buffer) - max(begin, self._need) > MAX_LINE:
                        raise Garbled("a line without an end")
                    break
                size = self._literal_at(begin, end)
                if size is None:
                    response = bytes(self._buffer[begin:end])
                    begin = self._from = self._need = end + 2
                    yield response
                else:
                    self._from = self._need = end + 2 + size
        finally:
            del self._buffer[:begin]
            self._from -= begin
            self._need -= begin

    def _literal_at(self, begin: int, end: int) -> int | None:
        if self._buffer[end - 1 : end] != b"}" or self._buffer[begin : begin + 2] != b"* ":
            return None
        found = _LITERAL.search(bytes(self._buffer[max(begin, self._need, end - 16) : end]))
        if found is None or _PLAIN_TEXT.match(self._buffer, begin):
            return None
        size = int(found[1])
        if size > MAX_LITERAL or end - begin + size > MAX_LITERAL:
            raise Garbled(f"a literal of {size} bytes")
        return size


@dataclass(frozen=True, slots=True)
class ResponseCode:
    """The part in brackets of a status response (RFC 3501 §7.1, RFC 5530), e.g. `UIDVALIDITY 12`."""

    name: str
    argument: str


def response_code(text: str) -> ResponseCode:
    """The response code of a status text, or an empty one."""
    found = _CODE.search(text)
    return ResponseCode(found[1].upper(), found[2] or "") if found else ResponseCode("", "")


def numbered(response: bytes) -> tuple[int, str] | None:
    """`* 12 EXISTS` as (12, "EXISTS"), or None."""
    found = _NUMBERED.match(response)
    return (int(found[1]), found[2].decode("ascii").upper()) if found else None


def keyword(response: bytes) -> str:
    """The word that says what an untagged response is: `* LIST …` is a LIST, `* 12 FETCH …` a FETCH."""
    words = response[:64].split(maxsplit=3)
    word = words[2] if len(words) > 2 and words[1].isdigit() else words[1] if len(words) > 1 else b""
    return word.decode("ascii", "replace").upper()


def values(response: bytes) -> list[Value]:
    """The values of one whole response. Raises Garbled."""
    top: list[Value] = []
    stack: list[list[Value]] = [top]
    position = 0
    while position < len(response):
        found = _TOKEN.match(response, position)
        if found is None:
            raise Garbled(f"unreadable at byte {position}: {response[position : position + 40]!r}")
        position = found.end()
        kind = found.lastgroup
        if kind == "open":
            inner: list[Value] = []
            stack[-1].append(inner)
            stack.append(inner)
        elif kind == "close":
            if len(stack) == 1:
                raise Garbled("a parenthesis too many")
            stack.pop()
        elif kind == "literal":
            size = int(found["literal"])
            if position + size > len(response):
                raise Garbled("a literal that is cut short")
            stack[-1].append(response[position : position + size])
            position += size
        elif kind == "quoted":
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found["quoted"]))
        elif kind == "atom":
            atom = found["atom"]
            stack[-1].append(None if atom.upper() == b"NIL" else atom)
    if len(stack) > 1:
        raise Garbled("a parenthesis that is not closed")
    return top


def search_numbers(responses: list[bytes]) -> tuple[int, ...]:
    """The numbers of all SEARCH responses, ascending, each once; what else stands there (MODSEQ) is left out."""
    found: set[int] = set()
    for response in responses:
        if keyword(response) == "SEARCH":
            for word in response.split()[2:]:
                if not word.isdigit():
                    break
                found.add(int(word))
    return tuple(sorted(found))


def fetched(responses: list[bytes]) -> dict[int, dict[str, Value]]:
    """UID -> item -> value, from all FETCH responses that name a UID. Of `BODY[…]<0>` the origin is left out."""
    messages: dict[int, dict[str, Value]] = {}
    for response in responses:
        if keyword(response) != "FETCH":
            continue
        parts = values(response)
        items = parts[3] if len(parts) > 3 else None
        if not isinstance(items, list) or len(items) % 2:
            raise Garbled(f"a FETCH without its items: {response[:60]!r}")
        named: dict[str, Value] = {}
        for name, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(name, bytes):
                raise Garbled(f"a FETCH item without a name: {response[:60]!r}")
            named[re.sub(r"<\d+>$", "", name.decode("ascii", "replace").upper())] = value
        uid = named.get("UID")
        if isinstance(uid, bytes) and uid.isdigit():
            messages.setdefault(int(uid), {}).update(named)
    return messages


@dataclass(frozen=True, slots=True)
class Listed:
    """One LIST response: the name as the server spells it."""

    attributes: frozenset[str]
    separator: str
    name: str


def listed(response: bytes) -> Listed:
    """What a LIST response says. Raises Garbled."""
    parts = values(response)
    if len(parts) < 5 or not isinstance(parts[2], list):
        raise Garbled(f"not a LIST: {response[:60]!r}")
    separator, name = parts[3], parts[4]
    attributes = frozenset(_capitalised(item) for item in parts[2] if isinstance(item, bytes))
    # A folder may be called NIL.
    raw = name if isinstance(name, bytes) else b"NIL"
    return Listed(
        attributes,
        separator.decode("ascii", "replace") if isinstance(separator, bytes) else "",
        raw.decode("utf-8", "surrogateescape"),
    )


def internal_date(text: str) -> datetime | None:
    """`17-Jul-1996 02:44:25 -0700` in UTC; None when it is no date. (`strptime` would want the locale's months.)"""
    found = _DATE.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    offset = timedelta(hours=int(found[8]), minutes=int(found[9])) * (-1 if found[7] == "-" else 1)
    day, year, hour, minute, second = (int(found[i]) for i in (1, 3, 4, 5, 6))
    try:
        local = datetime(year, _MONTHS.index(found[2]) + 1, day, hour, minute, second, tzinfo=timezone(offset))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _capitalised(attribute: bytes) -> str:
    text = attribute.decode("ascii", "replace")
    return text[:1] + text[1:2].upper() + text[2:].lower() if text.startswith("\\") else text
