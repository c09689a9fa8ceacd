"""Bytes of unknown honesty to text: charsets that are wrong, unknown or missing, and RFC 2047 encoded words.

Nothing here raises, whatever comes in. Text never holds NUL (PostgreSQL refuses it) nor lone surrogates.
"""

from __future__ import annotations

import binascii
import codecs
import re
from functools import lru_cache

# Names found in real mail that Python does not know, or that senders use for a superset (WHATWG Encoding Standard).
_ALIASES = {
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-2022-jp-ms": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext",
    "big5": "big5hkscs",
    "unicode-1-1-utf-7": "utf-7",
    "utf8": "utf-8",
    "utf-8mb4": "utf-8",
    "windows-874": "cp874",
}
# Codecs that are no charsets of mail: they are slow (punycode is quadratic), stateful or execute escapes.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})
_UNDECLARED = frozenset({"", "us-ascii", "ascii", "unknown", "unknown-8bit", "x-unknown", "default", "none", "8bit"})

_WORD = re.compile(r"=\?([^?\s]{1,40})\?([bBqQ])\?([^?]{0,2000})\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s{1,200}(?==\?[^?\s]{1,40}\?[bBqQ]\?)")
_CONTROLS = dict.fromkeys([*range(9), 11, *range(14, 27), *range(28, 32), 127])
_JAPANESE_ESCAPE = re.compile(rb"\x1b\$[@B]|\x1b\([BJI]")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str:
    """The name of a Python text codec for a charset label, or "" when there is none."""
    name = _ALIASES.get(charset, charset)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return ""
    text = getattr(found, "_is_text_encoding", True) and found.name.replace("_", "-") not in _NO_CHARSETS
    return found.name if text else ""


def decode_bytes(data: bytes, charset: str = "") -> str:
    """Text of bytes that claim to be in `charset`.

    Valid UTF-8 with non-ASCII characters wins over a single-byte label (senders mislabel it often, and text in a
    single-byte charset is hardly ever valid UTF-8). Undecodable bytes become U+FFFD.
    """
    if data.isascii() and b"\x1b" not in data and not charset.startswith(("utf-7", "utf-16", "unicode-1", "hz")):
        return clean(data.decode("ascii"))
    label = charset.strip().strip("\"'").lower()[:40]
    codec = "" if label in _UNDECLARED else _codec(label)
    if codec in ("", "cp1252", "utf-8") and _JAPANESE_ESCAPE.search(data):
        codec = "iso2022_jp_ext"
    if not codec.startswith(("utf-16", "utf-32", "utf-7", "iso2022", "hz")):
        text = _as_utf8(data, labelled=codec == "utf-8")
        if text is not None:
            return clean(text)
    if codec in ("", "utf-8"):
        codec = "cp1252"
    try:
        return clean(data.decode(codec, "replace"))
    except (UnicodeError, ValueError, LookupError):
        return clean(data.decode("cp1252", "replace"))


def _as_utf8(data: bytes, *, labelled: bool) -> str | None:
    """The text if this is UTF-8: valid, cut in its last character, or labelled so and mostly right."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.start >= len(data) - 3
        if not cut and not labelled:
            return None
        text = data.decode("utf-8", "replace")
    strange = text.count("\ufffd")
    foreign = sum(1 for letter in text if letter > "\x7f")
    return text if 2 * strange <= foreign or (cut and labelled and strange == 1) else None


def clean(text: str) -> str:
    """Text without NUL, other control characters and lone surrogates; line ends are LF."""
    text = text.translate(_CONTROLS) if not text.isprintable() else text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


def decode_words(value: str) -> str:
    """A header value with its RFC 2047 encoded words decoded, as tolerantly as mail clients do it.

    White space between adjacent words vanishes (§6.2); a multi-byte character split over two words of one charset
    is joined again, although §5 forbids the split.
    """
    if "=?" not in value:
        return value
    value = _BETWEEN_WORDS.sub(r"\1", value)
    out: list[str] = []
    pending, charset, end = b"", "", 0
    for word in _WORD.finditer(value):
        label = word[1].split("*", 1)[0].lower()
        if word.start() > end or label != charset:
            out.append(decode_bytes(pending, charset))
            out.append(value[end : word.start()])
            pending, charset = b"", label
        pending += _word_bytes(word[2], word[3])
        end = word.end()
    out.append(decode_bytes(pending, charset))
    out.append(value[end:])
    return "".join(out).replace("\n", " ")


def _word_bytes(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_base64(data)
    return binascii.a2b_qp(data, header=True)


def decode_base64(data: bytes) -> bytes:
    """Base64 with wrong padding, line breaks, foreign characters or a cut end, as far as it goes."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
        try:
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            return b""
