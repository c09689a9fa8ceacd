"""How many letters a second are put into bytes: python benchmarks/compose.py [COUNT]

Bar: 5,000 a second on one core, text only and follow-ups alike; with HTML it is reported beside.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

from verdict import tell

from sequencer.mail.compose import Letter, compose
from sequencer.mail.ids import make_message_id
from sequencer.mail.threads import extend_thread, follow_up_subject, follow_up_thread, new_thread

KEY = bytes(range(32))
AT = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TEXT = (
    "Hello {name},\n\nthank you for your time. "
    + "A sentence of a usual length about the motor home. " * 12
    + "\n\nMark\n"
)


def first(n: int, text: str, html: str | None) -> Letter:
    """The first message of a thread to contact `n`."""
    message_id = make_message_id(KEY, n, "thanks-for-your-time", f"{n:x}", "flatheadrv.example")
    thread = new_thread(message_id, "Thanks for your time", AT)
    return Letter(
        from_name="Mark Riffey",
        from_address="mark@flatheadrv.example",
        to=f"contact{n}@example.org",
        subject="Thanks for your time",
        text=text.replace("{name}", f"Contact {n}"),
        html=html,
        message_id=message_id,
        date=AT,
        list_unsubscribe=(f"mailto:mark@flatheadrv.example?subject=unsubscribe%20{n}-abcdefghijklmnop",),
        thread_topic="Thanks for your time",
        thread_index=thread.index,
    )


def follow_up(n: int) -> Letter:
    """The fifth message of a thread, with its ids and its index."""
    letter = first(n, TEXT, None)
    thread = new_thread(letter.message_id, letter.subject, AT)
    for i in range(4):
        thread = extend_thread(thread, f"<reply-{n}-{i}@mail.client.example>")
    message_id = make_message_id(KEY, n, "nine-word", f"{n:x}", "flatheadrv.example")
    return Letter(
        from_name=letter.from_name,
        from_address=letter.from_address,
        to=letter.to,
        subject=follow_up_subject(thread),
        text=letter.text,
        message_id=message_id,
        date=AT,
        in_reply_to=thread.last_message_id,
        references=thread.references,
        list_unsubscribe=letter.list_unsubscribe,
        thread_topic=letter.thread_topic,
        thread_index=follow_up_thread(thread, message_id, AT).index,
    )


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    html = "<p>" + TEXT.replace("\n\n", "</p><p>") + "</p>"
    kinds = {
        "text": lambda n: first(n, TEXT, None),
        "text beyond ASCII": lambda n: first(n, TEXT + "Grüße aus Kalispell\n", None),
        "text and HTML": lambda n: first(n, TEXT, html),
        "follow-up": follow_up,
    }
    slowest = float("inf")
    for name, make in kinds.items():
        begun = time.perf_counter()
        size = 0
        for n in range(count):
            data = compose(make(n))
            assert isinstance(data, bytes)
            size += len(data)
        rate = count / (time.perf_counter() - begun)
        slowest = min(slowest, rate)
        print(f"{name:20} {rate:9,.0f} letters/s, ids included  ({size // count} bytes each)")
    return 0 if tell("composing, the slowest kind", f"{slowest:,.0f}/s", "≥ 5,000/s", slowest >= 5_000) else 1


if __name__ == "__main__":
    sys.exit(main())
