"""The pages of the language: every example goes through the checker, every key is documented."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from sequencer.workspace.check import check
from sequencer.workspace.source import read_yaml
from sequencer.workspace.template_language import FILTERS
from sequencer.workspace.templates import FOOTER, default_footer, parse_template
from tests.workspace.folders import CONFIG, ENVIRON, REPOSITORY
from tools.refresh import MODELS, PAGES, with_tables

DOCS = REPOSITORY / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples(page: str, language: str) -> list[Any]:
    """The fenced examples of a page, each with the line in which it begins."""
    text = (DOCS / page).read_text("utf-8")
    return [
        pytest.param(found[2], id=f"{page}:{text[: found.start()].count(chr(10)) + 2}")
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def completed(example: str) -> str:
    """A whole sequence file around an example that shows only a part."""
    data = read_yaml("example", example)[0].data
    if isinstance(data, list):
        return "from: mark\nsteps:\n" + "".join(f"  {line}\n" for line in example.splitlines())
    assert isinstance(data, dict)
    around = "" if "from" in data else "from: mark\n"
    around += "" if "steps" in data else "steps:\n  - {step: nine-word, email: nine-word}\n"
    return example + around


@pytest.mark.parametrize("example", examples("sequences.md", "yaml"))
def test_every_sequence_in_the_docs_checks_clean(example: str, tmp_path: Path) -> None:
    for part in ("templates", "sequences"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    shutil.copy(REPOSITORY / "contacts.example.csv", tmp_path)
    (tmp_path / "config.yaml").write_text(
        CONFIG
        + "  lena:\n    from: Lena <lena@flatheadrv.example>\n    provider: gmail\n    password: ${MARK_PASSWORD}\n"
    )
    (tmp_path / "sequences" / "example.yaml").write_text(completed(example), "utf-8")
    assert [str(problem) for problem in check(tmp_path, ENVIRON)] == []


@pytest.mark.parametrize("example", examples("configuration.md", "yaml"))
def test_every_config_in_the_docs_checks_clean(example: str, tmp_path: Path) -> None:
    data = read_yaml("example", example)[0].data
    assert isinstance(data, dict)
    rest = {
        "company": "company: {name: A, address: B}\n",
        "contacts": "contacts: {timezone: America/Denver}\n",
        "mailboxes": "mailboxes: {mark: {from: M <m@a.example>, provider: gmail, password: '${MARK_PASSWORD}'}}\n",
    }
    text = example + "".join(lines for key, lines in rest.items() if key not in data)
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "lena").write_text("secret\n")
    environ = {**ENVIRON, "DB_PASSWORD": "p%40ss", "SLACK_URL": "slack://x", "READER_KEY": "k"}
    assert [str(p) for p in check(tmp_path, environ) if p.code != "no-sequences"] == []


@pytest.mark.parametrize("example", examples("templates.md", "template"))
def test_every_template_in_the_docs_can_be_used(example: str) -> None:
    template, problems = parse_template("example", example, "templates/example.md", Path("example.md"))
    assert template is not None, [str(problem) for problem in problems]


def test_the_pages_have_examples_at_all() -> None:
    assert len(examples("sequences.md", "yaml")) >= 15
    assert len(examples("configuration.md", "yaml")) >= 5
    assert len(examples("templates.md", "template")) >= 4


def test_the_docs_show_the_footer_that_is_packaged() -> None:
    assert default_footer().body in (DOCS / "templates.md").read_text("utf-8")
    assert default_footer().name == FOOTER


def test_every_key_is_documented_as_the_models_have_it() -> None:
    """If not: `python tools/refresh.py`."""
    shown: set[str] = set()
    for page in PAGES:
        text = (DOCS / page).read_text("utf-8")
        assert with_tables(text) == text, f"docs/{page} is out of date"
        shown |= set(re.findall(r"<!-- keys: (\w+) -->", text))
    assert shown == set(MODELS)


def test_every_key_says_what_it_does() -> None:
    for name, model in MODELS.items():
        for key, info in model.model_fields.items():
            assert len(info.description or "") > 15, f"{name}.{key}"


def test_every_filter_is_documented() -> None:
    text = (DOCS / "templates.md").read_text("utf-8")
    assert {name for name in FILTERS if f"`{name}`" not in text} == set()


def test_every_key_of_the_example_config_is_explained_there() -> None:
    text = (REPOSITORY / "config.yaml").read_text("utf-8")
    for name in (
        "ConfigFile",
        "CompanyFile",
        "ContactsFile",
        "MailboxFile",
        "SmtpFile",
        "ImapFile",
        "LimitsFile",
        "WebFile",
        "ReaderFile",
    ):
        for key, info in MODELS[name].model_fields.items():
            assert re.search(rf"\b{info.alias or key}:", text), f"{name}.{key} is not in config.yaml"
