"""Examples of files that people write: each goes through the program's own checker, completed if it is a part."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from sequencer.workspace.check import check
from sequencer.workspace.source import read_yaml
from sequencer.workspace.templates import parse_template
from sequencer.workspace.warning_names import EARLY_BACK_OFF, FEW_TOUCHES

REPOSITORY: Final = Path(__file__).resolve().parents[2]
ENVIRON: Final[Mapping[str, str]] = {
    "MARK_PASSWORD": "correct horse battery staple",
    "DB_PASSWORD": "p%40ss",
    "SLACK_URL": "slack://x",
    "READER_KEY": "k",
}
LENA: Final = "  lena:\n    from: Lena <lena@flatheadrv.example>\n    provider: gmail\n    password: ${MARK_PASSWORD}\n"
REST_OF_CONFIG: Final[Mapping[str, str]] = {
    "company": "company: {name: A, address: B}\n",
    "contacts": "contacts: {timezone: America/Denver}\n",
    "mailboxes": "mailboxes: {mark: {from: M <m@a.example>, provider: gmail, password: '${MARK_PASSWORD}'}}\n",
}


def kind_of(page: str, text: str) -> str:
    """What a YAML example is, by the page on which it stands and by its keys: sequence, config, phrases or rules."""
    data = read_yaml("example", text)[0].data
    if page in ("configuration.md", "inbox.md"):
        return {"configuration.md": "config", "inbox.md": "phrases"}[page]
    if isinstance(data, dict) and "groups" in data:
        return "rules"
    if isinstance(data, dict) and {"company", "mailboxes", "database", "web"} & set(data):
        return "config"
    return "sequence"


def problems_of(kind: str, text: str) -> list[str]:
    """What is wrong with an example of a kind of file; nothing when it is right. Raises KeyError for another kind."""
    return CHECKS[kind](text)


@contextmanager
def _starter() -> Iterator[Path]:
    """A workspace with the starter's files, and one more mailbox."""
    with tempfile.TemporaryDirectory(prefix="sequencer-example-") as name:
        folder = Path(name)
        for part in ("templates", "sequences"):
            shutil.copytree(REPOSITORY / part, folder / part)
        shutil.copy(REPOSITORY / "contacts.example.csv", folder)
        config = (REPOSITORY / "config.yaml").read_text("utf-8")
        (folder / "config.yaml").write_text(config.replace("\nmailboxes:\n", f"\nmailboxes:\n{LENA}", 1), "utf-8")
        yield folder


def _sequence(text: str) -> list[str]:
    with _starter() as folder:
        (folder / "sequences" / "example.yaml").write_text(completed(text), "utf-8")
        found = [one for one in check(folder, ENVIRON) if one.code not in OF_A_WHOLE_PLAN]
        return [str(one) for one in found if "example.yaml" in one.file or one.severity == "error"]


OF_A_WHOLE_PLAN: Final = (FEW_TOUCHES, EARLY_BACK_OFF)
"""Warnings of which an example that shows a part of a plan says nothing."""


def completed(example: str) -> str:
    """A whole sequence file around an example that shows only a part."""
    data = read_yaml("example", example)[0].data
    if isinstance(data, list):
        return "from: mark\nsteps:\n" + "".join(f"  {line}\n" for line in example.splitlines())
    if not isinstance(data, dict):
        return example
    around = "" if "from" in data else "from: mark\n"
    around += "" if "steps" in data else "steps:\n  - {step: nine-word, email: nine-word}\n"
    return example + around


def _config(text: str) -> list[str]:
    data = read_yaml("example", text)[0].data
    keys: set[Any] = set(data) if isinstance(data, dict) else set()
    with tempfile.TemporaryDirectory(prefix="sequencer-example-") as name:
        folder = Path(name)
        whole = text + "".join(lines for key, lines in REST_OF_CONFIG.items() if key not in keys)
        (folder / "config.yaml").write_text(whole, "utf-8")
        (folder / "secrets").mkdir()
        (folder / "secrets" / "lena").write_text("secret\n", "utf-8")
        return [str(one) for one in check(folder, ENVIRON) if one.code != "no-sequences"]


def _part_of_config(text: str) -> list[str]:
    """Some keys of a configuration: the rest is the starter's. Files of another machine need not be there."""
    with _starter() as folder:
        whole = merged(yaml.safe_load((folder / "config.yaml").read_text("utf-8")), yaml.safe_load(text))
        (folder / "config.yaml").write_text(yaml.safe_dump(whole), "utf-8")
        return [str(one) for one in check(folder, ENVIRON, secrets_required=False) if one.severity == "error"]


def merged(below: Any, above: Any) -> Any:
    """One value with the keys of another over its own, however deep."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


def _rules(text: str) -> list[str]:
    """Rules for Prometheus: each has a name and an expression, and asks for what the daemon shows."""
    shown = (REPOSITORY / "docs" / "operating.md").read_text("utf-8").partition("| metric | labels |")[2]
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"sequencer_\w+", rule["expr"])}
    lost = sorted(name for name in asked if f"`{name}`" not in shown)
    nameless = [rule for rule in rules if not rule.get("alert")]
    return [*(f"no metric {name}" for name in lost), *(f"no name: {rule}" for rule in nameless)]


def _phrases(text: str) -> list[str]:
    with _starter() as folder:
        (folder / "phrases").mkdir()
        (folder / "phrases" / "en.yaml").write_text(text, "utf-8")
        return [str(one) for one in check(folder, ENVIRON)]


def _template(text: str) -> list[str]:
    template, problems = parse_template("example", text, "templates/example.md", Path("example.md"))
    return [] if template is not None else [str(problem) for problem in problems]


def _test(text: str) -> list[str]:
    with _starter() as folder:
        (folder / "sequences" / "quote-follow-up.test.yaml").write_text(text, "utf-8")
        return [str(one) for one in check(folder, ENVIRON) if ".test.yaml" in one.file or one.severity == "error"]


CHECKS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "sequence": _sequence,
    "config": _config,
    "part of a configuration": _part_of_config,
    "rules": _rules,
    "phrases": _phrases,
    "template": _template,
    "test": _test,
}
