"""The starter workspace: equal to the one at the top of the repository, clean, and never written over anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from sequencer.workspace.check import check
from sequencer.workspace.schema import schema_files
from sequencer.workspace.starter import AlreadyThere, main, packaged, refresh, starter_files, write_starter
from tests.workspace.folders import ENVIRON, REPOSITORY, write_workspace


def test_the_packaged_copy_equals_the_top_level_workspace_byte_for_byte() -> None:
    """If not: `python tools/refresh.py`."""
    assert list(starter_files(packaged())) == list(starter_files(REPOSITORY))
    for path in starter_files(REPOSITORY):
        assert (packaged() / path).read_bytes() == (REPOSITORY / path).read_bytes(), path


def test_what_init_writes_checks_clean(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new")
    assert {path.relative_to(tmp_path / "new") for path in written} == {*starter_files(REPOSITORY), *schema_files()}
    assert check(tmp_path / "new", ENVIRON) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "footer.md").write_text("mine", "utf-8")
    with pytest.raises(AlreadyThere) as caught:
        write_starter(tmp_path)
    assert caught.value.paths == [tmp_path / "templates" / "footer.md"]
    assert not (tmp_path / "config.yaml").exists(), "all or nothing"


def test_refreshing_copies_what_is_new_or_changed_and_drops_what_is_gone(tmp_path: Path) -> None:
    repository, copy = write_workspace(tmp_path / "repository"), tmp_path / "copy"
    assert len(refresh(repository, copy)) == 3
    assert refresh(repository, copy) == []
    (repository / "config.yaml").write_text("changed", "utf-8")
    (repository / "templates" / "new").mkdir()
    (repository / "templates" / "new" / "letter.md").write_text("new", "utf-8")
    (repository / "templates" / "notes.txt").write_text("not for others", "utf-8")
    (repository / "sequences" / "plan.yaml").unlink()
    changed = {path.as_posix() for path in refresh(repository, copy)}
    assert changed == {"config.yaml", "templates/new/letter.md", "sequences/plan.yaml"}
    assert list(starter_files(copy)) == list(starter_files(repository))
    assert (copy / "config.yaml").read_text("utf-8") == "changed"


def test_the_command_line_refreshes_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "--refresh" in capsys.readouterr().err
