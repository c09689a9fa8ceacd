"""What people want, in fifteen languages: the cases of intents.yaml, and what no reading may ever do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.inbox.date_words import LANGUAGES
from sequencer.inbox.intent import Intent, read_intent, wants_no_mail
from sequencer.inbox.phrases import make_phrases

TODAY = date(2026, 11, 24)
DATA: Any = yaml.safe_load((Path(__file__).parent / "intents.yaml").read_text(encoding="utf-8"))
NEVER_UNSUBSCRIBE: Any = yaml.safe_load((Path(__file__).parent / "no_unsubscribe.yaml").read_text(encoding="utf-8"))


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for language, portions in DATA.items():
        for kinds in portions.values():
            for kind, entries in kinds.items():
                for entry in entries:
                    yield language, kind, entry if isinstance(entry, dict) else {"text": entry}


ALL = list(cases())


def read(
    text: str, subject: str = "Re: Offer", language: str = "en", labels: Mapping[str, tuple[str, ...]] | None = None
) -> Intent:
    return read_intent(text, subject, TODAY, language, labels or {})


def test_there_are_enough_cases_of_every_kind() -> None:
    counts = Counter((language, kind) for language, kind, _ in ALL)
    assert set(DATA) == set(LANGUAGES)
    for language in DATA:
        assert sum(count for (code, _), count in counts.items() if code == language) >= (
            120 if language == "en" else 25
        )
        for kind in ("interested", "question", "not_now", "not_interested", "unsubscribe", "wrong_person", "reply"):
            assert counts[language, kind] >= 2


def test_bars() -> None:
    """Kinds ≥ 95 % right, unsubscribe ≥ 98 % found, an interested reply never taken for a no or for unsubscribe."""
    right, found, asked = 0, 0, 0
    for language, kind, case in ALL:
        got = read(case["text"], case.get("subject", "Re: Offer"), language)
        right += got.kind == kind
        if kind == "unsubscribe":
            asked += 1
            found += got.kind == kind
        if kind == "interested":
            assert got.kind not in ("not_interested", "unsubscribe"), case["text"]
    assert right / len(ALL) >= 0.95
    assert found / asked >= 0.98


@pytest.mark.parametrize("language", LANGUAGES)
def test_language(language: str) -> None:
    wrong: list[tuple[Any, ...]] = []
    for code, kind, case in ALL:
        if code != language:
            continue
        got = read(case["text"], case.get("subject", "Re: Offer"), language)
        for name in ("date", "refers_to"):
            if name in case and getattr(got, name) != case[name]:
                wrong.append((case["text"], name, getattr(got, name)))
        if got.kind != kind:
            wrong.append((case["text"], got.kind, got.evidence))
    assert len(wrong) <= 0.05 * sum(code == language for code, _, _ in ALL), wrong


@pytest.mark.parametrize("language", sorted(NEVER_UNSUBSCRIBE))
def test_what_is_no_wish_for_silence(language: str) -> None:
    for text in NEVER_UNSUBSCRIBE[language]:
        assert read(text, language=language).kind != "unsubscribe", text


def test_quoted_footer_is_not_their_word() -> None:
    text = "Yes, please call me.\n\n> To unsubscribe reply with STOP.\n> Remove me from your list\n"
    assert read(text).kind == "interested"
    assert read("Thanks.\n\n---------- Forwarded message ----------\nunsubscribe me").kind == "reply"


@pytest.mark.parametrize(
    "text", ["STOP", "stop.", "Unsubscribe!", "remove", "Stop\n\nJohn Miller\nOwner", "Hi Mark,\n\nunsubscribe\n\nBob"]
)
def test_single_word(text: str) -> None:
    assert read(text).kind == "unsubscribe"


@pytest.mark.parametrize("subject", ["unsubscribe", "Re: STOP", "AW: abmelden", "RE: désabonnement"])
def test_subject_alone(subject: str) -> None:
    assert read("", subject).kind == "unsubscribe"
    assert (
        read("Yes, please send me the quote for twelve units as soon as you can, we decide tomorrow.", subject).kind
        == "interested"
    )


def test_order_of_the_ladder() -> None:
    labels = {"price": ("price", "too expensive")}
    assert read("Too expensive, and stop mailing me.", labels=labels).kind == "unsubscribe"
    got = read("That is too expensive for us.", labels=labels)
    assert (got.label, got.kind) == ("price", "not_interested")
    assert read("What about your prices?", labels=labels).label == "price"
    assert read("Your enterprise looks nice", labels=labels).label == ""


def test_label_that_cannot_be_read_is_left_out() -> None:
    assert read("price (", labels={"odd": ("(", "[", ""), "good": ("price",)}).label == "good"


def test_answer_to_the_question_whether_to_back_off() -> None:
    assert read("Yes", "Re: Should I back off?").kind == "not_interested"
    assert read("No", "Re: Should I back off?").kind == "reply"
    assert read("Yes", "Re: Are you still looking?").kind == "interested"
    assert read("No", "Re: Are you still looking?").kind == "not_interested"


def test_soon_is_interest_and_later_is_not_now() -> None:
    assert read("Call me tomorrow").kind == "interested"
    assert read("Call me in three weeks").kind == "not_now"
    assert read("Not interested right now, maybe in March").kind == "not_now"


def test_contradiction_is_for_a_person_to_read() -> None:
    got = read("I'm not interested in the big one, but please send me a quote for the small one.")
    assert got.kind in ("reply", "interested")
    assert read("Yes. No. Maybe.").kind not in ("unsubscribe", "not_interested")


def test_named_person_without_address() -> None:
    assert read("I'm not the right person, talk to Anna Smith in purchasing.").refers_to == "Anna Smith"


def test_day_of_today_is_no_reason_to_wait() -> None:
    got = read("Not now please.")
    assert (got.kind, got.date) == ("not_now", None)


def test_evidence_quotes_them() -> None:
    assert 'they wrote "Remove me from your list"' in read("Remove me from your list").evidence


def test_phrases_of_the_workspace_count() -> None:
    extra = make_phrases(
        {"not_interested": ["we (already|now) drive electric"], "unsubscribe": {"whole": ["basta cosi raga"]}}
    )
    assert read_intent("Sorry, we now drive electric.", "", TODAY, "en", {}, extra).kind == "not_interested"
    assert read_intent("Basta così raga!", "", TODAY, "en", {}, extra).kind == "unsubscribe"
    assert read("Sorry, we now drive electric.").kind == "reply"


def test_wants_no_mail() -> None:
    assert wants_no_mail("He left. Take us off your list.")
    assert not wants_no_mail("He left last year.")


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.text(max_size=50), st.sampled_from(["", "en", "de", "zz", "ja"]))
def test_never_raises(text: str, subject: str, language: str) -> None:
    got = read_intent(text, subject, TODAY, language, {"a": ("price",)})
    assert got.kind in {"interested", "question", "not_now", "not_interested", "unsubscribe", "wrong_person", "reply"}
    assert 0 < got.confidence <= 1


@pytest.mark.parametrize(
    "piece", ["stop ", "remove me ", "don't want ", "not ", "?", "we have no ", "a@b.example ", "下下个月", "no. ", "a"]
)
def test_a_megabyte_takes_less_than_a_second(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    read("warm up")
    started = time.process_time()
    read(text)
    assert time.process_time() - started < 1
