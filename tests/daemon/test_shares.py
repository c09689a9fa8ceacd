"""How the mailboxes are spread: evenly, completely, and alike in the eyes of everybody."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from sequencer.daemon.shares import Part, parts_of, surplus

ALL = frozenset(f"box{number}" for number in range(10))


def _loads(serves: Mapping[str, frozenset[str]]) -> dict[str, int]:
    return {name: sum(part.number for part in parts_of(name, serves)) for name in serves}


def test_all_alike_get_the_same_number_and_the_longest_running_one_more() -> None:
    assert parts_of("a", {"a": ALL}) == (Part(ALL, 10),)
    assert _loads({"a": ALL, "b": ALL}) == {"a": 5, "b": 5}
    assert _loads({"z": ALL, "b": ALL, "c": ALL}) == {"z": 4, "b": 3, "c": 3}
    assert _loads(dict.fromkeys("abcdefghijkl", ALL))["l"] == 0


def test_a_mailbox_that_one_alone_could_serve_is_made_up_for() -> None:
    serves = {"a": ALL, "b": ALL | {"own"}}
    assert parts_of("b", serves) == (Part(frozenset({"own"}), 1), Part(ALL, 4))
    assert _loads(serves) == {"a": 6, "b": 5}
    assert _loads({"a": frozenset({"x"}), "b": frozenset({"y", "z"}), "c": frozenset()}) == {"a": 1, "b": 2, "c": 0}
    assert _loads({"a": frozenset("wxyz"), "b": frozenset("vwxyz"), "c": frozenset("v")}) == {"a": 2, "b": 2, "c": 1}


def test_who_has_too_much_hands_back_what_came_last() -> None:
    parts = (Part(frozenset("abcd"), 2), Part(frozenset("xyz"), 2))
    assert surplus(parts, ["d", "x", "a", "c"]) == ["c"]
    assert surplus(parts, ["a", "x", "gone"]) == []
    assert surplus((), ["gone"]) == []


NAMES = st.frozensets(st.sampled_from("abcdefghijkl"))
FLEETS = st.dictionaries(st.sampled_from(["one", "two", "three", "four"]), NAMES, min_size=1)


@given(FLEETS)
def test_whoever_serves_what_nothing_is_left_over_and_nobody_competes(serves: dict[str, frozenset[str]]) -> None:
    wanted: dict[frozenset[str], int] = {}
    for name in serves:
        for part in parts_of(name, serves):
            assert part.mailboxes <= serves[name]
            wanted[part.mailboxes] = wanted.get(part.mailboxes, 0) + part.number
    assert all(number == len(mailboxes) for mailboxes, number in wanted.items())
    assert frozenset().union(*wanted) == frozenset().union(*serves.values())


@given(st.lists(st.sampled_from([ALL, frozenset(list(ALL)[:4])]), min_size=1, max_size=5))
def test_no_two_that_could_serve_the_same_differ_by_more_than_one(kinds: list[frozenset[str]]) -> None:
    loads = _loads({f"d{number}": kind for number, kind in enumerate(kinds)})
    for kind in set(kinds):
        alike = [loads[f"d{number}"] for number, other in enumerate(kinds) if other == kind]
        assert max(alike) - min(alike) <= 1


@given(FLEETS, st.sampled_from(["one", "two", "three", "four"]))
def test_once_everybody_has_handed_back_and_taken_nothing_moves_any_more(
    serves: dict[str, frozenset[str]], gone: str
) -> None:
    """Rounds in any order come to rest: what is free goes to whoever has room, and nobody has too much."""
    held: dict[str, list[str]] = {name: [] for name in serves}
    for alive in (serves, {name: served for name, served in serves.items() if name != gone} or serves, serves):
        for name in held.keys() - alive.keys():
            held[name] = []
        moves = -1
        for _ in range(4):
            moves = _everybody_once(alive, held)
        assert moves == 0
        assert sorted(box for boxes in held.values() for box in boxes) == sorted(frozenset().union(*alive.values()))


def _everybody_once(alive: Mapping[str, frozenset[str]], held: dict[str, list[str]]) -> int:
    moves = 0
    for name in alive:
        for box in surplus(parts_of(name, alive), held[name]):
            held[name].remove(box)
            moves += 1
        taken = {box for boxes in held.values() for box in boxes}
        for part in parts_of(name, alive):
            room = part.number - len(part.mailboxes.intersection(held[name]))
            some = sorted(part.mailboxes - taken)[: max(0, room)]
            held[name] += some
            moves += len(some)
    return moves
