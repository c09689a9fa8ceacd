"""`counts`, with which a trial says what it did; the counts are printed at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Count = Callable[..., None]


@pytest.fixture
def counts(record_property: Callable[[str, object], None], request: pytest.FixtureRequest) -> Count:
    """Call it with a sentence about the trial, and its counts as keywords: `counts("kill -9", kills=30, twice=0)`."""

    def say(trial: str, **numbers: object) -> None:
        said = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in numbers.items())
        record_property("counts", f"{trial}: {said}")

    return say
