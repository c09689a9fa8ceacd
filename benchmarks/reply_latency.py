"""How long after a reply stands in the mailbox its plan is paused: `python benchmarks/reply_latency.py [REPLIES]`.

The real daemon on an IMAP server that announces at once (pymap, in this process). Measured from the end of the
delivery to the moment at which the committed pause is told; prints the median and the 99th percentile.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

from verdict import tell

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.daemon.house import House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer


async def main(replies: int) -> bool:
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
            furnish(Path(name), smtp=smtp.port, imap=imap.port, user="mark")
            house = House(Path(name), smtp)
            people = [f"p{number}@customer{number}.example" for number in range(replies)]
            await house.enroll(*people)
            async with house.running():
                await house.ear.happens("sent", replies)
                waits = [await _one(house, imap, person, number) for number, person in enumerate(people, 1)]
    ninety_ninth = sorted(waits)[max(0, round(0.99 * len(waits)) - 1)]
    measured = f"{1000 * ninety_ninth:.0f} ms (median {1000 * statistics.median(waits):.0f} ms, {replies} replies)"
    return tell("a reply stands in the mailbox → its plan is paused, p99", measured, "≤ 100 ms", ninety_ninth <= 0.1)


async def _one(house: House, imap: PymapServer, person: str, number: int) -> float:
    sent = next(mail.data for mail in house.smtp.accepted if mail.recipients == (person,))
    reply = answer_to(sent, person, f"Let me think about it ({number}).", house.clock.now())
    await imap.append("mark", "INBOX", reply, house.clock.now())
    began = time.perf_counter()
    await house.ear.happens("paused", number)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)) else 1)
