"""Bounces: is this one, for whom, for ever or for now, and what was it about. Before everything else, since a third of
them also call themselves automatic replies (RFC 3834 §5).

A delivery report (RFC 3464) or X-Failed-Recipients settles it. Otherwise two independent signs must agree: a machine
that reports on deliveries or an empty return path; a subject or a sentence that bounces have; the answer of a server.
A person who forwards or answers a bounce shows only one.
"""

from __future__ import annotations

import email
import logging
from dataclasses import dataclass
from typing import Final, Literal

from flufl.bounce import scan_message

from sequencer.inbox.addresses import find_addresses
from sequencer.inbox.bounce_prose import read_prose
from sequencer.inbox.bounce_reports import Failure, enclosed_reports, has_report, read_reports
from sequencer.inbox.bounce_words import ANSWER, LIST_MANAGER, mail_sentence, mailer_of, pattern
from sequencer.inbox.original import Original, find_original, split_notice
from sequencer.inbox.parse import Mail
from sequencer.inbox.refusals import Reason
from sequencer.inbox.status import Verdict, judge, phase_of, phase_of_transcript

_DELIVERED: Final = frozenset({"delivered", "relayed", "expanded"})
_MOST_FOR_FLUFL: Final = 16_384
_FEW: Final = 5
_MOST_LINES_FOR_FLUFL: Final = 500  # it tries some three hundred patterns on every line

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs a traceback for every detector that fails

Outcome = Literal["bounce", "soft_bounce", "delayed", "delivered"]


@dataclass(frozen=True, slots=True)
class Bounce:
    """What became of a message, as its notice tells it.

    `recipient` is the address whose failure weighs most, as the sender wrote it; `recipients` has all that failed.
    `permanent` is None while delivery is still being tried or was made. `mailer` names who wrote the notice.
    """

    outcome: Outcome
    confidence: float
    found_by: str
    recipient: str
    recipients: tuple[str, ...]
    original: Original
    status: str
    permanent: bool | None
    sender_side: bool
    reason: Reason
    mailer: str


def read_bounce(mail: Mail) -> Bounce | None:
    """The bounce, delay or delivery report that this mail is; None when it is none of them. Never raises."""
    notice, copy = split_notice(mail.words)
    signs = _signs(mail, notice)
    if not signs.possible:
        return None
    original = find_original(mail, copy)
    failures, found_by, confidence = _failures(mail, notice, original, signs)
    if not failures:
        return None
    return _conclude(mail, notice, original, failures, found_by, confidence)


@dataclass(frozen=True, slots=True)
class _Signs:
    report: bool
    listed: bool  # X-Failed-Recipients
    daemon: bool
    null_path: bool
    subject: bool
    sentence: bool
    answer: bool
    automatic: bool

    @property
    def possible(self) -> bool:
        return self.report or self.listed or self.daemon or self.subject or (self.null_path and self.sentence)

    @property
    def machine(self) -> bool:
        return self.daemon or self.null_path


def is_from_daemon(mail: Mail) -> bool:
    """Whether the sender is, by address or name, a machine that reports on deliveries, or nobody."""
    address = mail.from_address or mail.headers.get("from").strip("<> ")
    named = bool(pattern("daemon_name").search(mail.from_name or mail.headers.get("from")[:200]))
    return bool(pattern("daemon").match(address)) or named or not mail.from_address


def _signs(mail: Mail, notice: str) -> _Signs:
    path = mail.headers.get("return-path")
    address = mail.from_address or mail.headers.get("from").strip("<> ")
    unnamed_list = bool(LIST_MANAGER.search(address)) and not mail.from_name and not mail.in_reply_to
    list_manager = unnamed_list and bool(pattern("list_refusal").search(notice[:3000]))
    report = has_report(mail)
    listed = "x-failed-recipients" in mail.headers
    daemon = is_from_daemon(mail) or list_manager
    null_path = path.replace(" ", "") in ("<>", "<null>") or "mailer-daemon" in path.lower()
    subject = bool(pattern("subject").match(mail.subject)) or list_manager
    possible = report or listed or daemon or null_path or subject
    head = notice[:6000] if possible else ""
    return _Signs(
        report=report,
        listed=listed,
        daemon=daemon,
        null_path=null_path,
        subject=subject,
        sentence=bool(pattern("sentence").search(head)) or list_manager,
        answer=bool(ANSWER.search(head)),
        automatic=mail.headers.get("auto-submitted").lower().startswith(("auto-generated", "auto-replied"))
        or mail.headers.get("precedence").lower() in ("junk", "bulk", "auto_reply"),
    )


def _failures(mail: Mail, notice: str, original: Original, signs: _Signs) -> tuple[tuple[Failure, ...], str, float]:
    """The recipients with how they were found and how sure that is; empty when this is no bounce after all."""
    reported = read_reports(mail)
    if not reported and signs.daemon:
        reported = enclosed_reports(mail)
    if reported and (signs.report or signs.machine or signs.subject):
        return _completed(reported, mail, notice, original), "delivery report", 0.99
    prose = read_prose(mail, notice, original)
    named = any(failure.recipient for failure in prose)
    found_by, confidence = _judged(mail, notice, signs, prose, named)
    if confidence and named:
        return prose, found_by, confidence
    if signs.machine and (confidence or signs.subject) and (found := _flufl(mail)):
        return tuple(Failure(address, answer=notice[:1500]) for address in found), found_by or "flufl.bounce", 0.8
    return (prose if confidence else ()), found_by, confidence


