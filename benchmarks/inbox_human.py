"""How well the reader understands what people write, counted on corpora: (right, total, failures) of each task."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from sequencer.inbox.auto_reply import read_automatic
from sequencer.inbox.dates import find_date
from sequencer.inbox.fresh_text import fresh_text, fresh_text_of
from sequencer.inbox.html_text import html_lines
from sequencer.inbox.intent import read_intent
from sequencer.inbox.parse import parse_mail

INTENTS_WRITTEN_ON = date(2026, 11, 24)
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
    return [
        row | {"ref": row["ref"] or "2019-01-01"}
        for row in _rows(corpus_dir / "dates.jsonl")
        if row["lang"] == language
    ]


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


def bench_intents(path: Path, portion: str = "") -> Count:
    """Kinds of replies read rightly from a file of cases, both portions or one; a date or a person named counts too."""
    failures, total = [], 0
    for language, portions in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for name, kinds in portions.items():
            if portion not in ("", name):
                continue
            for kind, cases in kinds.items():
                for case in cases:
                    total += 1
                    wrong = _misread(case, kind, language)
                    if wrong:
                        failures.append(f"{language} {name} {kind}: {wrong}")
    return total - len(failures), total, failures


def _misread(case: str | dict[str, Any], kind: str, language: str) -> str:
    fields = {"text": case} if isinstance(case, str) else case
    intent = read_intent(fields["text"], fields.get("subject", ""), INTENTS_WRITTEN_ON, language, {})
    for name, got, wanted in (
        ("kind", intent.kind, kind),
        ("date", intent.date, fields.get("date", intent.date)),
        ("refers_to", intent.refers_to, fields.get("refers_to", intent.refers_to)),
    ):
        if got != wanted:
            return f"{fields['text']!r}: {name} {got} instead of {wanted} ({intent.evidence})"
    return ""


def bench_out_of_office(corpus_dir: Path) -> Count:
    """The day they are back, read from whole mails or from the text alone; no day where none is named.

    Rows whose mail is not in the corpus are left out.
    """
    failures = []
    rows = [row for row in _rows(corpus_dir / "out_of_office.jsonl") if row["text"] or _mail_file(corpus_dir, row)]
    for row in rows:
        wanted = row["return_date"].split("|") if row["return_date"] else []
        got, seen = _return_date(corpus_dir, row)
        if (got.isoformat() not in wanted) if got else bool(wanted):
            failures.append(f"{row['id']}: {got} instead of {wanted or None} ({seen})")
    return len(rows) - len(failures), len(rows), failures


def _return_date(corpus_dir: Path, row: dict[str, Any]) -> tuple[date | None, str]:
    file = _mail_file(corpus_dir, row)
    if file:
        mail = parse_mail(file.read_bytes())
    else:
        body = f"Subject: {_note_subject(row['note'])}\nContent-Type: text/plain; charset=utf-8\n\n{row['text']}"
        mail = parse_mail(body.encode())
    sent = date.fromisoformat(row["sent"]) if row["sent"] else mail.date.date() if mail.date else date(2020, 1, 1)
    reading = read_automatic(mail, fresh_text(mail), sent, row["lang"])
    return (reading.back, reading.evidence) if reading else (None, "not seen as automatic")


def _mail_file(corpus_dir: Path, row: dict[str, Any]) -> Path | None:
    name = row["path"].rpartition("/")[2]
    return next(iter(sorted((corpus_dir / "bounces").rglob(name))), None) if name else None


def _note_subject(note: str) -> str:
    found = re.search(r'subject "([^"]*)"', note)
    return found.group(1).strip() if found else "Re: hello"
