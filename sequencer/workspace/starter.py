"""The workspace that `sequencer init` writes: a packaged copy of the one at the top of the repository.

`python -m sequencer.workspace.starter --refresh` copies the top-level files into the package; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from sequencer.workspace.schema import schema_files

PARTS: Final = ("config.yaml", "contacts.example.csv", "sequences", "templates")
_SUFFIXES: Final = (".yaml", ".md", ".csv")


class AlreadyThere(FileExistsError):
    """The folder holds files that would be overwritten; `paths` are those."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(f"{paths[0]} is already there")
        self.paths = paths


def packaged() -> Path:
    """Where the packaged copy lies."""
    return Path(str(files("sequencer.workspace") / "starter"))


def starter_files(folder: Path) -> Iterator[Path]:
    """The files of a workspace that belong to the starter, relative to its folder, in order."""
    for part in PARTS:
        path = folder / part
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        for each in found:
            if each.is_file() and each.suffix in _SUFFIXES and not each.name.startswith("."):
                yield each.relative_to(folder)


def write_starter(folder: Path) -> list[Path]:
    """Writes the starter workspace into a folder (made if need be) and returns the files written.

    The JSON Schemas to which the files point their editors go with it. Nothing is overwritten: raises
    AlreadyThere, before writing anything, when a file exists. Raises OSError when the folder cannot be written.
    """
    wanted = {path: (packaged() / path).read_bytes() for path in starter_files(packaged())}
    wanted |= {path: text.encode() for path, text in schema_files().items()}
    existing = [folder / path for path in wanted if (folder / path).exists()]
    if existing:
        raise AlreadyThere(existing)
    written: list[Path] = []
    for path, content in wanted.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        written.append(target)
    return written


def refresh(repository: Path, target: Path) -> list[Path]:
    """Makes the copy in `target` equal to the workspace at the top of the repository; returns what changed."""
    wanted = {path: (repository / path).read_bytes() for path in starter_files(repository)}
    changed: list[Path] = []
    for path in list(starter_files(target)):
        if path not in wanted:
            (target / path).unlink()
            changed.append(path)
    for path, content in wanted.items():
        copy = target / path
        if not copy.is_file() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
            changed.append(path)
    return changed


def main(arguments: list[str]) -> int:
    """The command line: `--refresh` copies the top-level workspace into the package."""
    if arguments != ["--refresh"]:
        print("usage: python -m sequencer.workspace.starter --refresh", file=sys.stderr)
        return 2
    repository = Path(__file__).resolve().parents[2]
    if not (repository / "config.yaml").is_file():
        print("there is no workspace at the top of the repository", file=sys.stderr)
        return 1
    for path in refresh(repository, packaged()):
        print(path.as_posix())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