def _judged(mail: Mail, notice: str, signs: _Signs, prose: tuple[Failure, ...], named: bool) -> tuple[str, float]:
    """Whether the signs suffice without a readable report: how it was found, and how sure that is (0.0: no bounce)."""
    if signs.report and (signs.subject or signs.sentence or (signs.machine and named)):
        return "delivery report", 0.95
    if signs.listed and (signs.machine or signs.subject or signs.sentence):
        return "x-failed-recipients", 0.98
    if signs.daemon and ((signs.subject and (signs.sentence or signs.answer or named)) or (signs.sentence and named)):
        return "wording", 0.95
    if signs.daemon and signs.answer and named:
        return "wording", 0.85
    if signs.null_path and signs.answer and (signs.subject or (signs.sentence and named)):
        return "wording", 0.9
    if signs.null_path and signs.subject and signs.sentence:
        return "wording", 0.9
    unwatched = signs.automatic or _no_person(mail)
    stranger = any(failure.recipient and failure.recipient.lower() not in _parties(mail) for failure in prose)
    if signs.subject and signs.sentence and stranger and unwatched and (signs.answer or _of_mail(notice)):
        return "wording", 0.8
    return "", 0.0


def _no_person(mail: Mail) -> bool:
    """Nobody's own name stands in From, and the mail answers nothing."""
    return not mail.from_name and not mail.in_reply_to and not mail.references


def _parties(mail: Mail) -> set[str]:
    addressed = find_addresses(mail.headers.get("to")[:8000])
    return {address.lower() for address in (mail.from_address, mail.reply_to, *addressed)}


def _of_mail(notice: str) -> bool:
    return bool(mail_sentence().search(notice[:6000]))


def _completed(reported: tuple[Failure, ...], mail: Mail, notice: str, original: Original) -> tuple[Failure, ...]:
    """Reports that name no address, or give no reason, completed from the words for people."""
    if all(failure.recipient and failure.answer for failure in reported):
        return reported
    prose = {failure.recipient.lower(): failure for failure in read_prose(mail, notice, original) if failure.recipient}
    only = next(iter(prose.values())) if len(prose) == 1 or (prose and len(reported) == 1) else None
    completed = []
    for failure in reported:
        told = (
            prose.get(failure.recipient.lower())
            or prose.get(failure.final.lower())
            or (only if not failure.recipient else None)
        )
        completed.append(
            Failure(
                recipient=failure.recipient or (told.recipient if told else ""),
                action=failure.action,
                status=failure.status,
                answer=failure.answer or (told.answer if told and ANSWER.search(told.answer) else ""),
                phase=failure.phase,
                final=failure.final,
                server=failure.server,
            )
        )
    return tuple(completed)


def _flufl(mail: Mail) -> tuple[str, ...]:
    """What flufl.bounce finds. It raises on 8-bit headers and is slow on deep nesting: it gets little and shallow."""
    if any(part.depth > 3 for part in mail.parts):
        return ()
    head = b"\n".join(mail.raw[:_MOST_FOR_FLUFL].splitlines()[:_MOST_LINES_FOR_FLUFL])
    try:
        found = scan_message(email.message_from_bytes(head))
        texts = [item.decode("ascii", "replace") if isinstance(item, bytes) else str(item) for item in found]
    except Exception:  # a library that fails on strange mail finds nothing in it
        return ()
    return find_addresses(" ".join(sorted(texts)), 10)


def _conclude(
    mail: Mail, notice: str, original: Original, failures: tuple[Failure, ...], found_by: str, confidence: float
) -> Bounce:
    bad = [failure for failure in failures if failure.action not in _DELIVERED]
    mailer = _mailer(mail, notice)
    if not bad:
        first = failures[0]
        return Bounce("delivered", confidence, found_by, first.recipient, _recipients(failures), original, first.status,
                      None, sender_side=False, reason=Reason.UNKNOWN, mailer=mailer)  # fmt: skip
    phase = (phase_of_transcript(notice) or phase_of(notice)) if len(bad) == 1 else ""
    around = notice if len(bad) <= _FEW else ""
    verdicts = [judge(failure.answer, failure.status, failure.phase or phase, around) for failure in bad]
    worst = max(range(len(bad)), key=lambda index: (_weight(verdicts[index]), -index))
    verdict = verdicts[worst]
    delayed = _delayed(mail, notice, bad)
    outcome: Outcome = "delayed" if delayed else "bounce" if verdict.permanent else "soft_bounce"
    return Bounce(
        outcome=outcome,
        confidence=confidence,
        found_by=found_by,
        recipient=bad[worst].recipient,
        recipients=_recipients((bad[worst], *bad)),
        original=original,
        status=verdict.status,
        permanent=None if delayed else verdict.permanent,
        sender_side=verdict.sender_side,
        reason=verdict.reason,
        mailer=mailer,
    )


def _weight(verdict: Verdict) -> int:
    return 2 if verdict.permanent else 1 if verdict.reason is not Reason.UNKNOWN else 0


def _recipients(failures: tuple[Failure, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(failure.recipient for failure in failures if failure.recipient))


def _delayed(mail: Mail, notice: str, bad: list[Failure]) -> bool:
    """Whether delivery is still being tried: the report says so, or the words do and none says that it was given up."""
    actions = {failure.action for failure in bad if failure.action}
    if actions:
        return actions == {"delayed"}
    head = notice[:4000]
    if pattern("delay_sentence").search(head):
        return True
    return bool(pattern("delay_subject").search(mail.subject)) and not pattern("given_up").search(head)


def _mailer(mail: Mail, notice: str) -> str:
    told = " ".join(mail.headers.get(name)[:300] for name in ("from", "subject", "x-mailer", "message-id"))
    report = " ".join(part.text[:2000] for part in mail.parts[:4] if "delivery-status" in part.content_type)
    return mailer_of(f"{told} {' '.join(mail.headers)}\n{report}\n{notice[:3000]}")
