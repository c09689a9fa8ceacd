"""The systemd unit: systemd itself reads it, and what it starts runs as it would there, as far as that can be tried."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clock import PATIENCE
from tests.daemon.house import furnish
from tests.web.watched import free_port

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
UNIT = DEPLOY / "sequencer.service"
PROGRAM = "/opt/sequencer/bin/sequencer"
EXPOSED_AT_MOST = 1.5
STOP_WITHIN = 10  # seconds, daemon/sharing.py


def settings() -> dict[str, list[str]]:
    """What the unit sets, by name; a name may stand there several times."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def analyze() -> str:
    """systemd-analyze; it needs no running systemd."""
    found = shutil.which("systemd-analyze")
    if found is None:
        reason = "systemd-analyze is not installed (Debian's package systemd)"
        if os.environ.get("SEQUENCER_TEST_EVERYTHING") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it would be installed, but for the program, which must be there for systemd to be content."""
    copy = tmp_path / UNIT.name
    program = Path(sys.executable).with_name("sequencer")
    copy.write_text(UNIT.read_text().replace(PROGRAM, str(program)))
    return copy


def test_systemd_reads_the_unit_without_a_complaint(analyze: str, unit: Path) -> None:
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_would_complain_of_a_mistake(analyze: str, unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    done = subprocess.run([analyze, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert "ProtectSistem" in done.stderr


def test_the_unit_leaves_little_exposed(analyze: str, unit: Path) -> None:
    threshold = f"--threshold={int(EXPOSED_AT_MOST * 10)}"
    command = [analyze, "security", "--offline=yes", "--no-pager", threshold, str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:]
    unit.write_text(re.sub(r"(?m)^(Protect|Restrict|Private|SystemCall).*$", "", unit.read_text()))
    assert subprocess.run(command, capture_output=True).returncode != 0  # it would be noticed


def test_times_and_paths_fit_what_the_daemon_does() -> None:
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert int(unit["TimeoutStopSec"][0].removesuffix("s")) > STOP_WITHIN
    assert unit["Restart"] == ["on-failure"]
    assert "StartLimitBurst" in unit
    program, *arguments = unit["ExecStart"][0].split()
    assert program == PROGRAM
    assert arguments == ["--workspace", "/srv/sequencer", "run", "--log-format", "json"]
    page = (DEPLOY.parent / "docs" / "operating.md").read_text()
    secret = unit["LoadCredential"][0]
    assert f"file:/run/credentials/{UNIT.name}/{secret.partition(':')[0]}_mark" in page
    for place in (secret.partition(":")[2], f"/var/lib/{unit['StateDirectory'][0]}", "/srv/sequencer", PROGRAM):
        assert place in page, place


def _another_user(program: Path) -> int | None:
    """Who else may run it: root can become another user, where that one can reach the program at all."""
    if os.getuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody").pw_uid
    try:
        subprocess.run([program, "--version"], check=True, capture_output=True, user=nobody, extra_groups=[])
    except (PermissionError, subprocess.CalledProcessError):
        return None
    return nobody


def test_it_runs_as_a_user_who_may_only_read_the_workspace(tmp_path: Path) -> None:
    """As the unit starts it: its arguments, another user, secrets in files, a database elsewhere, whom to notify."""
    program = Path(sys.executable).with_name("sequencer")
    unit, who = settings(), _another_user(program)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == pwd.getpwuid(os.getuid()).pw_name and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    workspace, state, secrets = (tmp_path / name for name in ("srv", "state", "credentials"))
    furnish(workspace, smtp=free_port(), imap=free_port(), user="mark", database=f"sqlite:///{state}/sequencer.db")
    config = workspace / "config.yaml"
    config.write_text(config.read_text().replace('"${MARK_PASSWORD}"', f"file:{secrets}/secret_mark"))
    for folder in (state, secrets, workspace / "private"):
        folder.mkdir(mode=0o755)
    (secrets / "secret_mark").write_text("pw\n")
    if who is not None:
        os.chown(state, who, -1)
        (workspace / "private").chmod(0o700)  # not ours to look into: no reason to stop watching the rest
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address := f"\0sequencer-deploy-{os.getpid()}")
        manager.settimeout(PATIENCE)
        arguments = unit["ExecStart"][0].replace("/srv/sequencer", str(workspace)).split()[1:]
        environ = {"PATH": os.environ["PATH"], "NOTIFY_SOCKET": f"@{address[1:]}", "HOME": str(state)}
        running = subprocess.Popen(
            [program, *arguments],
            cwd=state,
            env=environ,
            umask=int(unit["UMask"][0], 8),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            user=who,
            extra_groups=None if who is None else [],
        )
        try:
            assert manager.recv(4096).startswith(b"READY=1")
            (workspace / "templates" / "hello.md").write_text(
                "---\nsubject: Hello anew\n---\n{{ first_name }}, hello.\n"
            )
            assert running.stdout is not None
            lines = iter(running.stdout.readline, "")
            said = next(line for line in lines if '"reloaded"' in line or "watch_failed" in line)
            assert '"reloaded"' in said
            running.send_signal(signal.SIGTERM)
            rest, _ = running.communicate(timeout=PATIENCE)
        finally:
            running.kill()
            running.wait()
    assert running.returncode == 0, rest
    assert '"stopped"' in rest
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()}
    assert modes["sequencer.db"] == 0o600
