"""How the mailboxes are spread over the daemons that are alive. Pure: everyone who knows the same comes to the same.

Where all daemons could serve all mailboxes, each gets the same number of them, one more or less. Where one could serve
a mailbox that others could not (it is in its config.yaml only), it gets that one, and fewer of the others.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Of these mailboxes, which the same daemons could serve, one daemon is to serve so many, whichever."""

    mailboxes: frozenset[str]
    number: int


def parts_of(me: str, serves: Mapping[str, frozenset[str]]) -> tuple[Part, ...]:
    """What `me` is to serve. `serves`: the mailboxes that each daemon could serve, the longest running daemon first.

    The numbers of all daemons add up to all mailboxes: nobody has to compete, and nothing is left over.
    """
    loads = dict.fromkeys(serves, 0)
    ranks = {name: rank for rank, name in enumerate(serves)}
    mine: list[Part] = []
    # Whoever has no choice first: those that anybody could serve make up for it.
    for able, mailboxes in sorted(
        _together(serves), key=lambda group: (len(group[0]), [ranks[name] for name in group[0]])
    ):
        numbers = _levelled({name: loads[name] for name in able}, len(mailboxes), ranks)
        for name, number in numbers.items():
            loads[name] += number
        if me in able:
            mine.append(Part(mailboxes, numbers[me]))
    return tuple(mine)


def _together(serves: Mapping[str, frozenset[str]]) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """The mailboxes by who could serve them."""
    alike: dict[frozenset[str], list[str]] = defaultdict(list)
    for name, mailboxes in serves.items():
        alike[mailboxes].append(name)
    able: dict[str, list[str]] = defaultdict(list)
    for mailboxes, names in alike.items():
        for mailbox in mailboxes:
            able[mailbox] += names
    groups: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for mailbox, names in able.items():
        groups[tuple(names)].add(mailbox)
    return [(names, frozenset(mailboxes)) for names, mailboxes in groups.items()]


def _levelled(loads: Mapping[str, int], number: int, ranks: Mapping[str, int]) -> dict[str, int]:
    """So many more, each to whoever has least; of equals to the one that has run longest."""
    more = dict.fromkeys(loads, 0)
    heap = [(load, ranks[name], name) for name, load in loads.items()]
    heapq.heapify(heap)
    for _ in range(number):
        load, rank, name = heap[0]
        more[name] += 1
        heapq.heapreplace(heap, (load + 1, rank, name))
    return more


def surplus(parts: Iterable[Part], held: Iterable[str]) -> list[str]:
    """Of the mailboxes that a daemon holds, those it is to hand back: the ones named last."""
    held = list(held)
    over: list[str] = []
    for part in parts:
        some = [name for name in held if name in part.mailboxes]
        over += some[part.number :]
    return over
