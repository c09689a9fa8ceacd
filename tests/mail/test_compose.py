"""The exact bytes of a letter, read back by the standard library's parser."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import re
from datetime import UTC, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sequencer.mail.compose import Letter, Unwritable, compose
from sequencer.mail.ids import make_message_id
from sequencer.mail.threads import new_thread

KEY = bytes(range(32))
DATE = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=-7)))
MESSAGE_ID = make_message_id(KEY, 42, "thanks", "abc123", "example.com")
LETTER = Letter(
    from_name="Mark Riffey",
    from_address="mark@example.com",
    to="alice@example.org",
    subject="Thanks for your time",
    text="Hello Alice,\n\nthank you.\n\nMark\n",
    message_id=MESSAGE_ID,
    date=DATE,
)
LONG_IDS = tuple(f"<{'x' * 100}{i}@a-very-long-host-name-of-some-server.example.org>" for i in range(60))


def changed(**changes: Any) -> Letter:
    return dataclasses.replace(LETTER, **changes)


def written(letter: Letter) -> bytes:
    data = compose(letter)
    assert isinstance(data, bytes)
    assert_wire_fit(data)
    return data


def parsed(letter: Letter) -> EmailMessage:
    message = email.message_from_bytes(written(letter), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def body_of(part: Any) -> str:
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def assert_wire_fit(data: bytes) -> None:
    """What every message must be: ASCII, CRLF, no line over 998 bytes, ids never encoded."""
    assert data.isascii()
    assert b"\0" not in data
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    assert data.endswith(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    head = data.partition(b"\r\n\r\n")[0]
    for name in (b"Message-ID", b"In-Reply-To", b"References", b"List-Unsubscribe", b"Thread-Index"):
        found = re.search(rb"(?m)^" + name + rb":(.*(?:\r\n[ \t].*)*)", head)
        assert found is None or b"=?" not in found[1]


def test_a_plain_letter_byte_by_byte() -> None:
    assert written(LETTER).decode() == (
        "Date: Tue, 24 Nov 2026 09:30:00 -0700\r\n"
        "From: Mark Riffey <mark@example.com>\r\n"
        "To: alice@example.org\r\n"
        f"Message-ID: {MESSAGE_ID}\r\n"
        "Subject: Thanks for your time\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hello Alice,\r\n\r\nthank you.\r\n\r\nMark\r\n"
    )


def test_nothing_gives_the_machine_away() -> None:
    names = {name.lower() for name in parsed(LETTER)}
    assert not names & {"x-mailer", "user-agent", "bcc", "precedence", "auto-submitted", "received"}


@pytest.mark.parametrize(
    "name",
    [
        "Mark",
        "Mark Riffey",
        "Riffey, Mark",
        'Mark "RV" Riffey',
        "back\\slash",
        "Jürgen Müller",
        "山田 太郎",
        "Zoë " * 40,
        "=?utf-8?q?evil?=",
        "a.b@c (comment) <x@y>",
        "x" * 150,
        "🚐 RV",
    ],
)
def test_display_names_come_back(name: str) -> None:
    # The newer parser of Python 3.11 puts spaces between adjacent encoded words of a name (against RFC 2047 §6.2).
    header = email.message_from_bytes(written(changed(from_name=name)))["From"]
    shown, address = parseaddr(header)
    assert str(make_header(decode_header(shown))) == name.strip()
    assert address == "mark@example.com"


def test_without_a_name_there_is_only_the_address() -> None:
    assert b"From: mark@example.com\r\n" in written(changed(from_name="  "))


@pytest.mark.parametrize(
    "subject",
    [
        "Are you still looking?",
        "Ihr Angebot für die Größe XL – jetzt",
        "お見積もりの件について " * 8,
        "word " * 60 + "end",
        "unbroken" * 20,
        "unbroken" * 200,
        "two  spaces   inside",
        "=?utf-8?b?ZXZpbA==?=",
        "Emoji 🚐🏕️ and ümlauts",
        "",
    ],
)
def test_subjects_come_back_exactly(subject: str) -> None:
    assert parsed(changed(subject=subject))["Subject"] == subject.strip()


@given(st.text(alphabet=st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300))
@example(" leading and trailing ")
def test_any_printable_subject_comes_back(subject: str) -> None:
    assert parsed(changed(subject=subject))["Subject"] == subject.strip()


@pytest.mark.parametrize("field", ["subject", "from_name", "thread_topic"])
@pytest.mark.parametrize(
    "evil", ["x\r\nBcc: victim@example.org", "x\nBcc: v@example.org", "x\rBcc: v", "x\0y", "x\u2028y"]
)
def test_line_breaks_in_headers_become_spaces(field: str, evil: str) -> None:
    message = parsed(changed(**{field: evil}))
    assert "Bcc" not in message
    head = compose(changed(**{field: evil}))
    assert isinstance(head, bytes)
    assert b"\nBcc" not in head


@pytest.mark.parametrize(
    ("field", "value", "smtputf8"),
    [
        ("to", "alice@example.org\r\nBcc: victim@example.org", False),
        ("to", "alice", False),
        ("to", "älice@example.org", True),
        ("from_address", "märk@example.com", True),
        ("from_address", "", False),
        ("message_id", "no brackets", False),
        ("message_id", "<a@b>\r\nX: y", False),
        ("list_unsubscribe", ("javascript:alert(1)",), False),
        ("list_unsubscribe", ("mailto:a@example.com>\r\nX: y",), False),
        ("list_unsubscribe", ("https://example.com/" + "x" * 1000,), False),
        ("date", DATE.replace(tzinfo=None), False),
    ],
)
def test_what_cannot_be_written_is_a_value(field: str, value: object, smtputf8: bool) -> None:
    refused = compose(changed(**{field: value}))
    assert isinstance(refused, Unwritable)
    assert refused.field == field
    assert refused.needs_smtputf8 is smtputf8
    assert refused.reason


def test_international_domains_become_punycode() -> None:
    data = written(changed(to="alice@bücher.example", from_address="mark@straße.example"))
    assert b"To: alice@xn--bcher-kva.example\r\n" in data
    assert b"<mark@xn--strae-oqa.example>" in data


def test_threading_headers_are_never_encoded_however_long() -> None:
    message = parsed(changed(in_reply_to=LONG_IDS[-1], references=LONG_IDS))
    assert message["In-Reply-To"] == LONG_IDS[-1]
    assert message["References"].split() == [LONG_IDS[0], *LONG_IDS[-20:]]


def test_ids_of_others_that_are_unfit_are_left_out() -> None:
    odd = ("<root@example.com>", "<a b@example.com>", "<=?utf-8?q?x?=@example.com>", "junk", "<ok@example.com>")
    message = parsed(changed(in_reply_to="junk\r\nX: y", references=odd))
    assert message["In-Reply-To"] is None
    assert message["References"].split() == ["<root@example.com>", "<ok@example.com>"]


def test_unsubscribe_headers() -> None:
    uris = ("mailto:mark@example.com?subject=unsubscribe%2042-abc", "https://follow.example.com/u/42-" + "a" * 200)
    letter = changed(list_unsubscribe=uris, one_click=True)
    message = parsed(letter)
    assert message["List-Unsubscribe"].replace(" ", "") == ",".join(f"<{uri}>" for uri in uris)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # RFC 8058 §3.1: only together with an https URI.
    assert parsed(dataclasses.replace(letter, list_unsubscribe=uris[:1]))["List-Unsubscribe-Post"] is None
    assert parsed(dataclasses.replace(letter, one_click=False))["List-Unsubscribe-Post"] is None


def test_outlooks_headers() -> None:
    thread = new_thread(MESSAGE_ID, "Größe", DATE)
    message = parsed(changed(thread_topic="Größe", thread_index=thread.index))
    assert message["Thread-Topic"] == "Größe"
    assert message["Thread-Index"] == thread.index


TEXTS = [
    "ASCII only\n",
    "Grüße aus Kalispell\n",
    "long line " * 300,
    "x" * 5000,
    "ü" * 3000,
    "From the start of a line\nFrom again\n",
    "trailing space \n-- \nMark",
    ".\n..\n.hidden\n",
    "mixed\r\nends\rof\nlines\n",
    "tabs\tstay\n",
    "equals = and =3D\n",
    "日本語の本文です。\n" * 50,
    "",
    "\n\n\nblank lines first",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("html", [None, "<p>Grüße</p>\n", "<p>plain</p>"])
def test_texts_come_back(text: str, html: str | None) -> None:
    message = parsed(changed(text=text, html=html))
    plain = message if html is None else message.get_body(("plain",))
    assert plain is not None
    assert body_of(plain) == text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    if html is not None:
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        rich = message.get_body(("html",))
        assert rich is not None
        assert body_of(rich).strip() == html.strip()


@given(st.text(max_size=2000))
@example("From \nFrom x\n")
@example("a\r\r\nb")
def test_any_text_fits_the_wire_and_comes_back(text: str) -> None:
    kept = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text).rstrip("\r\n")
    lines = re.split(r"\r\n|\r|\n", kept)
    message = email.message_from_bytes(written(changed(text=text)), policy=email.policy.default)
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode("utf-8") == "\r\n".join(lines) + "\r\n"


def test_lines_that_mbox_writers_change_are_protected() -> None:
    data = written(changed(text="From here on"))
    assert b"\r\nFrom here" not in data
    assert b"=46rom here on" in data


def test_the_same_letter_gives_the_same_bytes() -> None:
    letter = changed(html="<p>x</p>")
    assert compose(letter) == compose(dataclasses.replace(letter))


def test_lone_surrogates_do_no_harm() -> None:
    message = parsed(changed(text="a\udc80b", subject="s\udc80", from_name="n\udc80"))
    assert message["Subject"] == "s?"
    assert body_of(message) == "a?b\n"


def test_utc_dates_are_written_with_an_offset() -> None:
    data = written(changed(date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)))
    assert b"Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n" in data
