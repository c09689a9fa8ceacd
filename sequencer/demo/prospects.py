"""The cast of the demo: people who answer as people do, or do not answer at all.

A prospect is data: who they are, which sequence they are in, and cues. A cue waits for a mail that contains
certain words and says what happens then, and after how long. `reaction` is the only code: which cue a mail sets off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from sequencer.demo.letters import Writer, automatic_reply, bounce, reply, text_of
from sequencer.demo.post_office import Arrival, Refusal, header_of


@dataclass(frozen=True, slots=True)
class Answers:
    """They write back. `writer` when it is somebody else, or another address of theirs."""

    text: str
    writer: Writer | None = None
    threaded: bool = True
    prefix: str = "Re"
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class AnswersItself:
    """Their server answers for them."""

    text: str


@dataclass(frozen=True, slots=True)
class Bounces:
    """Their server took the mail and reports later that it could not deliver it."""

    status: str
    diagnosis: str


Act = Answers | AnswersItself | Bounces


@dataclass(frozen=True, slots=True)
class Cue:
    """On a mail that contains any of `words` (in the subject or the text), `act` follows `after` that long. Once.

    No words: on any mail.
    """

    words: tuple[str, ...]
    after: timedelta
    act: Act


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a prospect is expected when the demo is over: for the tests, not for the run."""

    sequence: str
    status: str
    reason: str  # words that the reason contains


@dataclass(frozen=True, slots=True)
class Prospect:
    """One of the cast. `role` is for the list of who is who; `fields` become columns of the CSV file."""

    email: str
    first_name: str
    last_name: str
    role: str
    sequence: str
    ending: Ending
    zone: str = "America/Denver"
    phone: str = ""
    cues: tuple[Cue, ...] = ()
    refusal: Refusal | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    @property
    def writer(self) -> Writer:
        """They themselves, at the address we have."""
        return Writer(self.name, self.email, self.zone)


def reaction(prospect: Prospect, used: frozenset[int], arrival: Arrival) -> int | None:
    """The index of the first cue, not `used` yet, that this mail sets off."""
    heard = f"{header_of(arrival.message, 'Subject')}\n{text_of(arrival)}".casefold()
    for index, cue in enumerate(prospect.cues):
        if index not in used and (not cue.words or any(words.casefold() in heard for words in cue.words)):
            return index
    return None


def letter_of(prospect: Prospect, act: Act, arrival: Arrival, at: datetime) -> bytes:
    """The mail that an act makes, as exact bytes; `at` is when it is written (UTC)."""
    match act:
        case Answers():
            writer = act.writer or prospect.writer
            return reply(arrival, writer, act.text, at, threaded=act.threaded, prefix=act.prefix)
        case AnswersItself():
            return automatic_reply(arrival, prospect.writer, act.text, at)
        case Bounces():
            return bounce(arrival, act.status, act.diagnosis, at)
        case _:
            assert_never(act)
