"""The kinds of replies that a sequence may name are those that the inbox reads and the core reacts to."""

from __future__ import annotations

from sequencer.core.react import FINAL_KINDS, HUMAN_KINDS, NOTICE_DEFAULTS
from sequencer.inbox.reading import Kind
from sequencer.workspace.sequences import KINDS


def test_the_kinds_are_those_of_the_inbox_and_of_the_core() -> None:
    assert {kind.value for kind in Kind} == KINDS
    assert {*HUMAN_KINDS, *NOTICE_DEFAULTS, *FINAL_KINDS} == KINDS
