"""The fresh text of mails as the common programs write them, in many languages."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox.fresh_text import fresh_text, fresh_text_of
from sequencer.inbox.parse import parse_mail

REPLY = "Sounds good to me.\n\nKind regards,\nSusan"

DATA: Any = yaml.safe_load((Path(__file__).parent / "quotes.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("attribution", DATA["attributions"])
@pytest.mark.parametrize("quoted", ["> Are you interested?\n> Mark\n", "Are you interested?\nMark\n"])
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_attribution_and_all_below_it_go(attribution: str, quoted: str, gap: str) -> None:
    assert fresh_text_of(f"{REPLY}{gap}{attribution}\n\n{quoted}") == REPLY


@pytest.mark.parametrize("block", DATA["header_blocks"])
def test_header_block_and_all_below_it_go(block: str) -> None:
    assert fresh_text_of(f"{REPLY}\n\n{block}\n\nHi Susan,\nare you interested?\nMark") == REPLY


@pytest.mark.parametrize("closing", DATA["closings"])
def test_what_the_phone_adds_goes(closing: str) -> None:
    assert fresh_text_of(f"Reply.\n\n{closing}") == "Reply."


@pytest.mark.parametrize(
    "text",
    [
        "I met her on Monday and she wrote:\nthis is great.\nCall me.",
        "From: what I see, it is fine.\nTo: me it looks good.",
        "We wrote on 3 March: no answer.\nPlease call.",
        "Prices:\n- A: 10\n- B: 20\n\nWhich one do you want?",
        "Date: any day next week\nSubject to approval.\nTo be decided.",
        "Sent from my desk, which is easier than typing on a telephone.",
        "This mail was sent from three different machines, I hope it arrives.",
        "I never sent the letter.\nBob wrote a better one.",
    ],
)
def test_ordinary_sentences_stay(text: str) -> None:
    assert fresh_text_of(text) == text


def test_reply_below_the_quote() -> None:
    text = (
        "On Mon, Nov 23, 2026 at 4:12 PM Mark <m@example.com> wrote:\n> Are you interested?\n> Mark\n\nYes, call me.\n"
    )
    assert fresh_text_of(text) == "Yes, call me."


def test_answers_between_quotes_keep_what_they_answer() -> None:
    text = (
        "Hi Mark, see below.\n\nOn Mon, Nov 23, 2026 at 4:12 PM Mark <m@example.com> wrote:\n"
        "> Are you interested?\n\nYes.\n\n> When can we talk?\n\nFriday.\n"
    )
    assert (
        fresh_text_of(text) == "Hi Mark, see below.\n\n> Are you interested?\n\nYes.\n\n> When can we talk?\n\nFriday."
    )


def test_words_below_the_whole_quote_stay_without_it() -> None:
    text = "Yes.\n\nOn 23/11/2026 16:12, Mark wrote:\n> Are you interested?\n\nRegards, Susan"
    assert fresh_text_of(text) == "Yes.\n\nRegards, Susan"


def test_forwarded_mail_stays_whole() -> None:
    text = "FYI\n\n---------- Forwarded message ----------\nFrom: bob@example.com\nSubject: Two\n\nText"
    assert fresh_text_of(text) == text


def test_mail_that_only_quotes_has_no_fresh_text() -> None:
    assert fresh_text_of("> Are you interested?\n> Mark\n") == ""


def test_confidentiality_notice_goes() -> None:
    notice = (
        "This e-mail and any attachments are confidential and intended only for the recipient. If you received it in "
        "error, please delete it and unsubscribe nobody."
    )
    assert fresh_text_of(f"{REPLY}\n\n{notice}\n") == REPLY


@pytest.mark.parametrize(("html", "text"), [(case["html"], case["text"]) for case in DATA["html"]])
def test_html(html: str, text: str) -> None:
    assert fresh_text_of("", html) == text


def test_html_quote_tells_where_the_plain_part_does_not() -> None:
    quote = (
        "This is what was written before, and it goes on and on, and no program marked it as a quote in any way. " * 3
    )
    html = f'<div>Yes please</div><div class="yahoo_quoted"><div>{quote}</div></div>'
    assert fresh_text_of(f"Yes please\n\n{quote}", html) == "Yes please"


def test_of_a_whole_mail_in_an_odd_charset() -> None:
    raw = (
        "From: susan@example.com\r\nSubject: Re: Angebot\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n"
        "Sch\xf6n, gerne.\r\n\r\nAm 23.11.26 um 16:12 schrieb Mark Riffey:\r\n> Interesse?\r\n"
    ).encode("latin-1")
    assert fresh_text(parse_mail(raw)) == "Schön, gerne."


PIECES = st.sampled_from(
    ["On 3 Jan 2026, Ann <a@b.example> wrote:",
     "> quoted", "From: x", "Sent: y", "To: z", "--", "", "words", "wrote:", "_____",
     "-----Original Message-----", "Sent from my phone", "<div>", "</div>", "<blockquote>", "\x00", "＞", "é" * 50]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=40)), max_size=40))
def test_never_raises_and_adds_nothing(lines: list[str]) -> None:
    text = "\n".join(lines)
    fresh = fresh_text_of(text)
    assert len(fresh) <= len(text) + 2
    fresh_text_of("", text)
    fresh_text_of(text, text)


@pytest.mark.parametrize(
    "piece",
    ["On 3 Jan 2026, Ann <a@b.example> wrote:\n> a\n",
     "From: a\nSent: b\nTo: c\n\n", "> ", "<div>", "<blockquote>", "<!--", "-",
     "\n", "Sent from my ", "wrote: ", "On 3 January ", "a@", "&nbsp;"],
)  # fmt: skip
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    for arguments in ((text, ""), ("", text)):
        started = time.process_time()
        fresh_text_of(*arguments)
        assert time.process_time() - started < 1
