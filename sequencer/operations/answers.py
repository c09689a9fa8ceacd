"""Answers that are rehearsed: words go through the very reader of the inbox, as the mail that would bring them.

A reading depends on the day it is made (“in two weeks”), on the contact's language and zone, on the sequence's labels
and the workspace's phrases, and on the subject that is answered; so it is made when the answer comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from typing import Final

from sequencer.core.model import Contact
from sequencer.core.model import Sequence as Plan
from sequencer.core.react import HUMAN_KINDS, Heard
from sequencer.core.when import PhraseError, parse_span
from sequencer.inbox.kinds import Kind, Reading
from sequencer.inbox.parse import parse_mail
from sequencer.inbox.phrases import Phrases
from sequencer.inbox.reading import read_mail
from sequencer.operations.record import Refusal
from sequencer.operations.values import parse_date
from sequencer.workspace.check_rehearsals import touches_of
from sequencer.workspace.rehearsals import Answer
from sequencer.workspace.sequences import KINDS
from sequencer.workspace.simulate import Said
from sequencer.workspace.source import did_you_mean

ABSENCES: Final = frozenset({Kind.OUT_OF_OFFICE, Kind.LEFT_COMPANY, Kind.AUTO_REPLY})
RETURNED: Final = frozenset({Kind.BOUNCE, Kind.SOFT_BOUNCE, Kind.DELAYED})

_REPLY: Final = re.compile(
    r"(?P<step>[^+\s]+)\s*\+\s*(?P<delay>(?:\d+|an?|one|two|three)\s*[a-z]+(?: days?)?)\s+(?P<rest>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES: Final = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "‘": "’"}
_EXAMPLE: Final = "write it as in --reply “{step}+2d interested” or --reply “{step}+2d 'Can you try me in March?'”"
_STATUS: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_OUTCOME: Final = {
    Kind.BOUNCE: ("failed", "5.1.1"),
    Kind.SOFT_BOUNCE: ("failed", "4.2.2"),
    Kind.DELAYED: ("delayed", "4.4.1"),
}
_SUBJECTS: Final = {
    Kind.OUT_OF_OFFICE: "Out of office: {subject}",
    Kind.LEFT_COMPANY: "Automatic reply: {subject}",
    Kind.AUTO_REPLY: "Automatic reply: {subject}",
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Who answers whom, in which sequence; `phrases` are the workspace's own, made ready."""

    plan: Plan
    contact: Contact
    mailbox_address: str
    phrases: Phrases | None = None


# As people type them --------------------------------------------------------------------------------


def parse_reply(text: str, plan: Plan) -> Answer | Refusal:
    """`STEP+2d interested`, `STEP+3 hours not_now 2027-01-15`, `STEP+2d not_now 'try me in March'`, or words alone.

    The kind may be one of the sequence's labels, or a notice (`out_of_office 'back on 4 January'`).
    """
    known = touches_of(plan)
    example = _EXAMPLE.format(step=known[0] if known else "STEP")
    found = _REPLY.fullmatch(text.strip())
    if found is None:
        return Refusal(f"“{text}” is no reply: {example}")
    step = found["step"]
    if step not in known:
        return Refusal(f"{plan.name} has no touch “{step}” to reply to; {did_you_mean(step, known)}")
    try:
        delay = parse_span(found["delay"])
    except PhraseError as error:
        return Refusal(f"“{found['delay']}” is no length of time: {error.hint}")
    return _read_rest(Answer(step, delay), found["rest"].strip(), plan, example)


def _read_rest(answer: Answer, rest: str, plan: Plan, example: str) -> Answer | Refusal:
    """What follows `STEP+2d`: a kind, a kind and a day, a kind and words, or words."""
    if (words := _quoted(rest)) is not None:
        return replace(answer, words=words) if words else Refusal(f"the words of the reply are empty: {example}")
    first, _, more = rest.partition(" ")
    kind, more = first.lower(), more.strip()
    if kind in plan.labels or kind in KINDS:
        day = parse_date(more, "day first") if more else None
        if day is not None:
            return replace(answer, kind=kind, date=day, date_words=more)
        words = _quoted(more)
        return replace(answer, kind=kind, words=more if words is None else words)
    hint = did_you_mean(kind, {*KINDS, *plan.labels})
    hint = hint if hint.startswith("did you mean") else did_you_mean(kind, {*HUMAN_KINDS, *plan.labels})
    if not more or hint.startswith("did you mean") or _quoted(more) is not None:
        words_too = "" if more else f" Their own words stand in quotes: “{answer.step}+2d '{first} …'”"
        return Refusal(f"“{first}” is no kind of reply; {hint}{words_too}")
    return replace(answer, words=rest)


def _quoted(text: str) -> str | None:
    """What stands between quotes, if the whole text does."""
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 2 or not text.endswith(closing):
        return None
    return text[1:-1].strip()


# As the reader hears them ---------------------------------------------------------------------------


