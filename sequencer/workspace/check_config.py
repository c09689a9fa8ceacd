"""What in config.yaml is well-formed and still wrong: zones, holidays, files, hours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from sequencer.core.hours import common_times
from sequencer.core.model import Hours, Step
from sequencer.core.when import WEEKDAY_NAMES
from sequencer.workspace.calendars import UnknownPlace, holidays_of, zone_of
from sequencer.workspace.config import MAILTO, Config
from sequencer.workspace.draft import Draft
from sequencer.workspace.sequences import SequenceDraft
from sequencer.workspace.source import Problem, Route


def config_mistakes(draft: Draft) -> Iterator[Problem]:
    """Mistakes in config.yaml, and hours in the sequences that do not fit those of the mailboxes."""
    if draft.config is None:
        return
    yield from _contact_mistakes(draft, draft.config)
    yield from _mailbox_mistakes(draft, draft.config)
    for each in draft.sequences.values():
        yield from _hours_mistakes(each, draft.config)


def _contact_mistakes(draft: Draft, config: Config) -> Iterator[Problem]:
    document = draft.config_document
    places: list[tuple[str, Callable[[str], object], str]] = [
        ("timezone", zone_of, config.contacts.timezone),
        ("holidays", holidays_of, config.contacts.holidays),
    ]
    for key, find, value in places:
        try:
            find(value)
        except UnknownPlace as error:
            yield document.problem(("contacts", key), f"unknown-{key}", error.message, error.hint)
    if ("contacts", "timezone") not in document.keys:
        hint = "write contacts: {timezone: America/Denver}"
        message = "contacts without a zone of their own are taken to live by UTC"
        yield document.problem(("contacts",), "no-timezone", message, hint, severity="warning")
    yield from _notify_mistakes(draft, config)
    if ("web", "base_url") in document.keys:
        message = "`base_url` does nothing in this version: the rep's desk is not there yet"
        yield document.problem(("web", "base_url"), "not-yet", message, "leave it out", key=True, severity="warning")
    for key, value in (("name", config.company.name), ("address", config.company.address)):
        if not value.strip():
            message = f"the {key} of your company is empty; every mail must show it"
            yield document.problem(("company", key), "empty", message)


_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://.", re.IGNORECASE)


def _notify_mistakes(draft: Draft, config: Config) -> Iterator[Problem]:
    """What stands there is never repeated: these addresses hold secrets."""
    document = draft.config_document
    for index, url in enumerate(config.notify):
        if url == MAILTO or _SCHEME.match(url):
            continue
        route: Route = ("notify", index) if ("notify", index) in document.values else ("notify",)
        hint = "write mailto, or an address of https://appriseit.com such as slack://… or ntfy://…; or off alone"
        yield document.problem(route, "notify", "this is no address where somebody can be told", hint)


def _mailbox_mistakes(draft: Draft, config: Config) -> Iterator[Problem]:
    document = draft.config_document
    seen: dict[str, str] = {}
    for name, mailbox in config.mailboxes.items():
        address = mailbox.from_address.lower()
        if address in seen:
            message = f"{name} and {seen[address]} have the same address"
            hint = "replies would be read twice: keep one of them"
            yield document.problem(("mailboxes", name, "from"), "same-address", message, hint)
        seen.setdefault(address, name)
        for key, path in (("smtp", mailbox.smtp.ca_file), ("imap", mailbox.imap.ca_file)):
            if path and not Path(path).is_file():
                message = "the file with the authorities does not exist"
                yield document.problem(("mailboxes", name, key, "ca_file"), "no-file", message, path)


def _hours_mistakes(each: SequenceDraft, config: Config) -> Iterator[Problem]:
    sequence = each.sequence
    if sequence is None:
        return
    for name in sequence.mailboxes:
        mailbox = config.mailboxes.get(name)
        both = tuple(hours for hours in (mailbox.hours if mailbox else None, sequence.hours) if hours is not None)
        if not any(common_times(both, day) for day in range(7)):
            message = f"these hours and those of the mailbox {name} ({both[0].text}) never meet"
            yield each.document.problem(("hours",), "hours-never-meet", message, "nothing could ever leave")
            return
        for steps in sequence.lines.values():
            for step in steps:
                yield from _when_mistakes(each, step, both)


def _when_mistakes(each: SequenceDraft, step: Step, hours: tuple[Hours, ...]) -> Iterator[Problem]:
    """A time of day or weekday that the hours never allow: it would leave later than the file says."""
    when, route = step.when, (*each.routes[step.id], "when")
    days = range(7) if when.weekday is None else (when.weekday,)
    times = [span for day in days for span in common_times(hours, day)]
    allowed = ", ".join(each.text for each in hours)
    if not times:
        message = f"the hours ({allowed}) never allow a {WEEKDAY_NAMES[days[0]]}"
        hint = "it will leave on the next day that they allow"
        yield each.document.problem(route, "outside-hours", message, hint, severity="warning")
    elif when.at is not None:
        clock = (when.at.hour * 60 + when.at.minute) * 60
        if not any(start.total_seconds() <= clock < end.total_seconds() for start, end in times):
            message = f"{when.at:%H:%M} lies outside the hours ({allowed})"
            hint = "it will leave when they next allow"
            yield each.document.problem(route, "outside-hours", message, hint, severity="warning")
