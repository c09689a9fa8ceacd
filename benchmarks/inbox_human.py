"""How well the reader understands what people write, counted on corpora: (right, total, failures) of each task."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from sequencer.inbox.dates import find_date
from sequencer.inbox.fresh_text import fresh_text_of
from sequencer.inbox.html_text import html_lines

Count = tuple[int, int, list[str]]


def bench_fresh_text(corpus_dir: Path) -> Count:
    """Fresh text exactly right, white space ignored; expected HTML is compared as text."""
    failures = []
    rows = _rows(corpus_dir / "replies.jsonl")
    for row in rows:
        is_html = row["format"] == "html"
        expected = row["expected"]
        if row["mode"] == "text-of-html" and "<" in expected:
            expected = html_lines(expected)
        got = fresh_text_of("", row["text"]) if is_html else fresh_text_of(row["text"])
        if _squeezed(got) != _squeezed(expected):
            failures.append(f"{row['id']}: {got[:160]!r} instead of {expected[:160]!r}")
    return len(rows) - len(failures), len(rows), failures


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def bench_dates(corpus_dir: Path, language: str = "en") -> Count:
    """Days ahead named in sentences of one language; past days and lengths of time are left out.

    A span of days counts when the answer is its first day, its end, or lies within it.
    """
    failures, total = [], 0
    for row in _dated_rows(corpus_dir, language):
        today = date.fromisoformat(row["ref"][:10])
        if row["kind"] in ("none", "duration") or not any(_is_ahead(value, today) for value in row["values"]):
            continue
        total += 1
        found = find_date(row["text"], today, language)
        if found is None or not any(_is_in(found.day, value) for value in row["values"]):
            failures.append(f"{row['ref'][:10]} {row['text']!r}: {found} instead of {row['values']}")
    return total - len(failures), total, failures


def bench_no_dates(corpus_dir: Path, language: str = "en") -> Count:
    """Sentences of one language without any date: right is to find none."""
    rows = [row for row in _dated_rows(corpus_dir, language) if row["kind"] == "none"]
    failures = []
    for row in rows:
        found = find_date(row["text"], date.fromisoformat(row["ref"][:10]), language)
        if found:
            failures.append(f"{row['text']!r}: {found}")
    return len(rows) - len(failures), len(rows), failures


def _dated_rows(corpus_dir: Path, language: str) -> list[dict[str, Any]]:
    return [row | {"ref": row["ref"] or "2019-01-01"} for row in _rows(corpus_dir / "dates.jsonl") if row["lang"] == language]


def _ends(value: str) -> tuple[date | None, date | None]:
    first, _, last = value.partition("/")
    return (date.fromisoformat(first) if first else None, date.fromisoformat(last) if last else None)


def _is_ahead(value: str, today: date) -> bool:
    first, last = _ends(value)
    begins = first is not None and 0 <= (first - today).days <= 400
    return begins or (last is not None and 0 < (last - today).days <= 400)


def _is_in(day: date, value: str) -> bool:
    first, last = _ends(value)
    if "/" not in value:
        return day == first
    if first and last:
        return first <= day <= last
    edge = first or last
    return edge is not None and abs((day - edge).days) <= 1
