"""The pages of the language: every key is documented. (tests/docs plays their examples.)"""

from __future__ import annotations

import re

from sequencer.workspace.template_language import FILTERS
from sequencer.workspace.templates import FOOTER, default_footer
from tests.workspace.folders import REPOSITORY
from tools.refresh import MODELS, PAGES, with_tables

DOCS = REPOSITORY / "docs"


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
