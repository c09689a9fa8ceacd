"""Which languages a short text is probably written in, by its commonest words and its letters."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache
from importlib import resources
from typing import Final

import yaml

from sequencer.inbox.date_words import LANGUAGES
from sequencer.inbox.folding import fold

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_TELLING: Final = {
    "ß": "de", "ä": "de", "ü": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt", "ł": "pl", "ą": "pl",
    "ę": "pl", "ś": "pl", "ż": "pl", "ź": "pl", "ć": "pl", "ø": "da", "æ": "da", "å": "sv", "ö": "sv", "ř": "cs",
    "ě": "cs", "ů": "cs", "č": "cs", "ž": "cs", "š": "cs", "ý": "cs", "ğ": "tr", "ı": "tr", "ş": "tr", "œ": "fr",
    "è": "fr", "ê": "fr", "ò": "it", "ì": "it", "ù": "it", "ï": "nl", "ë": "nl",
}  # fmt: skip
_LETTER: Final = re.compile(r"[^\W\d_]")
_KANA: Final = re.compile("[\u3040-\u30ff]")
_HAN: Final = re.compile("[\u4e00-\u9fff]")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_HINT_COUNTS: Final = 0.6
_MAX: Final = 1_500


@cache
def _index() -> dict[str, tuple[str, ...]]:
    """The languages of each common word."""
    text = (resources.files("sequencer.inbox") / "calendar_words" / "common.yaml").read_text(encoding="utf-8")
    common: dict[str, str] = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506
    index: dict[str, tuple[str, ...]] = {}
    for language, words in common.items():
        for word in set(words.split()):
            index[word] = (*index.get(word, ()), language)
    return index


@lru_cache(maxsize=64)
def likely_languages(text: str, hint: str = "") -> tuple[str, ...]:
    """Up to three language codes, likeliest first; the hint counts a little. Empty when nothing tells."""
    sample = text[:_MAX]
    scores: defaultdict[str, float] = defaultdict(float)
    if not sample.isascii() and (by_letters := _by_letters(sample, hint)):
        return by_letters
    index = _index()
    for word in _WORD.findall(fold(sample)):
        languages = index.get(word, ())
        for language in languages:
            scores[language] += 1.0 / len(languages)
    if not sample.isascii():
        for character in set(sample.lower()):
            if character in _TELLING:
                scores[_TELLING[character]] += 1
    if hint in LANGUAGES:
        scores[hint] += _HINT_COUNTS
    best = sorted(scores.items(), key=lambda entry: -entry[1])[:3]
    return tuple(language for language, score in best if score >= 0.34 * best[0][1])


def _by_letters(sample: str, hint: str) -> tuple[str, ...]:
    """The languages that only their letters allow."""
    letters = len(_LETTER.findall(sample)) or 1
    kana, han = len(_KANA.findall(sample)), len(_HAN.findall(sample))
    if kana + han > 0.15 * letters:
        return ("ja", "zh") if kana or hint == "ja" else ("zh", "ja")
    return ("ru",) if len(_CYRILLIC.findall(sample)) > 0.3 * letters else ()
