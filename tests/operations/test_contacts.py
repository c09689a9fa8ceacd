"""Importing contacts: update, never duplicate; refuse with the line; nothing half-written."""

from __future__ import annotations

import string
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sequencer.core.model import Contact
from sequencer.operations.contact_file import Refused, Unreadable
from sequencer.operations.contacts import BATCH, Imported, Wishes, import_file, summary
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.store import agenda, contacts, suppressions
from tests.operations.shop import MONDAY, entered, of_contact


async def take(live: Live, folder: Path, raw: str | bytes, wishes: Wishes | None = None) -> Imported:
    path = folder / "contacts.csv"
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    result = await import_file(live, path, MONDAY, wishes)
    assert isinstance(result, Imported), result
    return result


async def unreadable(live: Live, folder: Path, raw: str | bytes) -> Unreadable:
    path = folder / "contacts.csv"
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    result = await import_file(live, path, MONDAY)
    assert isinstance(result, Unreadable), result
    return result


async def contact(live: Live, email: str) -> Contact:
    async with live.database.read() as conn:
        found = await contacts.by_email(conn, email, live.defaults)
    assert found is not None
    return found


async def count(live: Live) -> int:
    async with live.database.read() as conn:
        return await contacts.count(conn)


def counts(result: Imported) -> tuple[int, int, int, int]:
    return result.created, result.updated, result.unchanged, len(result.refused)


# What becomes of a row ----------------------------------------------------------------------------


async def test_an_export_of_a_german_crm(live: Live, tmp_path: Path) -> None:
    raw = (
        "Vorname;Nachname;E-Mail;Telefon;Land;Sprache;timezone;Angebot vom;Notiz\r\n"
        'Anna;Bäcker;Anna@Example.COM;030 123456;Deutschland;Deutsch;Europe/Berlin;24.11.2026;"blau;\r\nrot"\r\n'
        ";;;;;;;;\r\n"
        "Ben;Groß;ben@example.org;;Österreich;de;;1.12.2026;\r\n"
    )
    result = await take(live, tmp_path, raw.encode("cp1252"))
    assert counts(result) == (2, 0, 0, 0)
    assert result.notes == ["the file was read as Windows-1252"]
    anna = await contact(live, "anna@example.com")
    assert anna.email == "Anna@example.com"
    assert (anna.timezone, anna.language) == ("Europe/Berlin", "de")
    assert dict(anna.fields) == {
        "first_name": "Anna",
        "last_name": "Bäcker",
        "phone": "+49 30 123456",
        "country": "Deutschland",
        "angebot_vom": date(2026, 11, 24),
        "notiz": "blau;\nrot",
    }
    ben = await contact(live, "ben@example.org")
    assert (ben.timezone, ben.fields["angebot_vom"]) == ("America/Denver", date(2026, 12, 1))
    assert "phone" not in ben.fields


async def test_importing_again_changes_nothing_and_an_empty_cell_says_nothing(live: Live, tmp_path: Path) -> None:
    await take(live, tmp_path, "email,first_name,product\nanna@example.com,Anna,a van\nben@example.org,Ben,a tent\n")
    again = await take(
        live, tmp_path, "EMAIL,Product,First Name\nANNA@example.com,a van,\nben@example.org,a boat,Ben\n"
    )
    assert counts(again) == (0, 1, 1, 0)
    anna, ben = await contact(live, "anna@example.com"), await contact(live, "ben@example.org")
    assert anna.fields["first_name"] == "Anna"
    assert ben.fields["product"] == "a boat"
    assert await count(live) == 2


async def test_refused_rows_have_the_line_on_which_they_start(live: Live, tmp_path: Path) -> None:
    raw = (
        "email,name,note,quote_date,timezone,language,holidays\n"
        'anna@example.com,Anna,"two\nlines",2026-12-01,,,\n'  # 2 and 3
        "no address,Ben,,,,,\n"  # 4
        ",Carla,,,,,\n"  # 5
        "\n"  # 6
        "anna@EXAMPLE.com,Anna again,,,,,\n"  # 7
        "dora@example.com,Dora,,soon,,,\n"  # 8
        "emil@example.com,Emil,,,Mars/Phobos,,\n"  # 9
        "fay@example.com,Fay,,,,Klingon,\n"  # 10
        "gus@example.com,Gus,,,,,XX\n"  # 11
        "hal@example.com,Hal,a,2026-12-01,,,,too,many\n"  # 12
        'ida@example.com,"Ida,,,,,\n'  # 13
        "jan@example.com,Jan\n"  # 14: short rows are common, and fine
    )
    result = await take(live, tmp_path, raw)
    reasons = {refused.line: refused.reason for refused in result.refused}
    assert list(reasons) == [4, 5, 7, 8, 9, 10, 11, 12, 13]
    assert reasons[4].startswith("“no address” is no e-mail address")
    assert reasons[5] == "no e-mail address"
    assert reasons[7] == "anna@example.com stands in line 2 already"
    assert reasons[8] == "“soon” in the column quote_date is no date: write it as in 2026-12-01"
    assert "Mars/Phobos" in reasons[9]
    assert "Klingon" in reasons[10]
    assert "XX" in reasons[11]
    assert reasons[12].startswith("9 values for 7 columns")
    assert "quote" in reasons[13]
    assert (result.created, await count(live)) == (2, 2)


