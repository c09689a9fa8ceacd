"""The starter workspace: equal to the one at the top of the repository, clean, and never written over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.workspace.check import check
from sequencer.workspace.starter import SCHEMA, AlreadyThere, packaged, refresh, starter_files, write_starter
from tests.workspace.folders import ENVIRON, REPOSITORY


def test_the_packaged_copy_equals_the_top_level_workspace_byte_for_byte() -> None:
    """If not: `python tools/refresh.py`."""
    assert list(starter_files(packaged())) == list(starter_files(REPOSITORY))
    for path in starter_files(REPOSITORY):
        assert (packaged() / path).read_bytes() == (REPOSITORY / path).read_bytes(), path


def test_what_init_writes_checks_clean(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new")
    assert {path.relative_to(tmp_path / "new") for path in written} == {*starter_files(REPOSITORY), SCHEMA}
    for path in (tmp_path / "new" / "sequences").iterdir():
        schema = path.read_text("utf-8").splitlines()[0].partition("$schema=")[2]
        assert (path.parent / schema).resolve() == (tmp_path / "new" / SCHEMA).resolve()
    assert check(tmp_path / "new", ENVIRON) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "footer.md").write_text("mine", "utf-8")
    with pytest.raises(AlreadyThere) as caught:
        write_starter(tmp_path)
    assert caught.value.paths == [tmp_path / "templates" / "footer.md"]
    assert not (tmp_path / "config.yaml").exists(), "all or nothing"


def test_refreshing_what_is_fresh_changes_nothing() -> None:
    assert refresh(packaged()) == []
