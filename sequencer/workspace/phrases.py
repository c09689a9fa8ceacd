"""phrases/*.yaml: what people say in this trade, beside the phrases that the inbox reader comes with.

One file a language, all of them optional, in the shape of the product's own:

    not_interested:
      - we went with (another|a different) dealer
    unsubscribe:
      whole: [basta]

Read here, checked here, and handed on as plain values: the reader itself is a neighbour that is not imported.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sequencer.core.react import HUMAN_KINDS, NOTICE_DEFAULTS
from sequencer.workspace.source import Document, Plain, Problem, Route, did_you_mean, read_text, read_yaml, shown

PhraseFiles = Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]
"""By language, kind and place: the phrases."""

FOLDER: Final = "phrases"
PLACES: Final = ("whole", "anywhere", "weak", "except")
LONGEST: Final = 1_000
DEEPEST: Final = 6

LANGUAGES: Final = frozenset(
    re.findall(
        "[a-z]{2}",
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee "
        "el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is "
        "it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms "
        "mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk "
        "sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
        "yo za zh zu",
    )
)
"""ISO 639-1."""

_MEANT: Final = {
    "jp": "ja",
    "cz": "cs",
    "cn": "zh",
    "dk": "da",
    "gb": "en",
    "us": "en",
    "german": "de",
    "spanish": "es",
}


def read_phrase_files(folder: Path) -> tuple[PhraseFiles, list[Problem]]:
    """The phrases in the files of a folder (the workspace's `phrases/`), and every mistake in them.

    Phrases with a mistake are left out; a folder that is not there has none.
    """
    files: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.y*ml")):
        if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
            continue
        language, file = path.stem, f"{FOLDER}/{path.name}"
        if language not in LANGUAGES:
            problems.append(Problem(file, 0, 0, "error", "language", *_no_language(language)))
        elif language in files:
            message = f"a second file for the language {language}"
            problems.append(Problem(file, 0, 0, "error", "duplicate-name", message, "put the two files into one"))
        text = read_text(path, file)
        if isinstance(text, Problem):
            problems.append(text)
            continue
        document, mistakes = read_yaml(file, text)
        problems += mistakes
        files[language] = _kinds(document, problems)
    return files, problems


def _no_language(name: str) -> tuple[str, str]:
    near = _MEANT.get(name.lower()) or name.lower()[:2]
    hint = f"did you mean `{near}.yaml`?" if near in LANGUAGES else "call it en.yaml, de.yaml, fr.yaml …"
    return f"`{shown(name)}` is no language: a file is called by its two letters (ISO 639-1)", hint


# One file -----------------------------------------------------------------------------------------


def _kinds(document: Document, problems: list[Problem]) -> dict[str, dict[str, tuple[str, ...]]]:
    data = document.data
    if data is None:
        return {}
    if not isinstance(data, dict):
        problems.append(document.problem((), "shape", "expected kinds of replies, each with its phrases"))
        return {}
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for kind, value in data.items():
        if kind in HUMAN_KINDS:
            places = {"anywhere": value} if not isinstance(value, dict) else value
            bare = not isinstance(value, dict)
            found[kind] = dict(_places(document, (kind,), places, problems, bare=bare))
        else:
            problems.append(document.problem((kind,), "unknown-kind", *_no_kind(kind), key=True))
    return found


def _no_kind(kind: str) -> tuple[str, str]:
    if kind in NOTICE_DEFAULTS or kind in ("bounce", "complaint"):
        return f"`{kind}` is written by machines, and read without phrases of yours", "delete it"
    return f"`{shown(kind)}` is no kind of reply", did_you_mean(kind, HUMAN_KINDS)


def _places(
    document: Document, route: Route, places: Mapping[str, Plain], problems: list[Problem], *, bare: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for place, value in places.items():
        here = route if bare else (*route, place)
        if place not in PLACES:
            message = f"`{shown(place)}` is no place for phrases"
            problems.append(document.problem(here, "unknown-key", message, did_you_mean(place, PLACES), key=True))
            continue
        entries = [(here, value)] if not isinstance(value, list) else [((*here, i), v) for i, v in enumerate(value)]
        if not entries:
            problems.append(document.problem(here, "empty", "there is no phrase here", "delete the line", key=True))
        good: list[str] = []
        for spot, entry in entries:
            mistake = _mistake_in(entry, place)
            if mistake is not None:
                problems.append(document.problem(spot, *mistake))
            elif isinstance(entry, str):
                good.append(entry)
        yield place, tuple(good)


MUST_BE_THERE: Final = "name a word that must be there: * and [words] may be missing"

_Mistake = tuple[str, str, str]
"""A code, a message, a hint."""


def _mistake_in(entry: Plain, place: str) -> _Mistake | None:
    if entry is None or (isinstance(entry, str) and not entry.strip()):
        return "empty", "an empty phrase", "write what people write, or delete it"
    if not isinstance(entry, str):
        return "shape", "expected a phrase", "a phrase with { or [ at its beginning needs quotes around it"
    if len(entry.strip()) > LONGEST:
        return "phrase", f"a phrase has at most {LONGEST} characters", "split it into several"
    needed = letters_needed(entry)
    if isinstance(needed, str):
        return "phrase", needed, 'for example "(stop|quit) mailing [me]"'
    if needed < (1 if place == "whole" else 2):
        message = f"`{shown(entry)}` would match almost any mail"
        return "phrase", message, MUST_BE_THERE
    return None


# One phrase ---------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(r"[()\[\]|]|\s+|[^()\[\]|\s]+")
_CLOSING: Final = {"(": ")", "[": "]"}


def letters_needed(phrase: str) -> int | str:
    """How many letters or digits a text must at least hold to match; or why the phrase cannot be read.

    A wide character (Chinese, Japanese) counts as two.
    """
    open_: list[str] = []
    sums: list[list[int]] = [[0]]  # for each open bracket, the sums of its alternatives so far
    for part in _TOKEN.findall(phrase.strip()):
        if part in _CLOSING:
            open_.append(_CLOSING[part])
            sums.append([0])
            if len(open_) > DEEPEST:
                return "brackets are nested too deep"
        elif part in (")", "]"):
            if not open_ or open_[-1] != part:
                wanted = f"a bracket is not closed with {open_[-1]}" if open_ else ""
                return wanted or "a bracket is closed that was not opened"
            open_.pop()
            least = min(sums.pop())
            sums[-1][-1] += least if part == ")" else 0
        elif part == "|":
            if not open_:
                return "put alternatives in (brackets)"
            sums[-1].append(0)
        else:
            sums[-1][-1] += sum(_weight(char) for char in part)
    if open_:
        return f"a bracket is not closed with {open_[-1]}"
    if not any(char.isalnum() for char in phrase):
        return "a phrase needs a word"
    return sums[0][0]


def _weight(char: str) -> int:
    if char == "#":
        return 1  # any number
    if not char.isalnum():
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
