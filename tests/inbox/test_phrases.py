"""The little language of phrases, and the files that come with the product."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequencer.inbox.date_words import LANGUAGES
from sequencer.inbox.folding import fold
from sequencer.inbox.phrase_syntax import PhraseProblem
from sequencer.inbox.phrases import PhraseList, make_phrase, phrases_of, read_phrases, text_of


def matches(phrase: str, text: str) -> bool:
    return PhraseList([make_phrase(phrase)]).search(text_of(fold(text))) is not None


@pytest.mark.parametrize(
    ("phrase", "yes", "no"),
    [
        ("stop it", ["Stop it!", "please STOP  it", "stop\nit"], ["nonstop it", "stop. It", "stop item"]),
        ("(stop|quit) mailing", ["stop mailing", "quit mailing me"], ["start mailing"]),
        ("[please] stop", ["please stop", "stop"], ["nonstop"]),
        ("do [not] call [me] back", ["do not call me back", "do call back"], ["do not call him back"]),
        ("call * week", ["call me next week", "call week"], ["call one two three four five week"]),
        ("unsubscri*", ["unsubscribing", "unsubscri"], ["resubscribe"]),
        ("n't need", ["We don't need", "dont need", "it isn't need"], ["want need"]),
        ("need # units", ["need 12 units"], ["need many units"]),
        ("désabonnement", ["DESABONNEMENT", "désabonnement"], []),
        ("freundliche Grüße", ["Freundliche Grüsse", "freundliche grüße"], []),
        ("退订", ["请退订我"], ["订"]),
        ("不*感兴趣", ["不太感兴趣", "不感兴趣"], ["感兴趣"]),
        ("me@home", [], ["xme@home"]),
        ("stop * [the] (a|b)", ["stop it now the a", "stop a"], ["stop c"]),
        ("* stop *", ["stop"], []),
    ],
)
def test_phrase(phrase: str, yes: list[str], no: list[str]) -> None:
    assert [text for text in yes if not matches(phrase, text)] == []
    assert [text for text in no if matches(phrase, text)] == []


@pytest.mark.parametrize(
    "phrase", ["", "   ", "*", "(a|b", "a)", "[a", "a|b", "…", "a" * 2_000, "(" * 20 + "a" + ")" * 20]
)
def test_phrase_that_cannot_be_read(phrase: str) -> None:
    with pytest.raises(PhraseProblem) as problem:
        make_phrase(phrase)
    assert problem.value.phrase == phrase
    assert problem.value.message


@pytest.mark.parametrize(
    "text", ["[1, 2]", "just words", "unsubscribe: {sometimes: [a]}", "unsubscribe: 3: 4", "a: [(]"]
)
def test_file_that_cannot_be_read(text: str) -> None:
    with pytest.raises((PhraseProblem, yaml.YAMLError)):
        read_phrases(text)


def test_file_of_a_marketer() -> None:
    phrases = read_phrases("interested: [beam me up]\nunsubscribe:\n  whole: [no mas]\n  except: [no mas tarde]\n")
    assert phrases.group("interested").anywhere.search(text_of("please beam me up")) is not None
    assert phrases.group("unsubscribe").whole.matches_whole(text_of("no mas"))
    assert phrases.group("never heard of").anywhere.search(text_of("anything")) is None
    assert read_phrases("").groups == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_kind(language: str) -> None:
    phrases = phrases_of(language)
    for kind in (
        "interested",
        "not_now",
        "not_interested",
        "unsubscribe",
        "wrong_person",
        "reply",
        "out_of_office",
        "left_company",
    ):
        assert list(phrases.group(kind).anywhere), kind
    for group in phrases.groups.values():
        for place in (group.whole, group.anywhere, group.weak, group.excepted):
            for phrase in place:
                assert phrase.pattern


def test_unknown_language_has_no_phrases() -> None:
    assert phrases_of("xx").groups == {}
    assert phrases_of("../en").groups == {}


@pytest.mark.parametrize("phrase", ["[nba]", "  [nba]", "[a] [b]", "(a|[b])", "[日本]", "([a] [b])", "[a] *"])
def test_a_phrase_of_which_all_may_be_missing_is_refused(phrase: str) -> None:
    """It would match everywhere, and the search for the next place would not end."""
    with pytest.raises(PhraseProblem, match="needs a word outside"):
        make_phrase(phrase)


@settings(max_examples=300, deadline=None)
@example("[b] [a]", "t")
@given(st.text(alphabet="ab*#[]()| n't日本", max_size=30), st.text(alphabet="ab dont1日本", max_size=30))
def test_any_phrase_is_read_or_refused(phrase: str, text: str) -> None:
    try:
        made = make_phrase(phrase)
    except PhraseProblem:
        return
    PhraseList([made]).search(text_of(fold(text)))


@given(st.text(max_size=60))
def test_folding_keeps_positions(text: str) -> None:
    assert len(fold(text)) == len(text)
