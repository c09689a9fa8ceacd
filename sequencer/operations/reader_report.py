"""Where the inbox reader was wrong: what people have corrected, and how often it was right, by kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.explain import iso
from sequencer.operations.relabel import shown_kind
from sequencer.store import messages
from sequencer.store.messages import Message, Tally


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """The kinds that the reader has found, the most frequent first, and the messages that somebody corrected, the
    newest first. What nobody corrected counts as right."""

    kinds: tuple[Tally, ...]
    corrected: tuple[Message, ...]


async def reader_report(conn: AsyncConnection) -> ReaderReport:
    """All that the reader has made of the mail that was kept."""
    return ReaderReport(tuple(await messages.tally(conn)), tuple(await messages.corrected(conn)))


def share_right(tally: Tally) -> float:
    """The share of a kind that nobody corrected, 0 to 1."""
    return (tally.read - tally.corrected) / tally.read


def first_words(text: str, most: int = 120) -> str:
    """The beginning of a message, on one line."""
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def report_json(report: ReaderReport) -> dict[str, Any]:
    """`{"kinds": [{"kind", "read", "corrected", "right"}], "corrected": [{"message", "read_as", "kind", …}]}`."""
    return {
        "kinds": [
            {"kind": one.kind, "read": one.read, "corrected": one.corrected, "right": round(share_right(one), 4)}
            for one in report.kinds
        ],
        "corrected": [
            {
                "message": one.id,
                "thread": one.enrollment_id,
                "from": one.sender,
                "read_as": one.kind_read,
                "kind": shown_kind(one),
                "confidence": one.confidence,
                "evidence": one.evidence,
                "text": first_words(one.text),
                "received_at": iso(one.received_at),
            }
            for one in report.corrected
        ],
    }
