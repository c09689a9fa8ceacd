"""Automatic answers: told by headers, by subjects, by wording alone; and people who only tell that they were away."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox.auto_reply import Automatic, read_automatic
from sequencer.inbox.fresh_text import fresh_text
from sequencer.inbox.parse import parse_mail

TODAY = date(2026, 11, 24)
CASES: Any = yaml.safe_load((Path(__file__).parent / "absences.yaml").read_text(encoding="utf-8"))


def read(text: str, subject: str = "Re: Offer", headers: str = "", language: str = "en") -> Automatic | None:
    head = f"From: Ann <ann@example.com>\nSubject: {subject}\n{headers}Content-Type: text/plain; charset=utf-8\n\n"
    mail = parse_mail((head + text).encode())
    return read_automatic(mail, fresh_text(mail), TODAY, language)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['language']}-{index}" for index, case in enumerate(CASES)])
def test_absence(case: dict[str, Any]) -> None:
    found = read(case["text"], case["subject"], language=case["language"])
    assert (found.kind if found else None) == case["kind"]
    assert (found.back if found else None) == case["back"]
    if found and found.back:
        assert found.words in " ".join(case["text"].split())
        assert found.back.isoformat() in found.evidence


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-generated",
        "X-Autoreply: yes",
        "X-Autorespond: Re",
        "Precedence: auto_reply",
        "X-MS-Exchange-Inbox-Rules-Loop: ann@example.com",
        "X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent",
        "X-POST-MessageClass: 9; Autoresponder",
    ],
)
def test_header_is_proof(header: str) -> None:
    assert read("I am out of the office until 30 November.", headers=f"{header}\n") is not None
    found = read("Back soon.", headers=f"{header}\n")
    assert found is not None
    assert found.kind in ("auto_reply", "out_of_office")


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: no", "X-Auto-Response-Suppress: All", "Precedence: list", "Return-Path: <>"]
)
def test_header_is_no_proof(header: str) -> None:
    assert read("Yes, call me on Friday.", headers=f"{header}\n") is None


@pytest.mark.parametrize(
    "text",
    [
        "Sorry, I was out of the office, yes let's talk.",
        "I've been on vacation, please resend the quote.",
        "Just back from vacation, what did you want?",
        "I'm out of the office next week, can we talk the week after?",
        "Are you out of the office?",
        "Entschuldigung, ich war im Urlaub. Gerne!",
        "Désolé, j'étais en congés. Oui, appelez-moi.",
        "I no longer work with agencies.",
        "We no longer work with external suppliers.",
        "Thank you for your email, I will look at it.",
        "Bob no longer works here. Please remove him from your list.",
    ],
)
def test_person(text: str) -> None:
    assert read(text) is None


def test_successor_is_named() -> None:
    found = read("Tom Field has left the company. Please write to Jane Doe <jane@example.com> from now on.")
    assert found is not None
    assert (found.kind, found.refers_to) == ("left_company", "jane@example.com")


def test_own_address_is_no_successor() -> None:
    found = read("ann@example.com is no longer with the company; ask jane@example.com.", "Automatic reply: Offer")
    assert found is not None
    assert found.refers_to == "jane@example.com"


def test_new_address_is_told() -> None:
    found = read(
        "My email address has changed, please use ann.new@example.org from now on.",
        headers="Auto-Submitted: auto-replied\n",
    )
    assert found is not None
    assert (found.kind, found.refers_to) == ("auto_reply", "ann.new@example.org")


def test_past_day_of_return_is_no_day() -> None:
    found = read("I am out of the office until November 2, 2026.", "Automatic reply: Offer")
    assert found is not None
    assert (found.kind, found.back) == ("out_of_office", None)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.text(max_size=60).map(lambda text: text.replace("\n", " ").replace("\r", " ")))
def test_never_raises(text: str, subject: str) -> None:
    read(text, subject, "Auto-Submitted: auto-replied\n")
    read(text, subject)
