"""Bounces written for people: which address failed, and what the other server answered.

One set of rules for all mailers instead of one parser a mailer: every address in the notice is weighed by where it
stands (at the start of a line, after RCPT TO, beside a 5xx answer, in the header of the original), and the lines after
it are its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sequencer.inbox.addresses import ADDRESS, find_addresses, tidy
from sequencer.inbox.bounce_reports import Failure
from sequencer.inbox.original import Original
from sequencer.inbox.parse import Mail

MOST_LINES: Final = 400
_MOST_CANDIDATES: Final = 60

_ALONE = re.compile(r"^[\s>*\-•·\"'<\[(]{0,12}(?:mailto:)?ADDRESS[\s\"'>\])]{0,6}[:;,.]?\s*$")
_LEADS = re.compile(
    r"^[\s>*\-•·]{0,12}[\"'<\[(]{0,2}(?:mailto:)?ADDRESS[\"'>\])]{0,3}\s{0,2}"
    r"(?::|\.\.\.|\(|\[|;|=|failed|on |was |\Z)"
)
_NAMED = re.compile(
    r"(?:rcpt[ _]to|(?:final-|original-|failed |invalid )?recipients?|undeliverable address|error-for|delivery failed|"
    r"invalid final delivery userid|failed address|empf(?:ä|ae)nger|destinataire|destinatari[oa]|address|"
    r"reason|mailing list|generated from|адресат|получател\w{1,4})\b[\s:=(<\"'\[]{1,8}(?:to:?\s?)?<?\s{0,2}ADDRESS",
    re.IGNORECASE,
)
_NAMED_PERSON = re.compile(r"^[\s>*\-•·\"']{0,12}[^<>\n]{0,80}<ADDRESS>\s{0,4}[:.,]?\s*$")
_LABELLED = re.compile(
    r"^[\s>*\-•·]{0,12}(?!(?:to|cc|bcc|delivered-to|for|e-?mail|login)\s{0,3}:)[^@\n:]{3,80}:\s{0,4}[<\[(]?ADDRESS[>\])]?\s*$",
    re.IGNORECASE,
)
_HEADED = re.compile(r"(?:^|[\s>*])to:\s{0,10}<?ADDRESS", re.IGNORECASE)
_TO = re.compile(
    r"(?:deliver\w{0,4}|undeliverable|message|mail|zustell\w{0,4}|remis|entreg\w{1,5}|"
    r"consegna\w{0,5}|send(?:ing|en)?|sent)\b[^@\n]{0,60}?\b(?:to|for|an|à|a|para|aan|til|till|do|для)"
    r"[\s:]{1,3}[<\"'(\[]{0,2}ADDRESS",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"(?<![\d.])(?:[245]\d\d(?:[ \-]|\Z)|[45]\.\d{1,3}\.\d{1,3}\b)|<<<|said:|unknown user|user unknown", re.IGNORECASE
)
_SENDER_SIDE = re.compile(
    r"(?:mail from|(?<!generated )from|sender|reply-to|return-path|envelope-from|contact|kontakt\w{0,4}|assistance|"
    r"e-?mail to|help|call|absender|expéditeur|remitente|mittente|postmaster|administrator|webmaster|abuse|visit|"
    r"write to|reply to|cc|f=)\b[\s:=<\"'(\[]{0,6}(?:mailto:)?$",
    re.IGNORECASE,
)
_SENT_BY = re.compile(r"\b(?:sent by|from|sender)\s{0,3}:?\s*$", re.IGNORECASE)
_HELPERS = re.compile(
    r"^(?:postmaster|abuse|support|helpdesk|help|webmaster|noreply|no-reply|mailer-daemon|dns-admin)@", re.IGNORECASE
)


_SHAPES: Final = tuple(
    (weight, re.compile(shape.pattern.replace("ADDRESS", f"(?P<address>{ADDRESS.pattern})"), shape.flags))
    for weight, shape in (
        (6, _ALONE),
        (6, _LEADS),
        (6, _NAMED),
        (5, _LABELLED),
        (4, _TO),
        (4, _NAMED_PERSON),
        (4, _HEADED),
    )
)


@dataclass(slots=True)
class _Candidate:
    address: str
    line: int
    weight: int = 0
    doubtful: bool = False
    lines: set[int] = field(default_factory=set)


def read_prose(mail: Mail, notice: str, original: Original) -> tuple[Failure, ...]:
    """The recipients that the words of a notice name as failed, best first; at most ten.

    `notice` is the text without the copy of the original. Nothing here decides whether this is a bounce at all.
    """
    lines = [line[:600] for line in notice.split("\n")[:MOST_LINES]]
    own = _own_addresses(mail, original)
    listed = [address for value in mail.headers.all("x-failed-recipients") for address in find_addresses(value)]
    candidates: dict[str, _Candidate] = {}
    for index, line in enumerate(lines):
        if "@" in line and len(candidates) < _MOST_CANDIDATES:
            for address, weight in _weigh(line, _before(lines, index), _next(lines, index)):
                found = candidates.setdefault(address.lower(), _Candidate(address, index))
                found.weight = max(found.weight, weight)
                found.lines.add(index)
    sent_to = {address.lower() for address in original.to}
    for address in listed:
        found = candidates.setdefault(address.lower(), _Candidate(address, -1))
        found.weight += 20
    for key, candidate in candidates.items():
        candidate.weight += 0 if key not in sent_to else 5 if candidate.weight > 4 else 1
        candidate.doubtful = key in own and key not in sent_to
    good = sorted((c for c in candidates.values() if c.weight >= 4), key=lambda c: (c.doubtful, -c.weight, c.line))
    good = [c for c in good if c.weight >= (8 if c.doubtful else 4)] or good
    if not good or good[0].doubtful:
        fallback = _fallback(mail, original, own)
        if fallback and (not good or good[0].weight < 8):
            return (Failure(fallback, answer=" ".join(notice.split())[:2000]),)
    if not good:
        return (Failure("", answer=" ".join(notice.split())[:2000]),)
    best = [c for c in good if c.weight >= good[0].weight - 5][:10]
    starts = {index for c in good for index in c.lines}
    return tuple(Failure(c.address, answer=_answer(lines, c, starts)) for c in best)


def _own_addresses(mail: Mail, original: Original) -> set[str]:
    """Addresses that cannot have failed: ours, the sender's of the original, and the notifier's."""
    return {address.lower() for address in (*mail.to, original.sender, mail.from_address, mail.reply_to) if address}


def _next(lines: list[str], index: int) -> str:
    return next((line for line in lines[index + 1 : index + 4] if line.strip()), "")


def _before(lines: list[str], index: int) -> str:
    return next((line for line in lines[max(0, index - 2) : index][::-1] if line.strip()), "")


def _weigh(line: str, before: str, following: str) -> Iterable[tuple[str, int]]:
    """Every address of a line with the weight of its place."""
    answered = bool(_ANSWER.search(line))
    shaped: dict[int, int] = {}
    for weight, shape in _SHAPES:
        for match in shape.finditer(line) if weight > 4 or not answered else ():
            start = match.start("address")
            shaped[start] = max(shaped.get(start, 0), weight)
    for match in ADDRESS.finditer(line):
        weight = shaped.get(match.start(), 1)
        if answered and (weight > 4 or line[match.start() - 1 : match.start()] in ("<", "[", "(", "=")):
            weight += 3
        elif weight > 1 and _ANSWER.search(following):
            weight += 2
        if _SENDER_SIDE.search(line[max(0, match.start() - 40) : match.start()]):
            weight -= 8
        if _SENT_BY.search(before):
            weight -= 8
        if _HELPERS.match(match[0]) and weight < 6:
            weight -= 4
        if "//" in line[max(0, match.start() - 60) : match.start()].rpartition(" ")[2]:
            weight -= 6
        yield tidy(match[0]), weight


def _answer(lines: list[str], candidate: _Candidate, starts: set[int]) -> str:
    """The lines from the address on until the next recipient or an empty line after an answer."""
    first = max(candidate.lines) if candidate.lines else -1
    for index in sorted(candidate.lines):
        if _ANSWER.search(lines[index]):
            first = index
            break
    collected: list[str] = []
    for index in range(max(first, 0), min(len(lines), max(first, 0) + 14)):
        if index in starts and index not in candidate.lines and collected:
            break
        text = lines[index].strip()
        if not text and collected and _ANSWER.search(" ".join(collected)):
            break
        if text:
            collected.append(text)
    return " ".join(collected)[:2000]


def _fallback(mail: Mail, original: Original, own: set[str]) -> str:
    """No address stands out: one named in the subject, else the only one that the original was sent to."""
    subject = [address for address in find_addresses(mail.subject) if address.lower() not in own]
    if subject:
        return subject[0]
    sent_to = [address for address in original.to if address.lower() != original.sender.lower()]
    return sent_to[0] if len(sent_to) == 1 else ""
