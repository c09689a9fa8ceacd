"""What a second opinion changes about a reading: how sure we are, and what the rep is told. It never causes a send.

The reaction stays that of the rules' kind. The one exception is more careful: a wish for no more mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sequencer.inbox.kinds import Kind, Reading
from sequencer.operations.happenings import Happening
from sequencer.operations.live import Live
from sequencer.operations.opinion import AGAIN_AFTER, Opinion, ask

MOST: Final = 0.99
_DISSENT: Final = "; a second opinion takes it for "


def weigh(reading: Reading, opinion: Opinion | None) -> Reading:
    """The reading of a person's answer in the light of a second opinion."""
    if opinion is None or not reading.kind.human or reading.kind is Kind.UNSUBSCRIBE:
        return reading
    if opinion.kind is reading.kind:
        confidence = max(reading.confidence, min(opinion.confidence, MOST))
        return replace(reading, confidence=confidence, evidence=f"{reading.evidence}; a second opinion agrees")
    dissent = f"{reading.evidence}{_DISSENT}{opinion.kind.replace('_', ' ')}"
    if opinion.kind is Kind.UNSUBSCRIBE:
        return replace(
            reading, kind=Kind.UNSUBSCRIBE, confidence=min(opinion.confidence, MOST), label="", evidence=dissent
        )
    return replace(reading, evidence=dissent)


def dissent_in(evidence: str) -> str:
    """The kind that a second opinion named instead, by the evidence that is kept; empty when it named none."""
    word = evidence.rpartition(_DISSENT)[2].replace(" ", "_") if _DISSENT in evidence else ""
    return word if word in list(Kind) else ""


async def consult(
    live: Live, mailbox: str, reading: Reading, received_at: datetime, now: datetime
) -> tuple[Opinion | None, Sequence[Happening]]:
    """A second opinion on a person's answer, if one is wanted and can be had; call it outside of transactions."""
    reader, circuit = live.workspace.config.reader, live.circuit
    unread = not reading.kind.human or reading.kind is Kind.UNSUBSCRIBE or not reading.text.strip()
    if reader is None or unread or not circuit.may_ask(reader, now):
        return None, ()
    answer = await ask(reader, reading.text, received_at.date())
    given_up = circuit.note(answer, now)
    if isinstance(answer, Opinion):
        return answer, ()
    if not given_up:
        return None, ()
    detail = f"{answer.reason}; it is asked again in {AGAIN_AFTER.seconds // 60} minutes"
    return None, (Happening("no_opinion", now, mailbox, detail=detail),)
