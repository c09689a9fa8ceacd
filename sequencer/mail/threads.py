"""The conversation as mail clients see it: References (RFC 5322 §3.6.4) and Outlook's Thread-Index.

The latter is PidTagConversationIndex of [MS-OXOMSG] §2.2.1.3.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sequencer.core.model import Thread

MAX_REFERENCES = 21  # the root and the newest twenty
_ROOT_BYTES = 22
_CHILD_BYTES = 5
_MAX_CHILDREN = 20
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,500}>")
_REPLY_PREFIX = re.compile(r"^(?:re|aw|sv|antw|fwd?|wg)\s*:\s*", re.IGNORECASE)


def is_message_id(text: str) -> bool:
    """Whether an id, with its brackets, can stand in a header unchanged: what others send is not always fit for it."""
    return _MESSAGE_ID.fullmatch(text) is not None and "=?" not in text


def new_thread(message_id: str, subject: str, date: datetime) -> Thread:
    """The thread that a first message begins."""
    return Thread(
        root_message_id=message_id,
        subject=subject,
        last_message_id=message_id,
        references=(message_id,),
        index=thread_index_root(message_id, date),
    )


def follow_up_thread(thread: Thread, message_id: str, date: datetime) -> Thread:
    """The thread once our message `message_id` has been added to it.

    That message's own headers are: In-Reply-To `thread.last_message_id`, References `thread.references`,
    Subject `follow_up_subject(thread)`, Thread-Index the `index` of what is returned here.
    """
    grown = extend_thread(thread, message_id)
    return dataclasses.replace(grown, index=thread_index_child(thread.index, message_id, date))


def extend_thread(thread: Thread, message_id: str, references: Iterable[str] = ()) -> Thread:
    """The thread once a message of either side is its newest; `references` are those which that message quoted.

    An id that no header can carry leaves the thread as it is.
    """
    if not is_message_id(message_id):
        return thread
    known = (*thread.references, *references, message_id)
    return dataclasses.replace(
        thread, last_message_id=message_id, references=bounded_references(thread.root_message_id, known)
    )


def bounded_references(root: str, ids: Iterable[str]) -> tuple[str, ...]:
    """The ids to quote: the root first, then the newest twenty, each once, none that a header cannot carry."""
    newest_first = list(dict.fromkeys(i for i in reversed(tuple(ids)) if is_message_id(i) and i != root))
    kept = tuple(reversed(newest_first[: MAX_REFERENCES - 1]))
    return (root, *kept) if is_message_id(root) else kept


def follow_up_subject(thread: Thread) -> str:
    """`Re: ` and the exact subject of the first message: Gmail threads by both this and References."""
    return f"Re: {thread.subject}"


def thread_topic(subject: str) -> str:
    """The subject without its reply prefix, as Outlook puts it into Thread-Topic."""
    return _REPLY_PREFIX.sub("", subject)


def thread_index_root(message_id: str, date: datetime) -> str:
    """Base64 of 22 bytes: the time in units of 2^16 × 100 ns since 1601, and an id derived from the Message-ID."""
    name = hashlib.blake2b(message_id.encode("utf-8"), digest_size=16).digest()
    return base64.b64encode(_filetime(date).to_bytes(8, "big")[:6] + name).decode("ascii")


def thread_index_child(index: str, message_id: str, date: datetime) -> str:
    """The index with five bytes more: how long after the root, and a salt derived from the Message-ID.

    An index that is unreadable begins anew. Beyond twenty messages the oldest ones are left out: clients group by the
    root, and a header line has an end.
    """
    try:
        raw = base64.b64decode(index, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) < _ROOT_BYTES:
        return thread_index_root(message_id, date)
    root, children = raw[:_ROOT_BYTES], raw[_ROOT_BYTES:][-_CHILD_BYTES * (_MAX_CHILDREN - 1) :]
    began = int.from_bytes(root[:6] + b"\0\0", "big")
    delta = max(0, _filetime(date) - began)
    # The high bit says which 31 bits of the difference follow: fine ones up to 1.7 years, coarse ones beyond.
    packed = delta >> 18 if delta < 1 << 49 else (1 << 31) | ((delta >> 23) & 0x7FFFFFFF)
    salt = hashlib.blake2b(message_id.encode("utf-8"), digest_size=1).digest()
    return base64.b64encode(root + children + packed.to_bytes(4, "big") + salt).decode("ascii")


def _filetime(date: datetime) -> int:
    return (date - _FILETIME_EPOCH) // timedelta(microseconds=1) * 10
