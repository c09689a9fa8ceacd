"""What a person who answers wants: one of the human kinds, by the phrases of their language.

First the text is asked whether they want no more mail, then whether the author's own labels occur, then for the
built-in kinds. Where signs contradict each other, or there is none, it is `reply`: somebody should read it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from sequencer.inbox.date_words import LANGUAGES
from sequencer.inbox.dates import Days, ZoneOrder, find_named
from sequencer.inbox.folding import fold
from sequencer.inbox.languages import likely_languages
from sequencer.inbox.phrase_syntax import PhraseProblem
from sequencer.inbox.phrases import Phrase, Phrases, Text, make_phrase, phrases_of, text_of
from sequencer.inbox.statements import own_words, statements, without_prefixes

_SHORT: Final = 12
"""Words up to which a text is too short to tell its language; all languages are asked then."""
_VERY_SHORT: Final = 6
"""Words up to which a text that may well be in the contact's language is read in no other."""
_FAR: Final = timedelta(days=6)
_VERY_FAR: Final = timedelta(days=13)
_ADDRESS: Final = re.compile(r"[\w.+\-]{1,64}@(?:[\w\-]{1,63}\.){1,5}[a-z]{2,24}", re.IGNORECASE)
_NAME: Final = re.compile(
    r"\s{0,3}(?:(?:our|my|the|mr|mrs|ms|dr|herr[n]?|frau|mme|m|sr|sra|pan|pani)\.?\s{1,2}){0,2}"
    r"(?P<name>[A-ZÀ-ÞŁŚŻŹČŘŠŽ][\w'\-]{1,30}(?:\s[A-ZÀ-ÞŁŚŻŹČŘŠŽ][\w'\-]{1,30}){0,2})"
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a human reply means. `kind` is the value of a human `Kind`; `label` the author's own label or ""."""

    kind: str
    label: str
    confidence: float
    date: date | None
    words: str
    refers_to: str
    evidence: str


@dataclass(frozen=True, slots=True)
class _Hit:
    """The strongest sign of a kind: 3 the whole answer, 2 a clear phrase, 1 a hint. `words` are theirs."""

    strength: int
    words: str


_NO_HIT: Final = _Hit(0, "")


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer made ready: as written, folded, and its statements; and the phrases to look for."""

    text: str
    folded: Text
    statements: tuple[Text, ...]
    phrases: tuple[Phrases, ...]

    @property
    def length(self) -> int:
        """In words."""
        return len(self.folded.folded.split())


def read_intent(
    text: str,
    subject: str,
    today: date,
    language: str,
    labels: Mapping[str, Sequence[str]],
    extra_phrases: Phrases | None = None,
    *,
    zone_order: ZoneOrder = "",
) -> Intent:
    """What the fresh text of a human reply means. Never raises.

    `labels` are the author's own (name to phrases); `extra_phrases` the workspace's additions; `language` is the
    contact's, a hint only. The date is one that they name, 0 to 400 days after `today`.
    """
    words = own_words(text)
    answer = _prepare(words, language, extra_phrases)
    hit = _unsubscribe(answer, subject, extra_phrases)
    if hit is not None:
        return Intent(
            "unsubscribe", "", 0.97 if hit.strength == 3 else 0.93, None, "", "", _evidence(hit, "unsubscribe")
        )
    named = find_named(words, today, language, zone_order)
    day, days = named if named else (None, None)
    kind, confidence, hit = _decide(answer, subject, day, days, today)
    if kind == "not_now" and day == today:
        day = None
    referred = _referred(answer, kind) if kind in ("wrong_person", "reply", "not_interested") else ""
    if kind == "reply" and "@" in referred and confidence < 0.6:
        kind, confidence = "wrong_person", 0.7
    label, label_hit = _label(answer, labels)
    if label_hit is not None:
        confidence = max(confidence, 0.85)
    return Intent(
        kind,
        label,
        confidence,
        day,
        days.words if days and day else "",
        referred,
        _evidence(label_hit or hit, f"label {label}" if label_hit else kind),
    )


def _prepare(words: str, language: str, extra: Phrases | None) -> _Answer:
    folded = _ADDRESS.sub(lambda found: "x" * len(found.group()), fold(words))
    languages = _languages(words, language)
    phrases = tuple(phrases_of(code) for code in languages) + ((extra,) if extra else ())
    parts = tuple(text_of(statement) for statement in statements(folded, languages))
    return _Answer(words, text_of(folded), parts, phrases)


def _languages(words: str, language: str) -> tuple[str, ...]:
    hint = language.lower()[:2]
    likely = likely_languages(words, hint)
    if likely[:1] == (hint,) and len(words.split()) <= _VERY_SHORT:
        likely = (hint,)
    unclear = LANGUAGES if not likely and len(words.split()) <= _SHORT else ()
    candidates = dict.fromkeys((*likely, hint, "en", *unclear))
    return tuple(code for code in candidates if code in LANGUAGES)


# Looking for signs --------------------------------------------------------------------------------


def _find(answer: _Answer, kind: str) -> _Hit:
    """The strongest sign of a kind in an answer."""
    best = _NO_HIT
    for phrases in answer.phrases:
        found = _find_in(answer, phrases, kind)
        if found.strength > best.strength:
            best = found
    return best


def _find_in(answer: _Answer, phrases: Phrases, kind: str) -> _Hit:
    group = phrases.group(kind)
    whole = _find_whole(answer, (phrases,), kind)
    if whole.strength:
        return whole
    text = group.without_exceptions(answer.folded)
    for strength, candidates in ((2, group.anywhere), (1, group.weak)):
        if found := candidates.search(text):
            return _Hit(strength, answer.text[found.start() : found.end()])
    return _NO_HIT


def _find_whole(answer: _Answer, languages: Sequence[Phrases], kind: str) -> _Hit:
    """A statement that is nothing but a sign of the kind: the only one counts most, then the first."""
    for position, statement in enumerate(answer.statements[:6]):
        for phrases in languages:
            if phrases.group(kind).whole.matches_whole(statement):
                only = len(answer.statements) == 1 or kind in ("unsubscribe", "sarcasm")
                if only or position == 0:
                    return _Hit(3 if only else 2, statement.folded)
    return _NO_HIT


def _unsubscribe(answer: _Answer, subject: str, extra: Phrases | None) -> _Hit | None:
    """A wish for no more mail, in any language when the text is short; or as the whole subject."""
    hit = _find(answer, "unsubscribe")
    if hit.strength or answer.length > _SHORT:
        return hit if hit.strength else None
    everywhere = tuple(phrases_of(code) for code in LANGUAGES) + ((extra,) if extra else ())
    hit = _find_whole(answer, everywhere, "unsubscribe")
    if hit.strength:
        return hit
    asked = [text_of(statement) for statement in statements(fold(without_prefixes(subject)), ("en",))]
    if len(asked) == 1 and any(phrases.group("unsubscribe").whole.matches_whole(asked[0]) for phrases in everywhere):
        return _Hit(3, subject)
    return None


def _label(answer: _Answer, labels: Mapping[str, Sequence[str]]) -> tuple[str, _Hit | None]:
    for name, sources in labels.items():
        for source in sources:
            phrase = _label_phrase(str(source))
            found = phrase.search(answer.folded.folded) if phrase else None
            if found:
                return name, _Hit(2, answer.text[found.start() : found.end()])
    return "", None


@lru_cache(maxsize=2_048)
def _label_phrase(source: str) -> Phrase | None:
    """A word of a label; a plural counts. None for what cannot be read, which `check` reports."""
    try:
        return make_phrase(f"({source}|{source}s)" if source[-1:].isalpha() and source.isascii() else source)
    except PhraseProblem:
        return None


# Weighing them ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Signs:
    """All signs of an answer, and how far ahead the day lies that it names."""

    yes: _Hit
    no: _Hit
    later: _Hit
    wrong: _Hit
    call: _Hit
    returns: _Hit
    question: _Hit
    reply: _Hit
    sarcasm: _Hit
    refusing: bool  # some word of negation
    short: bool
    role: str  # how the day was named: "before", "until" …
    far: bool
    very_far: bool
    dated: bool


_Verdict = tuple[str, float, _Hit]


def _decide(answer: _Answer, subject: str, day: date | None, days: Days | None, today: date) -> _Verdict:
    signs = _Signs(
        yes=_find(answer, "interested"),
        no=_find(answer, "not_interested"),
        later=_find(answer, "not_now"),
        wrong=_find(answer, "wrong_person"),
        call=_find(answer, "call_me"),
        returns=_find(answer, "return_later"),
        question=_question(answer),
        reply=_find(answer, "reply"),
        sarcasm=_find(answer, "sarcasm"),
        refusing=bool(_find(answer, "negation").strength),
        short=answer.length <= _SHORT + 3,
        role=days.role if days and day else "",
        far=_is_far(day, days, today),
        very_far=day is not None and day - today >= _VERY_FAR,
        dated=day is not None,
    )
    if days is not None and day is not None and day > today and _is_nothing_but(answer, days):
        kind = "not_now" if signs.far else "interested"
        return kind, 0.85, _Hit(3, days.words)
    if answer_to_back_off := _answer_to_back_off(answer, subject, signs):
        return answer_to_back_off
    return _weigh(signs)


def _weigh(signs: _Signs) -> _Verdict:
    if signs.sarcasm.strength and not signs.later.strength and not signs.wrong.strength:
        return "reply", 0.4, signs.sarcasm
    if signs.wrong.strength and signs.wrong.strength >= max(signs.yes.strength, signs.no.strength):
        return "wrong_person", 0.9, signs.wrong
    for rule in (_postponed, _refused, _willing):
        if verdict := rule(signs):
            return verdict
    if signs.question.strength and signs.reply.strength < 3:
        return "question", 0.85 if signs.question.strength > 1 else 0.7, signs.question
    return "reply", 0.8 if signs.reply.strength else 0.5, signs.reply


def _postponed(signs: _Signs) -> _Verdict | None:
    """Later, perhaps: unless they ask for something now, or have clearly decided."""
    yes, no, later = signs.yes.strength, signs.no.strength, signs.later.strength
    if later >= 2 and yes < 2 and (no < 2 or signs.far):
        return "not_now", 0.9, signs.later
    if later >= 2 and later > yes and no < 2:
        return "not_now", 0.75, signs.later
    if no == 1 and yes < 2 and (later or signs.very_far):
        return "not_now", 0.75, signs.later if later else signs.no
    if signs.call.strength and signs.far and yes < 2 and not no:
        return "not_now", 0.85, signs.call
    if signs.returns.strength and signs.dated and yes < 2 and not no:
        return "not_now", 0.75, signs.returns
    if signs.far and signs.refusing and signs.role in ("before", "until", "through") and yes < 2 and no < 2:
        return "not_now", 0.75, signs.later
    if signs.very_far and signs.short and not (yes or no or signs.question.strength or signs.reply.strength):
        return "not_now", 0.55, signs.later
    if later == 1 and not yes and not no and not signs.question.strength:
        return "not_now", 0.6, signs.later
    return None


def _refused(signs: _Signs) -> _Verdict | None:
    yes, no = signs.yes.strength, signs.no.strength
    if not no:
        return None
    if yes > 1 or (yes == 1 and no == 1):
        return "reply", 0.4, signs.no
    return "not_interested", 0.9 if no > 1 else 0.8, signs.no


def _willing(signs: _Signs) -> _Verdict | None:
    if signs.yes.strength > 1:
        return "interested", 0.9, signs.yes
    if signs.yes.strength == 1 and (signs.reply.strength < 2 or signs.call.strength):
        return "interested", 0.75, signs.yes
    if signs.call.strength:
        return "interested", 0.8, signs.call
    return None


def _is_far(day: date | None, days: Days | None, today: date) -> bool:
    """Not in the next days: a week or a month that is still to come, or a day that far away."""
    if day is None or days is None:
        return False
    return day - today >= _FAR or (days.last - days.first >= timedelta(days=5) and day > today)


def _is_nothing_but(answer: _Answer, days: Days) -> bool:
    """Whether the whole answer is a date: "In two weeks please"."""
    spaced = days.words.isascii() or " " in answer.text.strip()
    return len(answer.statements) == 1 and len(answer.statements[0].folded) <= len(days.words) + (8 if spaced else 3)


def _answer_to_back_off(answer: _Answer, subject: str, signs: _Signs) -> _Verdict | None:
    """A bare yes to "Should I back off?" is a no, and a bare no is a sign of life."""
    if signs.yes.strength < 3 and signs.no.strength < 3:
        return None
    bare = text_of(fold(without_prefixes(subject)))
    if not any(phrases.group("back_off").anywhere.search(bare) for phrases in answer.phrases):
        return None
    if signs.yes.strength == 3:
        return "not_interested", 0.7, signs.yes
    return "reply", 0.6, signs.no


def _question(answer: _Answer) -> _Hit:
    """A clear question, or a sentence with a question word at its head and a question mark at its end."""
    hit = _find(answer, "question")
    if hit.strength >= 2 or not hit.strength:
        return hit if hit.strength >= 2 else _marked_question(answer)
    return _marked_question(answer)


def _marked_question(answer: _Answer) -> _Hit:
    folded = answer.folded.folded
    mark = folded.rfind("?")
    if mark < 0:
        return _NO_HIT
    start = max((folded.rfind(end, 0, mark) for end in ".!?;\n。！"), default=-1) + 1
    sentence = answer.text[start : mark + 1].strip()
    return _Hit(1, sentence) if len(sentence.strip("? ？")) >= 4 else _NO_HIT


# What they point to -------------------------------------------------------------------------------


def _referred(answer: _Answer, kind: str) -> str:
    """The address, or else the name, that they point to."""
    addresses = _ADDRESS.findall(answer.text)
    referral = [
        found for phrases in answer.phrases for found in phrases.group("referral").anywhere.all_matches(answer.folded)
    ]
    if addresses and (kind == "wrong_person" or referral):
        return str(addresses[0]).lower().strip(".-")
    if kind != "wrong_person":
        return ""
    for found in referral:
        named = _NAME.match(answer.text[found.end() : found.end() + 120])
        if named:
            return named["name"]
    return ""


def _evidence(hit: _Hit, kind: str) -> str:
    words = " ".join(hit.words.split())[:120]
    name = kind.replace("_", " ")
    return f'{name}: they wrote "{words}"' if words else f"{name}: nothing in the text says more"


def wants_no_mail(text: str, language: str = "") -> bool:
    """Whether a text asks for no more mail, whatever else it says."""
    return _unsubscribe(_prepare(own_words(text), language, None), "", None) is not None
