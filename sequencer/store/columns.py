"""Column types that behave the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Integer,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from sequencer.core.events import to_json

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

Id: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers only INTEGER keys
Json: Final[TypeEngine[Any]] = JSON().with_variant(JSONB(), "postgresql")
Bytes: Final[TypeEngine[bytes]] = LargeBinary()


class Instant(TypeDecorator[datetime]):
    """An aware datetime, UTC in and out, to the microsecond.

    SQLite keeps it as text of fixed width (`2026-12-01 14:30:00.000000`), so that it compares and indexes in the
    order of time and stays readable. Raises ValueError for a naive datetime.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(26) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant without a time zone: {value.isoformat()}")
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        if dialect.name != "sqlite":
            return utc
        return utc.isoformat(" ", "microseconds").removesuffix("+00:00")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        instant: datetime = value
        return instant.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text of strangers: NUL and lone surrogates, which PostgreSQL or UTF-8 refuse, become U+FFFD on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(str(value))  # str: enums are bound as what they say


def clean(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD, as every text column keeps it."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def dump_json(value: Any) -> str:
    """The text of a JSON column; a dataclass of the core as `core.events.to_json` says it. Raises ValueError for NaN
    and infinities (in a dataclass they become null), TypeError for what JSON cannot say."""
    if is_dataclass(value):
        text = _dump_record(value)
        if text is not None:
            return text
        value = to_json(value)
    text = _encode(value)
    if "\\u0000" in text or (not text.isascii() and clean(text) != text):
        text = json.dumps(_clean_json(value), ensure_ascii=False, separators=(",", ":"))
    return text


def _dump_record(value: object) -> str | None:
    """What orjson makes of a dataclass, a tenth of the time that plain Python takes; None where it has to be cleaned,
    or where orjson says less than `to_json`."""
    try:
        text = orjson.dumps(value, to_json, orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, a number of more than 64 bits
        return None
    return None if "\\u0000" in text else text


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _clean_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean_json(item) for item in value]
    return value
