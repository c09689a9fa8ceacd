"""Quoting their words back: `{{ they_said }}` in a template is the fresh text of their latest reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sequencer.operations.advance import Ready
from sequencer.operations.live import Live
from sequencer.store import messages
from sequencer.store.messages import Direction

VARIABLE = "they_said"


async def words_of(live: Live, ready: Sequence[Ready]) -> dict[int, Mapping[str, object]]:
    """The variables that come from the thread, by enrollment, for those whose template asks for them."""
    templates = live.workspace.templates
    asking = [
        item.enrollment.id
        for item in ready
        if item.enrollment.last_sign_at is not None
        and any(
            template is not None and VARIABLE in template.body
            for template in map(templates.get, item.action.email.variants)
        )
    ]
    if not asking:
        return {}
    async with live.database.read() as conn:
        threads = {i: await messages.of_enrollment(conn, i) for i in asking}
    said = {
        i: [m.text for m in thread if m.direction is Direction.RECEIVED and m.text] for i, thread in threads.items()
    }
    return {i: {VARIABLE: texts[-1]} for i, texts in said.items() if texts}
