"""The very words that somebody gets, before and after an edit."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from sequencer.core.lines import emails_of
from sequencer.operations.approval import Versions
from sequencer.operations.lacking import variables_of
from sequencer.operations.live import Live
from sequencer.operations.plan import Affected, Planned
from sequencer.workspace.templates import Rendered, render


@dataclass(frozen=True, slots=True)
class Rewording:
    """What a message says in place of what, line by line: `+` new, `-` gone. `trouble` when it cannot be written."""

    step: str
    template: str
    lines: tuple[str, ...]
    trouble: str = ""


def rewordings(versions: Versions, found: Planned) -> Iterator[Rewording]:
    """Every message ahead of these people whose words the edit changes, each variant that it has in both versions."""
    after = Live(versions.live.database, versions.after, versions.live.key)
    for each in found.affected:
        was = versions.live.sequence(each.enrollment.sequence)
        will = after.sequence(each.enrollment.sequence)
        if was is None or will is None:
            continue
        before, now = dict(emails_of(was)), dict(emails_of(will))
        for effect in each.effects:
            if effect.kind == "words" and effect.step in before and effect.step in now:
                pairs = _pairs(before[effect.step].variants, now[effect.step].variants)
                for old, new in pairs:
                    rewording = _rewording(versions.live, after, each, effect.step, (old, new))
                    if rewording.lines or rewording.trouble:
                        yield rewording


def _pairs(before: tuple[str, ...], after: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each template of now with the one in whose place it comes: itself, else the first that is gone."""
    gone = [name for name in before if name not in after]
    for name in after:
        if name in before:
            yield name, name
        else:
            yield (gone.pop(0) if gone else before[0]), name


def _rewording(before: Live, after: Live, one: Affected, step: str, templates: tuple[str, str]) -> Rewording:
    old, _ = _written(before, one, templates[0])
    new, trouble = _written(after, one, templates[1])
    lines = [line.rstrip("\n") for line in difflib.unified_diff(old, new, n=1, lineterm="")][2:]
    shown = tuple(line for line in lines if not line.startswith("@@"))
    return Rewording(step, templates[1], shown, trouble)


def _written(live: Live, one: Affected, template: str) -> tuple[list[str], str]:
    variables = variables_of(live, one.enrollment, one.contact)
    if variables is None:
        return [], f"the mailbox {one.enrollment.mailbox} is no longer in config.yaml"
    rendered = render(live.workspace.templates, template, variables)
    if isinstance(rendered, Rendered):
        return [f"Subject: {rendered.subject}", "", *rendered.text.splitlines()], ""
    return [], f"it cannot be written to them: {rendered}"
