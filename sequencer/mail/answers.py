"""What an SMTP server's refusal means: try again or not, and whose fault it is.

The reply code says "later" (4xx) or "never" (5xx); the enhanced status code (RFC 3463) and, where servers misuse
these, their words say who is to blame. The order of the rules matters: the more particular one comes first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Phase = Literal["connect", "greeting", "auth", "mail", "rcpt", "data", "end"]
"""Where in the session it was said; `data` is the answer to DATA, `end` the one to the final dot."""

Blame = Literal["recipient", "sender", "server", "message"]
"""`recipient`: this address. `sender`: our mailbox, its domain or its reputation: halt it. `server`: the session or
the host, nobody's fault. `message`: its content or size, or a policy that names nobody."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`temporary`: the same message may be accepted later."""

    temporary: bool
    blame: Blame


@dataclass(frozen=True, slots=True)
class _Rule:
    blame: Blame
    status: str = ""  # a regular expression on `subject.detail` of the enhanced status code
    words: str = ""  # a regular expression on the text
    phases: tuple[Phase, ...] = ()
    codes: tuple[int, ...] = ()
    temporary: bool | None = None  # overrides what the first digit says


_FULL = (
    r"mailbox (is )?full|over ?quota|quota exceeded|exceed(s|ed)? .{0,30}(quota|storage)"
    r"|insufficient (system )?storage|out of storage"
)
_NO_SUCH = (
    r"no such (user|recipient|mailbox|person|address|account)"
    r"|(user|recipient|mailbox|account|address)( \S+){0,3} (is )?"
    r"(unknown|not (found|known|exist)|does ?n[o']t|invalid|disabled|inactive|unavailable|suspended)"
    r"|(unknown|invalid|nonexistent|non-existent) (user|recipient|mailbox|local part|address)"
    r"|does(n't| not) (exist|have an?)"
)
_SENDING_LIMIT = (
    r"(sending|sender|outgoing|outbound|submission|message rate|rate).{0,30}(limit|quota|threshold)"
    r"|(limit|quota).{0,20}(for|on) (sending|outgoing)"
    r"|too (many|much) (messages|mail|emails)|throttl|rate.?limit|sent too"
)
_UNWELCOME = (
    r"\b(spf|dkim|dmarc)\b|(black|block|deny).?list|\bblocked\b|\bbanned\b|spamhaus|spamcop|barracuda|\brbl\b|dnsbl"
    r"|reputation|listed (in|by|on|at)|reverse dns|\bptr\b"
    r"|relay(ing)? (access )?(is )?(denied|not (allowed|permitted))|(unable to|cannot|not (permitted|allowed) to) relay"
    r"|authenticat|not authori[sz]ed to (send|use)|send ?as|sender (address )?rejected"
)
_TOO_BIG = r"(message|size|content).{0,40}(too (big|large)|exceed)|exceed.{0,40}(message|size)"

_AFTER_MAIL: tuple[Phase, ...] = ("rcpt", "data", "end")

