"""Which languages a short text is probably written in, by its commonest words and its letters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from sequencer.inbox.folding import fold

_COMMON: Final = {
    "en": "the and you i to is are was for not we of your have with please thanks thank this that it me my can will at be in on "
    "if but from our us do don't i'm no yes what how who call next week let's hi hello regards back until just would now am interested",
    "de": "der die das und ich sie wir nicht ist sind mit fur bitte danke auf uns ein eine einen es zu von haben aber wenn noch "
    "kein keine mich mir den dem im am bei ja nein wer was wie hallo gruss gruesse grusse sehr nach bis zum zur gerne ihr ihre bin woche",
    "fr": "le la les et je vous nous pas est sont avec pour merci dans une un des du ne mais si sur que qui cela bonjour au aux "
    "cordialement mon notre votre ce cette suis avons oui non plus c'est j'ai n'est mois semaine de a en me moi",
    "es": "el la los las y yo usted no es son con para por gracias en una un de del que pero si hola saludos estoy estamos mi "
    "nuestro su me nos esta este muy ya se lo al favor quien como semana mes interesa tengo tenemos",
    "it": "il lo la gli le e io non e sono con per grazie in una un di del della che ma se ciao buongiorno saluti mi ci siamo "
    "questo questa molto al alla dal nel ho abbiamo prossima settimana chi cosa anche piu mia nostro",
    "nl": "de het een en ik u wij niet is zijn met voor bedankt graag op ons van maar als geen mij me dat dit naar nog wel wat "
    "wie hoe hallo groet groeten met volgende week bij aan uit heb hebben kunt kan ja nee je jullie even",
    "pt": "o a os as e eu nao e sao com para por obrigado obrigada em uma um de do da que mas se ola bom dia estou estamos meu "
    "nosso voce voces nos isso esta muito ja ao no na quem como semana mes tenho temos favor pra",
    "pl": "i w na nie jest sa z do prosze dziekuje sie to ze ale czy jak dzien dobry pozdrawiam mam mamy jestem moj nasz pan pani "
    "dla po o za tak od co kto juz mi mnie nas tydzien tygodniu teraz tylko",
    "sv": "och jag vi inte ar med for tack pa oss en ett det att som men om har hej halsningar min var du ni den till av kan "
    "vill nasta vecka ja nej vem vad hur just nu inga ingen tillbaka mig er",
    "da": "og jeg vi ikke er med for tak pa os en et det at som men hvis har hej hilsen min vores du i den til af kan vil naeste "
    "uge ja nej hvem hvad hvordan lige nu ingen tilbage mig jer næste fra",
    "ru": "и в не на я вы мы с что это для по как но если спасибо пожалуйста нет да у нас вас мне меня вам здравствуйте добрый "
    "день уважением от до за к о при уже пока кто",
    "tr": "ve bir bu icin degil ile ben siz biz tesekkurler tesekkur ederim lutfen var yok ne evet hayir merhaba iyi gunler "
    "saygilar olarak gelecek hafta daha beni bizi su sonra kim nasil artik cok mi mu",
    "cs": "a se na je v s z do pro prosim dekuji to ze ale jak dobry den pozdravem mam mame jsem jsme nas muj neni ne ano o za "
    "od co kdo uz me mi nam tyden tydnu ted byt by vas",
}  # fmt: skip

_WORD: Final = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_TELLING: Final = {
    "ß": "de", "ñ": "es", "¿": "es", "¡": "es", "ã": "pt", "õ": "pt", "ł": "pl", "ą": "pl", "ę": "pl", "ś": "pl", "ż": "pl",
    "ź": "pl", "ø": "da", "æ": "da", "ř": "cs", "ě": "cs", "ů": "cs", "ğ": "tr", "ı": "tr", "ş": "tr", "œ": "fr", "è": "fr",
    "ê": "fr", "ä": "de", "ü": "de", "ö": "sv", "å": "sv", "ò": "it", "ì": "it", "ù": "it", "ć": "pl", "č": "cs", "ž": "cs",
    "š": "cs", "ý": "cs", "ï": "nl", "ë": "nl",
}  # fmt: skip
_MAX: Final = 1_500


def _index() -> dict[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for language, words in _COMMON.items():
        for word in set(words.split()):
            index[word] = (*index.get(word, ()), language)
    return index


_INDEX: Final = _index()


def likely_languages(text: str, hint: str = "") -> tuple[str, ...]:
    """Up to three language codes, likeliest first; the hint counts a little. Empty when nothing tells."""
    sample = text[:_MAX]
    scores: Counter[str] = Counter()
    kana = sum("\u3040" <= character <= "\u30ff" for character in sample)
    han = sum("\u4e00" <= character <= "\u9fff" for character in sample)
    cyrillic = sum("\u0400" <= character <= "\u04ff" for character in sample)
    letters = sum(character.isalpha() for character in sample) or 1
    if kana + han > 0.15 * letters:
        return ("ja", "zh") if kana else ("zh", "ja") if hint != "ja" else ("ja", "zh")
    if cyrillic > 0.3 * letters:
        return ("ru",)
    for word in _WORD.findall(fold(sample)):
        for language in _INDEX.get(word, ()):
            scores[language] += 1.0 / len(_INDEX[word])  # type: ignore[assignment]
    if not sample.isascii():
        for character in set(sample.lower()):
            if character in _TELLING:
                scores[_TELLING[character]] += 1
    if hint in scores or hint in _COMMON:
        scores[hint] += 1
    best = scores.most_common(3)
    return tuple(language for language, score in best if score >= 0.34 * best[0][1])
