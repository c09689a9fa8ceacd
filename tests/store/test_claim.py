"""One daemon on one SQLite file, by a lock that dies with its process."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from sequencer.store.claim import AlreadyClaimed, Claim, claim_file
from sequencer.store.database import CannotOpen

_HOLDER = """
import sys, time
from sequencer.store.claim import Claim, claim_file

claim = claim_file(sys.argv[1])
print("held" if isinstance(claim, Claim) else "refused", flush=True)
sys.stdin.read()
"""


async def _another(url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )


async def _says(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_a_second_daemon_is_refused_and_told_who_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/x.db"
    holder = await _another(url)
    assert await _says(holder) == "held"
    assert claim_file(url) == AlreadyClaimed(tmp_path / "data" / "x.db.lock", holder.pid)
    holder.kill()
    await holder.wait()
    claim = claim_file(url)
    assert isinstance(claim, Claim)
    claim.release()


async def test_a_released_file_can_be_claimed_and_not_twice_by_one_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    claim = claim_file(url)
    assert isinstance(claim, Claim)
    assert claim_file(url) == AlreadyClaimed(tmp_path / "x.db.lock", os.getpid())
    other = await _another(url)
    assert await _says(other) == "refused"
    other.kill()
    await other.wait()
    claim.release()
    claim.release()
    again = claim_file(url)
    assert isinstance(again, Claim)
    again.release()


def test_two_spellings_of_one_file_are_one_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    claim = claim_file("sqlite:///x.db")
    assert isinstance(claim, Claim)
    assert isinstance(claim_file(f"sqlite:///{tmp_path}/x.db"), AlreadyClaimed)
    assert isinstance(claim_file("sqlite:///link/x.db"), AlreadyClaimed)
    claim.release()


def test_postgresql_needs_no_lock() -> None:
    first, second = claim_file("postgresql://db.example/x"), claim_file("postgresql://db.example/x")
    assert isinstance(first, Claim)
    assert isinstance(second, Claim)
    first.release()


def test_a_lock_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "x.db.lock").mkdir()
    with pytest.raises(CannotOpen, match=r"lock file .*x\.db\.lock: Is a directory"):
        claim_file(f"sqlite:///{tmp_path}/x.db")
