"""What in a mail may name one of our messages, contacts or companies."""

from __future__ import annotations

from datetime import date

import pytest

from sequencer.inbox.match import Clues, bare_subject, clues_of, company_domain
from sequencer.inbox.parse import parse_mail
from sequencer.inbox.reading import read_mail
from sequencer.mail.ids import make_message_id, read_message_id, read_unsubscribe_token, unsubscribe_token
from tests.inbox.samples import ORIGINAL, OURS, daemon, enclosed, mail, multipart, postfix, text

KEY = b"k" * 32


def clues(raw: bytes) -> Clues:
    parsed = parse_mail(raw)
    return clues_of(parsed, read_mail(parsed, today=date(2025, 3, 5)))


def test_ids_of_a_reply_the_most_telling_first() -> None:
    found = clues(mail("Yes.\n", In_Reply_To=OURS, References=f"<root@us.example> <second@us.example> {OURS}"))

    assert found.message_ids == (OURS, "<second@us.example>", "<root@us.example>")
    assert (found.sender, found.domain) == ("carla@example.com", "example.com")
    assert found.subject == "Are you still looking?"


def test_a_bounce_is_matched_by_what_it_encloses() -> None:
    found = clues(postfix())

    assert found.message_ids[0] == OURS
    assert found.recipient == "carla@example.com"
    assert found.sender == ""
    assert found.subject == "Are you still looking?"
    assert found.domain == "example.com"


@pytest.mark.parametrize("place", ["to", "subject", "body", "quoted", "html", "attached"])
def test_our_tokens_are_found_wherever_they_stand(place: str) -> None:
    token = unsubscribe_token(KEY, 4711)
    raw = {
        "to": mail("x", To=f"mark+{token}@us.example"),
        "subject": mail("x", Subject=f"unsubscribe {token}"),
        "body": mail(f"See https://us.example/u/{token.upper()}.\n"),
        "quoted": mail(f"Yes.\n\n> Not interested? https://us.example/u/{token}\n"),
        "html": mail(f'<a href="https://us.example/u/{token}">x</a>', Content_Type="text/html"),
        "attached": multipart(text("see below"), enclosed(f"{ORIGINAL}\nhttps://us.example/u/{token}\n")),
    }[place]

    assert 4711 in [read_unsubscribe_token(KEY, found) for found in clues(raw).tokens]


@pytest.mark.parametrize("place", ["references", "body", "attached"])
def test_our_message_ids_are_found_by_their_shape(place: str) -> None:
    ours = make_message_id(KEY, 4711, "nine-word", "x7k2m9", "us.example")
    raw = {
        "references": mail("x", References=f"<other@example.com> {ours.upper()}"),
        "body": daemon(f"It failed. Message-Id: {ours}\n"),
        "attached": multipart(text("see below"), enclosed(f"Message-ID: {ours}\nSubject: x\n\nx\n")),
    }[place]

    tokens = [read_message_id(KEY, found) for found in clues(raw).tokens]
    assert [token.enrollment for token in tokens if token] == [4711]


def test_forged_and_similar_words_prove_nothing() -> None:
    found = clues(mail("Order 4711-abcdefghijklmnop and 12-34, version 1.2.3.4, call 555-1234567890123456\n"))

    assert found.tokens == ("4711-abcdefghijklmnop",)
    assert read_unsubscribe_token(KEY, found.tokens[0]) is None


@pytest.mark.parametrize(
    ("subject", "bare"),
    [
        ("Re: Are you still looking?", "Are you still looking?"),
        ("AW: WG: Re: Are you still looking?", "Are you still looking?"),
        ("RE[2]: Are you still looking?", "Are you still looking?"),
        ("[EXTERNAL] Re : Are you still looking?", "Are you still looking?"),
        ("Fwd: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("Sv: Odp: Ynt: Hallo", "Hallo"),
        ("回复：报价", "报价"),
        ("Automatic reply: Hello", "Hello"),
        ("Undeliverable: Hello", "Hello"),
        ("Accepted: Demo", "Demo"),
        ("Regarding: Hello", "Regarding: Hello"),
        ("", ""),
    ],
)
def test_subjects_without_their_prefixes(subject: str, bare: str) -> None:
    assert bare_subject(parse_mail(mail("x", Subject=subject)).subject) == bare


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("carla@example.com", "example.com"),
        ("carla@mail.sales.example.co.uk", "example.co.uk"),
        ("Carla@EXAMPLE.com", "example.com"),
        ("carla@gmail.com", ""),
        ("carla@yahoo.co.uk", ""),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_the_company_behind_an_address(address: str, domain: str) -> None:
    assert company_domain(address) == domain
