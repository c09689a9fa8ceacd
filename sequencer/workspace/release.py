"""A release: which versions of sequences, templates and phrases are in force together, and how they are kept.

Comments and spacing of a sequence do not count, of a template they do: they may be seen in a letter. config.yaml is
not part of it, since it names what belongs to one machine; what of it counts is its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sequencer.workspace.config import Config
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.templates import FOOTER, Template, Templates, default_footer, parse_template, text_version
from sequencer.workspace.workspace import Workspace

Kind = Literal["sequence", "template", "phrases"]
KINDS: Final[tuple[Kind, ...]] = ("sequence", "template", "phrases")

Contents = Mapping[str, Mapping[str, str]]
"""By kind and name: the version."""

Texts = Mapping[str, Mapping[str, str]]
"""By kind and name: the text."""


@dataclass(frozen=True, slots=True)
class KeptText:
    """One version of one file. The text of a phrases file is JSON, which is YAML, too."""

    kind: Kind
    name: str
    version: str
    text: str


def kept_texts(workspace: Workspace) -> Iterator[KeptText]:
    """Every text of a workspace that is in force with it, by kind and name. A footer of the product's own is none."""
    for name, sequence in sorted(workspace.sequences.items()):
        yield KeptText("sequence", name, sequence.version, workspace.sources[name])
    templates = {**workspace.templates.by_name}
    if workspace.templates.footer.text != default_footer().text:
        templates[FOOTER] = workspace.templates.footer
    for name, template in sorted(templates.items()):
        yield KeptText("template", name, template.version, template.text)
    for language, kinds in sorted(workspace.phrases.items()):
        text = json.dumps(kinds, sort_keys=True, ensure_ascii=False)
        yield KeptText("phrases", language, text_version(text), text)


def contents_of(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Which versions a workspace is made of."""
    contents: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for kept in kept_texts(workspace):
        contents[kept.kind][kept.name] = kept.version
    return contents


def hash_of(contents: Contents) -> str:
    """The hash (16 hexadecimal digits) of a release."""
    canonical = json.dumps({kind: contents.get(kind, {}) for kind in KINDS}, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()


def rebuilt(folder: Path, config: Config, texts: Texts) -> Workspace | str:
    """The workspace of a release, with a config as it is now; or the first text that cannot be read any more."""
    sequences, templates, phrases = {}, {}, {}
    for name, text in texts.get("sequence", {}).items():
        sequence = load_sequence_text(name, text)[0]
        if sequence is None:
            return f"sequences/{name}.yaml"
        sequences[name] = sequence
    for name, text in texts.get("template", {}).items():
        template = kept_template(folder, name, text)
        if template is None:
            return f"templates/{name}.md"
        templates[name] = template
    for language, text in texts.get("phrases", {}).items():
        phrases[language] = _phrases(text)
    footer = templates.pop(FOOTER, None) or default_footer()
    sources = {name: texts["sequence"][name] for name in sequences}
    return Workspace(folder, config, sequences, Templates(templates, footer), sources, phrases)


def kept_template(folder: Path, name: str, text: str) -> Template | None:
    """A template from its kept text; None when this version of the product cannot read it."""
    file = f"templates/{name}.md"
    return parse_template(name, text, file, folder / file)[0]


def _phrases(text: str) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    kinds: dict[str, dict[str, list[str]]] = json.loads(text)
    return {kind: {place: tuple(said) for place, said in places.items()} for kind, places in kinds.items()}
