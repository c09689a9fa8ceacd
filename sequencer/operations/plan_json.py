"""`plan --json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sequencer.operations.approval import Versions
from sequencer.operations.explain import iso
from sequencer.operations.plan import Planned


def planned_json(versions: Versions, found: Planned) -> dict[str, Any]:
    """The plan, every person and every message of it."""
    release = versions.release
    return {
        "in_force_since": iso(release.at) if release is not None else None,
        "adopted": release is not None and release.adopted_at is not None,
        "saved_in_force": versions.same,
        "apply": versions.after.config.apply,
        "running": versions.running,
        "sequences": [asdict(edit) for edit in found.edits.sequences],
        "templates": [asdict(edit) for edit in found.edits.templates],
        "phrases": list(found.edits.phrases),
        "settings": list(found.edits.settings),
        "looked_at": found.looked_at,
        "unchanged": found.unchanged,
        "due_at_once": found.due_at_once,
        "people": [
            {
                "contact": each.contact.email,
                "enrollment": each.enrollment.id,
                "sequence": each.enrollment.sequence,
                "mailbox": each.enrollment.mailbox,
                "effects": [
                    {
                        "kind": effect.kind,
                        "step": effect.step,
                        "what": effect.what,
                        "was": iso(effect.was),
                        "now": iso(effect.now),
                    }
                    for effect in each.effects
                ],
            }
            for each in found.affected
        ],
        "until": iso(found.until),
        "coming": [
            {
                "at": iso(one.at),
                "mailbox": one.mailbox,
                "contact": one.contact.email,
                "sequence": one.sequence,
                "step": one.step,
                "action": one.action,
                "detail": one.detail,
            }
            for one in found.coming
        ],
        "unreadable": list(found.unreadable),
    }
