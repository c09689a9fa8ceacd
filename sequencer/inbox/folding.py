"""Text made comparable: lower case, without accents, one character for one, so that positions stay the same."""

from __future__ import annotations

import unicodedata
from typing import Final

_SPECIAL: Final = {
    "ı": "i", "İ": "i", "ł": "l", "Ł": "l", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ð": "d", "ё": "е", "Ё": "е",
    "’": "'", "‘": "'", "´": "'", "`": "'", "ʼ": "'", "＇": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
    "\xa0": " ", "\u202f": " ", "\u3000": " ", "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "…": ".",
    "，": ",", "。": "。", "？": "?", "！": "!", "：": ":", "；": ";", "（": "(", "）": ")",
}  # fmt: skip


def _table() -> dict[int, str]:
    table: dict[int, str] = {}
    for code in (
        *range(0x41, 0x5B),
        *range(0xC0, 0x250),
        *range(0x370, 0x530),
        *range(0x1E00, 0x1F00),
        *range(0xFF01, 0xFF5F),
    ):
        character = chr(code)
        latin = code < 0x250 or code >= 0x1E00
        base = unicodedata.normalize("NFKD", character)[0] if latin else character
        lower = (base if code != 0x419 and code != 0x439 else character).lower()
        if len(lower) == 1 and lower != character:
            table[code] = lower
    table.update({ord(key): value for key, value in _SPECIAL.items()})
    return table


_TABLE: Final = _table()


def composed(text: str) -> str:
    """The text in NFC: some systems send letters and accents apart."""
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """Lower case without accents; each character of `text` (best in NFC) gives exactly one."""
    return text.lower() if text.isascii() else text.translate(_TABLE)