async def test_dates_of_a_column_agree_on_what_comes_first(live: Live, tmp_path: Path) -> None:
    raw = (
        "email,met,seen,heard,mixed\n"
        "a@example.com,03/04/2026,13/04/2026,03/04/2026,03/04/2026\n"
        "b@example.com,04/13/2026,03/04/2026,03/05/2026,later\n"
    )
    result = await take(live, tmp_path, raw)
    fields = (await contact(live, "a@example.com")).fields
    assert fields["met"] == date(2026, 3, 4)  # another row can only be month first
    assert fields["seen"] == date(2026, 4, 13)
    assert fields["heard"] == date(2026, 3, 4)  # nothing tells: as the workspace's country writes
    assert fields["mixed"] == "03/04/2026"  # not every value is a date
    assert (await contact(live, "b@example.com")).fields["seen"] == date(2026, 4, 3)
    assert [note for note in result.notes if "heard" in note]
    assert not [note for note in result.notes if "met" in note or "seen" in note]


async def test_changed_fields_wake_whoever_waits_for_them(live: Live, tmp_path: Path) -> None:
    (anna,) = await entered(live, "birthday", "anna@example.com")
    later = MONDAY + timedelta(hours=1)
    async with live.database.read() as conn:
        assert (await agenda.due(conn, anna.mailbox, later, 10)).standings != []  # held: there is no birthday
    async with live.database.begin() as conn:
        (standing,) = (await agenda.due(conn, anna.mailbox, later, 10)).standings
        await agenda.sleep_many(conn, [agenda.Sleep(standing, MONDAY + timedelta(days=1))])
    path = tmp_path / "more.csv"
    path.write_text("email,birthday\nanna@example.com,1980-05-04\n")
    assert isinstance(await import_file(live, path, later), Imported)
    async with live.database.read() as conn:
        assert [standing.enrollment.id for standing in (await agenda.due(conn, anna.mailbox, later, 10)).standings] == [
            anna.id
        ]


# Enrolling ----------------------------------------------------------------------------------------


async def test_enrolling_a_file_once_and_again(live: Live, tmp_path: Path) -> None:
    async with live.database.begin() as conn:
        await suppressions.add(conn, "carla@example.com", "unsubscribed", "hand", MONDAY)
    await entered(live, "keep", "ben@example.org")
    raw = "email\nanna@example.com\nben@example.org\ncarla@example.com\n"
    first = await take(live, tmp_path, raw, Wishes(enroll="quote", fields={"product": "a van"}))
    assert first.enrolled == 1
    assert [(one.line, one.reason.partition(":")[0]) for one in first.not_enrolled] == [
        (3, "ben@example.org"),
        (4, "carla@example.com"),
    ]
    assert first.refused == []
    (anna,) = await of_contact(live, "anna@example.com")
    assert anna.fields == {"product": "a van"}
    again = await take(live, tmp_path, raw, Wishes(enroll="quote"))
    assert again.enrolled == 0
    assert len(await of_contact(live, "anna@example.com")) == 1


