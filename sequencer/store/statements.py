"""The few statements that SQLite and PostgreSQL word differently."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from sequencer.store.columns import Instant, clean, dump_json


def among(
    conn: AsyncConnection, column: ColumnElement[Any], values: Collection[int] | Collection[str]
) -> ColumnElement[bool]:
    """`column` is one of `values`, however many: one parameter, so that the text of the statement never changes."""
    if conn.dialect.name == "sqlite":
        each = func.json_each(dump_json(list(values))).table_valued("value")
        return column.in_(select(each.c.value))
    kind: TypeEngine[Any] = BigInteger() if isinstance(column.type, (BigInteger, Integer)) else Text()
    return column == any_(literal([clean(v) if isinstance(v, str) else v for v in values], ARRAY(kind)))


def upsert(conn: AsyncConnection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can be told what to do `on_conflict_…`."""
    return sqlite.insert(table) if conn.dialect.name == "sqlite" else postgresql.insert(table)


def database_clock(conn: AsyncConnection, seconds: float = 0) -> ColumnElement[datetime | None]:
    """The present instant by the database's own clock, `seconds` later: the one clock that all daemons share."""
    if conn.dialect.name == "sqlite":
        # strftime knows milliseconds; three zeros make it as wide as every other instant
        moment = func.strftime("%Y-%m-%d %H:%M:%f", "now", f"{seconds:+.3f} seconds").op("||")("000")
        return type_coerce(moment, Instant())
    later = func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, float(seconds))
    return type_coerce(later, Instant())
