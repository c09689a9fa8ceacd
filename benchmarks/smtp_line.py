"""What SmtpLine costs over a bare aiosmtplib loop: python benchmarks/smtp_line.py [MESSAGES]

Both send the same messages over one connection to the same sink, which runs in a process of its own so that its work
does not hide ours. They take turns, several times; the medians are compared. Bar: at most 10 % slower.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import aiosmtplib
from sink import running
from verdict import tell

from sequencer.mail.accounts import Ready, SmtpAccount
from sequencer.mail.smtp import Delivered, Offered, SmtpLine

ROUNDS = 7
SENDER = "mark@example.com"
DATA = b"Message-ID: <1.a.b.c@example.com>\r\nSubject: hi\r\n\r\n" + b"A line of a letter of usual length.\r\n" * 40


async def bare(port: int, count: int) -> float:
    """Messages a second by aiosmtplib alone: mail, rcpt, data, nothing else."""
    client = aiosmtplib.SMTP(
        hostname="127.0.0.1", port=port, use_tls=False, start_tls=False, local_hostname="localhost"
    )
    await client.connect()
    begun = time.perf_counter()
    for n in range(count):
        await client.mail(SENDER, options=[f"SIZE={len(DATA)}"])
        await client.rcpt(f"contact{n}@example.org")
        await client.data(DATA)
    rate = count / (time.perf_counter() - begun)
    await client.quit()
    return rate


async def ours(port: int, count: int) -> float:
    """Messages a second through SmtpLine."""
    line = SmtpLine(SmtpAccount("127.0.0.1", port, "none"))
    assert isinstance(await line.open(), Ready)
    begun = time.perf_counter()
    for n in range(count):
        assert isinstance(await line.offer(SENDER, f"contact{n}@example.org", len(DATA)), Offered)
        assert isinstance(await line.deliver(DATA), Delivered)
    rate = count / (time.perf_counter() - begun)
    await line.close()
    return rate


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    rates: dict[str, list[float]] = {"bare aiosmtplib": [], "SmtpLine": []}
    with running() as port:
        for _ in range(ROUNDS):
            rates["bare aiosmtplib"].append(asyncio.run(bare(port, count)))
            rates["SmtpLine"].append(asyncio.run(ours(port, count)))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in medians.items():
        spread = f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}"
        print(f"{name:16} {rate:8,.0f} messages/s  (median of {ROUNDS}, {spread})")
    ratio = medians["SmtpLine"] / medians["bare aiosmtplib"]
    return 0 if tell("our SMTP line against bare aiosmtplib", f"{ratio:.2f} ×", "≥ 0.90 ×", ratio >= 0.9) else 1


if __name__ == "__main__":
    sys.exit(main())
