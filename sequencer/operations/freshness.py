"""How old the last reading of an inbox is, in seconds and in words: the same for `status`, `why` and the metrics.

A reading counts only when every folder, Sent included, was read to its end (`operations/inbox.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta


def inbox_age(read_at: datetime | None, now: datetime) -> timedelta | None:
    """How long ago a mailbox was read to its end; None when it never was."""
    return max(now - read_at, timedelta()) if read_at is not None else None


def ago(since: timedelta | None) -> str:
    """`just now`, `2 minutes ago`, `3 hours ago`, `5 days ago`; `never` for None."""
    if since is None:
        return "never"
    seconds = int(since.total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= (2 * length if unit != "minute" else length):
            number = seconds // length
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def last_read(mailbox: str, read_at: datetime | None, now: datetime) -> str:
    """`the inbox of mark was last read 3 hours ago`, of the last time that it was read to its end."""
    if read_at is None:
        return f"the inbox of {mailbox} was never read to its end"
    return f"the inbox of {mailbox} was last read to its end {ago(inbox_age(read_at, now))}"
