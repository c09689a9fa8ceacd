"""When it is too many, in numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.breakers import Breakers, Counts, TooMany, too_many, worth_counting

DEFAULT = Breakers()
OFF = Breakers(bounces=None, complaints=None, refusals=None, logins=None)


@pytest.mark.parametrize(
    ("counts", "causes"),
    [
        (Counts(bounces=1, sent=2), set()),
        (Counts(bounces=4, sent=4), set()),
        (Counts(bounces=5, sent=100), {"bounces"}),
        (Counts(bounces=5, sent=101), set()),
        (Counts(bounces=5, sent=0), {"bounces"}),  # what was sent lies before the window
        (Counts(complaints=1, sent=10), set()),
        (Counts(complaints=2, sent=666), {"complaints"}),
        (Counts(complaints=2, sent=667), set()),
        (Counts(refusals=2), set()),
        (Counts(refusals=3), {"refusals"}),
        (Counts(logins=3, refusals=3), {"login", "refusals"}),
    ],
)
def test_what_is_too_many_by_default(counts: Counts, causes: set[str]) -> None:
    assert set(too_many(DEFAULT, counts, {})) == causes
    assert too_many(OFF, counts, {}) == {}


def test_the_reasons_are_plain_words_with_the_numbers() -> None:
    counts = Counts(bounces=12, complaints=2, refusals=3, logins=3, sent=96)
    said = too_many(DEFAULT, counts, {"refusals": "550 5.7.1 blocked", "login": "535 no"})
    assert said == {
        "bounces": "12 of the 96 messages of the last 7 days came back for good (12.5%; 5% is the limit)",
        "complaints": "2 of the 96 messages of the last 7 days were reported as spam (2.1%; 0.3% is the limit)",
        "refusals": "its mail was refused 3 times within a day because of the sender, last with: 550 5.7.1 blocked",
        "login": "the login was refused 3 times in a row: 535 no",
    }
    impatient = Breakers(refusals=1, logins=1)
    said = too_many(impatient, Counts(refusals=1, logins=1), {"refusals": "550 Blocked.", "login": "535 No."})
    assert said == {
        "refusals": "its mail was refused once within a day because of the sender, last with: 550 Blocked",
        "login": "the login was refused: 535 No",
    }


@given(
    share=st.sampled_from([0.001, 0.003, 0.05, 0.333, 0.99]),
    least=st.integers(1, 10),
    bounces=st.integers(0, 50),
    complaints=st.integers(0, 50),
    sent=st.integers(0, 60_000),
)
def test_counting_further_would_change_nothing(
    share: float, least: int, bounces: int, complaints: int, sent: int
) -> None:
    limits = Breakers(bounces=TooMany(share, least), complaints=TooMany(share / 2, least))
    counted = min(sent, worth_counting(limits, bounces, complaints))
    whole = too_many(limits, Counts(bounces, complaints, sent=sent), {})
    assert too_many(limits, Counts(bounces, complaints, sent=counted), {}) == whole
