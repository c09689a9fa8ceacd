"""The machine-readable part of a bounce: message/delivery-status (RFC 3464), wherever a server put it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sequencer.inbox.addresses import find_addresses
from sequencer.inbox.mime import Part
from sequencer.inbox.parse import Mail

MOST_FAILURES: Final = 50

_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_FIELD_LINE = re.compile(r"^\s{0,8}([A-Za-z][A-Za-z-]{1,40})\s{0,3}:\s{0,8}(.*)$")
_TYPED = re.compile(
    r"^\s*(?:rfc822|smtp|local|system|x400|utf-8|x-[\w-]{1,20}|unknown|lmtp|dns|ndr)\s*;\s*", re.IGNORECASE
)
_AMAZON = re.compile(r'\{\s{0,5}"(?:notificationType|eventType)"\s{0,5}:\s{0,5}"Bounce"')


@dataclass(frozen=True, slots=True)
class Failure:
    """What a notice says of one recipient; "" for what it does not say.

    `recipient` is the address as the sender wrote it where that is known, `final` the one it was rewritten to.
    `action` is one of failed, delayed, delivered, relayed, expanded (RFC 3464 §2.3.3) or "". `phase` is the SMTP
    command that was refused: connect, helo, mail, rcpt, data or "".
    """

    recipient: str
    action: str = ""
    status: str = ""
    answer: str = ""
    phase: str = ""
    final: str = ""
    server: str = ""


def read_reports(mail: Mail) -> tuple[Failure, ...]:
    """The recipients in delivery reports: attached ones, and their fields written into the text (Amazon WorkMail)."""
    failures: list[Failure] = []
    for part in _report_parts(mail):
        failures.extend(_failures(part.text))
    if not failures and "final-recipient:" in mail.words[:20_000].lower():
        failures.extend(_failures(mail.words[:20_000]))
    if not failures and mail.text.lstrip()[:1] == "{":
        failures.extend(_from_json(mail.text.lstrip()))
    return tuple(failures[:MOST_FAILURES])


def enclosed_reports(mail: Mail) -> tuple[Failure, ...]:
    """The recipients of a report inside an attached message: a gateway wrapped the bounce (or a person forwards it)."""
    failures: list[Failure] = []
    for part in mail.parts:
        if "delivery-status" in part.content_type and part.enclosed:
            failures.extend(_failures(part.text))
    return tuple(failures[:MOST_FAILURES])


def has_report(mail: Mail) -> bool:
    """Whether the mail declares itself, or carries, a delivery report."""
    declared = "report-type" in value and "delivery-status" in value if (value := _declared(mail)) else False
    return declared or any(True for _ in _report_parts(mail)) or bool(_AMAZON.match(mail.text[:200].lstrip()))


def _declared(mail: Mail) -> str:
    return mail.headers.get("content-type").lower() if mail.content_type == "multipart/report" else ""


def _report_parts(mail: Mail) -> Iterator[Part]:
    for part in mail.parts:
        if "delivery-status" in part.content_type and not part.enclosed:
            yield part


def _failures(text: str) -> list[Failure]:
    """One Failure for every group of fields that names a recipient."""
    failures: list[Failure] = []
    common: dict[str, str] = {}
    for group in _groups(text):
        if recipient := _recipient(group):
            failures.append(_failure(group, common, *recipient))
        else:
            common.update(group)
    return failures


def _groups(text: str) -> Iterator[Mapping[str, str]]:
    """Groups of fields: an empty line, or a second recipient, begins a new one. Values are unfolded."""
    group: dict[str, str] = {}
    name = ""
    for line in text[:60_000].split("\n")[:3000]:
        field = _FIELD_LINE.match(line[:2000])
        if not line.strip():
            if group:
                yield group
            group, name = {}, ""
        elif field and not (line[:1] in " \t" and name == "diagnostic-code"):
            name = field[1].lower()
            if name in ("final-recipient", "original-recipient") and name in group:
                yield group
                group = {}
            group.setdefault(name, field[2].strip())
        elif name and len(group[name]) < 4000:
            group[name] += " " + line.strip()
    if group:
        yield group


def _recipient(group: Mapping[str, str]) -> tuple[str, str] | None:
    """The address as written by the sender and the final one; None when the group names no recipient."""
    final = _address(group.get("final-recipient", ""))
    original = _address(group.get("original-recipient", ""))
    actual = _address(group.get("x-actual-recipient", ""))
    if not any(name in group for name in ("final-recipient", "original-recipient", "x-actual-recipient")):
        return None
    full = [address for address in (original, final, actual) if "@" in address]
    return (full[0] if full else "", final if "@" in final else "")


def _address(value: str) -> str:
    value = _TYPED.sub("", value)
    found = find_addresses(value[:500], 1)
    return found[0] if found else ""


def _failure(group: Mapping[str, str], common: Mapping[str, str], recipient: str, final: str) -> Failure:
    answer = _TYPED.sub("", group.get("diagnostic-code", "")).strip()
    if not answer:
        answer = _TYPED.sub("", group.get("x-display-diagnostic", "") or group.get("x-supplementary-info", "")).strip(
            "< >"
        )
    status = _STATUS.search(group.get("status", ""))
    server = group.get("remote-mta", "") or common.get("reporting-mta", "")
    return Failure(
        recipient=recipient,
        final=final,
        action=group.get("action", "").split("(", 1)[0].strip().lower(),
        status=status[0] if status else "",
        answer=" ".join(answer.split())[:2000],
        server=_TYPED.sub("", server).split("(", 1)[0].strip()[:200],
    )


def _from_json(text: str) -> list[Failure]:
    """Amazon's notification of a bounce, one JSON object in the text."""
    try:
        value: Any = json.JSONDecoder(strict=False).raw_decode(text[:100_000])[0]
    except (ValueError, RecursionError):
        return []
    bounce = value.get("bounce") if isinstance(value, dict) else None
    listed = bounce.get("bouncedRecipients") if isinstance(bounce, dict) else None
    failures = []
    for entry in listed[:MOST_FAILURES] if isinstance(listed, list) else ():
        if isinstance(entry, dict):
            failures.append(
                Failure(
                    recipient=_address(str(entry.get("emailAddress", ""))),
                    action=str(entry.get("action", "failed")),
                    status=str(entry.get("status", ""))[:12],
                    answer=_TYPED.sub("", str(entry.get("diagnosticCode", "")))[:2000],
                )
            )
    return failures
