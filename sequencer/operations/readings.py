"""What the inbox reader makes of a mail in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sequencer.inbox.parse import Mail, parse_mail
from sequencer.inbox.phrases import Phrases
from sequencer.inbox.reading import Reading, read_mail
from sequencer.mail.incoming import MAX_BODY


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A mail with its reading."""

    file: str
    mail: Mail
    reading: Reading


@dataclass(frozen=True, slots=True)
class NoFile:
    """A file that cannot be read, and why, for people."""

    file: str
    reason: str


def read_file(
    path: Path,
    now: datetime,
    *,
    labels: Mapping[str, tuple[str, ...]] | None = None,
    today: date | None = None,
    timezone: str = "UTC",
    language: str = "",
    extra_phrases: Phrases | None = None,
) -> ReadFile | NoFile:
    """Read a mail as the daemon would have on the day it was written: of a large one, the first 256 KiB.

    `today` is that day where the mail does not say it, or says one that lies ahead.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BODY)
    except OSError as error:
        return NoFile(str(path), error.strerror or "cannot be read")
    mail = parse_mail(raw)
    day = today or _written(mail, now)
    reading = read_mail(
        mail, labels=labels or {}, today=day, timezone=timezone, language=language, extra_phrases=extra_phrases
    )
    return ReadFile(str(path), mail, reading)


def _written(mail: Mail, now: datetime) -> date:
    if mail.date is None or mail.date > now:
        return now.date()
    return mail.date.astimezone(UTC).date()


def reading_json(read: ReadFile) -> dict[str, Any]:
    """DESIGN §6, `read`."""
    reading = read.reading
    return {
        "file": read.file,
        "kind": str(reading.kind),
        "label": reading.label,
        "confidence": reading.confidence,
        "matched_by": reading.matched_by,
        "recipient": reading.recipient,
        "original_message_id": reading.original_message_id,
        "status": reading.status,
        "permanent": reading.permanent,
        "text": reading.text,
        "date": reading.date.isoformat() if reading.date is not None else None,
        "date_words": reading.date_words,
        "refers_to": reading.refers_to,
        "evidence": reading.evidence,
    }
