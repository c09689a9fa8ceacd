"""Every version that a sequence or a template had: when it was in force, what was other in it, who got which words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.operations.explain import iso
from sequencer.operations.live import Live
from sequencer.operations.record import Refusal
from sequencer.store import contacts, definitions, releases, wordings
from sequencer.store.releases import Release
from sequencer.store.wordings import Sent, SentTogether
from sequencer.workspace.plan import sequence_edit, template_changes
from sequencer.workspace.release import kept_template
from sequencer.workspace.source import did_you_mean
from sequencer.workspace.workspace import load_sequence_text

What = Literal["sequence", "template"]

SHORTEST: Final = 4
"""Signs of a version that are enough to name it, where no other begins so."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version for the time that it was in force; one that was put back is there twice. `until` is None for what is in
    force now; `waits`: approved, and no daemon has worked with it. `what` says how it differs from the one before;
    `people` were decided by it (of a sequence)."""

    version: str
    text: str
    since: datetime
    until: datetime | None
    by: str
    waits: bool
    what: tuple[str, ...]
    people: int = 0
    before: str = ""  # the text of the one before

    def diff(self, name: str) -> Iterator[str]:
        """The lines that differ from the version before, as `diff -u` writes them."""
        was, now = self.before.splitlines(), self.text.splitlines()
        return difflib.unified_diff(was, now, f"{name} before", f"{name} {self.version[:8]}", n=2, lineterm="")


@dataclass(frozen=True, slots=True)
class Past:
    """All versions of one file, in the order in which they were in force; `words` is who was sent what, counted."""

    what: What
    name: str
    versions: tuple[Version, ...]
    words: tuple[SentTogether, ...]

    @property
    def file(self) -> str:
        return f"sequences/{self.name}.yaml" if self.what == "sequence" else f"templates/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Moment:
    """One time at which files were put in force: which are new, which were gone, which changed."""

    release: Release
    changed: tuple[str, ...]


async def past_of(conn: AsyncConnection, what: What, name: str) -> Past | Refusal:
    """The versions of a sequence or a template."""
    times = _times(await releases.listing(conn), what, name)
    if what == "sequence":
        known = {version for version, *_ in times}
        earlier = [one for one in reversed(await definitions.history(conn, name)) if one.version not in known]
        times = [*((one.version, one.applied_at, "", False) for one in earlier), *times]  # before all texts were kept
    if not any(version for version, *_ in times):
        return await _unknown(conn, what, name)
    people = await wordings.decided_by(conn, name) if what == "sequence" else {}
    versions: list[Version] = []
    before = ""
    for index, (version, since, by, waits) in enumerate(times):
        text = await _text(conn, what, name, version) if version else None
        if text is None:
            continue
        following = times[index + 1] if index + 1 < len(times) else None
        until = following[1] if following is not None and not following[3] else None
        how = tuple(_differences(what, name, before, text))
        versions.append(Version(version, text, since, until, by, waits, how, people.get(version, 0), before))
        before = text
    words = await wordings.sent_together(conn, **{what: name})
    return Past(what, name, tuple(versions), tuple(words))


async def _text(conn: AsyncConnection, what: What, name: str, version: str) -> str | None:
    text = await releases.text_of(conn, what, name, version)
    return await definitions.text_of(conn, name, version) if text is None and what == "sequence" else text


_Time = tuple[str, datetime, str, bool]
"""A version ("" while the file was gone), since when, by whom, and whether it waits for a daemon."""


def _times(listing: Sequence[Release], what: What, name: str) -> list[_Time]:
    """From when on which version was in force. What was approved and never taken up is left out, but for the last."""
    found: list[_Time] = []
    for release in listing:
        waits = release.adopted_at is None
        if waits and release is not listing[-1]:
            continue
        version = release.contents.get(what, {}).get(name, "")
        if version != (found[-1][0] if found else ""):
            found.append((version, release.adopted_at or release.at, release.by, waits))
    return found


async def _unknown(conn: AsyncConnection, what: What, name: str) -> Refusal:
    known = await releases.names(conn, what)
    where = "sequence" if what == "sequence" else "template"
    hint = did_you_mean(name, known)
    return Refusal(f"no version of a {where} “{name}” was ever in force" + (f"; {hint}" if hint else ""))


def _differences(what: What, name: str, before: str, after: str) -> Iterator[str]:
    if not before:
        yield "the first that was kept"
        return
    said = list(_edited(what, name, before, after))
    yield from said or ["the text alone: it means the same"]


def _edited(what: What, name: str, before: str, after: str) -> Iterator[str]:
    if what == "template":
        was, now = kept_template(Path(), name, before), kept_template(Path(), name, after)
        if was is not None and now is not None:
            yield from template_changes(was, now)
        return
    old, new = load_sequence_text(name, before)[0], load_sequence_text(name, after)[0]
    edit = sequence_edit(old, new, {}) if old is not None and new is not None else None
    if edit is not None:
        for step in edit.steps:
            how = {"new": "is new: ", "gone": "is gone: ", "moved": "moved: "}.get(step.change, "")
            yield f"“{step.step}” {how}{'; '.join(step.what)}"
        yield from edit.other


def chosen(past: Past, version: str) -> Version | Refusal:
    """The version that begins so."""
    known = {each.version: each for each in past.versions}
    found = [each for name, each in known.items() if name.startswith(version.lower())]
    if len(version) < SHORTEST or not found:
        names = ", ".join(name[:8] for name in known)
        return Refusal(f"{past.file} has no version “{version}”; there are {names}")
    if len(found) > 1:
        return Refusal(f"several versions of {past.file} begin with “{version}”; write more of it")
    return found[0]


async def sent_in(conn: AsyncConnection, live: Live, past: Past, email: str = "") -> list[Sent] | Refusal:
    """Each message of a sequence or by a template, to everybody or to one contact."""
    number = None
    if email:
        contact = await contacts.by_email(conn, email, live.defaults)
        if contact is None:
            return Refusal(f"there is no contact {email}")
        number = contact.id
    return await wordings.sent(conn, contact_id=number, **{past.what: past.name})


async def moments(conn: AsyncConnection) -> list[Moment]:
    """Every time at which files were put in force, the oldest first."""
    found: list[Moment] = []
    before: Release | None = None
    for release in await releases.listing(conn):
        found.append(Moment(release, tuple(_changed(before, release))))
        before = release
    return found


_FILES: Final = {"sequence": "sequences/{}.yaml", "template": "templates/{}.md", "phrases": "phrases/{}.yaml"}


def _changed(before: Release | None, after: Release) -> Iterator[str]:
    if before is None:
        yield "the first time"
        return
    for kind, file in _FILES.items():
        was, now = before.contents.get(kind, {}), after.contents.get(kind, {})
        for name in sorted(was.keys() | now.keys()):
            if was.get(name) != now.get(name):
                mark = " (new)" if name not in was else " (gone)" if name not in now else ""
                yield file.format(name) + mark
    if before.config != after.config:
        yield "config.yaml"


# JSON ---------------------------------------------------------------------------------------------


def past_json(past: Past, sent: Sequence[Sent] | None) -> dict[str, Any]:
    """`history --json`; with `sent`, each message."""
    return {
        past.what: past.name,
        "versions": [
            {
                "version": each.version,
                "since": iso(each.since),
                "until": iso(each.until),
                "by": each.by,
                "waits": each.waits,
                "what": list(each.what),
                "people": each.people,
                "text": each.text,
            }
            for each in past.versions
        ],
        "words": [{**asdict(each), "first": iso(each.first), "last": iso(each.last)} for each in past.words],
        **({"sent": [{**asdict(each), "at": iso(each.at)} for each in sent]} if sent is not None else {}),
    }


def moments_json(found: Sequence[Moment]) -> list[dict[str, Any]]:
    """`history --json` without a name."""
    return [
        {
            "at": iso(each.release.at),
            "adopted_at": iso(each.release.adopted_at),
            "by": each.release.by,
            "changed": list(each.changed),
        }
        for each in found
    ]
