"""Reading CSV as it really comes."""

from __future__ import annotations

import codecs
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.operations.columns import could_be_head
from sequencer.operations.spreadsheet import MOST_DAMAGED, Damaged, NoSheet, Row, Sheet, read_sheet


def sheet_of(raw: bytes) -> Sheet:
    sheet = read_sheet(raw, could_be_head)
    assert isinstance(sheet, Sheet), sheet
    return sheet


def rows_of(raw: bytes) -> list[tuple[int, tuple[str, ...]]]:
    rows = list(sheet_of(raw).rows())
    assert all(isinstance(row, Row) for row in rows), rows
    return [(row.line, row.cells) for row in rows if isinstance(row, Row)]


TEXT = "email,city\nanna@example.com,Zürich\n"


@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (TEXT.encode(), "UTF-8"),
        (TEXT.encode("utf-8-sig"), "UTF-8"),
        (TEXT.encode("utf-16"), "UTF-16"),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-16-le"), "UTF-16"),
        (TEXT.encode("utf-16-be"), "UTF-16"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (TEXT.encode("latin-1"), "Windows-1252"),
        (TEXT.replace("Zürich", "“Zürich” €").encode("cp1252"), "Windows-1252"),
        (TEXT.encode("latin-1") + b"x@example.com,\x81\n", "Latin-1"),
    ],
)
def test_every_usual_encoding(raw: bytes, encoding: str) -> None:
    sheet = sheet_of(raw)
    assert sheet.encoding == encoding
    assert sheet.head.cells == ("email", "city")
    first = next(sheet.rows())
    assert isinstance(first, Row)
    assert "Zürich" in first.cells[1]


def test_utf_8_with_a_damaged_place_stays_utf_8() -> None:
    raw = "email,city\na@example.com,Zürich Straße Köln Größe\nb@example.com,M".encode() + b"\xfc" + b"nchen\n"
    (_, first), (_, second) = rows_of(raw)
    assert first[1] == "Zürich Straße Köln Größe"
    assert second[1] == "M\N{REPLACEMENT CHARACTER}nchen"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_usual_separator(separator: str) -> None:
    text = separator.join(["email", "name", "note"]) + "\n"
    text += separator.join(["a@example.com", "Anna", '"one, two; three | four\tfive"']) + "\n"
    assert rows_of(text.encode()) == [(2, ("a@example.com", "Anna", "one, two; three | four\tfive"))]


def test_commas_in_unquoted_notes_do_not_win_over_the_semicolons_of_the_head() -> None:
    raw = b"E-Mail;Name;Notiz\na@example.com;Anna;gut, sehr gut, und, mehr\nb@example.com;Ben;a, b, c\n"
    assert sheet_of(raw).separator == ";"


def test_excel_says_its_separator() -> None:
    assert rows_of(b"sep=;\r\nemail;x\r\na@example.com;1\r\n") == [(3, ("a@example.com", "1"))]


def test_rows_are_numbered_by_the_line_on_which_they_start() -> None:
    raw = b'\n\nemail,note\n\na@example.com,"two\nlines"\n , \nb@example.com,"three\r\n\r\nlines"\nc@example.com,x'
    assert sheet_of(raw).head.line == 3
    assert [(line, cells[0]) for line, cells in rows_of(raw)] == [
        (5, "a@example.com"),
        (8, "b@example.com"),
        (11, "c@example.com"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end(end: str) -> None:
    text = end.join(["email,x", "a@example.com,1", "", "b@example.com,2", ""])
    assert rows_of(text.encode()) == [(2, ("a@example.com", "1")), (4, ("b@example.com", "2"))]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    raw = b'email,note\na@example.com,"oops\nb@example.com,fine\nc@example.com,"also ""fine"""\n'
    rows = list(sheet_of(raw).rows())
    assert isinstance(rows[0], Damaged)
    assert rows[0].line == 2
    assert "quote" in rows[0].reason
    assert rows[1:] == [Row(3, ("b@example.com", "fine")), Row(4, ("c@example.com", 'also "fine"'))]


def test_a_quote_inside_a_quoted_value() -> None:
    rows = list(sheet_of(b'email,note\na@example.com,"the "big" one"\nb@example.com,5" pipe\n').rows())
    assert isinstance(rows[0], Damaged)
    assert "twice" in rows[0].reason
    assert rows[1] == Row(3, ("b@example.com", '5" pipe'))


def test_a_file_full_of_broken_quotes_ends() -> None:
    rows = list(sheet_of(b"email,note\n" + b'a@example.com,"x\n' * (2 * MOST_DAMAGED + 1)).rows())
    assert sum(isinstance(row, Damaged) for row in rows) <= MOST_DAMAGED + 1
    last = rows[-1]
    assert isinstance(last, Damaged)
    assert "the rest of the file was not read" in last.reason


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"\n \n,,\n", "empty"),
        (b"PK\x03\x04 something", "workbook"),
        (b"%PDF-1.7", "PDF"),
        (codecs.BOM_UTF16_LE + b"e\0m\0\x00\xd8x", "UTF-16"),
    ],
)
def test_what_is_no_csv_is_said_so(raw: bytes, words: str) -> None:
    sheet = read_sheet(raw, could_be_head)
    assert isinstance(sheet, NoSheet)
    assert words in sheet.reason


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(
    st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_is_read(table: list[list[str]], separator: str, end: str, codec: str) -> None:
    """Any table survives, whatever its cells hold; blank rows are left out."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "x", "y"])
    writer.writerows(table)
    expected = [tuple(row) for row in table if any(cell.strip() for cell in row)]
    assert [row for _, row in rows_of(out.getvalue().encode(codec))] == expected


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise(raw: bytes) -> None:
    sheet = read_sheet(raw, could_be_head)
    if isinstance(sheet, Sheet):
        list(sheet.rows())
