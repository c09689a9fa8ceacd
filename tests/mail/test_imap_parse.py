"""Framing and reading what a server says: any cut, any nonsense, in linear time."""

from __future__ import annotations

import contextlib
import itertools
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.mail.imap_parse import (
    Framer,
    Garbled,
    Listed,
    ResponseCode,
    Value,
    fetched,
    internal_date,
    keyword,
    listed,
    numbered,
    response_code,
    search_numbers,
    values,
)

ATOM = st.binary(min_size=1, max_size=12).map(lambda b: bytes(65 + x % 26 for x in b)).filter(lambda b: b != b"NIL")
LITERAL = st.binary(max_size=200)
VALUE: st.SearchStrategy[Value] = st.recursive(
    st.one_of(st.none(), ATOM, LITERAL), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def written(value: Value) -> bytes:
    """A value as a server would send it: short ASCII words as atoms, lists in parentheses, the rest as literals."""
    if value is None:
        return b"NIL"
    if isinstance(value, list):
        return b"(" + b" ".join(map(written, value)) + b")"
    if value and value.isalpha() and value.isupper() and value != b"NIL":
        return value
    return b"{%d}\r\n%s" % (len(value), value)


def fed(framer: Framer, pieces: list[bytes]) -> list[bytes]:
    return [response for piece in pieces for response in framer.feed(piece)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(st.lists(VALUE, min_size=1, max_size=4), max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_values_come_back_through_any_cuts(responses: list[list[Value]], places: list[int]) -> None:
    sent = [b"* " + b" ".join(map(written, parts)) for parts in responses]
    received = fed(Framer(), cut(b"".join(line + b"\r\n" for line in sent), places))
    assert received == sent
    assert [values(line)[1:] for line in received] == responses


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_break_the_framer(pieces: list[bytes]) -> None:
    with contextlib.suppress(Garbled):
        for response in fed(Framer(), [*pieces, b"\r\n"]):
            with contextlib.suppress(Garbled):
                values(response)
            with contextlib.suppress(Garbled):
                listed(response)
            with contextlib.suppress(Garbled):
                fetched([response])
            search_numbers([response])
            keyword(response)
            numbered(response)


@pytest.mark.parametrize(
    "line", [b"* OK text {5}", b"* ok [ALERT] {5}", b"* BYE {5}", b"A1 OK {5}", b"+ {5}", b"* NO {3}", b"* PREAUTH {3}"]
)
def test_braces_at_the_end_of_a_text_announce_nothing(line: bytes) -> None:
    assert fed(Framer(), [line + b"\r\n* 1 EXISTS\r\n"]) == [line, b"* 1 EXISTS"]


@pytest.mark.parametrize("size", [b"67108865", b"999999999999"])
def test_a_literal_beyond_measure_is_garbled(size: bytes) -> None:
    with pytest.raises(Garbled, match="literal"):
        fed(Framer(), [b"* 1 FETCH (BODY[] {" + size + b"}\r\n"])


def test_many_literals_cannot_add_up_beyond_measure() -> None:
    framer = Framer()
    with pytest.raises(Garbled, match="literal"):
        fed(framer, [b"* 1 FETCH (", *[b"X {30000000}\r\n" + b"y" * 30_000_000] * 3])


def test_the_time_is_linear() -> None:
    """Four times as much may take eight times as long at worst; quadratic would be sixteen."""

    def seconds(count: int) -> float:
        line = b"* %d FETCH (FLAGS (\\Seen \\Answered) UID %d BODY[HEADER] {40}\r\n" + b"h" * 40 + b")\r\n"
        data = b"".join(line % (n, n) for n in range(count))
        begun = time.perf_counter()
        framer = Framer()
        fetched([r for i in range(0, len(data), 4096) for r in framer.feed(data[i : i + 4096])])
        return time.perf_counter() - begun

    seconds(200)
    assert min(seconds(4000) for _ in range(3)) < 8 * min(seconds(1000) for _ in range(3))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[UIDVALIDITY 38505] UIDs valid", ResponseCode("UIDVALIDITY", "38505")),
        ("* OK [uidnext 4392] Predicted next UID", ResponseCode("UIDNEXT", "4392")),
        ("[READ-ONLY] done", ResponseCode("READ-ONLY", "")),
        ("[APPENDUID 1 2] done", ResponseCode("APPENDUID", "1 2")),
        ("[AUTHENTICATIONFAILED] no", ResponseCode("AUTHENTICATIONFAILED", "")),
        ("no code", ResponseCode("", "")),
        ("", ResponseCode("", "")),
    ],
)
def test_response_codes(text: str, code: ResponseCode) -> None:
    assert response_code(text) == code


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (" 1-Jan-2026 00:00:00 +0000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("01-Jan-2026 00:30:00 +0130", datetime(2025, 12, 31, 23, 0, tzinfo=UTC)),
        ("31-Feb-2026 00:00:00 +0000", None),
        ("01-Foo-2026 00:00:00 +0000", None),
        ("01-Jan-0001 00:00:00 +2359", None),
        ("01-Jan-2026 00:00:00 +9999", None),
        ("", None),
    ],
)
def test_internal_dates(text: str, instant: datetime | None) -> None:
    assert internal_date(text) == instant


@pytest.mark.parametrize(
    ("response", "word"),
    [
        (b"* LIST () NIL x", "LIST"),
        (b"* 12 FETCH (", "FETCH"),
        (b"* 3 exists", "EXISTS"),
        (b"* SEARCH", "SEARCH"),
        (b"* SEARCH 1 2", "SEARCH"),
        (b"*", ""),
        (b"", ""),
    ],
)
def test_keywords(response: bytes, word: str) -> None:
    assert keyword(response) == word


def test_listing() -> None:
    assert listed(b'* LIST (\\HasNoChildren \\SENT) "/" "Sent"') == Listed(
        frozenset({"\\Hasnochildren", "\\Sent"}), "/", "Sent"
    )
    for broken in (b"* LIST", b"* LIST x y z", b'* LIST () "/"'):
        with pytest.raises(Garbled):
            listed(broken)


def test_the_items_of_one_message_may_come_apart() -> None:
    responses = [b"* 1 FETCH (UID 7 RFC822.SIZE 10)", b'* 1 FETCH (UID 7 BODY[HEADER]<0> "x")', b"* 2 FETCH (FLAGS ())"]
    assert fetched(responses) == {7: {"UID": b"7", "RFC822.SIZE": b"10", "BODY[HEADER]": b"x"}}
