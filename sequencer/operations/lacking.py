"""Which messages could not be written to somebody, as the templates are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from sequencer.core.model import Contact, Enrollment
from sequencer.operations.counting import listed
from sequencer.operations.live import Live
from sequencer.workspace.templates import THEY_SAID, BrokenTemplate, Rendered, Unfilled, render, variables_for
from sequencer.workspace.workspace import Workspace


def variables_of(live: Live, enrollment: Enrollment, contact: Contact) -> Mapping[str, object] | None:
    """What templates may say about somebody; None when their mailbox is gone. Whoever has answered is taken to have
    said something."""
    mailbox = live.mailbox(enrollment.mailbox)
    if mailbox is None:
        return None
    said = "…" if enrollment.last_sign_at is not None else None
    return variables_for(
        contact,
        enrollment.fields,
        mailbox,
        live.workspace.config.company,
        unsubscribe="mailto:",
        extra={THEY_SAID: said},
    )


def amiss(workspace: Workspace, template: str, variables: Mapping[str, object]) -> str:
    """Why a template cannot be written with these variables, in words; empty when it can."""
    result = render(workspace.templates, template, variables)
    return "" if isinstance(result, Rendered) else why_unwritten(result)


def why_unwritten(result: Unfilled | BrokenTemplate) -> str:
    """Why a template could not be written, in words."""
    match result:
        case Unfilled():
            return f"the template {result.template} needs {listed(result.variables)}"
        case BrokenTemplate():
            return f"the template {result.template} cannot be rendered: {result.message}"
        case _:
            assert_never(result)
