"""Warnings that tell good craft from bad. Each has a name, by which `allow:` silences it (docs/craft.md)."""

from __future__ import annotations

from collections.abc import Iterator

from sequencer.core.model import BACK_OFF
from sequencer.workspace.check_letters import first_mails
from sequencer.workspace.check_names import emails_of
from sequencer.workspace.craft_letters import first_mail_warnings, letter_warnings
from sequencer.workspace.craft_plans import moved_to, plan_warnings
from sequencer.workspace.draft import Draft
from sequencer.workspace.source import Problem


def craft_warnings(draft: Draft, known_fields: frozenset[str] | None) -> Iterator[Problem]:
    """Every warning about craft, silenced ones too. `known_fields`: what contacts have, if known."""
    for name in draft.templates.names():
        yield from letter_warnings(draft.templates.by_name[name])
    for name in sorted(_first_templates(draft)):
        template = draft.templates.get(name)
        if template is not None:
            yield from first_mail_warnings(template)
    yield from plan_warnings(draft, known_fields)


def _first_templates(draft: Draft) -> set[str]:
    """Templates that somebody may get before any other, except where they come from another sequence."""
    elsewhere = moved_to(draft)
    found: set[str] = set()
    for name, each in draft.sequences.items():
        if each.sequence is None or name in elsewhere:
            continue
        first = first_mails(each, each.sequence)
        for _, email, step in emails_of(each):
            if (step.id if step is not None else BACK_OFF) in first:
                found.update(email.variants)
    return found