def hear(scene: Scene, answer: Answer, at: datetime, subject: str) -> Said:
    """What the daemon would hear if this answer to a mail with this subject came at this instant (UTC)."""
    kind = answer.kind
    if not answer.words or (kind in KINDS and not _can_be_read(kind)):
        return Said(_told(scene, answer, None), answer.words, evidence=answer.words)
    reading = _read(scene, answer, at, subject)
    note = _disagreement(answer, reading) if kind else ""
    same = not kind or str(reading.kind) == kind
    return Said(
        _told(scene, answer, reading),
        answer.words,
        note,
        evidence=reading.evidence if same else answer.words,
        ours=reading.sender_side and same,
    )


def _can_be_read(kind: str) -> bool:
    return kind in HUMAN_KINDS or kind in ABSENCES or kind in RETURNED


def _told(scene: Scene, answer: Answer, reading: Reading | None) -> Heard:
    """What is said outright wins over what the words mean."""
    day, words = answer.date, answer.date_words
    if day is None and reading is not None:
        day, words = reading.date, reading.date_words
    if answer.kind in scene.plan.labels:
        human = reading is not None and reading.kind.human
        return Heard(str(reading.kind) if reading is not None and human else "reply", answer.kind, day, words)
    if answer.kind or reading is None:
        return Heard(answer.kind or "reply", "", day, words)
    return Heard(str(reading.kind), reading.label, day, words)


def _disagreement(answer: Answer, reading: Reading) -> str:
    parts = []
    if (reading.label or str(reading.kind)) != answer.kind:
        what = f"find your label `{reading.label}` in" if reading.label else f"make `{reading.kind}` of"
        parts.append(f"the reader would {what} these words")
    if answer.date is not None and reading.date != answer.date:
        named = reading.date.isoformat() if reading.date is not None else "no day"
        parts.append(f"the reader finds {named} in these words")
    return " and ".join(parts)


def _read(scene: Scene, answer: Answer, at: datetime, subject: str) -> Reading:
    """As `operations.understanding` reads a mail that came in at this instant."""
    contact = scene.contact
    read = partial(read_mail, today=at.date(), timezone=contact.timezone, language=contact.language)
    mail = parse_mail(written(scene, answer, at, subject))
    return read(mail, labels=scene.plan.labels, extra_phrases=scene.phrases)


def written(scene: Scene, answer: Answer, at: datetime, subject: str) -> bytes:
    """The mail that would bring an answer: theirs, their program's, or a server's."""
    # What a terminal could not decode comes as lone surrogates, of which no mail can be made.
    answer, subject = replace(answer, words=_encodable(answer.words)), _encodable(subject)
    if answer.kind in RETURNED:
        return _report(scene, answer, at, subject)
    mail = EmailMessage()
    answered = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    mail["From"], mail["To"] = scene.contact.email, scene.mailbox_address
    mail["Subject"] = (
        _one_line(_SUBJECTS.get(Kind(answer.kind), "{subject}").format(subject=answered))
        if (answer.kind in ABSENCES)
        else _one_line(answered)
    )
    mail["Date"] = format_datetime(at.astimezone(UTC))
    mail["Message-ID"], mail["In-Reply-To"] = "<answer@rehearsed.invalid>", "<touch@rehearsed.invalid>"
    if answer.kind in ABSENCES:
        mail["Auto-Submitted"] = "auto-replied"
    mail.set_content(answer.words)
    return mail.as_bytes()


def _report(scene: Scene, answer: Answer, at: datetime, subject: str) -> bytes:
    """A delivery report (RFC 3464) whose server said these words."""
    action, status = _OUTCOME[Kind(answer.kind)]
    said = _STATUS.search(answer.words)
    fields = (
        "Reporting-MTA: dns; mx.rehearsed.invalid\n\n"
        f"Final-Recipient: rfc822; {_one_line(scene.contact.email)}\nAction: {action}\n"
        f"Status: {said[0] if said else status}\nDiagnostic-Code: smtp; {_one_line(answer.words)}\n"
    )
    head = (
        f"To: {_one_line(scene.contact.email)}\nSubject: {_one_line(subject)}\nMessage-ID: <touch@rehearsed.invalid>\n"
    )
    parts = (("text/plain", f"{answer.words}\n"), ("message/delivery-status", fields), ("text/rfc822-headers", head))
    body = "".join(f"--report\nContent-Type: {kind}; charset=utf-8\n\n{text}\n" for kind, text in parts)
    top = (
        f"From: Mail Delivery System <mailer-daemon@rehearsed.invalid>\nTo: {scene.mailbox_address}\n"
        f"Subject: Undelivered Mail Returned to Sender\nDate: {format_datetime(at.astimezone(UTC))}\n"
        "Auto-Submitted: auto-replied\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="report"\n\n'
    )
    return f"{top}{body}--report--\n".encode()


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _one_line(text: str) -> str:
    return " ".join(text.split())
