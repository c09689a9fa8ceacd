"""Brings everything that is derived up to date: `python tools/refresh.py` (a test says when it is due).

`python tools/refresh.py pages [PAGE…]` plays the pages, or only those named: every command that they show is run, its
output put where the page had another one, and docs/pictures/ drawn anew (half a minute; see tools/pages/play.py).

The tables of keys in docs/ come from the models that read the files, between `<!-- keys: Model -->` and
`<!-- end -->`; docs/*.schema.json come from the same models; the packaged starter is a copy of the top-level
workspace; the state diagram of docs/architecture.md is drawn from the state table, those of docs/plays.md from
sequences/.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from pydantic import BaseModel  # noqa: E402 (the repository comes first)
from pydantic.fields import FieldInfo  # noqa: E402

from sequencer.core.diagram import mermaid  # noqa: E402
from sequencer.workspace import config_schema, rehearsal_schema, sequence_schema, templates  # noqa: E402
from sequencer.workspace.diagram import diagram_of  # noqa: E402
from sequencer.workspace.diagram_mermaid import mermaid as drawn_play  # noqa: E402
from sequencer.workspace.schema import write_schemas  # noqa: E402
from sequencer.workspace.starter import packaged, refresh  # noqa: E402
from sequencer.workspace.warning_names import CRAFT, OTHERS  # noqa: E402
from sequencer.workspace.workspace import load_sequence_text  # noqa: E402

MODELS: Final[dict[str, type[BaseModel]]] = {
    model.__name__: model
    for model in (
        sequence_schema.SequenceFile,
        sequence_schema.StepFile,
        sequence_schema.BackOffFile,
        sequence_schema.EndingFile,
        sequence_schema.ReactionFile,
        rehearsal_schema.RehearsalFile,
        rehearsal_schema.AnswerFile,
        config_schema.ConfigFile,
        config_schema.CompanyFile,
        config_schema.ContactsFile,
        config_schema.MailboxFile,
        config_schema.SmtpFile,
        config_schema.ImapFile,
        config_schema.LimitsFile,
        config_schema.BreakersFile,
        config_schema.WebFile,
        config_schema.ReaderFile,
        templates.FrontMatter,
    )
}
DIAGRAM: Final = re.compile(r"(<!-- state diagram -->\n).*?(<!-- /state diagram -->)", re.DOTALL)
PLAY: Final = re.compile(r"(<!-- play: ([\w-]+) -->\n).*?(<!-- /play -->)", re.DOTALL)
TABLE: Final = re.compile(r"(<!-- keys: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
PAGES: Final = (
    "architecture.md",
    "sequences.md",
    "configuration.md",
    "templates.md",
    "rehearsing.md",
    "plays.md",
    "craft.md",
)


def key_table(model: type[BaseModel]) -> str:
    """A Markdown table of the keys of a model."""
    rows = [_row(info.alias or name, info) for name, info in model.model_fields.items()]
    return "\n".join(["| key | | what it does |", "|---|---|---|", *rows]) + "\n"


def _row(key: str, info: FieldInfo) -> str:
    needed = "needed" if info.is_required() else ""
    return f"| `{key}` | {needed} | {(info.description or '').replace('|', chr(92) + '|')} |"


def craft_table() -> str:
    """A Markdown table of the warnings about craft."""
    rows = [f"| `{name}` | {one.what} | {one.why} | {one.instead} |" for name, one in CRAFT.items()]
    return "\n".join(["| name | what | why | what instead |", "|---|---|---|---|", *rows]) + "\n"


def warning_table() -> str:
    """A Markdown table of the other warnings."""
    rows = [f"| `{name}` | {what} |" for name, what in OTHERS.items()]
    return "\n".join(["| name | what |", "|---|---|", *rows]) + "\n"


def play_diagram(name: str) -> str:
    """A shipped play as Mermaid."""
    text = (REPOSITORY / "sequences" / f"{name}.yaml").read_text("utf-8")
    sequence, problems = load_sequence_text(name, text)
    if sequence is None:
        raise SystemExit(f"sequences/{name}.yaml: {problems}")
    return drawn_play(diagram_of(sequence))


def with_tables(text: str) -> str:
    """A page with its tables as the models have them now, its diagrams as the state table and the plays have them."""
    drawn = DIAGRAM.sub(lambda found: f"{found[1]}```mermaid\n{mermaid()}\n```\n{found[2]}", text)
    drawn = PLAY.sub(lambda found: f"{found[1]}```mermaid\n{play_diagram(found[2])}```\n{found[3]}", drawn)
    for name, table in (("craft", craft_table()), ("warnings", warning_table())):
        head, begin, rest = drawn.partition(f"<!-- {name} -->\n")
        end = f"<!-- /{name} -->"
        drawn = head + begin + (table + end + rest.partition(end)[2] if begin else rest)
    return TABLE.sub(lambda found: found[1] + key_table(MODELS[found[2]]) + found[3], drawn)


def main(words: list[str]) -> int:
    """Rewrites what is out of date and says so. The exit code is 1 when a page needs a person."""
    if words[:1] == ["pages"]:
        from tools.pages.renew import renew

        return renew(words[1:])
    for page in PAGES:
        path = REPOSITORY / "docs" / page
        text = path.read_text("utf-8")
        if with_tables(text) != text:
            path.write_text(with_tables(text), "utf-8")
            print(f"docs/{page}")
    for path in write_schemas(REPOSITORY):
        print(path.as_posix())
    for changed in refresh(REPOSITORY, packaged()):
        print(f"sequencer/workspace/starter/{changed.as_posix()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
