"""How well the reader understands what people write, counted on corpora: (right, total, failures) of each task."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

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
