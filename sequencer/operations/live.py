"""What every operation works on: the database, the live workspace, and the installation's signing key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.core.model import Enrollment, Sequence
from sequencer.core.variants import Splits
from sequencer.inbox.phrases import Phrases
from sequencer.operations.opinion import Circuit
from sequencer.operations.phrases import made_ready
from sequencer.store import definitions
from sequencer.store.contacts import Defaults
from sequencer.store.database import Database
from sequencer.workspace.config import Mailbox
from sequencer.workspace.source import Problem
from sequencer.workspace.workspace import Workspace, load_sequence_text


@dataclass(slots=True)
class Live:
    """The open database and the version of the workspace that is in force. `workspace` is replaced on a live edit, and
    with it `extra_phrases`, those for the inbox reader. `circuit` guards the second opinion. `mistakes` are those in
    the files as they are saved, when an earlier version is in force instead; `waits`: that the saved files are not in
    force because nobody has approved them. `release` is the number of the one that the workspace is."""

    database: Database
    workspace: Workspace
    key: bytes = field(repr=False)
    extra_phrases: Phrases | None = field(init=False, repr=False)
    circuit: Circuit = field(default_factory=Circuit, repr=False)
    mistakes: tuple[Problem, ...] = ()
    waits: bool = False
    release: int = 0
    splits: Splits = field(default_factory=dict, repr=False)  # those that adapt, see operations/variants.py
    split_for: Workspace | None = field(default=None, repr=False)
    split_at: datetime | None = field(default=None, repr=False)
    splitting: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    _earlier: dict[tuple[str, str], Sequence | None] = field(default_factory=dict, repr=False)
    _applied: dict[tuple[str, str], datetime | None] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.extra_phrases = made_ready(self.workspace.phrases)

    def sequence(self, name: str) -> Sequence | None:
        """The live definition of a sequence, None when its file is gone."""
        return self.workspace.sequences.get(name)

    def mailbox(self, name: str) -> Mailbox | None:
        """The configured mailbox, None when the config no longer has it."""
        return self.workspace.config.mailboxes.get(name)

    @property
    def defaults(self) -> Defaults:
        """What a contact has who names none of their own."""
        ours = self.workspace.config.contacts
        return Defaults(ours.timezone, ours.holidays or "", ours.language)

    async def earlier(self, conn: AsyncConnection, enrollment: Enrollment) -> Sequence | None:
        """The definition an enrollment was last decided by, when that is not the live one."""
        live = self.sequence(enrollment.sequence)
        if live is not None and live.version == enrollment.definition:
            return None
        key = (enrollment.sequence, enrollment.definition)
        if key not in self._earlier:
            text = await definitions.text_of(conn, *key)
            self._earlier[key] = load_sequence_text(key[0], text)[0] if text is not None else None
        return self._earlier[key]

    async def applied_at(self, conn: AsyncConnection, sequence: Sequence) -> datetime | None:
        """When this definition became the live one; None while it was never applied."""
        key = (sequence.name, sequence.version)
        if self._applied.get(key) is None:
            history = await definitions.history(conn, sequence.name)
            self._applied[key] = next((kept.applied_at for kept in history if kept.version == sequence.version), None)
        return self._applied[key]

    def suppose_applied(self, sequence: Sequence, now: datetime) -> None:
        """This definition takes over at `now`, though the store may not say so yet."""
        self._applied[(sequence.name, sequence.version)] = now

    def replace_workspace(self, workspace: Workspace) -> None:
        """Put a newly checked workspace in force."""
        self.workspace = workspace
        self.extra_phrases = made_ready(workspace.phrases)
        self._applied.clear()
