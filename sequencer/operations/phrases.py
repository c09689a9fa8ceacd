"""The workspace's own phrases, made ready for the inbox reader."""

from __future__ import annotations

from collections import defaultdict

from sequencer.inbox.phrase_syntax import PhraseProblem
from sequencer.inbox.phrases import Phrases, make_phrase, make_phrases
from sequencer.workspace.phrases import PhraseFiles


def made_ready(files: PhraseFiles) -> Phrases | None:
    """All languages together, as the reader adds them to its own; None when there are none.

    `check` has refused what cannot be read; should the reader be stricter still, that phrase is left out.
    """
    merged: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kinds in files.values():
        for kind, places in kinds.items():
            for place, phrases in places.items():
                merged[kind][place] += [phrase for phrase in phrases if _can_be_read(phrase)]
    return make_phrases(merged) if any(any(places.values()) for places in merged.values()) else None


def _can_be_read(phrase: str) -> bool:
    try:
        make_phrase(phrase)
    except PhraseProblem:
        return False
    return True
