"""What is never told: the secrets of the workspace. And what stays out of logs: the addresses of people.

Whatever is told passes through here, the words of servers, drivers and libraries included: who wrote a text is no
reason to trust it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from sequencer.workspace.config import Config

HIDDEN: Final = "(secret)"
SOMEBODY: Final = "(address)"
SURELY_ITSELF: Final = 8
"""A secret with fewer characters is hidden only where it stands as a word of its own: `pw` is not the end of `mpw`."""

_PART: Final = r"[^\s<>\"'(),;:\[\]{}“”|=@]"
_ADDRESS: Final = re.compile(rf"(?<!{_PART}){_PART}+@{_PART}+")  # begun once a word: else a long one takes for ever


@dataclass(slots=True)
class Veil:
    """Knows the secrets of the workspace that is in force, and of those before: old ones may still open something."""

    _secrets: set[str] = field(default_factory=set, repr=False)
    _pattern: re.Pattern[str] | None = field(default=None, repr=False)

    def learn(self, config: Config) -> None:
        """From now on, none of these secrets is shown, nor how they look on the wire."""
        self._secrets |= {form for secret in secrets_of(config) for form in _forms(secret)}
        words = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_standing, words))) if words else None

    def over(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(HIDDEN, text) if self._pattern is not None else text


def without_addresses(text: str) -> str:
    """The text with everything that looks like an e-mail address taken out; Message-IDs look so, too."""
    return _ADDRESS.sub(SOMEBODY, text) if "@" in text else text


def secrets_of(config: Config) -> set[str]:
    """Every secret of a workspace: passwords and keys, that of the database, and where the rep is told."""
    found = {secret.get_secret_value() for secret in _secrets_in(config)}
    found |= {url for url in config.notify if "://" in url}
    try:
        password = urlsplit(config.database).password or ""
    except ValueError:  # cannot be parsed, so it cannot be connected to either
        password = ""
    return {secret for secret in found | {password, unquote(password)} if secret}


def _secrets_in(value: object) -> Iterator[SecretStr]:
    """Wherever they stand, so that one that is added later is hidden as well."""
    if isinstance(value, SecretStr):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _secrets_in(getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from _each(value.values())
    elif isinstance(value, (tuple, list)):
        yield from _each(value)


def _each(values: Iterable[object]) -> Iterator[SecretStr]:
    for value in values:
        yield from _secrets_in(value)


def _forms(secret: str) -> Iterator[str]:
    """As it is, in a URL, in a repr(), and as AUTH PLAIN and LOGIN put it."""
    yield secret
    yield quote(secret, safe="")
    yield repr(secret)[1:-1]
    for before, cut in ((0, 0), (1, 2), (2, 3)):  # AUTH PLAIN puts a name before it
        encoded = base64.b64encode(b" " * before + secret.encode()).decode()[cut:]
        if not before or len(encoded) >= SURELY_ITSELF:
            yield encoded
    if "://" in secret:  # of an address that holds secrets, every part may be one
        yield from (part for part in re.split(r"[/:@?&=]+", secret) if len(part) >= SURELY_ITSELF)


def _standing(secret: str) -> str:
    return re.escape(secret) if len(secret) >= SURELY_ITSELF else rf"(?<!\w){re.escape(secret)}(?!\w)"
