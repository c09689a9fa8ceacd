"""What a refusal means: for ever or for now, our fault or theirs. The words decide before the codes.

Servers put "user unknown" under 5.7.1 and blocklists under 5.1.1 every day, so the text of the answer is read first,
then the SMTP command that was refused, then the enhanced status code (RFC 3463 and the IANA registry), then the class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sequencer.inbox.refusals import PERMANENT, SENDER_SIDE, Reason, patterns, phases

MOST_ANSWER: Final = 1500

_CODE = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_BASIC = re.compile(r"(?<![\d.:])([45]\d\d)(?=[ \-:]|\Z)")
_NOISE = re.compile(
    r"https?://\S{1,300}|5\.1\.0 - unknown address error|"
    r"we recommend contacting the other email provider[^.]{0,120}\.|please contact[^.\n]{0,120}|"
    r"contact your[^.\n]{0,80}",
    re.IGNORECASE,
)

_ADDRESS = re.compile(r"<[^<>\s@]{1,100}@[^<>\s]{1,200}>|(?<![\w.+=-])[\w.+=-]{1,100}@[\w.-]{1,200}")
_COMMAND = re.compile(r"^\s{0,8}>>> ?(mail|rcpt|data|helo|ehlo|bdat|\.)", re.IGNORECASE)
_REFUSAL = re.compile(r"^\s{0,8}<<< ?[45]\d\d")
_COMMANDS: Final[Mapping[str, str]] = {"bdat": "data", ".": "data", "helo": "connect", "ehlo": "connect"}

_DECISIVE: Final[Mapping[str, Reason]] = {
    "7.124": Reason.REFUSED,
    "7.129": Reason.REFUSED,
    "7.133": Reason.REFUSED,
    "7.134": Reason.REFUSED,
    "7.136": Reason.REFUSED,
    "2.121": Reason.SYSTEM,
    "2.122": Reason.SYSTEM,
}
"""Codes that say more than their words: groups that take no mail from outside say "sender not authenticated"."""

_BY_STATUS: Final[Mapping[str, Reason]] = {
    "1.0": Reason.REFUSED,
    "1.1": Reason.UNKNOWN_USER,
    "1.2": Reason.UNKNOWN_HOST,
    "1.3": Reason.UNKNOWN_USER,
    "1.4": Reason.UNKNOWN_USER,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER,
    "1.8": Reason.SENDER,
    "1.10": Reason.UNKNOWN_USER,
    "1.351": Reason.UNKNOWN_USER,
    "1.90": Reason.RATE,
    "2.1": Reason.DISABLED,
    "2.2": Reason.FULL,
    "2.3": Reason.TOO_LARGE,
    "3.4": Reason.TOO_LARGE,
    "4.1": Reason.NETWORK,
    "4.2": Reason.NETWORK,
    "4.3": Reason.NETWORK,
    "4.4": Reason.UNKNOWN_HOST,
    "4.6": Reason.NETWORK,
    "4.7": Reason.EXPIRED,
    "4.14": Reason.NETWORK,
    "4.300": Reason.EXPIRED,
    "4.310": Reason.UNKNOWN_HOST,
    "4.312": Reason.NETWORK,
    "4.316": Reason.NETWORK,
    "5.3": Reason.RATE,
    "7.13": Reason.DISABLED,
    "7.25": Reason.BLOCKED,
    "7.28": Reason.RATE,
    "7.57": Reason.SENDER,
    "7.60": Reason.SENDER,
    "7.501": Reason.SENDER,
    "7.502": Reason.SENDER,
    "7.503": Reason.SENDER,
    "7.508": Reason.RATE,
    "7.509": Reason.UNAUTHENTICATED,
    "7.510": Reason.SENDER,
    "7.511": Reason.BLOCKED,
    "7.515": Reason.UNAUTHENTICATED,
    "7.650": Reason.BLOCKED,
    "7.703": Reason.BLOCKED,
    "7.705": Reason.RATE,
    "7.708": Reason.BLOCKED,
    "7.750": Reason.SENDER,
}
"""IANA's Simple Mail Transfer Protocol Enhanced Status Codes, and Microsoft's own (its NDR documentation)."""

_BY_SUBJECT: Final[Mapping[str, Reason]] = {
    "2": Reason.UNKNOWN,
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.SYSTEM,
    "6": Reason.POLICY,
    "7": Reason.POLICY,
    "9": Reason.SPAM,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a refusal means. `permanent`: this address will never take mail. `sender_side`: the refusal blames us."""

    reason: Reason
    status: str
    permanent: bool
    sender_side: bool


