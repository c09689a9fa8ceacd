"""Dates, numbers and addresses as people type them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.operations.columns import Columns, NoColumn, country_code, phone_number, read_head, snake, value_of
from sequencer.operations.values import Unfit, clean, order_of, parse_address, parse_assignment, parse_date

FIRST = date(2026, 12, 1)


@pytest.mark.parametrize(
    "text",
    ["2026-12-01", "2026-12-1", "2026/12/01", "2026-12-01T14:30:00Z", "2026-12-01 14:30", "01.12.2026", "1.12.2026",
     "1 Dec 2026", "1-Dec-2026", "1st December 2026", "Dec 1, 2026", "December 1 2026", "Dec. 1st, 2026"],
)  # fmt: skip
def test_dates_that_say_one_thing(text: str) -> None:
    assert parse_date(text, "month first") == FIRST
    assert parse_date(text, "day first") == FIRST


def test_slashes_mean_what_the_country_means() -> None:
    assert parse_date("12/1/2026", "month first") == FIRST
    assert parse_date("1/12/2026 08:00", "day first") == FIRST
    assert order_of("US-MT", "America/Denver") == "month first"
    assert order_of("DE-BY", "America/Denver") == "day first"
    assert order_of("", "America/Chicago") == "month first"
    assert order_of("", "Europe/Berlin") == "day first"


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026", "12/2026", "2026-13-01", "2026-02-30", "30.2.2026", "1/2/26", "Mayday 1, 2026", "+1 406"],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text, "day first") is None


@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    parse_date(text, "day first")
    parse_address(text)
    parse_assignment(f"name={text}", "day first")
    clean(text)
    snake(text)
    value_of(text)
    country_code(text)
    phone_number(text, "US")


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_every_day_in_every_form(day: date) -> None:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%d %B %Y", "%b %d, %Y"):
        assert parse_date(day.strftime(form), "month first") == day
    assert parse_date(day.strftime("%m/%d/%Y"), "month first") == day
    assert parse_date(day.strftime("%d/%m/%Y"), "day first") == day


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quote_date=2026-12-01", ("quote_date", FIRST)),
        ("quote_date=12/1/2026", ("quote_date", FIRST)),
        ("amount=38900", ("amount", 38900)),
        ("amount=38900.5", ("amount", 38900.5)),
        ("zip=00123", ("zip", "00123")),  # no number anybody would reckon with
        ('zip="123"', ("zip", "123")),
        ("product=a van", ("product", "a van")),
        ("product=", ("product", None)),
        ("url=https://example.com/?a=b", ("url", "https://example.com/?a=b")),
    ],
)
def test_assignments(text: str, expected: object) -> None:
    assert parse_assignment(text, "month first") == expected


@pytest.mark.parametrize("text", ["product", "=x", "my product=x", "1st=x", "quote_date=soon"])
def test_what_is_no_assignment_says_how_to_write_it(text: str) -> None:
    unfit = parse_assignment(text, "month first")
    assert isinstance(unfit, Unfit)
    assert "write it as in" in unfit.reason


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Anna@EXAMPLE.com ", "Anna@example.com"),
        ("Anna Berg <anna@example.com>", "anna@example.com"),
        ('"Berg, Anna" <anna@example.com>', "anna@example.com"),
        ("mailto:anna@example.com", "anna@example.com"),
        ("\u200banna@example.com\u00a0", "anna@example.com"),
        ("anna@müller.example", "anna@müller.example"),
        ("anna+tag@shop.test", "anna+tag@shop.test"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no e-mail address"),
        ("anna", "is no e-mail address"),
        ("anna@", "is no e-mail address"),
        ("anna@localhost", "is no e-mail address"),
        ("a..b@example.com", "two periods"),
        ("anna@example.com; ben@example.com", "more than one address"),
        ("anna@example.com, ben@example.com", "more than one address"),
        ("josé@example.com", "is no e-mail address"),  # no SMTPUTF8: it could not be written to
        ("a" * 600 + "@example.com", "is no e-mail address"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    unfit = parse_address(text)
    assert isinstance(unfit, Unfit)
    assert words in unfit.reason


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("E-Mail", "e_mail"), ("Email Address", "email_address"), ("quoteTotal", "quote_total"), ("Größe", "grosse"),
        ("  First  Name ", "first_name"), ("2nd phone", "n_2nd_phone"), ("Prénom", "prenom"), ("---", ""), ("$", ""),
        ("Quote (USD)", "quote_usd"),
    ],
)  # fmt: skip
def test_names_of_columns(head: str, name: str) -> None:
    assert snake(head) == name


def test_a_standard_field_is_given_once() -> None:
    columns = read_head(["Work Email", "email", "Name", "Full Name", "Mobile", "Phone", "Telefon", "", "City", "city"])
    assert isinstance(columns, Columns)
    assert columns.names == (
        "work_email", "email", "name", "full_name", "mobile", "phone", "telefon", "", "city", "city_2",
    )  # fmt: skip


def test_german_and_french_heads() -> None:
    german = read_head(["Vorname", "Nachname", "E-Mail-Adresse", "Firma", "Telefonnummer", "Land", "Sprache"])
    assert isinstance(german, Columns)
    assert german.names == ("first_name", "last_name", "email", "company", "phone", "country", "language")
    french = read_head(["Prénom", "Nom", "Adresse e-mail", "Société"])
    assert isinstance(french, Columns)
    assert french.names == ("first_name", "last_name", "email", "company")


def test_a_head_without_an_address_tells_whether_it_is_a_contact() -> None:
    assert read_head(["anna@example.com", "Anna"]) == NoColumn(looks_like_a_contact=True)
    assert read_head(["name", "city"]) == NoColumn(looks_like_a_contact=False)


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("(406) 555-0101", "US", "+1 406-555-0101"),
        ("030 123456", "DE", "+49 30 123456"),
        ("+49 30 123456", "", "+49 30 123456"),
        ("406 555 0101", "", "406 555 0101"),  # nobody knows where
        ("call the office", "US", "call the office"),
        ("12", "US", "12"),
    ],
)
def test_phone_numbers(text: str, country: str, expected: str) -> None:
    assert phone_number(text, country) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [("US", "US"), ("us", "US"), ("UK", "GB"), ("United States", "US"), ("USA", "US"), ("Germany", "DE"),
     ("Deutschland", "DE"), ("Österreich", "AT"), ("Atlantis", ""), ("", "")],
)  # fmt: skip
def test_countries(text: str, code: str) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize("text", ["N/A", "#N/A", "NULL", "-", "None", " nan ", '=""'])
def test_placeholders_say_nothing(text: str) -> None:
    assert value_of(text) == ""


def test_a_name_that_looks_like_a_placeholder_stays() -> None:
    assert value_of("Null") == "Null"
    assert value_of('="00123"') == "00123"
