"""The few statements that SQLite and PostgreSQL word differently.

Building a statement costs more than running it. What a message goes through is therefore built once, when its module
is loaded, with `listed` in place of `among`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Dialect,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    TypeDecorator,
    Update,
    any_,
    bindparam,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from sequencer.store.columns import Instant, clean, dump_json
from sequencer.store.sqlite_driver import ask_at_once


def among(
    conn: AsyncConnection, column: ColumnElement[Any], values: Collection[int] | Collection[str]
) -> ColumnElement[bool]:
    """`column` is one of `values`, however many: one parameter, so that the text of the statement never changes."""
    if conn.dialect.name == "sqlite":
        each = func.json_each(dump_json(list(values))).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(literal(_cleaned(values), ARRAY(_kind(column))))


def each_of(conn: AsyncConnection, names: Collection[str]) -> ColumnElement[str]:
    """A column of these names, one row each, to select from."""
    column: ColumnElement[str]
    if conn.dialect.name == "sqlite":
        column = func.json_each(dump_json(list(names))).table_valued("value").c.value
    else:
        column = func.unnest(literal(_cleaned(names), ARRAY(Text()))).column_valued("each_name")
    return column


def listed(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The same for a statement that is built once: the values are given as parameter `name` when it is executed."""
    return _Listed(column, bindparam(name, type_=_Several(_kind(column))))


async def execute_many(conn: AsyncConnection, statement: Insert | Update, rows: Sequence[Mapping[str, object]]) -> None:
    """Execute a statement that is built once, without values of its own, for many rows with the same names. On SQLite
    it is compiled once, too: what SQLAlchemy does for each row takes three times as long as SQLite itself."""
    if not rows:
        return
    if conn.dialect.name != "sqlite":
        await conn.execute(statement, rows)
        return
    words, parameters = _compiled(statement, conn.dialect, tuple(rows[0]))
    values = [
        tuple([row[name] if to_sql is None else to_sql(row[name]) for name, to_sql in parameters]) for row in rows
    ]
    if ask_at_once(conn, words, values, many=True) is None:
        await conn.exec_driver_sql(words, values)


async def fetch(conn: AsyncConnection, statement: Select[Any], given: Mapping[str, object]) -> Sequence[Any]:
    """All rows of a query that is built once, each with its columns as attributes; `given` are its parameters. Compiled
    once on SQLite, as above: these queries are asked once for every batch of messages."""
    if conn.dialect.name != "sqlite":
        rows: Sequence[Any] = (await conn.execute(statement, given)).all()
        return rows
    words, parameters, columns, row = _readable(statement, conn.dialect)
    values = [given.get(name, known) for name, known, _ in parameters]
    sent = tuple(
        value if to_sql is None else to_sql(value) for value, (_, _, to_sql) in zip(values, parameters, strict=True)
    )
    found = ask_at_once(conn, words, sent)
    if found is None:
        found = (await conn.exec_driver_sql(words, sent)).all()
    return [
        row(*[item if of_sql is None else of_sql(item) for item, of_sql in zip(one, columns, strict=True)])
        for one in found
    ]


_ToSql = Callable[[Any], Any]
_OfSql = Callable[[Any], Any]


@lru_cache(maxsize=256)
def _readable(
    statement: Select[Any], dialect: Dialect
) -> tuple[str, tuple[tuple[str, Any, _ToSql | None], ...], tuple[_OfSql | None, ...], Callable[..., Any]]:
    """The text of a query, its parameters in order (the value of those that stand in the query itself), what makes
    our values of the database's, and what a row is made of."""
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    parameters = tuple((name, compiled.params[name], to_sql) for name, to_sql in _parameters_of(compiled, dialect))
    selected = tuple(statement.selected_columns)
    columns = tuple(column.type.dialect_impl(dialect).result_processor(dialect, None) for column in selected)
    return str(compiled), parameters, columns, namedtuple("Row", [str(column.key) for column in selected])


@lru_cache(maxsize=256)
def _compiled(
    statement: Insert | Update, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, _ToSql | None], ...]]:
    """The text of a statement, and its parameters in order, each with what makes a value of the database of it."""
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), _parameters_of(compiled, dialect)


def _parameters_of(compiled: SQLCompiler, dialect: Dialect) -> tuple[tuple[str, _ToSql | None], ...]:
    types = {name: parameter.type for parameter, name in compiled.bind_names.items()}
    order = compiled.positiontup or ()
    return tuple((name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in order)


def _kind(column: ColumnElement[Any]) -> TypeEngine[Any]:
    return BigInteger() if isinstance(column.type, (BigInteger, Integer)) else Text()


def _cleaned(values: Collection[int] | Collection[str]) -> list[int | str]:
    return [clean(value) if isinstance(value, str) else value for value in values]


class _Several(TypeDecorator[Collection[Any]]):
    """Several values in one parameter: as JSON on SQLite, as an array on PostgreSQL."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: TypeEngine[Any]) -> None:
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else ARRAY(self.kind))

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return dump_json(list(value)) if dialect.name == "sqlite" else _cleaned(value)


class _Listed(FunctionElement[bool]):
    """`column` is one of the values of a parameter."""

    inherit_cache = True
    type = Boolean()

    def self_group(self, against: Any = None) -> _Listed:
        return self  # a condition as it is: SQLAlchemy would compare it with 1 on SQLite, and no index could be used


@compiles(_Listed)
def _in_array(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(_Listed, "sqlite")
def _in_json(element: _Listed, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 (a column of ours, and a parameter)


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
