"""A release: which versions of sequences, templates and phrases are in force together, and how they are kept.

Comments and spacing of a sequence do not count, of a template they do: they may be seen in a letter. config.yaml is
read at the start, since it names what belongs to one machine and where its secrets are. Of it, what decides about
dates and words is kept beside the release, so that a plan can tell what another config changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sequencer.workspace.config import Config, read_config
from sequencer.workspace.sequences import load_sequence_text
from sequencer.workspace.source import Plain
from sequencer.workspace.templates import FOOTER, Template, Templates, default_footer, parse_template, text_version
from sequencer.workspace.workspace import Workspace

Kind = Literal["sequence", "template", "phrases", "config"]
FILES: Final[tuple[Kind, ...]] = ("sequence", "template", "phrases")
CONFIG: Final = "config"

_KEPT_SETTINGS: Final = ("company", "contacts", "spread")
_KEPT_OF_MAILBOX: Final = ("from", "hours", "limits", "away")

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
    text = json.dumps(_kept_settings(workspace.settings), sort_keys=True, ensure_ascii=False)
    yield KeptText(CONFIG, CONFIG, text_version(text), text)


def _kept_settings(settings: Plain) -> dict[str, Plain]:
    """What of config.yaml decides about dates and words. No server, no login, no place to be told at."""
    if not isinstance(settings, dict):
        return {}
    kept: dict[str, Plain] = {key: settings[key] for key in _KEPT_SETTINGS if key in settings}
    boxes = settings.get("mailboxes")
    if isinstance(boxes, dict):
        mine = {name: box for name, box in boxes.items() if isinstance(box, dict)}
        kept["mailboxes"] = {
            name: {key: box[key] for key in _KEPT_OF_MAILBOX if key in box} for name, box in mine.items()
        }
    return kept


def settings_hash(settings: Plain) -> str:
    """The hash (16 hexadecimal digits) of what stands in a config.yaml, comments aside."""
    return text_version(json.dumps(settings, sort_keys=True, ensure_ascii=True))


def contents_of(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Which versions a workspace is made of."""
    contents: dict[str, dict[str, str]] = {kind: {} for kind in FILES}
    for kept in kept_texts(workspace):
        contents.setdefault(kept.kind, {})[kept.name] = kept.version
    return contents


def hash_of(contents: Contents) -> str:
    """The hash (16 hexadecimal digits) of a release, whatever config goes with it."""
    return text_version(json.dumps({kind: contents.get(kind, {}) for kind in FILES}, sort_keys=True))


def rebuilt(folder: Path, config: Config, settings: Plain, texts: Texts) -> Workspace | str:
    """The workspace of a release under this config; or the first file whose text this version cannot read any more."""
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
    return Workspace(folder, config, sequences, Templates(templates, footer), sources, phrases, settings)


def kept_template(folder: Path, name: str, text: str) -> Template | None:
    """A template from its kept text; None when this version of the product cannot read it."""
    file = f"templates/{name}.md"
    return parse_template(name, text, file, folder / file)[0]


def _phrases(text: str) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    kinds: dict[str, dict[str, list[str]]] = json.loads(text)
    return {kind: {place: tuple(said) for place, said in places.items()} for kind, places in kinds.items()}


def kept_config(folder: Path, settings: Plain, text: str) -> Config | None:
    """The config of a release: what was kept of it, over a config.yaml as it is now; None where they do not fit."""
    kept = json.loads(text)
    if not isinstance(settings, dict) or not isinstance(kept, dict):
        return None
    boxes = settings.get("mailboxes")
    merged = {key: value for key, value in settings.items() if key not in _KEPT_SETTINGS}
    merged |= {key: kept[key] for key in _KEPT_SETTINGS if key in kept}
    if isinstance(boxes, dict):
        merged["mailboxes"] = {name: _as_kept(box, kept.get("mailboxes", {}).get(name)) for name, box in boxes.items()}
    return read_config(json.dumps(merged, ensure_ascii=False), folder, {}, secrets_required=False)[1]


def _as_kept(box: Plain, kept: object) -> Plain:
    if not isinstance(box, dict) or not isinstance(kept, dict):
        return box
    return {**{key: value for key, value in box.items() if key not in _KEPT_OF_MAILBOX}, **kept}
