"""A bounded MIME walker (RFC 5322, 2045-2047, 2231): header blocks and parts out of bytes, never raising.

Python's own parser is not used on strangers' mail: it is quadratic in the depth of nested parts and recursive, and a
mail is only ever read here, never written again. Every loop is bounded by one of the limits below.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from sequencer.inbox.charsets import clean, decode_base64, decode_bytes, decode_words

MOST_BYTES: Final = 1_048_576  # of one mail; the rest is not looked at
MOST_PART_BYTES: Final = 131_072  # of one part, still encoded
MOST_HEADERS: Final = 400
MOST_HEADER_BYTES: Final = 16_384  # of one header value
MOST_PARTS: Final = 100
MOST_DEPTH: Final = 12

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_PARAMETER = re.compile(r";\s{0,80}([^\s=;\"]{1,80})\s{0,10}=\s{0,10}(\"(?:[^\"\\]|\\.){0,1000}\"|[^;\s]{0,1000})")
_MISSPELT = re.compile(r"(text/(?:plain|html))\W?(?:charset|format)")  # a forgotten semicolon
_CONTINUED = re.compile(r"(.*?)(?:\*(\d{1,2}))?(\*)?", re.DOTALL)
_GUESSED_BOUNDARY = re.compile(rb"(?<=\n)--([^\s-][^\n]{0,69}|-{1,60}[^\s-][^\n]{0,69})\n(?=[Cc]ontent-)")


class Headers:
    """The fields of one header block: names are lower case, values unfolded; `get` decodes encoded words."""

    __slots__ = ("_values", "order")

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.order: tuple[tuple[str, str], ...] = tuple(fields)
        self._values: dict[str, list[str]] = {}
        for name, value in fields:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str:
        """The first value of a field, decoded and stripped; "" when there is none."""
        values = self._values.get(name.lower())
        return decode_words(values[0]).strip() if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field, decoded, in order."""
        return tuple(decode_words(value).strip() for value in self._values.get(name.lower(), ()))

    def raw(self, name: str) -> tuple[str, ...]:
        """Every value of a field, unfolded, its encoded words untouched."""
        return tuple(self._values.get(name.lower(), ()))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        return f"Headers({len(self.order)} fields)"


@dataclass(frozen=True)
class Part:
    """One leaf, or one attached message, of a mail; in the order of the mail.

    `body` is still encoded and at most MOST_PART_BYTES long. `enclosed` is true inside an attached message;
    `message` holds the header of an attached message (message/rfc822, text/rfc822-headers).
    """

    content_type: str
    params: Mapping[str, str]
    headers: Headers
    body: bytes = field(repr=False)
    depth: int = 0
    enclosed: bool = False
    message: Headers | None = None

    @property
    def charset(self) -> str:
        """The declared charset, lower case, or ""."""
        return self.params.get("charset", "").lower()

    @cached_property
    def disposition(self) -> str:
        """ "inline", "attachment", something else, or "" (RFC 2183)."""
        return self.headers.get("content-disposition").split(";", 1)[0].strip().lower()

    @property
    def attached(self) -> bool:
        """Whether this is a file that comes along, not something to read in place."""
        return self.disposition == "attachment"

    @property
    def data(self) -> bytes:
        """The decoded bytes, as far as they were kept."""
        return decode_transfer(self.body, self.headers.get("content-transfer-encoding"))

    @cached_property
    def text(self) -> str:
        """The decoded text in whatever charset it turned out to be; lines end with LF."""
        return decode_bytes(self.data, self.charset)