def judge(answer: str, status: str = "", phase: str = "", around: str = "") -> Verdict:
    """The meaning of a server's `answer` with the report's `status`.

    `phase` is the SMTP command refused, if known; `around` is the whole notice, consulted when the answer is mute.
    """
    answer = answer[:MOST_ANSWER]
    code = _better_code(answer, status)
    phase = phase or phase_of(answer)
    reason = _DECISIVE.get(code.partition(".")[2]) or _by_words(answer, phase)
    if reason is Reason.UNKNOWN:
        reason = _by_code(code, answer, phase)
    if reason in (Reason.UNKNOWN, Reason.SYSTEM) and around:
        heard = _by_words(around[:MOST_ANSWER], phase or phase_of(around[:MOST_ANSWER]))
        reason = heard if heard is not Reason.UNKNOWN else reason
    if not code and around:
        found = _CODE.search(around[: 2 * MOST_ANSWER])
        code = found[1] if found else ""
    return Verdict(reason, code, permanent=reason in PERMANENT, sender_side=reason in SENDER_SIDE)


def phase_of(text: str) -> str:
    """The SMTP command that an answer belongs to, as mailers name it: connect, mail, rcpt, data or ""."""
    return next((phase for phase, pattern in phases() if pattern.search(text)), "")


def phase_of_transcript(notice: str) -> str:
    """The first command that sendmail's transcript shows refused (`>>>` what it said, `<<<` what it heard), or ""."""
    command = ""
    for line in notice.split("\n")[:300]:
        if said := _COMMAND.match(line):
            command = _COMMANDS.get(said[1].lower(), said[1].lower())
        elif command and _REFUSAL.match(line):
            return command
    return ""


def _better_code(answer: str, status: str) -> str:
    """The enhanced code in the remote answer is nearer to the truth than the Status field of a relay."""
    found = _CODE.search(answer)
    if found and not (found[1].endswith(".0.0") and status):
        return found[1]
    return status or (found[1] if found else "")


def _by_words(answer: str, phase: str) -> Reason:
    words = _ADDRESS.sub(" address ", _NOISE.sub(" ", answer))
    reason = next((reason for reason, pattern in patterns() if pattern.search(words)), Reason.UNKNOWN)
    if phase == "mail" and reason in PERMANENT:
        return Reason.SENDER
    if phase == "connect" and reason in (*PERMANENT, Reason.POLICY, Reason.SENDER):
        return Reason.BLOCKED
    return reason


def _by_code(code: str, answer: str, phase: str) -> Reason:
    """The reason that the code alone suggests; UNKNOWN when it suggests none."""
    kind, _, detail = code.partition(".")
    subject = detail.partition(".")[0]
    reason = _BY_STATUS.get(detail)
    if reason is None and subject == "7":
        number = int(detail.partition(".")[2] or 0)
        if 20 <= number <= 30:
            reason = Reason.UNAUTHENTICATED
        elif 600 <= number <= 660:
            reason = Reason.BLOCKED
    reason = reason or _BY_SUBJECT.get(subject, Reason.UNKNOWN)
    if kind == "4" and reason in PERMANENT:
        return Reason.SYSTEM
    if phase == "mail" and reason in (*PERMANENT, Reason.UNKNOWN):
        return Reason.SENDER
    if phase == "connect" and reason in (*PERMANENT, Reason.UNKNOWN):
        return Reason.BLOCKED if _BASIC.search(answer) and kind != "4" else Reason.NETWORK
    return _by_basic(answer, phase) if reason is Reason.UNKNOWN else reason


def _by_basic(answer: str, phase: str) -> Reason:
    found = _BASIC.search(answer)
    basic = found[1] if found else ""
    if basic in ("521", "556"):
        return Reason.UNKNOWN_HOST
    if basic == "552":
        return Reason.FULL
    if basic.startswith("4"):
        return Reason.SYSTEM
    if basic in ("550", "551", "553") and phase == "rcpt":
        return Reason.REFUSED
    return Reason.UNKNOWN
