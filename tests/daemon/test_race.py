"""Replies that arrive at any moment around a follow-up: none is sent after one that stood in the mailbox."""

from __future__ import annotations

from pathlib import Path

from tests.daemon.race import race


async def test_three_hundred_follow_ups_and_the_replies_around_them(tmp_path: Path) -> None:
    result = await race(tmp_path, 300, seed=7)
    assert result.after == 0
    assert result.unheard == []
    assert result.replied > 150
    assert result.follow_ups > 50  # it was a race: many were sent, and some had answered in time
    assert result.follow_ups < 300
