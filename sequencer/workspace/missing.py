"""Variables that are not there: written down wherever they would be used, so that all of them can be named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

from jinja2 import Undefined
from jinja2.utils import missing as nothing

_found: ContextVar[list[str] | None] = ContextVar("missing variables", default=None)


class Group(dict[str, object]):
    """Variables under one name, as in `sender.first_name`."""

    def __init__(self, label: str, values: Mapping[str, object]) -> None:
        super().__init__(values)
        self.label = label


class Missing(Undefined):
    """False in an `if`, replaced by `default`, and noted by anything that would use it."""

    __slots__ = ()

    def path(self) -> str:
        """The name as the template says it; empty when there is none (an `if` without `else`)."""
        name, owner = self._undefined_name, self._undefined_obj
        if name is None or owner is nothing:
            return name or ""
        if isinstance(owner, Group):
            return f"{owner.label}.{name}"
        return f"{owner.path()}.{name}" if isinstance(owner, Missing) else name

    def note(self) -> Missing:
        """Writes the name down, if somebody collects names."""
        found = _found.get()
        if found is not None and self.path():
            found.append(self.path())
        return self

    def __getattr__(self, name: str) -> Missing:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(obj=self, name=name)

    def __str__(self) -> str:
        self.note()
        return ""

    def __iter__(self) -> Any:
        self.note()
        return iter(())

    def __len__(self) -> int:
        self.note()
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Missing)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(Missing)


def _noting(answer: Any) -> Callable[..., Any]:
    """An operator that notes the name; without an own answer it is missing itself."""

    def operator(self: Missing, *_: object) -> Any:
        noted = self.note()
        return noted if answer is None else answer

    return operator


_ARITHMETIC: Final = "add sub mul truediv floordiv mod pow"
# Undefined declares its operators as functions that never return, which no method may replace.
for _name in _ARITHMETIC.split():
    setattr(Missing, f"__{_name}__", _noting(None))
    setattr(Missing, f"__r{_name}__", _noting(None))
for _name, _answer in {"pos": None, "neg": None, "call": None, "int": 0, "float": 0.0}.items():
    setattr(Missing, f"__{_name}__", _noting(_answer))
for _name in ("lt", "le", "gt", "ge", "contains"):
    setattr(Missing, f"__{_name}__", _noting(False))
setattr(Missing, "__getitem__", lambda self, key: Missing(obj=self, name=str(key)))  # noqa: B010 (see above)


def collect(work: Callable[[], str]) -> tuple[str, list[str]]:
    """What `work` returns, and the names of the variables that it missed, each as often as it was used."""
    found: list[str] = []
    token = _found.set(found)
    try:
        return work(), found
    finally:
        _found.reset(token)