_RULES: tuple[_Rule, ...] = (
    _Rule("server", codes=(421,)),
    _Rule("server", phases=("connect", "greeting")),
    # A login that is wanted or wrong.
    _Rule("sender", codes=(454,), phases=("auth",), temporary=True),
    _Rule("sender", phases=("auth",)),
    _Rule("sender", codes=(530, 534, 535, 538)),
    # Bad addresses: 5.1.7 and 5.1.8 are about the sender's.
    _Rule("sender", status=r"1\.[78]"),
    _Rule("recipient", status=r"1\.(1|2|3|4|5|6|9|10)", phases=_AFTER_MAIL),
    # How much we may send; before the mailbox rules, because some call it a quota.
    _Rule("sender", status=r"4\.5", words=_SENDING_LIMIT, temporary=True),
    _Rule("sender", words=r"daily (user )?(sending|message)( \w+)? (limit|quota)", temporary=True),
    _Rule("sender", status=r"2\.25[0-9]"),  # Exchange: SendAsDenied
    _Rule("sender", words=r"outbound ?spam|sendasdenied|bad outbound sender|tenant has exceeded"),
    # The recipient's mailbox: full is never for ever.
    _Rule("recipient", status=r"2\.2", phases=_AFTER_MAIL, temporary=True),
    _Rule("message", status=r"2\.3|3\.4"),
    _Rule("recipient", status=r"2\.\d+", phases=_AFTER_MAIL),
    # Who we are: Microsoft and Google have numbers of their own.
    _Rule("sender", status=r"7\.(515|1[0-4]|2[0-9]|30|57|60|7|8|9|5[0-9]{2}|6[0-9]{2}|7[0-9]{2})"),
    _Rule("sender", words=_UNWELCOME, status=r"7\.\d+"),
    _Rule("sender", words=_SENDING_LIMIT),
    _Rule("message", status=r"6\.\d+"),
    # Microsoft says 5.4.1 for a recipient that does not exist; 4.4 is a domain without a mail server.
    _Rule("recipient", status=r"4\.(1|4)", phases=("rcpt",)),
    _Rule("server", status=r"[34]\.\d+"),
    # No telling status: the words.
    _Rule("recipient", words=_FULL, phases=_AFTER_MAIL, temporary=True),
    _Rule("recipient", words=_NO_SUCH, phases=_AFTER_MAIL),
    _Rule("server", words=r"gr[ea]ylist", temporary=True),
    _Rule("sender", words=_UNWELCOME),
    _Rule("message", words=_TOO_BIG),
    # No telling words: where it was said.
    _Rule("server", codes=(503,), temporary=True),
    _Rule("server", codes=(500, 502, 504, 555)),
    _Rule("server", status=r"5\.\d+", phases=("rcpt",)),  # the protocol, not the address
    _Rule("message", status=r"7\.\d+", phases=_AFTER_MAIL),
    _Rule("message", codes=(552,), phases=("mail",)),  # RFC 1870 §6.1
    _Rule("recipient", codes=(450, 550, 551, 553, 501, 556), phases=("rcpt",)),
    _Rule("recipient", codes=(552,), phases=("rcpt",), temporary=True),
    _Rule("server", codes=(450, 451, 452, 432, 454, 455)),
    _Rule("sender", phases=("mail",)),
    _Rule("message", phases=_AFTER_MAIL),
)

_STATUS = re.compile(r"(?:^|[\s(#])([245])\.(\d{1,3}\.\d{1,3})(?=[\s;:,)]|$)")

_REPEATED_STATUS = re.compile(r"(?:^|\s+)[245]\.\d{1,3}\.\d{1,3}\s+|\s+")  # each line of an answer begins with it


def enhanced_status(answer: str) -> str:
    """The enhanced status code in an answer (`5.1.1`), or an empty text. RFC 2034 §4: it comes first."""
    found = _STATUS.search(answer)
    return f"{found[1]}.{found[2]}" if found else ""


def classify(phase: Phase, code: int, answer: str) -> Verdict:
    """Whether a refusal is for now or for good, and who is to blame. `code` is 0 when there was no reply at all."""
    if code < 400:
        return Verdict(temporary=True, blame="server")
    status = enhanced_status(answer).partition(".")[2]
    words = _REPEATED_STATUS.sub(" ", answer).lower()
    for rule in _RULES:
        if _applies(rule, phase, code, status, words):
            temporary = code < 500 if rule.temporary is None else rule.temporary
            return Verdict(temporary, rule.blame)
    return Verdict(temporary=code < 500, blame="server")


def _applies(rule: _Rule, phase: Phase, code: int, status: str, words: str) -> bool:
    return (
        (not rule.codes or code in rule.codes)
        and (not rule.phases or phase in rule.phases)
        and (not rule.status or re.fullmatch(rule.status, status) is not None)
        and (not rule.words or re.search(rule.words, words) is not None)
    )
