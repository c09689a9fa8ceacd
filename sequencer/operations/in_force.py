"""Which workspace is to be in force: the files as they are saved, or the last release of them.

A release comes back from the store when the saved files have a mistake, and, with `apply: manual`, when nobody has
approved them yet. config.yaml is always the one that is saved: it says where the store is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from sequencer.store import releases
from sequencer.store.releases import Release
from sequencer.workspace.config import Config
from sequencer.workspace.release import CONFIG, contents_of, hash_of, kept_config, kept_texts, rebuilt, settings_hash
from sequencer.workspace.source import Plain, Problem
from sequencer.workspace.workspace import Loaded, Workspace

Why = Literal["", "mistakes", "approval"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is to be in force. `waits`: why the saved files are not, empty when they are; `mistakes` are those in them.
    `release` is the one that it is, None for files that never were one."""

    workspace: Workspace
    waits: Why = ""
    release: Release | None = None
    mistakes: tuple[Problem, ...] = ()


async def choose(conn: AsyncConnection, folder: Path, loaded: Loaded) -> Chosen | None:
    """What is to be in force of a folder; None when there is nothing that can be."""
    saved, release = loaded.workspace, await releases.latest(conn)
    if saved is not None and (release is None or saved.config.apply == "auto" or is_release(saved, release)):
        return Chosen(saved, "", release if release is not None and is_release(saved, release) else None)
    if release is None or loaded.config is None:
        return None
    workspace = await workspace_of(conn, release, folder, loaded.config, loaded.settings)
    if isinstance(workspace, str):
        return None
    wrong = tuple(problem for problem in loaded.problems if problem.severity == "error")
    return Chosen(workspace, "approval" if saved is not None else "mistakes", release, wrong)


async def workspace_of(
    conn: AsyncConnection, release: Release, folder: Path, config: Config, settings: Plain
) -> Workspace | str:
    """The workspace of a release under this config; or the first file that cannot be read any more."""
    return rebuilt(folder, config, settings, await releases.texts_of(conn, release.contents))


async def as_it_was(
    conn: AsyncConnection, release: Release, folder: Path, config: Config, settings: Plain
) -> Workspace | str:
    """The same under the config as it was then, where that is known and fits the present one."""
    texts = await releases.texts_of(conn, release.contents)
    text = texts.get(CONFIG, {}).get(CONFIG)
    then = kept_config(folder, settings, text) if text is not None else None
    return rebuilt(folder, then or config, settings, texts)


def is_release(workspace: Workspace, release: Release) -> bool:
    """Whether these are the files of a release, whatever config goes with them."""
    return hash_of(contents_of(workspace)) == release.hash


def is_whole_release(workspace: Workspace, release: Release) -> bool:
    """The same, config.yaml included."""
    return is_release(workspace, release) and settings_hash(workspace.settings) == release.config


async def make_release(
    conn: AsyncConnection, workspace: Workspace, now: datetime, *, by: str, adopted_at: datetime | None = None
) -> int:
    """Make the versions of a workspace those that count; the number of the release."""
    contents = contents_of(workspace)
    texts = [(kept.kind, kept.name, kept.version, kept.text) for kept in kept_texts(workspace)]
    settings = settings_hash(workspace.settings)
    return await releases.add(conn, now, hash_of(contents), settings, contents, texts, by=by, adopted_at=adopted_at)


async def note_config(conn: AsyncConnection, workspace: Workspace, release: Release) -> None:
    """The daemon has started with these files under another config than they were approved with."""
    (kept,) = (kept for kept in kept_texts(workspace) if kept.kind == CONFIG)
    text = (kept.kind, kept.name, kept.version, kept.text)
    await releases.set_config(conn, release, settings_hash(workspace.settings), contents_of(workspace), text)


def sequences_of(release: Release) -> Mapping[str, str]:
    """The versions of the sequences of a release, by name."""
    return release.contents.get("sequence", {})
