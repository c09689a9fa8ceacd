"""What the daemon tells the service manager that started it, by systemd's protocol (sd_notify(3)).

READY=1 once the first round of leases is done, STOPPING=1 at the end, and WATCHDOG=1 as long as everything gets on.
Where no service manager has asked for it, all of this does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sequencer.daemon.clock import pulse
from sequencer.daemon.vitals import Vitals

STATUS_EVERY: Final = 30.0
"""Seconds between two looks at what STATUS says, where no watchdog asks to be answered more often."""


@dataclass(slots=True)
class Service:
    """`address` is the datagram socket to tell ("" for nobody), `watchdog` the seconds after which silence kills us."""

    address: str = ""
    watchdog: float = 0.0
    _said: str = field(default="", repr=False)

    @staticmethod
    def of(environ: Mapping[str, str]) -> Service:
        """What the environment asks for: NOTIFY_SOCKET, WATCHDOG_USEC, and WATCHDOG_PID where it names us."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return Service()
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        return Service(address, int(microseconds) / 1e6 if ours and microseconds.isdecimal() else 0.0)

    def tell(self, *lines: str) -> None:
        """One datagram with these assignments. A service manager that does not listen is no trouble of ours."""
        if not self.address:
            return
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagrams:
                datagrams.setblocking(False)
                datagrams.sendto("\n".join(lines).encode(), path)
        except OSError:
            return

    async def report(self, vitals: Vitals, stop: asyncio.Event) -> None:
        """Tell that we stand, then how we are, until `stop`. While something is stuck, the watchdog gets no answer."""
        if not self.address:
            return
        await vitals.standing.wait()
        self._said = self._status(vitals)
        self.tell("READY=1", self._said)
        every = self.watchdog / 2 if self.watchdog else STATUS_EVERY
        while not stop.is_set():
            status = self._status(vitals)
            news = [status] if status != self._said else []
            if self.watchdog and not vitals.stuck():
                news.append("WATCHDOG=1")
            if news:
                self.tell(*news)
            self._said = status
            await pulse(stop, every)

    def stopping(self) -> None:
        """The end has begun."""
        self.tell("STOPPING=1", "STATUS=finishing the messages in hand")

    def _status(self, vitals: Vitals) -> str:
        number, failing, stuck = len(vitals.workers), vitals.failing(), vitals.stuck()
        parts = ["1 mailbox" if number == 1 else f"{number} mailboxes"]
        if failing:
            parts.append(f"failed and tried again: {', '.join(failing)}")
        if stuck:
            parts.append(f"stuck: {', '.join(stuck)}")
        return f"STATUS={'; '.join(parts)}"
