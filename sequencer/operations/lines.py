"""The SMTP connections of one mailbox: opened when there is something to send, kept while it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from sequencer.mail.accounts import SmtpAccount, Unreachable
from sequencer.mail.smtp import Outgoing, SmtpLine

MOST_LINES: Final = 32
"""So many messages go through together, and may be in doubt together: more would hardly be faster, and providers count
connections. Only a mailbox whose limits are off ever has so many messages at once."""


class Lines:
    """Connections to one submission server. Belongs to the mailbox's worker; nothing else may use them."""

    def __init__(self, account: SmtpAccount, make: Callable[[SmtpAccount], Outgoing] = SmtpLine) -> None:
        self.account = account
        self._make = make
        self._open: list[Outgoing] = []
        self._most = MOST_LINES
        self._reopening = asyncio.Lock()
        self._refused: Unreachable | None = None

    async def ready(self, wanted: int) -> list[Outgoing] | Unreachable:
        """At least one open connection, up to `wanted`; or why there is none."""
        self._refused = None
        self._open = [line for line in self._open if line.is_open]
        missing = min(wanted, self._most) - len(self._open)
        if missing > 0:
            lines = [self._make(self.account) for _ in range(missing)]
            # The first one alone: a refused login is not to be repeated on every one.
            first = await lines[0].open()
            if isinstance(first, Unreachable) and not self._open:
                return first
            if not isinstance(first, Unreachable):
                await asyncio.gather(*(line.open() for line in lines[1:]))
            self._open += [line for line in lines if line.is_open]
            if not all(line.is_open for line in lines):
                self._most = max(1, len(self._open))  # the server counts them: it is not asked again until `close`
        return list(self._open[:wanted])

    async def again(self, line: Outgoing) -> Unreachable | None:
        """Open a connection of ours anew; once one is refused, the others are not tried."""
        async with self._reopening:
            if self._refused is not None:
                return self._refused
            opened = await line.open()
            if not isinstance(opened, Unreachable):
                return None
            self._refused = opened if opened.why == "auth" else None
            return opened

    async def close(self) -> None:
        """Say goodbye on every connection."""
        lines, self._open = self._open, []
        self._most = MOST_LINES
        await asyncio.gather(*(line.close() for line in lines))
