"""Mail that wants to break the reader: whatever comes in, something sensible comes out, and quickly."""

from __future__ import annotations

import random
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox.match import clues_of
from sequencer.inbox.parse import parse_mail
from sequencer.inbox.reading import Reading, read_mail
from tests.inbox.samples import daemon, enclosed, failed, mail, multipart, postfix, report, status, text

TODAY = date(2025, 3, 5)
MEGABYTE = 1_000_000

SAMPLES = [
    *(file.read_bytes() for file in sorted((Path(__file__).parent / "mails").rglob("*.eml"))),
    postfix(),
    report(text("failed"), status(failed(), failed("b@example.com", "4.2.2")), enclosed(kind="text/rfc822-headers")),
    multipart(text("Ja, gerne."), text("<p>Ja, <b>gerne</b>.</p>", "html"), kind="alternative"),
    mail("R3LDvMOfZSBhdXMgS8O2bG4=\n", Content_Transfer_Encoding="base64", Subject="=?utf-8?b?R3LDvMOfZQ==?="),
    mail("I am out of the office until 10 March.\n", Subject="Automatic reply: hello", Auto_Submitted="auto-replied"),
]


def check(raw: bytes) -> Reading:
    """Read it all the way, and look that nothing comes out that could not be stored."""
    parsed = parse_mail(raw)
    reading = read_mail(parsed, today=TODAY, labels={"price": ("price", "budget")})
    clues = clues_of(parsed, reading)
    words = [parsed.subject, parsed.text, parsed.html, parsed.words, parsed.from_address, parsed.from_name, *parsed.to]
    for value in (*words, reading.text, reading.evidence, reading.recipient, clues.subject, *clues.message_ids):
        assert "\x00" not in value
        value.encode("utf-8")
    assert 0.0 <= reading.confidence <= 1.0
    return reading


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    check(raw)


HEADER_NAMES = st.sampled_from(
    [
        *("From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "Return-Path", "Precedence"),
        *("Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Auto-Submitted", "X-Failed-Recipients"),
    ]
)
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            *(
                "multipart/report; boundary=x; report-type=delivery-status",
                "multipart/mixed; boundary=",
                "message/rfc822",
            ),
            *("text/html; charset=utf-7", "text/plain; charset=hz", "=?utf-8?b?/w==?=", "=?x?q?=80?=", "<>", "<@>"),
            *("base64", "a@b, c@d"),
        ]
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=12), st.text(max_size=600))
def test_any_headers_are_survived(headers: list[tuple[str, str]], body: str) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    check(f"{head}\n--x\n{body}\n--x--\n".encode("utf-8", "surrogatepass"))


FRAGMENTS = [b"\n", b"\r", b"\x00", b"--=_frontier\n", b"\xff\xfe", b"=?", b"<", b":", b"\n\n"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAMPLES) - 1), st.integers(0, 2**32))
def test_samples_with_bytes_flipped_cut_doubled_and_nested(index: int, seed: int) -> None:
    dice = random.Random(seed)
    raw = bytearray(SAMPLES[index])
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(raw) + 1)
        match dice.randrange(4):
            case 0 if at < len(raw):
                raw[at] = dice.randrange(256)
            case 1:
                del raw[at : at + dice.randint(1, 200)]
            case 2:
                raw[at:at] = raw[at : at + dice.randint(1, 400)]
            case _:
                raw[at:at] = dice.choice(FRAGMENTS)
    check(bytes(raw))
    nested = bytes(raw).decode("latin-1").replace("\r\n", "\n")
    for level in range(dice.randint(1, 4)):
        nested = multipart(text("see"), enclosed(nested), boundary=f"=_{level}").decode("utf-8").replace("\r\n", "\n")
    check(nested.encode("utf-8"))


HEADS = {
    "bounce": daemon("").rstrip() + b"\r\n\r\n",
    "report": report(text("x")).split(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "person": mail("").rstrip() + b"\r\n\r\n",
    "html": mail("", Content_Type="text/html; charset=utf-8").rstrip() + b"\r\n\r\n",
    "header": b"Subject: ",
    "references": b"References: ",
}
NASTY = [
    *(
        b"\n",
        b">\n",
        b"a@",
        b"a.",
        b"<a@b> ",
        b"(",
        b" ",
        b"> > > ",
        b"\xff",
        "あ".encode(),
        b"<div>",
        b"<!--",
        b"x: y\n",
    ),
    *(b"=?utf-8?q?a?= ", b"550 5.1.1 ", b"user ", b"could not be delivered ", b"Message-ID: <", b"--=_frontier\n"),
    *(b"Final-Recipient: rfc822; a@b\n", b"1.a.b.", b"12/12/12 next monday ", b"On x wrote:\n", b"unsubscribe "),
    *(b"stop by call me ", b"out of the office until "),
]


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_a_megabyte_of_anything_takes_no_second(head: bytes) -> None:
    check(SAMPLES[0])  # what is read and compiled once is not counted
    for nasty in NASTY:
        raw = (head + nasty * (MEGABYTE // len(nasty)))[:MEGABYTE]
        start = time.process_time()
        check(raw)
        assert time.process_time() - start < 1.0, nasty


def test_attachments_archives_and_nesting_cost_nothing() -> None:
    base64_file = "Content-Type: application/zip\nContent-Transfer-Encoding: base64\n\n" + "UEsDBAoAAAAAA" * 2_000_000
    nested = "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(10_000))
    flat = "".join("--b0\nContent-Type: text/plain\n\nx\n" for _ in range(10_000))
    messages = "Content-Type: message/rfc822\n\n" * 10_000
    for raw in (
        multipart(text("Yes, call me."), base64_file),
        mail(nested, content_type="multipart/mixed; boundary=b0"),
        mail(flat, content_type="multipart/mixed; boundary=b0"),
        mail(messages, content_type="message/rfc822"),
    ):
        start = time.process_time()
        check(raw)
        assert time.process_time() - start < 1.0


def test_words_before_a_large_attachment_are_read() -> None:
    reading = check(multipart(text("Yes, call me on Monday."), "Content-Type: application/zip\n\n" + "x" * 3_000_000))

    assert reading.kind.human
    assert reading.text == "Yes, call me on Monday."