async def test_an_unknown_sequence_stops_before_anything_is_written(live: Live, tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("email\nanna@example.com\n")
    assert isinstance(await import_file(live, path, MONDAY, Wishes(enroll="quotes")), Refusal)
    assert isinstance(await import_file(live, path, MONDAY, Wishes(enroll="quote", mailbox="nobody")), Refusal)
    assert await count(live) == 0


async def test_a_dry_run_says_the_same_and_leaves_nothing(live: Live, tmp_path: Path) -> None:
    await take(live, tmp_path, "email,product\nanna@example.com,a van\n")
    raw = "email,product\nanna@example.com,a boat\nben@example.org,\nbroken,\n"
    dry = await take(live, tmp_path, raw, Wishes(enroll="quote", dry_run=True))
    assert await count(live) == 1
    assert (await contact(live, "anna@example.com")).fields["product"] == "a van"
    assert list(await of_contact(live, "anna@example.com")) == []
    real = await take(live, tmp_path, raw, Wishes(enroll="quote"))
    assert {**summary(dry), "dry_run": False} == summary(real)


async def test_long_files_are_written_in_batches_and_told_of(live: Live, tmp_path: Path) -> None:
    rows = 2 * BATCH + 7
    path = tmp_path / "long.csv"
    path.write_text("email\n" + "".join(f"p{number}@example.com\n" for number in range(rows)))
    told: list[tuple[int, int]] = []
    result = await import_file(live, path, MONDAY, progress=lambda done, total: told.append((done, total)))
    assert isinstance(result, Imported)
    assert (result.created, await count(live)) == (rows, rows)
    assert told == [(BATCH, rows), (2 * BATCH, rows), (rows, rows)]


# Files that cannot be taken -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "line", "words"),
    [
        ("", 0, "the file is empty"),
        ("name,city\nAnna,Berlin\n", 1, "no column is called email"),
        ("anna@example.com,Anna\nben@example.org,Ben\n", 1, "the first line is a contact"),
        ('\n"name,email\n', 2, "a quote"),
        (b"\xff\xfee\0m\0a\0i\0l\0\n\0\x00\xd8x\0", 2, "begins as UTF-16"),
    ],
)
async def test_a_file_that_is_no_list_of_contacts(
    live: Live, tmp_path: Path, raw: str | bytes, line: int, words: str
) -> None:
    result = await unreadable(live, tmp_path, raw)
    assert (result.line, result.file) == (line, "contacts.csv")
    assert words in result.reason
    assert result.hint


async def test_a_file_that_is_not_there_or_a_folder(live: Live, tmp_path: Path) -> None:
    missing = await import_file(live, tmp_path / "missing.csv", MONDAY)
    folder = await import_file(live, tmp_path, MONDAY)
    assert isinstance(missing, Unreadable)
    assert isinstance(folder, Unreadable)
    assert "no such file" in missing.reason
    assert "folder" in folder.reason


# Anything whatever --------------------------------------------------------------------------------

_NOISE = st.sampled_from(
    ["", " ", '"', '""', '"x', "x,y", "a;b", "\n", '"two\nlines"', "\ufeff", "\0", "N/A", '="1"', "ü", "2026-12-01",
     "31/12/2026", "soon", "Mars/Phobos", "Europe/Berlin", "+1 406 555 0101", "DE", "klingon"]
)  # fmt: skip
_ADDRESSES = st.one_of(
    st.integers(1, 9).map(lambda number: f"p{number}@example.com"),
    st.sampled_from(["P1@EXAMPLE.com", "Anna <p2@example.com>", "no address", "p3@", ""]),
)
_CELLS = st.one_of(_NOISE, st.text(string.printable, max_size=5))
_ROWS = st.lists(st.tuples(_ADDRESSES, st.lists(_CELLS, max_size=4)), max_size=8)
_ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A file that is nearly a list of contacts: plausible rows with noise in them, any separator, any encoding."""
    separator, end = draw(st.sampled_from(",;\t")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    head = separator.join(["E-Mail", "name", "quote_date", "timezone", "phone"][: draw(st.integers(1, 5))])
    lines = [separator.join([address, *cells]) for address, cells in draw(_ROWS)]
    raw = end.join([head, *lines]).encode(draw(_ENCODINGS), "replace")
    cut = draw(st.integers(0, 3))
    return raw + draw(st.binary(max_size=8)) if cut == 0 else raw[: len(raw) - cut + 1]


_FILES = st.one_of(files(), st.binary(max_size=200).map(lambda raw: b"email,x\n" + raw))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(raw=_FILES)
async def test_no_file_whatever_raises_or_is_half_written(live: Live, tmp_path: Path, raw: bytes) -> None:
    """Whatever the bytes: a value comes back, every row is counted once, and what was counted stands there."""
    path = tmp_path / "any.csv"
    path.write_bytes(raw)
    async with live.database.begin() as conn:
        for person in await contacts.listing(conn):
            await contacts.erase(conn, person.id)
    result = await import_file(live, path, MONDAY)
    if isinstance(result, Imported):
        assert result.created == await count(live)
        assert (result.updated, result.unchanged) == (0, 0)
        assert all(isinstance(one, Refused) and one.line > 1 and one.reason for one in result.refused)
        again = await import_file(live, path, MONDAY)
        assert isinstance(again, Imported)
        assert (again.created, again.updated, again.unchanged) == (0, 0, result.created)
        assert again.refused == result.refused
    else:
        assert isinstance(result, Unreadable)
        assert await count(live) == 0
