"""`changed` makes what `dataclasses.replace` makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.copying import changed
from sequencer.core.model import Enrollment, Position, Status, Thread

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ANNA = Enrollment(
    1, 2, "quote", "mark", NOW, Position(), fields={"a": 1}, thread=Thread("<1@x.example>", "Hi", "<1@x.example>")
)

changes = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(Status),
        "version": st.integers(),
        "reason": st.text(),
        "retry_at": st.none() | st.just(NOW),
        "taken": st.dictionaries(st.text(), st.text()),
    },
)


@given(changes)
def test_it_is_what_replace_makes(some: dict[str, object]) -> None:
    copy = changed(ANNA, **some)  # type: ignore[arg-type]  # any of the fields
    assert copy == replace(ANNA, **some)  # type: ignore[arg-type]
    assert copy is not ANNA
    assert ANNA.version == 0


def test_the_copy_is_as_frozen_as_the_record() -> None:
    with pytest.raises(AttributeError):
        changed(ANNA, version=2).version = 3  # type: ignore[misc]  # what is tried here


def test_no_field_can_be_invented() -> None:
    with pytest.raises(AttributeError):
        changed(ANNA, nickname="A")  # type: ignore[call-arg]


@dataclass
class Loose:
    a: int


def test_what_is_no_record_of_ours_is_refused() -> None:
    with pytest.raises(TypeError, match="no plain dataclass"):
        changed(Loose(1), a=2)
