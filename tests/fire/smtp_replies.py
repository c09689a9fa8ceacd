"""What a server may answer, phase by phase, and what has to become of the message: the tables of the SMTP trial.

The classes are told from the standards, not from the code under trial. Texts of RFC 5321 §4.2.3 and RFC 4954 §6, status
codes of RFC 3463 and its registry (RFC 5248), and words that providers really use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from tests.smtp_peer import Phase


class Class(Enum):
    """What becomes of a person's message and of the mailbox."""

    SENT = "sent"
    HELD = "it never happened; the mailbox waits for a moment"
    REFUSED_US = "it never happened; the mailbox was refused"
    LATER = "put off for this person, the mailbox goes on"
    LATER_HELD = "put off for this person, and the mailbox waits"
    GONE = "the address is dead: stopped and suppressed"
    MESSAGE = "this message was refused: paused for somebody to look at"
    DOUBT = "it may have arrived: shown, never sent again; the mailbox waits for a moment"


C = Class


@dataclass(frozen=True)
class Row:
    """The server says this once, in this phase."""

    phase: Phase
    reply: str
    expected: Class

    @property
    def name(self) -> str:
        return f"{self.phase}: {self.reply[:60]!r}"


TEXTS: Final = {
    211: "System status, or system help reply",
    214: "Help message",
    220: "peer.example Service ready",
    221: "peer.example Service closing transmission channel",
    235: "2.7.0 Authentication Succeeded",
    250: "Requested mail action okay, completed",
    251: "User not local; will forward to <bob@example.org>",
    252: "Cannot VRFY user, but will accept message and attempt delivery",
    334: "",
    354: "Start mail input; end with <CRLF>.<CRLF>",
    421: "peer.example Service not available, closing transmission channel",
    432: "4.7.12 A password transition is needed",
    450: "Requested mail action not taken: mailbox unavailable",
    451: "Requested action aborted: local error in processing",
    452: "Requested action not taken: insufficient system storage",
    454: "4.7.0 Temporary authentication failure",
    455: "Server unable to accommodate parameters",
    500: "Syntax error, command unrecognized",
    501: "Syntax error in parameters or arguments",
    502: "Command not implemented",
    503: "Bad sequence of commands",
    504: "Command parameter not implemented",
    521: "Host does not accept mail",
    530: "5.7.0 Authentication required",
    534: "5.7.9 Authentication mechanism is too weak",
    535: "5.7.8 Authentication credentials invalid",
    538: "5.7.11 Encryption required for requested authentication mechanism",
    550: "Requested action not taken: mailbox unavailable",
    551: "User not local; please try <bob@example.net>",
    552: "Requested mail action aborted: exceeded storage allocation",
    553: "Requested action not taken: mailbox name not allowed",
    554: "Transaction failed",
    555: "MAIL FROM/RCPT TO parameters not recognized or not implemented",
    556: "Domain does not accept mail",
}

_STRAY: Final = (211, 214, 220, 221, 235, 334, 354)
"""Codes that no command of a message may be answered with (354 to DATA apart)."""

_US: Final = (530, 534, 535, 538)
_SERVER: Final = (500, 502, 503, 504, 555)

BY_PHASE: Final[dict[Phase, dict[Class, tuple[int, ...]]]] = {
    # Out of step before anything was said of the contact: a new connection is made, and the message goes.
    "mail": {
        C.SENT: (250, 251, 252, 421, *_STRAY),
        C.HELD: (432, 450, 451, 452, 454, 455, 503),
        C.REFUSED_US: (*_US, 500, 501, 502, 504, 521, 550, 551, 553, 554, 555, 556),
        C.MESSAGE: (552,),  # RFC 1870 §6.1: it is this message that is too big
    },
    "rcpt": {
        C.SENT: (250, 251, 252),
        C.LATER: (450, 452, 552),
        C.LATER_HELD: (421, 432, 451, 454, 455, *_STRAY, *_US, *_SERVER),
        C.GONE: (501, 550, 551, 553, 556),
        C.MESSAGE: (521, 554),
    },
    "data": {
        C.LATER: (450, 452, 552),
        C.LATER_HELD: (421, 432, 451, 454, 455, 250, 251, 252, *(c for c in _STRAY if c != 354), *_US, *_SERVER),
        C.GONE: (550,),
        C.MESSAGE: (501, 521, 551, 553, 554, 556),
    },
    "end": {
        C.SENT: (250, 251, 252),
        C.DOUBT: _STRAY,
        C.LATER: (450, 452, 552),
        C.LATER_HELD: (421, 432, 451, 454, 455, *_US, *_SERVER),
        C.GONE: (550,),
        C.MESSAGE: (501, 521, 551, 553, 554, 556),
    },
}

