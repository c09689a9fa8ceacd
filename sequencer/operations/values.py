"""Values that people type: dates, numbers and addresses, in `--set NAME=VALUE` and in the cells of a CSV file."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from email.utils import parseaddr
from typing import Final, Literal

from sequencer.core.model import FieldValue

Order = Literal["month first", "day first"]
"""How `03/04/2026` is meant."""

_ISO: Final = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?:[T ]\d{1,2}:\d{2}.*)?")
_NUMERIC: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:,? \d{1,2}:\d{2}.*)?")
_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul",
            "august aug", "september sep sept", "october oct", "november nov", "december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_DAY_MONTH: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[ -]([A-Za-z]+)\.?,?[ -](\d{4})")
_MONTH_DAY: Final = re.compile(r"([A-Za-z]+)\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_INVISIBLE: Final = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD))  # zero-width, soft hyphen


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a text is not what it should be, for people."""

    reason: str


def parse_date(text: str, order: Order) -> date | None:
    """The day in a text: 2026-12-01 (a time after it is dropped), 1.12.2026, 12/1/2026, 1 Dec 2026, Dec 1, 2026.

    Dots always mean the day first. None when it is no such day.
    """
    text = " ".join(text.split())
    if (found := _ISO.fullmatch(text)) is not None:
        return _day(found[1], found[3], found[4])
    if (found := _NUMERIC.fullmatch(text)) is not None:
        month_first = order == "month first" and found[2] != "."
        return _day(found[4], found[1], found[3]) if month_first else _day(found[4], found[3], found[1])
    if (found := _DAY_MONTH.fullmatch(text)) is not None:
        return _day(found[3], _MONTHS.get(found[2].lower(), 0), found[1])
    if (found := _MONTH_DAY.fullmatch(text)) is not None:
        return _day(found[3], _MONTHS.get(found[1].lower(), 0), found[2])
    return None


def order_told_by(text: str) -> Order | None:
    """Whether a date such as 25/12/2026 can only be read one way round; None when it does not tell."""
    found = _NUMERIC.fullmatch(" ".join(text.split()))
    if found is None or found[2] == ".":
        return None
    if int(found[1]) > 12:
        return "day first"
    return "month first" if int(found[3]) > 12 else None


def _day(year: str, month: str | int, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def parse_assignment(text: str, order: Order) -> tuple[str, FieldValue] | Unfit:
    """The field and value of `--set NAME=VALUE`. A date becomes a date, a plain number a number; quotes keep a text."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not _NAME.fullmatch(name):
        return Unfit(f"“{text}” is no field: write it as in --set quote_date=2026-12-01")
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return name, value[1:-1]
    if name.endswith("_date") and value and parse_date(value, order) is None:
        return Unfit(f"“{value}” is no date for {name}: write it as in --set {name}=2026-12-01")
    return name, _value(value, order)


def _value(text: str, order: Order) -> FieldValue:
    if not text:
        return None
    if (day := parse_date(text, order)) is not None:
        return day
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def parse_address(text: str) -> str | Unfit:
    """The bare, well-formed address in a text such as `anna@example.com`, `Anna <anna@example.com>` or `mailto:…`.

    The domain becomes lower case; whether it exists is not looked up.
    """
    plain = clean(text).replace("\n", " ").removeprefix("mailto:").strip()
    if "<" not in plain:
        plain = plain.strip("'\"").strip()
    if not plain:
        return Unfit("no e-mail address")
    if len(plain) > 500:
        return Unfit(f"“{plain[:40]}…” is no e-mail address")
    if plain.count("@") > 1 and re.search(r"[;,\s]", plain) and "<" not in plain:
        return Unfit(f"“{plain[:80]}” holds more than one address: a row is one person")
    if plain.endswith(">") and "<" in plain:
        plain = parseaddr(plain)[1] or plain
    return _well_formed(plain)


@functools.lru_cache(maxsize=4096)
def _well_formed(address: str) -> str | Unfit:
    from email_validator import EmailNotValidError, validate_email

    try:
        # test_environment: .test is a reserved domain that people try things out with
        found = validate_email(
            address, check_deliverability=False, test_environment=True, allow_smtputf8=False, allow_domain_literal=False
        )
        return found.normalized
    except EmailNotValidError as error:
        why = str(error).rstrip(".")
        return Unfit(f"“{address[:80]}” is no e-mail address: {why[:1].lower()}{why[1:]}")


def clean(text: str) -> str:
    """A cell without what cannot be seen: control characters (line breaks stay), zero-width spaces, outer blanks."""
    if text.isascii() and text.isprintable():
        return text.strip()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u00a0", " ").translate(_INVISIBLE)
    kept = (c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else " " for c in text)
    return unicodedata.normalize("NFC", "".join(kept)).strip()


def order_of(holidays: str, timezone: str) -> Order:
    """How people of this workspace write 03/04/2026, when nothing in the dates themselves tells."""
    country = holidays.partition("-")[0].upper()
    if country:
        return "month first" if country in ("US", "PH") else "day first"
    return "month first" if timezone in _AMERICAN or timezone.startswith("US/") else "day first"


_AMERICAN: Final[Collection[str]] = frozenset(
    f"America/{city}" for city in ("New_York", "Chicago", "Denver", "Los_Angeles", "Phoenix", "Detroit", "Anchorage")
)
