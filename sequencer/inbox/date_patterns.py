"""How numbers, dates and clock times are written, as patterns for the reader of dates (`date_pieces`).

Each named group is a way of writing; the texts they are held against are folded (lower case, without accents).
"""

from __future__ import annotations

from typing import Final

_DAY: Final = r"(?:3[01]|[12]\d|0?[1-9])"
_MONTH: Final = r"(?:1[0-2]|0?[1-9])"
_YEAR: Final = r"(?:19|20)\d{2}"
_NOT_IN_A_LONG_NUMBER: Final = r"(?<!-\d-)(?<!-\d\d-)(?<!\d\d\d-)"

CLOCK: Final = (
    r"(?P<clock>"
    r"(?<![\d.,/\-])\d{1,2}(?::\d{2}){1,2}(?:[ ]?[ap]\.?m\b\.?|[ ]?uhr\b|[ ]?h\b)?|"
    r"(?<![\d.,/\-])\d{1,2}(?:[.:]\d{2})?[ ]?(?:[ap]\.?m\b\.?|uhr\b|o'clock|[ap]\b|heures?\b|h(?:\d{2})?\b)|"
    r"\d{1,2}[時点點](?:\d{1,2}分|半)?)"
)
_ISO: Final = (
    rf"(?P<iso>(?<![\d.]){_YEAR}(?P<isosep>[\-/.]){_MONTH}(?P=isosep){_DAY}(?!\d)"
    r"(?:t\d{2}:\d{2}[\d:.+\-z]{0,20})?)"
)
_COMPACT: Final = r"(?P<compact>(?<![\d.,])20\d{2}(?:1[0-2]|0[1-9])(?:3[01]|[12]\d|0[1-9])(?!\d))"
_EAST_ASIAN: Final = (
    rf"(?P<cjk>(?<!\d)(?:(?P<cy>\d{{4}}|\d{{2}})[ ]?年[ ]?)?(?P<cm>{_MONTH})[ ]?月[ ]?(?P<cd>{_DAY})[ ]?[日号號])|"
    rf"(?P<cjkmonth>(?<!\d)(?:(?P<cmy>\d{{4}})[ ]?年[ ]?)?(?P<cmm>{_MONTH})月(?!間)(?:份)?)|"
    r"(?P<cjkyear>(?<!\d)\d{4}年)|"
    rf"(?P<cjkday>(?<!\d){_DAY}[ ]?[日号號](?![間後内以前]))"
)
_FULL: Final = (
    rf"(?P<full>(?<![\d.,/]){_NOT_IN_A_LONG_NUMBER}\d{{1,2}}[ ]?(?P<sep>[./\-])[ ]?\d{{1,2}}[ ]?(?P=sep)[ ]?"
    r"(?:\d{4}|\d{2})(?![\d/]|-(?!\d{1,2}[./])|[.,]\d))"
)
_YEAR_AND_MONTH: Final = (
    rf"(?P<yearmonth>(?<!\d){_YEAR}[\-/]{_MONTH}(?![\d\-/])|(?<![\d/.\-]){_MONTH}/{_YEAR}(?![\d/]))"
)
_PART: Final = (
    rf"(?P<part>(?<![\d.,/$€£:]){_NOT_IN_A_LONG_NUMBER}\d{{1,2}}"
    r"(?:/\d{1,2}(?![\d/%]|-(?!\d{1,2}[/.])|[.,]\d)|"
    r"\.[ ]?\d{1,2}(?:\.(?!\d)|(?![\d.,%/])(?=\s|$|[)\-]))))"
)
_QUARTERS: Final = r"(?P<quarter>(?<!\w)[qk]([1-4])(?!\d)|(?<!\w)([1-4])q(?!\w))|(?P<half>(?<!\w)h([12])(?!\d))"
_WEEK: Final = r"(?P<weekno>(?<!\w)(?:kw|cw|wk|ww|v|w)\.?[ ]?(?P<wn>[1-5]?\d)(?![\w%]|[.,]\d))"
_YEARS: Final = rf"(?P<year>(?<![\d.,$€£/]){_YEAR}(?![\d%]|[.,]\d)|(?<!\w)'\d{{2}}(?!\d))"
_ORDINAL_ENDINGS: Final = (
    r"(?:st|nd|rd|th|ter|ten?|ste|de|\.?[ºª°]|ero?|eme|:?e|:?a|o|-?(?:go|ego|его|ого|го|е|ое)|"
    r"'?(?:inci|nci|uncu|ncu|unda|inde))"
)
_ORDINAL: Final = rf"(?P<ordinal>(?<![\d.,])\d{{1,2}}{_ORDINAL_ENDINGS}(?!\w))"
_NUMBER: Final = r"(?P<number>(?<![\d.,$€£#])\d{1,3}(?![\d%]|[.,]\d))"
_FULL_STOP_OF_AN_ORDINAL: Final = r"(?:\.(?=[ ]?[^\W\d_]|[ ]?-))?"
_DASHED_DAY: Final = r"(?P<dashed>(?<![\w.,/\-])(?:3[01]|[12]\d|0?[1-9])-(?:1[0-2]|0?[1-9])(?![\w\-/]|[.,]\d|[ ]uur))"
OTHER_WORD: Final = r"(?P<other>[^\W\d_]+)"
"""Any other word, taken whole: nothing inside it is looked at."""
HAN_NUMBER: Final = r"(?P<han>[一二三四五六七八九十两兩]{1,3})"
PUNCTUATION: Final = (
    r"(?P<end>[!?;。！？\n]|\.(?=\s|$))|(?P<comma>[,、])|(?P<dash>[\-~〜～])|(?P<slash>/)|(?P<space>\s+)"
)


def numeric(language: str) -> str:
    """The pattern of all dates and numbers written in digits, as a language writes them."""
    ways = [_ISO, _COMPACT, _EAST_ASIAN, _FULL, _YEAR_AND_MONTH, _PART, _QUARTERS, _WEEK, _YEARS, _ORDINAL, _NUMBER]
    if language == "nl":
        ways.insert(0, _DASHED_DAY)  # "15-2"
    return "|".join(ways) + ("" if language == "en" else _FULL_STOP_OF_AN_ORDINAL)  # "2. Mai"