STATUSES: Final[dict[str, tuple[Class, Class]]] = {
    # RFC 3463 §3 and the registry: after RCPT (550), and after the final dot (554).
    "0.0": (C.GONE, C.MESSAGE),
    "1.0": (C.GONE, C.MESSAGE),
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.9", "1.10"), (C.GONE, C.GONE)),
    "1.7": (C.LATER_HELD, C.LATER_HELD),
    "1.8": (C.LATER_HELD, C.LATER_HELD),
    "2.0": (C.GONE, C.GONE),
    "2.1": (C.GONE, C.GONE),
    "2.2": (C.LATER, C.LATER),
    "2.3": (C.MESSAGE, C.MESSAGE),
    "2.4": (C.GONE, C.GONE),
    **dict.fromkeys(("3.0", "3.1", "3.2", "3.3", "3.5", "3.6"), (C.LATER_HELD, C.LATER_HELD)),
    "3.4": (C.MESSAGE, C.MESSAGE),
    "4.1": (C.GONE, C.LATER_HELD),  # Microsoft's word for a recipient that is not there
    "4.4": (C.GONE, C.LATER_HELD),  # a domain without a mail server
    **dict.fromkeys(("4.0", "4.2", "4.3", "4.5", "4.6", "4.7"), (C.LATER_HELD, C.LATER_HELD)),
    **dict.fromkeys(("5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "5.6"), (C.LATER_HELD, C.MESSAGE)),
    **dict.fromkeys((f"6.{n}" for n in range(11)), (C.MESSAGE, C.MESSAGE)),
    **dict.fromkeys((f"7.{n}" for n in range(7)), (C.MESSAGE, C.MESSAGE)),
    **dict.fromkeys((f"7.{n}" for n in (*range(7, 15), *range(20, 31))), (C.LATER_HELD, C.LATER_HELD)),
}

SPECIALS: Final[tuple[Row, ...]] = (
    Row("greeting", "421 4.7.0 Try again later, closing connection. (EHLO) - gsmtp", C.HELD),
    Row("greeting", "554-peer.example\r\n554 Your access to this mail system has been rejected", C.REFUSED_US),
    Row(
        "auth", "535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8 x", C.REFUSED_US
    ),
    Row("auth", "534-5.7.9 Application-specific password required.\r\n534 5.7.9 x - gsmtp", C.REFUSED_US),
    Row("auth", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled", C.REFUSED_US),
    Row("auth", "454 4.7.0 Too many login attempts, please try again later. - gsmtp", C.HELD),
    Row("mail", "553 5.7.1 <mark@flatheadrv.example>: Sender address rejected: not owned by user mark", C.REFUSED_US),
    Row("mail", "550-5.4.5 Daily user sending limit exceeded.\r\n550 5.4.5 x - gsmtp", C.HELD),
    Row("mail", "552-5.3.4 Message size exceeds file size limit.\r\n552 5.3.4 x", C.MESSAGE),
    Row("rcpt", "550-5.1.1 The email account that you tried to reach does not exist.\r\n550 5.1.1 x gsmtp", C.GONE),
    Row("rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable.", C.GONE),
    Row("rcpt", "550 5.4.1 Recipient address rejected: Access denied.", C.GONE),
    Row("rcpt", "554 delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.example) [0]", C.GONE),
    Row("rcpt", "550 5.2.1 The email account that you tried to reach is disabled.", C.GONE),
    Row("rcpt", "452-4.2.2 The email account that you tried to reach is over quota.\r\n452 4.2.2 x", C.LATER),
    Row("rcpt", "450 4.2.1 The user you are trying to contact is receiving mail too quickly.", C.LATER),
    Row("rcpt", "450 4.2.0 <bob@example.org>: Recipient address rejected: Greylisted", C.LATER),
    Row("rcpt", "451 4.7.1 Greylisting in action, please come back later", C.LATER_HELD),
    Row("rcpt", "550 5.7.606 Access denied, banned sending IP [192.0.2.1].", C.LATER_HELD),
    Row("rcpt", "554 5.7.1 <bob@example.org>: Relay access denied", C.LATER_HELD),
    Row("rcpt", "550 5.7.1 Delivery not permitted by local policy", C.MESSAGE),
    Row("rcpt", "503 5.5.1 RCPT first (#5.5.1)", C.LATER_HELD),
    Row("data", "554 5.5.1 Error: no valid recipients", C.MESSAGE),
    Row(
        "end",
        "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n550 5.7.26 x",
        C.LATER_HELD,
    ),
    Row("end", "550 5.7.515 Access denied, sending domain does not meet the required level", C.LATER_HELD),
    Row("end", "554 5.2.252 SendAsDenied; mark@example.com not allowed to send as other@example.com", C.LATER_HELD),
    Row("end", "550 5.4.5 Daily SMTP relay sending limit exceeded for user.", C.LATER_HELD),
    Row("end", "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", C.LATER_HELD),
    Row("end", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited", C.LATER_HELD),
    Row(
        "end",
        "550-5.7.1 Our system has detected that this message is likely unsolicited mail.\r\n550 5.7.1 x",
        C.MESSAGE,
    ),
    Row("end", "554 5.7.1 [CS] Message blocked. Your IP is listed in Spamhaus", C.LATER_HELD),
    Row("end", "552 5.2.2 Mailbox full", C.LATER),
    Row("end", "550 5.1.1 <bob@example.org>: User unknown", C.GONE),
    Row("end", "250-2.0.0 OK\r\n250 2.0.0 queued as 4F2A", C.SENT),
    Row("end", "250", C.SENT),
    # Written badly, and still to be understood: the first three digits count, and the last line.
    Row("ehlo", "2500 Ok", C.REFUSED_US),
    Row("rcpt", "250_Ok", C.SENT),
    Row("end", "2500 Ok", C.SENT),
    Row("mail", "250-half\r\n550 another code", C.REFUSED_US),
    Row("rcpt", "250-half\r\n550 another code", C.GONE),
)

MALFORMED: Final = (
    "hello there",
    "25",
    "99 too small",
    "",
    "-",
    "\udcff\udcfe\udcfd",
    "x" * 9_000,
)
"""No answers at all, by RFC 5321 §4.2."""

_UNREADABLE: Final[dict[Phase, Class]] = {
    "greeting": C.HELD,
    "ehlo": C.HELD,
    "auth": C.HELD,
    "mail": C.SENT,  # a new connection
    "rcpt": C.LATER_HELD,
    "data": C.LATER_HELD,
    "end": C.DOUBT,
}


def bare_rows() -> Iterator[Row]:
    """Every reply code in every phase, with the words of the standard."""
    for phase in ("greeting", "ehlo", "auth"):
        for code, text in TEXTS.items():
            if (phase, code) == ("greeting", 220):
                continue
            wrong = C.HELD if code < 500 else C.REFUSED_US
            if phase == "ehlo" and code == 250:
                wrong = C.REFUSED_US  # a server without any login
            yield Row(phase, f"{code} {text}", C.SENT if (phase, code) == ("auth", 235) else wrong)
    for step, classes in BY_PHASE.items():
        for expected, codes in classes.items():
            yield from (Row(step, f"{code} {TEXTS[code]}", expected) for code in codes)


def status_rows() -> Iterator[Row]:
    """Every enhanced status code, for good and for now, after RCPT and after the final dot, without telling words."""
    for detail, (at_rcpt, at_end) in STATUSES.items():
        yield Row("rcpt", f"550 5.{detail} no", at_rcpt)
        yield Row("end", f"554 5.{detail} no", at_end)
        yield Row("rcpt", f"450 4.{detail} not now", _for_now(at_rcpt))
        yield Row(
            "end", f"451 4.{detail} not now", C.LATER_HELD if detail in ("0.0", "1.0") else _for_now(at_end, detail)
        )


def _for_now(for_good: Class, detail: str = "") -> Class:
    """What is only for now never ends anything."""
    if detail.startswith("5."):
        return C.LATER_HELD
    return C.LATER_HELD if for_good is C.LATER_HELD else C.LATER


def malformed_rows() -> Iterator[Row]:
    """What is no answer, in every phase."""
    for phase, expected in _UNREADABLE.items():
        yield from (Row(phase, reply, expected) for reply in MALFORMED)


def all_rows() -> list[Row]:
    """Everything that a server may say once."""
    return [*bare_rows(), *status_rows(), *SPECIALS, *malformed_rows()]
