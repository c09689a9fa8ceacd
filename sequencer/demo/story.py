"""The demo's story: one line for everything that a person would want to see, with the virtual date.

`→` a mail reaches a prospect, `←` somebody writes to the rep, `✎` the rep does something, `·` the daemon decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sequencer.daemon.telling import Note, Told
from sequencer.operations.happenings import Happening, What

LONGEST_QUOTE: Final = 84


@dataclass(frozen=True, slots=True)
class Mark:
    """What kind of line it is."""

    sign: str
    style: str


OUT: Final = Mark("→", "cyan")
IN: Final = Mark("←", "green")
REP: Final = Mark("✎", "magenta")
DAEMON: Final = Mark("·", "yellow")
TROUBLE: Final = Mark("!", "bold red")

_SAYS: Final[dict[What, str]] = {
    "task": "waits for the rep: {detail}",
    "held": "is due and held: {detail}",
    "in_doubt": "may or may not have got “{step}”: {detail}",
    "deferred": "is to be tried again: {detail}",
    "rejected": "was refused by the server: {detail}",
    "skipped": "skips “{step}”: {detail}",
    "resumed": "goes on",
    "branched": "goes on {detail}",
    "moved": "moves on to {detail}",
    "stopped": "is stopped for good: {detail}",
    "finished": "is finished: {detail}",
    "replied": "is read as: {detail}",
    "notice": "has a machine answering: {detail}",
    "hand_written": "was written to by hand",
    "paused": "is paused: {detail}",
    "snoozed": "is left alone {detail}",
    "retried": "will be tried again: {detail}",
}
"""`sent` is missing: the mail itself is shown when it arrives. `set_aside` is trouble."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of the table at the end."""

    who: str
    where: str
    status: str
    why: str


class Story:
    """Prints the story. `names` are the people by address; instants are UTC and shown in `zone`."""

    def __init__(self, console: Console, zone: ZoneInfo, names: Mapping[str, str]) -> None:
        self._console = console
        self._zone = zone
        self._names = names
        self._day: date | None = None
        self.lines = 0
        self.watched = console.is_terminal

    def tell(self, at: datetime, mark: Mark, who: str, text: str) -> None:
        """One line; `who` is an address or a name. A new day gets a heading."""
        local = at.astimezone(self._zone)
        if local.date() != self._day:
            self._day = local.date()
            self._console.print(Text(f"\n{local:%A}, {local:%B} {local.day}", style="bold"))
        line = Text()
        line.append(f"  {local:%H:%M} ", style="dim")
        line.append(f"{mark.sign} ", style=mark.style)
        line.append(f"{self._names.get(who, who):<15} ", style="bold")
        line.append(text, style=mark.style)
        if self.watched:
            self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        else:
            self._console.print(line, soft_wrap=True)
        self.lines += 1

    def told(self, told: Told, now: datetime) -> None:
        """What the daemon tells, as far as it belongs to the story."""
        if isinstance(told, Note):
            if told.level in ("warning", "error"):
                self.tell(now, TROUBLE, told.mailbox or "daemon", told.message)
            return
        text = sentence(told)
        if text:
            self.tell(now, TROUBLE if told.what == "set_aside" else DAEMON, told.contact or told.mailbox, text)

    def table(self, title: str, standings: Sequence[Standing]) -> None:
        """Who is where, and why."""
        table = Table(
            title=title, title_justify="left", title_style="bold", pad_edge=False, box=None, padding=(0, 2, 0, 0)
        )
        for column in ("who", "sequence", "status", "why, and what is next"):
            table.add_column(column, overflow="fold")
        for standing in standings:
            status = Text(standing.status, style=_STATUS_STYLES.get(standing.status, ""))
            table.add_row(standing.who, standing.where, status, standing.why)
        self._console.print()
        self._console.print(table)


_STATUS_STYLES: Final = {"active": "cyan", "paused": "yellow", "snoozed": "blue", "stopped": "red", "finished": "green"}


def sentence(happening: Happening) -> str:
    """What happened to somebody, to be put after their name; empty when the story shows it otherwise."""
    if happening.what == "set_aside":
        return happening.detail
    pattern = _SAYS.get(happening.what, "")
    return pattern.format(step=happening.step, detail=happening.detail.replace("_", " ")).rstrip(": ")


def quoted(text: str) -> str:
    """The first words of a mail, on one line, in quotation marks."""
    line = " ".join(text.split())
    if len(line) > LONGEST_QUOTE:
        line = f"{line[:LONGEST_QUOTE].rsplit(' ', 1)[0]} …"
    return f"“{line}”"
