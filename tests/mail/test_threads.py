"""References and Thread-Index."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from sequencer.core.model import Thread
from sequencer.mail.threads import (
    MAX_REFERENCES,
    bounded_references,
    extend_thread,
    follow_up_subject,
    follow_up_thread,
    is_message_id,
    new_thread,
    thread_index_child,
    thread_index_root,
    thread_topic,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def filetime_of_root(index: str) -> datetime:
    """Read a root's time back as [MS-OXOMSG] §2.2.1.3 lays it out: the upper 48 bits of a FILETIME."""
    raw = base64.b64decode(index)
    ticks = int.from_bytes(raw[:6] + b"\0\0", "big")
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


def children_of(index: str) -> list[timedelta]:
    """Read the children's distances from the root."""
    raw = base64.b64decode(index)[22:]
    assert len(raw) % 5 == 0
    found = []
    for i in range(0, len(raw), 5):
        packed = int.from_bytes(raw[i : i + 4], "big")
        ticks = (packed & 0x7FFFFFFF) << (23 if packed >> 31 else 18)
        found.append(timedelta(microseconds=ticks // 10))
    return found


def test_a_root_has_22_bytes_and_its_time() -> None:
    index = thread_index_root("<a@example.com>", NOW)
    raw = base64.b64decode(index)
    assert len(raw) == 22
    assert raw[0] == 1
    assert timedelta(0) <= NOW - filetime_of_root(index) < timedelta(milliseconds=10)


def test_roots_differ_and_are_reproducible() -> None:
    assert thread_index_root("<a@example.com>", NOW) == thread_index_root("<a@example.com>", NOW)
    assert thread_index_root("<a@example.com>", NOW)[-20:] != thread_index_root("<b@example.com>", NOW)[-20:]


@pytest.mark.parametrize("days", [0, 1, 5, 400, 620, 700, 3000])
def test_a_child_adds_five_bytes_with_the_time_between(days: int) -> None:
    root = thread_index_root("<a@example.com>", NOW)
    child = thread_index_child(root, "<b@example.com>", NOW + timedelta(days=days))
    assert base64.b64decode(child)[:22] == base64.b64decode(root)
    (distance,) = children_of(child)
    assert abs(distance - timedelta(days=days)) < timedelta(seconds=1)


def test_children_add_up_and_stay_bounded() -> None:
    thread = new_thread("<m0@example.com>", "Quote", NOW)
    for i in range(1, 200):
        thread = follow_up_thread(thread, f"<m{i}@example.com>", NOW + timedelta(days=i))
    raw = base64.b64decode(thread.index)
    assert raw[:22] == base64.b64decode(thread_index_root("<m0@example.com>", NOW))
    distances = children_of(thread.index)
    assert len(distances) == 20
    assert [round(d / timedelta(days=1)) for d in distances] == list(range(180, 200))
    assert len(f"Thread-Index: {thread.index}") < 998


@pytest.mark.parametrize("broken", ["", "!!", "AAAA", base64.b64encode(b"x" * 21).decode(), "ä"])
def test_an_unreadable_index_begins_anew(broken: str) -> None:
    assert thread_index_child(broken, "<b@example.com>", NOW) == thread_index_root("<b@example.com>", NOW)


def test_a_clock_that_went_back_counts_as_no_time() -> None:
    root = thread_index_root("<a@example.com>", NOW)
    assert children_of(thread_index_child(root, "<b@example.com>", NOW - timedelta(days=1))) == [timedelta(0)]


def test_a_follow_up_quotes_everything_before_it() -> None:
    first = new_thread("<m0@example.com>", "Your quote", NOW)
    assert first == Thread("<m0@example.com>", "Your quote", "<m0@example.com>", ("<m0@example.com>",), first.index)
    second = follow_up_thread(first, "<m1@example.com>", NOW)
    answered = extend_thread(second, "<reply@client.example>", ["<m0@example.com>", "<m1@example.com>"])
    assert answered.last_message_id == "<reply@client.example>"
    assert answered.references == ("<m0@example.com>", "<m1@example.com>", "<reply@client.example>")
    assert answered.root_message_id == "<m0@example.com>"
    assert answered.index == second.index
    assert follow_up_subject(answered) == "Re: Your quote"


def test_ids_that_no_header_can_carry_leave_the_thread_alone() -> None:
    thread = new_thread("<m0@example.com>", "Your quote", NOW)
    for odd in (
        "no brackets",
        "<a b@example.com>",
        "<a@example.com>\r\nBcc: x",
        "<=?utf-8?q?x?=@example.com>",
        "<ä@b>",
    ):
        assert extend_thread(thread, odd) == thread
        assert not is_message_id(odd)
        assert bounded_references("<m0@example.com>", [odd]) == ("<m0@example.com>",)


def test_references_keep_the_root_and_the_newest() -> None:
    kept = bounded_references("<root@x>", [f"<{i}@x>" for i in range(100)])
    assert len(kept) == MAX_REFERENCES
    assert kept[0] == "<root@x>"
    assert kept[1] == "<80@x>"
    assert kept[-1] == "<99@x>"


def test_references_hold_no_id_twice_and_the_latest_place_counts() -> None:
    assert bounded_references("<r@x>", ["<r@x>", "<a@x>", "<b@x>", "<a@x>", "<r@x>"]) == ("<r@x>", "<b@x>", "<a@x>")


@pytest.mark.parametrize(
    ("subject", "topic"),
    [("Re: Quote", "Quote"), ("AW: Angebot", "Angebot"), ("Quote", "Quote"), ("Regarding x", "Regarding x")],
)
def test_the_topic_is_the_subject_without_its_prefix(subject: str, topic: str) -> None:
    assert thread_topic(subject) == topic