def decode_transfer(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Transfer-Encoding (RFC 2045 §6); unknown ones are taken for none."""
    match encoding.strip().lower():
        case "base64":
            return decode_base64(body)
        case "quoted-printable":
            return binascii.a2b_qp(body)
        case _:
            return body


def read_headers(block: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The header fields from `start` on, and where the body begins. A line that is no field ends the header."""
    fields: list[tuple[str, str]] = []
    name, pieces, size = "", [], 0
    at = start
    while at < end:
        stop = block.find(b"\n", at, end)
        stop = end if stop < 0 else stop
        line = block[at : min(stop, at + MOST_HEADER_BYTES)]
        if not line.strip():
            at = stop + 1
            break
        if line[:1] in b" \t" and name:
            if size < MOST_HEADER_BYTES:
                pieces.append(line)
                size += len(line)
        elif field_start := _FIELD.match(line):
            _close(fields, name, pieces)
            name = field_start[1].decode("ascii").lower()
            pieces, size = [line[field_start.end() :]], len(line)
        elif line.startswith((b"From ", b">From ")):
            pass
        else:
            break
        at = stop + 1
        if len(fields) >= MOST_HEADERS:
            blank = block.find(b"\n\n", at - 1, end)
            at = end if blank < 0 else blank + 2
            break
    _close(fields, name, pieces)
    return Headers(fields), min(at, end)


def _close(fields: list[tuple[str, str]], name: str, pieces: list[bytes]) -> None:
    if name and len(fields) < MOST_HEADERS:
        fields.append((name, decode_bytes(b" ".join(piece.strip() for piece in pieces)[:MOST_HEADER_BYTES]).strip()))


def content_type(headers: Headers, default: str = "text/plain") -> tuple[str, Mapping[str, str]]:
    """The lower-case type and its parameters, RFC 2231 continuations joined."""
    raw = headers.raw("content-type")
    if not raw:
        return default, {}
    value = raw[0][:4000]
    kind = re.sub(r"\s+", "", value.split(";", 1)[0]).lower()
    if misspelt := _MISSPELT.match(kind):
        kind = misspelt[1]
    elif "/" not in kind:
        kind = {"text": "text/plain", "multipart": "multipart/mixed"}.get(kind, default)
    found: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _PARAMETER.finditer(value):
        name = _CONTINUED.fullmatch(match[1].lower())
        if name is None:
            continue
        text = match[2][1:-1].replace("\\", "") if match[2].startswith('"') else match[2]
        found.setdefault(name[1], []).append((int(name[2] or 0), bool(name[3]), text))
    return kind, {name: _joined(pieces) for name, pieces in found.items()}


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    text = "".join(piece for _, _, piece in sorted(pieces, key=lambda piece: piece[0]))
    if any(extended for _, extended, _ in pieces) and text.count("'") >= 2:
        charset, _, encoded = text.split("'", 2)
        data = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), encoded.encode("utf-8", "replace"))
        return decode_bytes(data, charset)
    return clean(decode_words(text))


def walk(block: bytes, headers: Headers, start: int) -> tuple[Part, ...]:
    """The leaves and attached messages of a mail whose body begins at `start`, in order, at most MOST_PARTS."""
    parts: list[Part] = []
    pending = [_Span(block, headers, start, len(block), 0, enclosed=False)]
    while pending and len(parts) < MOST_PARTS:
        span = pending.pop()
        kind, params = content_type(span.headers)
        if kind.startswith("multipart/") and span.depth < MOST_DEPTH:
            inner = _split(span, params.get("boundary", ""), MOST_PARTS - len(parts))
            if inner:
                pending.extend(reversed(inner))
                continue
            kind = "text/plain"
        message = _message(span) if kind in _MESSAGES else None
        parts.append(
            Part(
                content_type=kind,
                params=params,
                headers=span.headers,
                body=span.block[span.start : min(span.end, span.start + MOST_PART_BYTES)],
                depth=span.depth,
                enclosed=span.enclosed,
                message=message.headers if message else None,
            )
        )
        if message and kind != "text/rfc822-headers" and span.depth < MOST_DEPTH:
            pending.append(message)
    return tuple(parts)


_MESSAGES = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers",
                       "message/global-headers"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Span:
    """A MIME entity: its header and the stretch of bytes that is its body."""

    block: bytes
    headers: Headers
    start: int
    end: int
    depth: int
    enclosed: bool


def _message(span: _Span) -> _Span:
    """The message inside a message/rfc822 part; some encode it, against RFC 2046 §5.2.1."""
    block, start, end = span.block, span.start, span.end
    encoding = span.headers.get("content-transfer-encoding").lower()
    if encoding in ("base64", "quoted-printable"):
        block = decode_transfer(block[start:end], encoding).replace(b"\r\n", b"\n")
        start, end = 0, len(block)
    while block[start : start + 1] == b"\n" and start < end:
        start += 1
    headers, body = read_headers(block, start, end)
    return _Span(block, headers, body, end, span.depth + 1, enclosed=True)


def _split(span: _Span, boundary: str, most: int) -> list[_Span]:
    """The entities between the boundary lines (RFC 2046 §5.1.1); a missing end is fine."""
    marker = boundary.rstrip().encode("utf-8", "replace")[:200]
    inner = _between(span, marker, most) if marker else []
    if not inner:
        guess = _GUESSED_BOUNDARY.search(span.block, span.start, min(span.end, span.start + 65_536))
        inner = _between(span, guess[1].rstrip(), most) if guess else []
    return inner


def _between(span: _Span, marker: bytes, most: int) -> list[_Span]:
    line = re.compile(rb"(?:\A|(?<=\n))--" + re.escape(marker) + rb"(--)?[ \t]*(?:\n|\Z)")
    spans: list[_Span] = []
    opened = -1
    for match in line.finditer(span.block, span.start, span.end):
        if opened >= 0:
            spans.append(_entity(span, opened, max(opened, match.start() - 1)))
        if match[1] or len(spans) >= most:
            return spans
        opened = match.end()
    if opened >= 0:
        spans.append(_entity(span, opened, span.end))
    return spans


def _entity(span: _Span, start: int, end: int) -> _Span:
    headers, body = read_headers(span.block, start, end)
    return _Span(span.block, headers, body, end, span.depth + 1, span.enclosed)
