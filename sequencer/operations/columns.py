"""What the columns of an export mean: the head of a CSV file -> fields, and its cells -> values."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

from sequencer.core.model import Fields, FieldValue
from sequencer.operations.spreadsheet import Row
from sequencer.operations.values import Order, Unfit, clean, order_told_by, parse_address, parse_date
from sequencer.store.contacts import Incoming
from sequencer.workspace.calendars import UnknownPlace, holidays_of, zone_of

_ALIASES: Final[Mapping[str, str]] = {
    "email": "e_mail mail email_address e_mail_address emailaddress mail_address email_1 e_mail_1_value primary_email "
    "work_email business_email contact_email mailadresse e_mail_adresse email_adresse correo correo_electronico "
    "adresse_e_mail adresse_email adresse_mail courriel indirizzo_email posta_elettronica e_mailadres emailadres "
    "e_postadress epost",
    "first_name": "firstname first given_name givenname forename vorname prenom nombre nome voornaam fornamn fornavn "
    "contact_first_name",
    "last_name": "lastname last surname family_name familyname nachname familienname zuname nom nom_de_famille "
    "apellido apellidos cognome sobrenome achternaam efternamn etternavn contact_last_name",
    "full_name": "fullname name contact_name display_name voller_name nom_complet nombre_completo nome_completo",
    "company": "company_name organization organisation organization_name firma firmenname unternehmen account_name "
    "societe entreprise empresa azienda bedrijf foretag",
    "phone": "phone_number telephone tel telefon telefonnummer telefono telefone telefoonnummer business_phone "
    "work_phone mobile mobile_phone cell cell_phone handy mobil mobilnummer portable movil cellulare",
    "timezone": "time_zone tz zeitzone fuseau_horaire zona_horaria fuso_orario tijdzone",
    "language": "lang sprache langue idioma lingua taal",
    "holidays": "holiday_calendar public_holidays feiertage",
    "country": "country_code country_region land pays pais paese",
}
STANDARD: Final[Mapping[str, str]] = {
    alias: standard for standard, aliases in _ALIASES.items() for alias in (standard, *aliases.split())
}
"""How other programs call the columns that mean something here."""

SETTINGS: Final = frozenset({"email", "timezone", "language", "holidays"})
"""Columns that say something about the contact itself and are not among its fields."""

_SAYS_NOTHING: Final = frozenset(
    {"NULL", "null", "(null)", "N/A", "n/a", "#N/A", "NaN", "nan", "None", "undefined", "-", "--", "—"}
)
_FORMULA: Final = re.compile(r'="(.*)"', re.DOTALL)
_LANGUAGE: Final = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]+)*", re.IGNORECASE)
_LANGUAGES: Final[Mapping[str, str]] = {
    name: code
    for code, names in {
        "en": "english englisch anglais ingles inglese",
        "de": "german deutsch allemand aleman tedesco",
        "fr": "french francais franzosisch frances francese",
        "es": "spanish espanol spanisch espagnol spagnolo castellano",
        "it": "italian italiano italienisch italien",
        "pt": "portuguese portugues portugiesisch portugais portoghese",
        "nl": "dutch nederlands niederlandisch neerlandais",
    }.items()
    for name in names.split()
}
_COUNTRIES: Final[Mapping[str, str]] = {
    "usa": "US", "united states of america": "US", "u.s.a.": "US", "u.s.": "US", "america": "US",
    "uk": "GB", "united kingdom": "GB", "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB",
    "deutschland": "DE", "allemagne": "DE", "osterreich": "AT", "autriche": "AT", "schweiz": "CH", "suisse": "CH",
    "frankreich": "FR", "espana": "ES", "spanien": "ES", "italia": "IT", "italien": "IT", "nederland": "NL",
    "the netherlands": "NL", "belgie": "BE", "belgique": "BE", "danmark": "DK", "sverige": "SE", "norge": "NO",
    "polska": "PL", "brasil": "BR", "mexico": "MX", "south korea": "KR", "czech republic": "CZ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """What each column is called among the fields; an empty name is a column that is left out.

    `dates` are the fields whose values are dates, with how their slashes are meant.
    """

    names: tuple[str, ...]
    dates: Mapping[str, Order] = field(default_factory=dict)

    @property
    def email(self) -> int:
        return self.names.index("email")


@dataclass(frozen=True, slots=True)
class NoColumn:
    """The head has no column that could hold the address."""

    looks_like_a_contact: bool


def could_be_head(cells: tuple[str, ...]) -> bool:
    """Whether one of these cells names the column of the address."""
    return any(STANDARD.get(snake(cell)) == "email" for cell in cells)


def read_head(cells: Sequence[str]) -> Columns | NoColumn:
    """The fields that the columns mean. A standard name is given once: to the column that is called exactly so, else
    to the first that means it; every other column keeps its own name."""
    own = [snake(cell) for cell in cells]
    if not could_be_head(tuple(cells)):
        return NoColumn(any(isinstance(parse_address(cell), str) for cell in cells))
    taken: set[str] = {name for name in own if name in _ALIASES}
    names: list[str] = []
    given: set[str] = set()
    for name in own:
        standard = STANDARD.get(name, name)
        if standard != name and standard not in taken and standard not in given:
            name = standard
        names.append(_unlike(name, given) if name else "")
        given.add(names[-1])
    return Columns(tuple(names))


def _unlike(name: str, given: set[str]) -> str:
    number = 2
    unlike = name
    while unlike in given:
        unlike, number = f"{name}_{number}", number + 1
    return unlike


def snake(head: str) -> str:
    """`E-Mail Address` → `e_mail_address`, `quoteTotal` → `quote_total`, `Größe` → `grosse`; empty for no word."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", clean(head))
    plain = unicodedata.normalize("NFKD", split.casefold())
    letters = "".join(char for char in plain if not unicodedata.combining(char))
    name = re.sub(r"\W+", "_", letters).strip("_")[:60]
    return f"n_{name}" if name[:1].isdigit() else name


