"""What every test run says at its end: which tests were left out, and how to run them."""

from __future__ import annotations

from collections import Counter

import pytest

# Session fixtures are made known in one place: known in several, each would be set up several times.
from tests.databases import database, database_url, migrated_sqlite, postgresql_server
from tests.dovecot import dovecot

__all__ = ["database", "database_url", "dovecot", "migrated_sqlite", "postgresql_server"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the trials by fire counted, and name the reasons for which tests were skipped."""
    _trials(terminalreporter)
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        terminalreporter.write_line("Nothing was left out.")
        return
    reasons = Counter(_reason(report) for report in skipped)
    terminalreporter.section("left out")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number} test{'' if number == 1 else 's'}: {reason}")
    terminalreporter.write_line("To run everything on Debian, as root: bash .ci/run")


def _trials(terminalreporter: pytest.TerminalReporter) -> None:
    """The counts of tests/fire."""
    reports = [*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])]
    counts = sorted(value for report in reports for key, value in report.user_properties if key == "counts")
    if counts:
        terminalreporter.section("trials")
        for line in counts:
            terminalreporter.write_line(str(line))


def _reason(report: pytest.TestReport) -> str:
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    return reason.removeprefix("Skipped: ")
