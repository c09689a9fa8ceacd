"""`allow:`, which silences a warning by its name: in a sequence, in a template's front matter, or for the workspace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sequencer.workspace.check_names import emails_of
from sequencer.workspace.draft import Draft
from sequencer.workspace.source import Document, Problem, did_you_mean, shown
from sequencer.workspace.warning_names import WARNINGS

KEY = "allow"


def allowed_in(document: Document) -> frozenset[str]:
    """The names under `allow:`, also of a file that has mistakes elsewhere."""
    value = document.data.get(KEY) if isinstance(document.data, dict) else None
    names = value if isinstance(value, list) else [value]
    return frozenset(name for name in names if isinstance(name, str))


def allow_mistakes(draft: Draft) -> Iterator[Problem]:
    """Names under `allow:` that no warning has."""
    for document in _documents(draft):
        value = document.data.get(KEY) if isinstance(document.data, dict) else None
        names = value if isinstance(value, list) else [value]
        for index, name in enumerate(names):
            if isinstance(name, str) and name not in WARNINGS:
                route = (KEY, index) if (KEY, index) in document.values else (KEY,)
                message = f"there is no warning called `{shown(name)}`"
                yield document.problem(route, "unknown-warning", message, did_you_mean(name, WARNINGS))


def _documents(draft: Draft) -> Iterator[Document]:
    yield draft.config_document
    for each in draft.sequences.values():
        yield each.document
    for template in (*draft.templates.by_name.values(), draft.templates.footer):
        yield template.document


def allowed_for(draft: Draft) -> Mapping[str, frozenset[str]]:
    """By file: the warnings that are silenced there. What all sequences that send a template allow, it may do."""
    everywhere = allowed_in(draft.config_document)
    found = {document.file: everywhere | allowed_in(document) for document in _documents(draft)}
    by_template: dict[str, frozenset[str]] = {}
    for each in draft.sequences.values():
        own = allowed_in(each.document)
        for name in {name for _, email, _ in emails_of(each) for name in email.variants}:
            by_template[name] = by_template.get(name, own) & own
    for name, own in by_template.items():
        template = draft.templates.get(name)
        if template is not None:
            found[template.document.file] |= own
    return found


def without_allowed(draft: Draft, problems: Iterable[Problem]) -> Iterator[Problem]:
    """The problems without the warnings that the author has silenced. An error cannot be."""
    everywhere, by_file = allowed_in(draft.config_document), allowed_for(draft)
    for problem in problems:
        if problem.severity == "error" or problem.code not in by_file.get(problem.file, everywhere):
            yield problem
