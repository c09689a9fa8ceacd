"""Plays a page from its first line to its last, and says what is not as it is shown.

Every fenced block is one of these, told by the word after its fence:

* `console`: commands after `$ `, with their output; run and compared. `…` alone on a line stands for any lines.
* `sh`: commands to type; run.
* `yaml`: a sequence, a configuration … or a part of one; it goes through `sequencer check`.
* `template`: parsed as one.
* `csv`, `text`: saved as a file for the commands that come later.
* `mermaid`: a drawing; nothing is run.

Readers do not see the stage directions, one a line, in comments `<!-- docs: … -->` before a block:

    new                         an empty folder, another day
    new starter                 a workspace as `init` writes it, in ~/follow-up, with a post office of its own
    at 2026-12-01 09:00         time passes until then, where Mark lives; what happens by then, happens
    furnish                     put the servers of the post office into config.yaml
    daemon · daemon stop        the real daemon begins its work; ends
    $ COMMAND · ! COMMAND       a command that nobody sees; with !, one that is to find a problem (exit code 1)
    file PATH                   a file with the indented lines below
    change PATH: OLD => NEW     a word in a file becomes another one
    reply EMAIL: WORDS          they answer the last mail that reached them
    away EMAIL: WORDS           the same, by their out-of-office machine
    mail EMAIL: SUBJECT: WORDS  somebody writes a mail of their own
    refuse EMAIL: ANSWER        what the post office says to RCPT for them
    listen                      add `web:` to config.yaml; the page calls its port 8025
    silence                     the IMAP server is away from now on
    cut                         the connection breaks under the next message, after all of it was taken
    picture NAME                a picture of the next sh block and what it prints, as docs/pictures/NAME.svg; one or two
                                numbers below: only so many lines from its beginning, and from its end
    picture NAME: COMMAND       the same of a command that the page does not show
    running NAME                a picture of `sequencer run` and its lines since the daemon began
    drawing NAME: COMMAND       the command prints an SVG: docs/pictures/NAME.svg
    json COMMAND                its JSON has the keys that the section's row `--json` names
    saved as PATH               the next block is that file
    as excerpt of PATH          the next block stands in that file, word by word
    as KIND                     the next block is that kind of YAML (tools/pages/files.py has them)
    varies: REGEX               in the next block, what matches may be anything that matches
    syntax only: REASON         the next sh block is read by a shell, not run
    not run: REASON             the next block is left alone
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tools.pages.files import CHECKS, kind_of, problems_of
from tools.pages.markdown import Block, Direction, Heading, agrees, commands, exchanges, parts_of, renewed
from tools.pages.pictures import Frame, drawn
from tools.pages.world import ZONE, Misplayed, Outcome, World

UNEXPECTED: Final = ("Traceback", "this should not have happened")
DRAWINGS: Final = ("flowchart", "stateDiagram", "graph")


@dataclass(slots=True)
class Played:
    """What came of a page: its text with every output as it is now, its pictures, what is wrong with it (`mistakes`,
    which only a person can mend) and what it shows differently (`stale`, which is put right in `text`)."""

    text: str
    mistakes: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, int] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)
    syntax_only: list[str] = field(default_factory=list)


def play(name: str, text: str) -> Played:
    """Plays a page; `name` is its file name, for what stands on it by habit."""
    with ExitStack() as stack:
        player = _Player(name, text, stack)
        for part in parts_of(text):
            try:
                player.play(part)
            except Misplayed as error:
                player.wrong(part.line, str(error))
        return player.result()


class _Player:
    def __init__(self, name: str, text: str, stack: ExitStack) -> None:
        self.name, self.page, self.stack = name, text, stack
        self.played = Played(text)
        self.heading = ""
        self.ahead: dict[str, str] = {}  # what was said of the next block
        self.changes: list[tuple[int, int, str]] = []  # offset, length, the new text
        self.json_keys: dict[str, set[str]] = {}
        self._world: World | None = None
        self._scene = ExitStack()
        stack.callback(lambda: self._scene.close())

    @property
    def world(self) -> World:
        if self._world is None:
            raise Misplayed("say `new` or `new starter` before the first command")
        return self._world

    def play(self, part: Heading | Direction | Block) -> None:
        match part:
            case Heading():
                self.heading = part.text
            case Direction():
                self.direct(part)
            case Block():
                ahead, self.ahead = self.ahead, {}
                self.show(part, ahead)

    def result(self) -> Played:
        text = self.page
        for offset, length, new in sorted(self.changes, reverse=True):
            text = text[:offset] + new + text[offset + length :]
        self.played.text = text
        self.compare_keys()
        return self.played

    def wrong(self, line: int, what: str) -> None:
        self.played.mistakes.append(f"{self.name}:{line}: {what}")

    # Directions ------------------------------------------------------------------------------------

    def direct(self, part: Direction) -> None:
        word, _, rest = part.text.partition(" ")
        for said in ("not run", "syntax only", "varies", "saved as", "as"):
            if part.text.startswith(f"{said}:") or (said in ("as", "saved as") and part.text.startswith(f"{said} ")):
                self.ahead[said] = part.text.removeprefix(said).lstrip(": ")
                return
        act = self._acts().get(word)
        if act is None:
            raise Misplayed(f"“{part.text}” is no stage direction; tools/pages/play.py has the list")
        act(part, rest.strip())

    def _acts(self) -> Mapping[str, Callable[[Direction, str], None]]:
        return {
            "new": self.begin,
            "at": lambda _, rest: self.world.until(instant(rest)),
            "furnish": lambda _, rest: self.world.furnish(),
            "daemon": lambda _, rest: self.daemon(rest),
            "$": lambda _, rest: self.quietly(rest, 0),
            "!": lambda _, rest: self.quietly(rest, 1),
            "file": self.file,
            "change": lambda _, rest: self.change(rest),
            "reply": lambda _, rest: self.world.answer(*named(rest, 2)),
            "away": lambda _, rest: self.world.answer(*named(rest, 2), automatic=True),
            "mail": lambda _, rest: self.world.write(*named(rest, 3)),
            "picture": self.picture,
            "drawing": self.drawing,
            "running": self.running,
            "json": lambda _, rest: self.keys(rest),
            "refuse": lambda _, rest: self.world.refuse(*named(rest, 2)),
            "listen": lambda _, rest: self.world.listen(),
            "silence": lambda _, rest: self.world.silence(),
            "cut": lambda _, rest: self.world.cut(),
        }

    def begin(self, _: Direction, rest: str) -> None:
        self._scene.close()
        self._world = self._scene.enter_context(World())
        if rest not in ("", "starter"):
            raise Misplayed(f"new {rest}: there is `new` and `new starter`")
        if rest:
            self.quietly("sequencer init ~/follow-up", 0)
            self.world.run("cd ~/follow-up")
            self.world.furnish()

    def daemon(self, rest: str) -> None:
        if rest == "stop":
            self.world.stop_daemon()
        else:
            self.world.start_daemon(*([timedelta(minutes=float(rest.split()[-1]))] if rest else []))

    def quietly(self, line: str, code: int) -> None:
        done = self.world.run(line)
        if done.code != code:
            raise Misplayed(f"`{line}` ended with {done.code} and said: {done.output}")

    def file(self, part: Direction, rest: str) -> None:
        self.world  # noqa: B018 (there must be one)
        path = Path(rest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(part.below, "utf-8")

    def change(self, rest: str) -> None:
        path, rest = named(rest, 2)
        old, _, new = rest.partition(" => ")
        text = Path(path).read_text("utf-8")
        old, new = old.replace("\\n", "\n"), new.replace("\\n", "\n")
        if text.count(old) != 1:
            raise Misplayed(f"“{old}” stands {text.count(old)} times in {path}")
        Path(path).write_text(text.replace(old, new), "utf-8")

    def picture(self, part: Direction, rest: str) -> None:
        """Of a command that the page does not show, or of the block that follows."""
        if ": " not in rest:
            self.ahead["picture"] = f"{rest}\n{part.below}"
            return
        name, line = named(rest, 2)
        done = self.world.run(line)
        self.expected(part.line, line, done)
        self.draw(part.line, name, [Frame(line, done.output, *numbers(part.below))])

    def draw(self, line: int, name: str, frames: list[Frame]) -> None:
        self.played.pictures[f"{name}.svg"] = drawn(frames)
        if f"pictures/{name}.svg)" not in self.page:
            self.wrong(line, f"the page does not show pictures/{name}.svg")

    def running(self, part: Direction, rest: str) -> None:
        frame = Frame("sequencer run", "\n".join(self.world.lines), *numbers(part.below))
        self.draw(part.line, rest, [frame])

    def drawing(self, part: Direction, rest: str) -> None:
        """What a command prints is a picture already."""
        name, line = named(rest, 2)
        done = self.world.run(line)
        self.expected(part.line, line, done)
        self.played.pictures[f"{name}.svg"] = done.output

    def keys(self, line: str) -> None:
        done = self.world.run(line)
        words = line.split()
        names = [" ".join(words[:count]) for count in (3, 2)]
        heading = next((name for name in names if f"\n## {name}\n" in self.page), self.heading)
        found = self.json_keys.setdefault(heading, set())
        for text in done.output.splitlines() if words[1] == "read" else [done.output]:
            found |= keys_in(json.loads(text))

    def compare_keys(self) -> None:
        """What the row `--json` of a section names is what there is."""
        for heading, found in self.json_keys.items():
            section = self.page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
            row = re.search(r"^\| `--json` \|(.*)\|$", section, re.MULTILINE)
            words = row[1] if row else ""
            if "see above" in words:
                words = self.page.partition(f"## {heading}\n")[0].rpartition("With `--json`")[2]
            told = set(re.findall(r'"(\w+)"', words))
            if told != found:
                self.wrong(0, f"{heading} --json: not told {sorted(found - told)}, not there {sorted(told - found)}")

    # Blocks ----------------------------------------------------------------------------------------

    def show(self, block: Block, ahead: Mapping[str, str]) -> None:
        self.played.blocks[block.info] = self.played.blocks.get(block.info, 0) + 1
        if "saved as" in ahead:
            self.file(Direction(block.line, "", block.text), ahead["saved as"])
        if "not run" in ahead:
            self.played.not_run.append(f"{self.name}:{block.line}: {ahead['not run']}")
            return
        match block.info:
            case "console":
                self.console(block, ahead.get("varies", ""))
            case "sh" if "syntax only" in ahead:
                self.syntax(block, ahead["syntax only"])
            case "sh":
                self.shell(block, ahead.get("picture", ""))
            case "yaml" | "template":
                default = "template" if block.info == "template" else kind_of(self.name, block.text)
                self.check(block, ahead.get("as", default))
            case "csv" | "text" if "saved as" in ahead:
                pass
            case "mermaid":
                if not block.text.startswith(DRAWINGS):
                    self.wrong(block.line, "this is no drawing that Mermaid knows")
            case info:
                self.wrong(block.line, f"nobody knows how to run a block “{info}”: see tools/pages/play.py")

    def console(self, block: Block, varies: str) -> None:
        shown = exchanges(block.text)
        if not shown:
            self.wrong(block.line, "a console block begins with `$ ` and a command")
        now: list[str] = []
        stale = False
        for one in shown:
            done = self.world.run(one.command)
            self.expected(block.line, one.command, done)
            same = agrees(masked(one.output, varies), masked(done.output, varies))
            stale = stale or not same
            now += [f"$ {one.command}", one.output if same else renewed(one.output, done.output)]
            if not same:
                self.played.stale.append(
                    f"{self.name}:{block.line}: `{one.command}` prints now:\n{renewed(one.output, done.output)}"
                )
        if stale:
            text = "\n".join(line for line in now if line) + "\n"
            self.changes.append((block.offset, len(block.text), text))

    def expected(self, line: int, command: str, done: Outcome) -> None:
        if any(words in done.output for words in UNEXPECTED):
            self.wrong(line, f"`{command}` failed: {done.output}")

    def shell(self, block: Block, picture: str) -> None:
        name, _, cut = picture.partition("\n")
        frames = []
        for line in commands(block.text):
            done = self.world.run(line)
            self.expected(block.line, line, done)
            frames.append(Frame(line, done.output, *numbers(cut)))
            if done.code > (1 if name else 0):  # whoever sees a picture sees what is wrong
                self.wrong(block.line, f"`{line}` ended with {done.code} and said: {done.output}")
        if name:
            self.draw(block.line, name, frames)

    def syntax(self, block: Block, reason: str) -> None:
        self.played.syntax_only.append(f"{self.name}:{block.line}: {reason}")
        read = subprocess.run(["/bin/sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
        if read.returncode:
            self.wrong(block.line, read.stderr)

    def check(self, block: Block, kind: str) -> None:
        if kind.startswith("excerpt of "):
            self.excerpt(block, kind.removeprefix("excerpt of "))
            return
        if kind not in CHECKS:
            self.wrong(block.line, f"there is no checker for {kind}")
        for problem in problems_of(kind, block.text) if kind in CHECKS else ():
            self.wrong(block.line, problem)

    def excerpt(self, block: Block, path: str) -> None:
        """The block stands in a file of the world, word by word; a line `…` is for lines left out."""
        there = f"\n{Path(path).read_text('utf-8')}"
        pieces = re.split(r"^ *…\n", block.text, flags=re.MULTILINE)
        for piece in pieces:
            if f"\n{piece.strip(chr(10))}\n" not in there:
                self.wrong(block.line, f"this does not stand in {path}: {piece}")


def named(rest: str, count: int) -> list[str]:
    """`NAME: WORDS` apart."""
    found = [part.strip() for part in rest.split(": ", count - 1)]
    if len(found) != count:
        raise Misplayed(f"“{rest}” wants {count} parts with a colon between them")
    return found


def numbers(text: str) -> list[int]:
    """The numbers in a text, one or two of them, or none."""
    return [int(number) for number in text.split()][:2]


def instant(text: str) -> datetime:
    """`2026-12-01 09:00`, where Mark lives."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZONE)
    except ValueError:
        raise Misplayed(f"“{text}” is no moment; write 2026-12-01 09:00") from None


def masked(text: str, varies: str) -> str:
    """The text with everything that may vary made equal."""
    return re.sub(varies, "~", text) if varies else text


OPEN: Final = {"fields", "headers", "enrollments by status"}
"""Keys of JSON objects whose own keys are data."""


def keys_in(value: Any) -> set[str]:
    """Every key in a JSON value, however deep; not those that are data."""
    if isinstance(value, list):
        return set().union(*map(keys_in, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    inner = [keys_in(item) for key, item in value.items() if key not in OPEN and not _counts(item)]
    return set(value).union(*inner)


def _counts(value: Any) -> bool:
    """A number for each of something, by its name."""
    return isinstance(value, dict) and bool(value) and all(type(each) is int for each in value.values())
