"""Parsing received mail: structure, charsets, headers, addresses, limits."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from sequencer.inbox.addresses import find_addresses, find_ids, split_mailbox
from sequencer.inbox.charsets import decode_bytes, decode_words
from sequencer.inbox.mime import MOST_DEPTH, MOST_HEADERS, MOST_PARTS
from sequencer.inbox.parse import parse_mail, read_date
from tests.inbox.samples import enclosed, mail, multipart, postfix, text


def test_a_plain_mail() -> None:
    parsed = parse_mail(
        mail(
            "Yes, please.\n",
            To="Mark Riffey <mark@us.example>, Jo <jo@us.example>",
            Cc="sales@us.example",
            Delivered_To="mark+4711@us.example",
            In_Reply_To="<a@us.example>",
            References="<root@us.example>\n\t<a@us.example>",
            Reply_To="carla@home.example",
        )
    )

    assert (parsed.from_address, parsed.from_name) == ("carla@example.com", "Carla Costa")
    assert parsed.to == ("mark@us.example", "jo@us.example", "sales@us.example", "mark+4711@us.example")
    assert (parsed.subject, parsed.message_id) == ("Re: Are you still looking?", "<answer-1@example.com>")
    assert (parsed.in_reply_to, parsed.references) == (("<a@us.example>",), ("<root@us.example>", "<a@us.example>"))
    assert parsed.date == datetime(2025, 3, 4, 10, tzinfo=UTC)
    assert parsed.reply_to == "carla@home.example"
    assert parsed.words.strip() == "Yes, please."
    assert not parsed.truncated


def test_the_readable_parts_are_joined_and_attachments_left_out() -> None:
    parsed = parse_mail(
        multipart(
            text("first"),
            "Content-Type: text/plain\nContent-Disposition: attachment; filename=notes.txt\n\nnot this",
            "Content-Type: application/pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0xLjQK",
            enclosed(),
            text("second"),
        )
    )

    assert parsed.text.split() == ["first", "second"]
    assert [part.content_type for part in parsed.parts] == [
        "text/plain",
        "text/plain",
        "application/pdf",
        "message/rfc822",
        "text/plain",
        "text/plain",
    ]
    attached = parsed.parts[3].message
    assert attached is not None
    assert attached.get("subject") == "Are you still looking?"
    assert [part.enclosed for part in parsed.parts] == [False, False, False, False, True, False]


def test_html_alone_is_read_as_lines() -> None:
    parsed = parse_mail(
        mail(
            "<html><head><style>p {}</style></head><body><p>One &amp; two</p><div>three<br>four</div></body></html>",
            Content_Type="text/html; charset=utf-8",
        )
    )

    assert [line for line in parsed.words.split("\n") if line.strip()] == ["One & two", "three", "four"]


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        ("größer".encode(), "utf-8", "größer"),
        ("größer".encode("latin-1"), "iso-8859-1", "größer"),
        ("größer".encode("latin-1"), "", "größer"),
        ("größer".encode(), "iso-8859-1", "größer"),  # a wrong label
        ("größer".encode(), "us-ascii", "größer"),
        ("“quoted”".encode("cp1252"), "iso-8859-1", "“quoted”"),  # what Windows calls Latin-1
        ("größer".encode("latin-1"), "utf-8", "größer"),  # another wrong label
        ("größer".encode("latin-1"), "x-unheard-of", "größer"),
        ("こんにちは".encode("iso2022_jp"), "iso-2022-jp", "こんにちは"),
        ("こんにちは".encode("iso2022_jp"), "", "こんにちは"),
        ("こんにちは".encode("cp932"), "shift_jis", "こんにちは"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("你好".encode("gb18030"), "gb2312", "你好"),
        ("café".encode()[:-1], "utf-8", "caf\ufffd"),  # cut within a character
        (b"abc", "punycode", "abc"),
        (b"a\xff\xfeb", "unicode_escape", "aÿþb"),
        (b"nul\x00l", "utf-8", "null"),
    ],
)
def test_charsets_that_are_wrong_unknown_or_missing(body: bytes, charset: str, expected: str) -> None:
    assert decode_bytes(body, charset) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?Q?a_b?= =?utf-8?Q?_c?=", "a b c"),
        ("=?utf-8?b?R3LDvA==?= and =?iso-8859-1?q?=DFe?=", "Grü and ße"),
        ("=?utf-8?b?R3LD?= =?utf-8?b?vMOfZQ==?=", "Grüße"),  # split within a character
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?x?broken?=", "=?utf-8?x?broken?="),
        ("=?nonsense?b?R3LDvMOfZQ==?=", "Grüße"),
        ("plain =? text", "plain =? text"),
    ],
)
def test_encoded_words(value: str, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        ("Carla Costa <carla@example.com>", "carla@example.com", "Carla Costa"),
        ('"Costa, Carla" <carla@example.com>', "carla@example.com", "Costa, Carla"),
        ("carla@example.com (Carla Costa)", "carla@example.com", "Carla Costa"),
        ("carla@example.com", "carla@example.com", ""),
        ("<carla@example.com>", "carla@example.com", ""),
        ("=?utf-8?q?Carla_=3Cboss=3E?= <carla@example.com>", "carla@example.com", "Carla <boss>"),
        ('"carla@example.com" <carla@example.org>', "carla@example.org", "carla@example.com"),
        ("Carla <>", "", "Carla"),
        ("MAILER-DAEMON", "", "MAILER-DAEMON"),
        ("", "", ""),
    ],
)
def test_mailboxes(value: str, address: str, name: str) -> None:
    assert split_mailbox(value) == (address, name)


def test_addresses_in_prose() -> None:
    prose = "Ask <jo@example.com>, 'bo@example.org' or mailto:al+x@sub.example.co.uk. Not @home, not a@, not x@@y."

    assert find_addresses(prose) == ("jo@example.com", "bo@example.org", "al+x@sub.example.co.uk")
    assert find_addresses("收件人：carla@example.com，失败; 送信carla@example.org失敗") == (
        "carla@example.com",
        "carla@example.org",
    )
    assert find_addresses("Grüße@bücher.example") == ("Grüße@bücher.example",)
    assert find_addresses('"needless"@example.com "must be"@example.com') == ("needless@example.com",)


def test_ids_keep_their_brackets() -> None:
    assert find_ids("<a@x.example> (comment) <b@y.example>") == ("<a@x.example>", "<b@y.example>")
    assert find_ids("bare@x.example") == ("<bare@x.example>",)
    assert find_ids("nothing") == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Tue, 04 Mar 2025 10:00:00 +0100", datetime(2025, 3, 4, 9, tzinfo=UTC)),
        ("4 Mar 2025 10:00:00 GMT", datetime(2025, 3, 4, 10, tzinfo=UTC)),
        ("Tue, 04 Mar 2025 10:00:00 -0000", datetime(2025, 3, 4, 10, tzinfo=UTC)),
        ("Tue, 99 Mar 2025 10:00:00", None),
        ("31 Dec 9999 23:00:00 -2300", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(value: str, expected: datetime | None) -> None:
    assert read_date(value) == expected


def test_transfer_encodings_and_a_base64_that_is_cut() -> None:
    body = base64.encodebytes("Grüße aus Köln".encode()).decode()
    whole = parse_mail(mail(body, Content_Transfer_Encoding="base64"))
    cut = parse_mail(mail(body[:-5], Content_Transfer_Encoding="base64"))

    assert whole.text == "Grüße aus Köln"
    assert cut.text.startswith("Grüße aus")
    assert parse_mail(mail("Gr=C3=BC=\n=C3=9Fe", Content_Transfer_Encoding="quoted-printable")).text == "Grüße"


def test_structures_that_are_broken_still_show_their_text() -> None:
    unclosed = mail("--x\nContent-Type: text/plain\n\nhello\n", content_type="multipart/mixed; boundary=x")
    no_parameter = mail("--x9\nContent-Type: text/plain\n\nhello\n--x9--\n", content_type="multipart/mixed")
    no_boundary = mail("hello\n", content_type="multipart/mixed; boundary=x")
    misspelt = mail("hello\n", content_type='text/plaincharset="utf-8"')
    mbox = b"From carla@example.com Tue Mar  4 10:00:00 2025\nSubject: x\n\nhello\n"
    bare_cr = b"Subject: x\r\rhello\r"

    for raw in (unclosed, no_parameter, no_boundary, misspelt, mbox, bare_cr):
        assert parse_mail(raw).text.strip() == "hello"


def test_an_attached_message_that_is_encoded_against_the_rules() -> None:
    original = base64.encodebytes(b"Message-ID: <a@us.example>\nSubject: x\n\nhello\n").decode()
    parsed = parse_mail(
        multipart(text("see below"), f"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{original}")
    )

    headers = parsed.parts[1].message
    assert headers is not None
    assert headers.get("message-id") == "<a@us.example>"


def test_parameters_that_are_continued_and_encoded() -> None:
    parsed = parse_mail(
        multipart("Content-Type: text/plain; name*0*=utf-8''Gr%C3%BC; name*1*=%C3%9Fe; charset=utf-8\n\nhello")
    )

    assert parsed.parts[0].params["name"] == "Grüße"


def test_everything_is_bounded() -> None:
    many_parts = multipart(*(text(f"part {number}") for number in range(1000)))
    assert len(parse_mail(many_parts).parts) == MOST_PARTS

    nested = "--b{0}\nContent-Type: multipart/mixed; boundary=b{1}\n\n"
    deep = mail(
        "".join(nested.format(level, level + 1) for level in range(10_000)), content_type="multipart/mixed; boundary=b0"
    )
    assert max(part.depth for part in parse_mail(deep).parts) <= MOST_DEPTH

    headers = "".join(f"X-{number}: y\n" for number in range(50_000)).encode()
    assert len(parse_mail(headers + b"\nhello").headers) == MOST_HEADERS

    large = mail("x" * 3_000_000)
    parsed = parse_mail(large)
    assert (parsed.size, parsed.truncated) == (len(large), True)
    assert len(parsed.text) < 200_000


def test_nothing_at_all() -> None:
    for raw in (b"", b"\n\n\n", b"\x00\xff", b":", b"From \n", b"Content-Type: multipart/mixed; boundary=\n\n--\n"):
        parsed = parse_mail(raw)
        assert parsed.from_address == ""


def test_a_delivery_report_has_its_parts_in_order() -> None:
    kinds = [part.content_type for part in parse_mail(postfix()).parts]

    assert kinds == ["text/plain", "message/delivery-status", "message/rfc822", "text/plain"]
