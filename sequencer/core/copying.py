"""Copies of frozen records with some fields changed. A message is a handful of these, of thirty fields each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

__all__ = ["changed"]

if TYPE_CHECKING:
    from dataclasses import replace as changed  # the checker knows the types of its fields
else:
    R = TypeVar("R")

    def changed(record: R, **changes: object) -> R:
        """A copy of a frozen dataclass with slots, as `dataclasses.replace` makes it, in a quarter of the time: the
        values are put where they belong without a call of `__init__`. Raises TypeError for anything else, and
        AttributeError for a field that it has not."""
        values_of, setters = _fields_of(type(record))
        copy = object.__new__(type(record))
        for put, value in zip(setters, values_of(record), strict=True):
            put(copy, value)
        for name, value in changes.items():
            object.__setattr__(copy, name, value)
        return copy


@lru_cache(maxsize=256)
def _fields_of(kind: type[Any]) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[Callable[[Any, Any], None], ...]]:
    """What gets the values of all fields, and what puts each of them."""
    if not is_dataclass(kind) or not hasattr(kind, "__slots__") or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} is no plain dataclass with slots")
    names = [field.name for field in fields(kind)]
    values_of = attrgetter(*names) if len(names) > 1 else lambda record: (getattr(record, names[0]),)
    return values_of, tuple(getattr(kind, name).__set__ for name in names)
