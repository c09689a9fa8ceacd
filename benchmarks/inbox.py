"""How well and how fast the inbox is read: every bar of the reader, measured on a folder of corpora.

    python benchmarks/inbox.py CORPUS [--failures]

CORPUS holds `bounces.tsv` and `bounces/` (raw mails with kind, reason and recipient), `replies.jsonl`, `dates.jsonl`
and `out_of_office.jsonl`. Prints a row a task: the figure, its bar, and whether it is met. Ends with 1 when one is not.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import inbox_human as human
import yaml

from sequencer.inbox.bounce_reports import read_reports
from sequencer.inbox.parse import Mail, parse_mail
from sequencer.inbox.reading import Kind, Reading, read_mail

TODAY: Final = date(2026, 11, 24)
OWN: Final = Path(__file__).parent.parent / "tests" / "inbox"
INTENTS: Final = OWN / "intents.yaml"
PEOPLE: Final = OWN / "mails" / "people"
MAIL_HEAD: Final = (
    "Return-Path: <carla@example.com>\nFrom: Carla Costa <carla@example.com>\nTo: mark@us.example\nSubject: {subject}\n"
    "Message-ID: <a@example.com>\nIn-Reply-To: <b@us.example>\nContent-Type: text/{kind}; charset=utf-8\n\n"
)
MEGABYTE: Final = 1_000_000
BOUNCES: Final = frozenset({Kind.BOUNCE, Kind.SOFT_BOUNCE, Kind.DELAYED})

# This address will never take mail; everything else may pass. Reasons that say neither are not judged.
PERMANENT: Final = frozenset(
    (
        "userunknown",
        "user_unknown",
        "unknown",
        "hostunknown",
        "domain_error",
        "hasmoved",
        "filtered",
        "suspend",
        "notaccept",
    )
)
UNJUDGED: Final = frozenset({"onhold", "undefined", "mailererror", "norelaying", "dns_loop"})


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: `right` of `total`, or a plain `figure`; at `least` the bar is good, or at most."""

    task: str
    bar: float
    right: int = 0
    total: int = 0
    figure: float | None = None
    unit: str = "%"
    least: bool = True
    failures: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        return self.figure if self.figure is not None else 100.0 * self.right / self.total if self.total else 0.0

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.least else self.value <= self.bar

    def __str__(self) -> str:
        share = f"{self.right}/{self.total}" if self.total else ""
        sign = "≥" if self.least else "≤"
        bar = f"{sign} {self.bar:g} {self.unit}"
        return (
            f"{self.task:<58}{self.value:>9.1f} {self.unit:<8}{share:>11}   {bar:<14}{'met' if self.met else 'MISSED'}"
        )


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled mail of the corpus with what was read from it."""

    row: dict[str, str]
    reading: Reading

    @property
    def name(self) -> str:
        return self.row["path"]


def read_labelled(corpus: Path) -> list[Labelled]:
    with (corpus / "bounces.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [Labelled(row, _read((corpus / "bounces" / row["path"]).read_bytes())) for row in rows]


def _read(raw: bytes) -> Reading:
    return read_mail(parse_mail(raw), today=TODAY)


def bounce_rows(labelled: list[Labelled]) -> Iterator[Row]:
    bounces = [one for one in labelled if one.row["kind"] in ("hard_bounce", "soft_bounce", "delayed")]
    missed = [f"{one.name}: read as {one.reading.kind}" for one in bounces if one.reading.kind not in BOUNCES]
    yield Row("bounce found", 97, len(bounces) - len(missed), len(bounces), failures=tuple(missed))

    named = [one for one in bounces if _recipients(one.row)]
    wrong = [
        f"{one.name}: {one.reading.recipient!r} instead of {one.row['recipient']}"
        for one in named
        if one.reading.recipient.lower() not in _recipients(one.row)
    ]
    yield Row("right recipient", 95, len(named) - len(wrong), len(named), failures=tuple(wrong))

    judged = [one for one in bounces if one.row["severity_note"] != "loose" and _reasons(one.row)]
    false = [
        f"{one.name}: {one.row['reason']} read as {one.reading.evidence}"
        for one in judged
        if bool(one.reading.permanent) != bool(_reasons(one.row) & PERMANENT)
    ]
    yield Row("permanent or not", 93, len(judged) - len(false), len(judged), failures=tuple(false))


def prose_rows(corpus: Path, labelled: list[Labelled]) -> Iterator[Row]:
    """Bounces whose delivery report is cut off, as gateways and forwarding do it. The bars are our own."""
    cut = []
    for one in labelled:
        mail = parse_mail((corpus / "bounces" / one.name).read_bytes())
        if one.row["kind"] in ("hard_bounce", "soft_bounce", "delayed") and read_reports(mail):
            cut.append(Labelled(one.row, _read(_without_parts(mail))))
    found = [one for one in cut if one.reading.kind in BOUNCES]
    yield Row("bounce found, its report cut off", 95, len(found), len(cut))
    named = [one for one in cut if _recipients(one.row)]
    right = [one for one in named if one.reading.recipient.lower() in _recipients(one.row)]
    yield Row("right recipient, the report cut off", 90, len(right), len(named))


def _without_parts(mail: Mail) -> bytes:
    """The words for people alone, under the same sender and subject."""
    kept = "".join(f"{name}: {mail.headers.get(name)}\n" for name in ("from", "to", "return-path", "subject"))
    return f"{kept}Content-Type: text/plain; charset=utf-8\n\n{mail.words}".encode()


def _recipients(row: dict[str, str]) -> set[str]:
    both = f"{row['recipient']},{row['recipient_alternatives']}".replace('"', "").lower()
    return {address for address in both.split(",") if address}


def _reasons(row: dict[str, str]) -> set[str]:
    reasons = {reason for reason in row["reason"].split(",") if reason}
    return set() if reasons & UNJUDGED else reasons


NOT_BY_PEOPLE: Final = frozenset(
    ("a-read-receipt", "an-absence-with-an-empty-return-path", "a-parcel", "an-order", "a-newsletter")
)


def ordinary_mails(corpus: Path) -> Iterator[tuple[str, bytes]]:
    """Mail that people wrote: the corpus of replies as mails, and the repository's own look-alikes of notices."""
    for line in (corpus / "replies.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = "html" if row["format"] == "html" else "plain"
        head = MAIL_HEAD.format(kind=kind, subject="Re: Are you still looking?")
        yield row["id"], (head + row["text"]).encode()
    for file in sorted(PEOPLE.glob("*.eml")):
        if file.stem not in NOT_BY_PEOPLE:
            yield file.stem, file.read_bytes()


NOT_BY_PEOPLE: Final = frozenset(
    {"a-read-receipt", "an-absence-with-an-empty-return-path", "a-parcel", "an-order", "a-newsletter"}
)


def false_alarm_row(corpus: Path) -> Row:
    mails = list(ordinary_mails(corpus))
    read = [(name, _read(raw)) for name, raw in mails]
    alarms = [f"{name}: {reading.kind}: {reading.evidence}" for name, reading in read if not reading.kind.human]
    return Row(
        "ordinary mail read as bounce or automatic", 0.1, len(alarms), len(mails), least=False, failures=tuple(alarms)
    )


def speed_rows(corpus: Path) -> Iterator[Row]:
    raws = [file.read_bytes() for file in sorted((corpus / "bounces").rglob("*")) if file.is_file()]
    raws += [raw for _, raw in ordinary_mails(corpus)]
    for raw in raws:
        _read(raw)
    rounds = 3
    start = time.process_time()
    for _ in range(rounds):
        for raw in raws:
            _read(raw)
    yield Row(
        "mails read a second, one core", 300, figure=rounds * len(raws) / (time.process_time() - start), unit="/s"
    )
    slowest = max(_seconds((raw * (MEGABYTE // max(1, len(raw)) + 1))[:MEGABYTE]) for raw in raws[::7])
    yield Row("slowest mail of 1 MB", 1.0, figure=slowest, unit="s", least=False)


def _seconds(raw: bytes) -> float:
    start = time.process_time()
    _read(raw)
    return time.process_time() - start


def understanding_rows(corpus: Path) -> Iterator[Row]:
    """What people wrote: the counts of `inbox_human`, and the two mistakes about intent that cost most."""
    for task, bar, count in (
        ("fresh text exactly right, ignoring white space", 85, human.bench_fresh_text(corpus)),
        ("dates in sentences, English", 85, human.bench_dates(corpus)),
        ("sentences without a date left alone", 95, human.bench_no_dates(corpus)),
        ("return date of out-of-office mails", 90, human.bench_out_of_office(corpus)),
        ("intent, 15 languages, own test set, held out", 90, human.bench_intents(INTENTS, "held_out")),
        ("intent, 15 languages, own test set, all of it", 90, human.bench_intents(INTENTS)),
    ):
        right, total, failures = count
        yield Row(task, bar, right, total, failures=tuple(failures))
    answers = list(intent_mails())
    asked = [(text, kind) for wanted, text, kind in answers if wanted is Kind.UNSUBSCRIBE]
    missed = [f"{text!r}: {kind}" for text, kind in asked if kind is not Kind.UNSUBSCRIBE]
    yield Row("unsubscribe found when asked for", 98, len(asked) - len(missed), len(asked), failures=tuple(missed))
    buyers = [(text, kind) for wanted, text, kind in answers if wanted is Kind.INTERESTED]
    lost = [f"{text!r}: {kind}" for text, kind in buyers if kind in (Kind.UNSUBSCRIBE, Kind.NOT_INTERESTED)]
    yield Row(
        "interested taken for a no or for unsubscribe", 0, len(lost), len(buyers), least=False, failures=tuple(lost)
    )


def intent_mails() -> Iterator[tuple[Kind, str, Kind]]:
    """The own test set of intents read as whole mails: the kind it should be, the text, the kind it is read as."""
    for language, portions in yaml.safe_load(INTENTS.read_text(encoding="utf-8")).items():
        for wanted, cases in ((kind, cases) for kinds in portions.values() for kind, cases in kinds.items()):
            for case in cases:
                fields = case if isinstance(case, dict) else {"text": case}
                head = MAIL_HEAD.format(kind="plain", subject=fields.get("subject", "Re: Are you still looking?"))
                mail = parse_mail(f"{head}{fields['text']}".encode())
                yield Kind(wanted), fields["text"], read_mail(mail, today=TODAY, language=language).kind


def rows(corpus: Path) -> Iterator[Row]:
    """Every row of the table, the reader of machines first."""
    labelled = read_labelled(corpus)
    yield from bounce_rows(labelled)
    yield from prose_rows(corpus, labelled)
    yield false_alarm_row(corpus)
    yield from understanding_rows(corpus)
    yield from speed_rows(corpus)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--failures", action="store_true", help="name what was read wrongly")
    arguments = parser.parse_args()
    met = True
    for row in rows(arguments.corpus):
        print(row, flush=True)
        met = met and row.met
        for failure in row.failures if arguments.failures else ():
            print(f"    {failure}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
