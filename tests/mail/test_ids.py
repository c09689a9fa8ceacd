"""Ids that only we can have made."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.mail.ids import (
    MAX_LENGTH,
    Token,
    ids_in_answer,
    make_message_id,
    read_message_id,
    read_unsubscribe_token,
    unsubscribe_token,
)
from sequencer.mail.threads import is_message_id

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
LONG_STEP = "a-step-with-a-name-of-exactly-forty-chars"[:40]
DOMAINS = (
    "example.com",
    "a.b.c.d.mail.department.example.org",
    "x" * 63 + ".example",
    "bücher.example",
    "localhost",
    "very-long-company-name-of-a-family-business.example",
)


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("step", ["thanks", LONG_STEP, "back_off", "s", "Größe/2.0", ""])
@pytest.mark.parametrize("enrollment", [0, 1, 1234567, 2**63 - 1])
def test_every_id_is_short_clean_and_readable(enrollment: int, step: str, domain: str) -> None:
    made = make_message_id(KEY, enrollment, step, "k3v9x2ab", domain)
    assert len(made) - 2 <= MAX_LENGTH
    assert is_message_id(made)
    token = read_message_id(KEY, made)
    assert token is not None
    assert token.enrollment == enrollment
    if step in ("thanks", "back_off", "s", "") and enrollment < 10**7:
        assert token.step == step


def test_the_parts_stand_in_the_open() -> None:
    made = make_message_id(KEY, 42, "thanks", "abc123", "example.com")
    assert made.startswith("<42.thanks.abc123.")
    assert made.endswith("@example.com>")
    assert read_message_id(KEY, made) == Token(42, "thanks")


def test_a_long_step_is_cut_and_still_verifies() -> None:
    token = read_message_id(KEY, make_message_id(KEY, 7, LONG_STEP, "abcdef12", "example.com"))
    assert token is not None
    assert token.enrollment == 7
    assert LONG_STEP.startswith(token.step)
    assert len(token.step) >= 20


def test_nonces_make_ids_differ() -> None:
    ids = {make_message_id(KEY, 7, LONG_STEP, f"n{i}", DOMAINS[1]) for i in range(500)}
    assert len(ids) == 500


def test_a_long_domain_loses_labels_from_the_left() -> None:
    made = make_message_id(KEY, 7, "x", "abcdef12", "a.b.c.d.e.f.mail.department.example.org")
    assert made.endswith("example.org>")


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.replace("<42.", "<43."),
        lambda made: made.replace("thanks", "thank5"),
        lambda made: made.replace("abc123", "abc124"),
        lambda made: made.replace("@", "x@"),
        lambda made: made[:-20] + made[-19:],
        lambda made: "<x" + made[1:],
    ],
)
def test_a_changed_id_is_not_ours(change: object) -> None:
    made = make_message_id(KEY, 42, "thanks", "abc123", "example.com")
    assert callable(change)
    assert change(made) != made
    assert read_message_id(KEY, change(made)) is None


@pytest.mark.parametrize("wrap", ["{}", " {} ", "\t{}\r\n"])
def test_space_case_and_missing_brackets_do_no_harm(wrap: str) -> None:
    made = make_message_id(KEY, 42, "thanks", "abc123", "example.com")
    assert read_message_id(KEY, wrap.format(made)) == Token(42, "thanks")
    assert read_message_id(KEY, wrap.format(made.upper())) == Token(42, "thanks")
    assert read_message_id(KEY, wrap.format(made.strip("<>"))) == Token(42, "thanks")


def test_another_installations_ids_are_not_ours() -> None:
    assert read_message_id(OTHER_KEY, make_message_id(KEY, 42, "thanks", "abc123", "example.com")) is None


@given(st.text(max_size=200))
def test_no_text_is_mistaken_for_ours(text: str) -> None:
    assert read_message_id(KEY, text) is None
    assert read_unsubscribe_token(KEY, text) is None


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_unsubscribe_tokens_come_back(enrollment: int) -> None:
    token = unsubscribe_token(KEY, enrollment)
    assert read_unsubscribe_token(KEY, token) == enrollment
    assert read_unsubscribe_token(KEY, f" {token.upper()}\n") == enrollment
    assert read_unsubscribe_token(OTHER_KEY, token) is None
    assert read_unsubscribe_token(KEY, "1" + token) is None
    assert read_unsubscribe_token(KEY, "0" + token) is None


def test_a_message_id_is_no_unsubscribe_token_and_the_reverse() -> None:
    made = make_message_id(KEY, 42, "thanks", "abc123", "example.com")
    signature = made.partition("@")[0].rpartition(".")[2]
    assert read_unsubscribe_token(KEY, f"42-{signature}") is None
    assert signature not in unsubscribe_token(KEY, 42)


SES = "010201910c5f5bbd-1c5e7c2a-1d4c-4d5e-9b2c-0123456789ab-000000"


@pytest.mark.parametrize(
    ("answer", "host", "ids"),
    [
        (
            "2.0.0 OK <AB1CD@AB1.prod.exchangelabs.example> [Hostname=AB1.prod.example]",
            "smtp.office365.com",
            ("<AB1CD@AB1.prod.exchangelabs.example>",),
        ),
        (f"Ok {SES}", "email-smtp.eu-west-1.amazonaws.com", (f"<{SES}@eu-west-1.amazonses.com>",)),
        (f"Ok {SES}", "email-smtp.us-east-1.amazonaws.com", (f"<{SES}@email.amazonses.com>",)),
        (f"Ok {SES}", "smtp.example.com", ()),
        ("2.0.0 Ok: queued as 4XyZ", "smtp.example.com", ()),
        ("2.0.0 OK  1700000000 d2e1a72fcca58-gsmtp", "smtp.gmail.com", ()),
        ("<not an id> <a@b c>", "smtp.example.com", ()),
        ("", "", ()),
    ],
)
def test_ids_that_servers_put_in_the_place_of_ours(answer: str, host: str, ids: tuple[str, ...]) -> None:
    assert ids_in_answer(answer, host) == ids
