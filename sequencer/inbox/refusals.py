"""Why servers refuse, and the patterns of their words by reason (wording/refusals.yaml)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sequencer.inbox.wording_files import read_wording


class Reason(StrEnum):
    """Why a message was not delivered, in the words a rep sees."""

    UNKNOWN_USER = "no such user"
    UNKNOWN_HOST = "no such domain"
    MOVED = "the address has moved"
    DISABLED = "the mailbox is closed"
    REFUSED = "the address was refused"
    FULL = "the mailbox is full"
    TOO_LARGE = "the message is too large"
    SPAM = "taken for spam or dangerous"
    POLICY = "refused by a policy"
    SENDER = "the sender was refused"
    UNAUTHENTICATED = "the sender is not authenticated"
    BLOCKED = "the sending server is blocked"
    RATE = "too much mail at once"
    EXPIRED = "given up after several tries"
    NETWORK = "the server could not be reached"
    SYSTEM = "a fault of the server"
    UNKNOWN = "no reason given"


PERMANENT: Final = frozenset({Reason.UNKNOWN_USER, Reason.UNKNOWN_HOST, Reason.MOVED, Reason.DISABLED, Reason.REFUSED})
"""This address will never take mail."""

SENDER_SIDE: Final = frozenset({Reason.SENDER, Reason.UNAUTHENTICATED, Reason.BLOCKED, Reason.RATE})
"""The refusal blames us; the contact is spared."""


@cache
def patterns() -> tuple[tuple[Reason, re.Pattern[str]], ...]:
    """The reasons in the order in which they are to be tried, each with one pattern of all its words."""
    wording: Mapping[str, Any] = read_wording("refusals")
    who, gone = (f"(?:{'|'.join(wording[name])})" for name in ("who", "gone"))
    return tuple(
        (
            Reason[entry["reason"].upper()],
            re.compile("|".join(entry["words"]).replace("<who>", who).replace("<gone>", gone), re.IGNORECASE),
        )
        for entry in wording["reasons"]
    )


@cache
def phases() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """The SMTP commands (data, rcpt, mail, connect) with the words by which mailers name the refused one."""
    return tuple(
        (entry["phase"], re.compile("|".join(entry["words"]), re.IGNORECASE))
        for entry in read_wording("refusals")["phases"]
    )