# Dates --------------------------------------------------------------------------------------------


class DateFinder:
    """Which columns hold dates: those called so, and those in which every value is one. Shown every row once."""

    def __init__(self, columns: Columns, order: Order) -> None:
        self._columns = columns
        self._order = order
        self._filled: set[int] = set()
        self._not: set[int] = set()
        self._told: dict[int, Order] = {}
        self._either_way: set[int] = set()

    def see(self, cells: Sequence[str]) -> None:
        """Look at one row."""
        for index, cell in enumerate(cells[: len(self._columns.names)]):
            if index in self._not or not cell or not (text := value_of(cell)):
                continue
            self._filled.add(index)
            one, other = parse_date(text, "day first"), parse_date(text, "month first")
            if one is None and other is None:
                self._not.add(index)
            elif (told := order_told_by(text)) is not None:
                self._told.setdefault(index, told)
            elif one != other:
                self._either_way.add(index)

    def columns(self) -> Columns:
        """The columns, with those that hold dates."""
        dates = {
            name: self._told.get(index, self._order)
            for index, name in enumerate(self._columns.names)
            if name and name not in _ALIASES and (name.endswith("_date") or index in self._filled - self._not)
        }
        return Columns(self._columns.names, dates)

    def guessed(self) -> list[str]:
        """The date columns in which nothing tells whether the month or the day comes first."""
        dates = self.columns().dates
        names = self._columns.names
        return [names[index] for index in sorted(self._either_way - self._told.keys()) if names[index] in dates]


# Cells --------------------------------------------------------------------------------------------


def value_of(cell: str) -> str:
    """What a cell says; empty for a placeholder such as N/A, and without Excel's `="…"` around it."""
    text = clean(cell)
    if (wrapped := _FORMULA.fullmatch(text)) is not None:
        text = wrapped[1].replace('""', '"').strip()
    return "" if text in _SAYS_NOTHING else text


def read_row(row: Row, columns: Columns) -> Incoming | Unfit:
    """The contact in a row, or why it is refused. An empty cell says nothing: what is known stays."""
    extra = [cell for cell in row.cells[len(columns.names) :] if cell.strip()]
    if extra:
        return Unfit(
            f"{len(row.cells)} values for {len(columns.names)} columns: "
            "a value that holds the separator needs quotes around it"
        )
    texts = {
        name: text
        for name, cell in zip(columns.names, row.cells, strict=False)
        if name and cell and (text := value_of(cell))
    }
    if any("\N{REPLACEMENT CHARACTER}" in text for text in texts.values()):
        return Unfit("a character is damaged: save the file as UTF-8 where it still reads well")
    address = parse_address(texts.get("email", ""))
    if isinstance(address, Unfit):
        return address
    fields = _fields(texts, columns)
    if isinstance(fields, Unfit):
        return fields
    return _with_settings(address, fields, texts)


def _fields(texts: Mapping[str, str], columns: Columns) -> Fields | Unfit:
    country = country_code(texts.get("country", ""))
    fields: dict[str, FieldValue] = {}
    for name, text in texts.items():
        if name in SETTINGS:
            continue
        if name in columns.dates:
            day = parse_date(text, columns.dates[name])
            if day is None:
                return Unfit(f"“{text[:60]}” in the column {name} is no date: write it as in 2026-12-01")
            fields[name] = day
        else:
            fields[name] = phone_number(text, country) if name == "phone" else text
    return fields


def _with_settings(address: str, fields: Fields, texts: Mapping[str, str]) -> Incoming | Unfit:
    language = _language(texts["language"]) if "language" in texts else None
    if language == "":
        return Unfit(f"the language “{texts['language'][:40]}” is not known: write it as in en, de or fr")
    zone, holidays = texts.get("timezone"), texts.get("holidays")
    try:
        if zone is not None:
            _known_zone(zone)
        if holidays is not None:
            holidays_of(holidays.upper())
    except UnknownPlace as error:
        return Unfit(f"{error.message}; {error.hint}")
    return Incoming(address, fields, zone, holidays.upper() if holidays is not None else None, language)


@functools.lru_cache(maxsize=1024)
def _known_zone(name: str) -> None:
    zone_of(name)


def _language(text: str) -> str:
    found = _LANGUAGE.fullmatch(text)
    if found is not None and len(found[1]) == 2:
        return found[1].lower()
    return _LANGUAGES.get(_plain(text), "")


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char)).strip()


@functools.lru_cache(maxsize=1024)
def country_code(text: str) -> str:
    """The ISO 3166 code of a country as people write it; empty when it is not known."""
    if len(text) == 2 and text.isascii() and text.isalpha():
        return "GB" if text.upper() == "UK" else text.upper()
    plain = _plain(text)
    return _COUNTRIES.get(plain) or _country_names().get(plain, "")


@functools.lru_cache(maxsize=1)
def _country_names() -> Mapping[str, str]:
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {_plain(name).replace("&", "and"): code for code, name in rows}


@functools.lru_cache(maxsize=4096)
def phone_number(text: str, country: str) -> str:
    """The number as it is dialled from anywhere, when its country is known and it can be one; else as it stands."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(number):
        return text
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
