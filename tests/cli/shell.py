"""Running the commands: the real entry point in a process of its own, or the same app in this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sequencer.cli.main import app
from tests.operations.shop import write_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, as the current folder."""
    folder = write_shop(tmp_path / "shop")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("MARK_PASSWORD", raising=False)
    return folder


def run(*arguments: str, code: int = 0) -> str:
    """Run a command in this process; what it printed, on both streams. An exception of the command is raised."""
    result = outcome(*arguments)
    assert result.exit_code == code, result.output
    return result.output


def outcome(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def data(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command prints."""
    result = outcome(*arguments)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def process(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the installed command as people do."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("sequencer")), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUTF8": "1", **(environ or {})},
        timeout=60,
        check=False,
    )
