"""The signs of a bounce in words: senders, subjects and sentences (wording/bounces.yaml), and server answers."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from sequencer.inbox.wording_files import read_wording

ANSWER: Final = re.compile(
    r"(?<![\d.])[45]\d\d[ -](?:[45]\.\d{1,3}\.\d{1,3}|[\w<\[(#*\"'-])|#?\b[45]\.\d{1,3}\.\d{1,3}\b|<<< ?[45]|"
    r"user unknown|unknown user|mailbox (?:is )?full|no such user",
    re.IGNORECASE,
)
"""Something like the answer of a mail server (RFC 5321 §4.2)."""

LIST_MANAGER: Final = re.compile(
    r"-(?:admin|owner|request|bounces?)@|\b(?:listserv|majordomo|mailman|listmaster|sympa|fml|ezmlm)@", re.IGNORECASE
)

_MAIL = (
    r"(?:message|e-?mail|mail|nachricht|courriel|mensaje|correo|messaggio|mensagem|bericht|wiadomość|письмо|сообщение|"
    r"meddelande|besked|ileti|zpráva|メール|邮件|郵件)"
)


@cache
def pattern(key: str) -> re.Pattern[str]:
    """The words of one list of wording/bounces.yaml as one pattern."""
    words = "|".join(read_wording("bounces")[key])
    match key:
        case "subject":
            return re.compile(rf"[\W_]{{0,6}}(?:{words})", re.IGNORECASE)
        case "daemon":
            return re.compile(rf"(?:{words})(?:\\?@|$)", re.IGNORECASE)
        case _:
            return re.compile(words, re.IGNORECASE)


@cache
def mail_sentence() -> re.Pattern[str]:
    """The sentence of a bounce, said of a mail (parcels are not delivered either)."""
    return re.compile(rf"{_MAIL}[^.\n]{{0,80}}(?:{pattern('sentence').pattern})", re.IGNORECASE)


@cache
def _mailers() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (entry["name"], re.compile("|".join(entry["words"]), re.IGNORECASE))
        for entry in read_wording("bounces")["mailers"]
    )


def mailer_of(text: str) -> str:
    """Whose words these are (a mail server or service), or ""."""
    return next((name for name, words in _mailers() if words.search(text)), "")
