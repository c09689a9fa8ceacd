"""The kinds of received mail, and what is read from one: the words in which the inbox speaks to everybody else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a received mail is. The first seven were written by a human, the others by a machine."""

    INTERESTED = "interested"
    QUESTION = "question"
    NOT_NOW = "not_now"
    NOT_INTERESTED = "not_interested"
    UNSUBSCRIBE = "unsubscribe"
    WRONG_PERSON = "wrong_person"
    REPLY = "reply"
    OUT_OF_OFFICE = "out_of_office"
    LEFT_COMPANY = "left_company"
    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    SOFT_BOUNCE = "soft_bounce"
    DELAYED = "delayed"
    COMPLAINT = "complaint"
    CALENDAR = "calendar"
    RECEIPT = "receipt"
    CHALLENGE = "challenge"

    @property
    def human(self) -> bool:
        """Whether a person wrote it: a sign of life."""
        return self in _HUMAN


_HUMAN: Final = frozenset(
    {Kind.INTERESTED, Kind.QUESTION, Kind.NOT_NOW, Kind.NOT_INTERESTED, Kind.UNSUBSCRIBE, Kind.WRONG_PERSON, Kind.REPLY}
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a mail means, and why we think so. Empty fields mean that the mail does not say.

    `matched_by` names what ties the mail to one of ours, as far as the mail alone tells. `recipient` is the address
    that failed or complained. `permanent` is None for everything but bounces, and for a bounce that is still being
    tried. `sender_side` is a refusal that blames us. `text` is what was freshly written, without quotes and
    signatures. `date` is the day they named or are back, with its words in `date_words`; `refers_to` an address that
    they point to. `label` is the author's own reply label. `evidence` is a sentence for the rep.
    """

    kind: Kind
    confidence: float
    matched_by: str = ""
    recipient: str = ""
    original_message_id: str = ""
    status: str = ""
    permanent: bool | None = None
    sender_side: bool = False
    text: str = ""
    date: date | None = None
    date_words: str = ""
    refers_to: str = ""
    evidence: str = ""
    label: str = ""
