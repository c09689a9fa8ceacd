"""What every test run says at its end: which tests were left out, and how to run them."""

from __future__ import annotations

from collections import Counter

import pytest

# Session fixtures are made known in one place: known in several, each would be set up several times.
from tests.databases import database, database_url, migrated_sqlite, postgresql_server
from tests.dovecot import dovecot

__all__ = ["database", "database_url", "dovecot", "migrated_sqlite", "postgresql_server"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the reasons for which tests were skipped, each with its number."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        terminalreporter.write_line("Nothing was left out.")
        return
    reasons = Counter(_reason(report) for report in skipped)
    terminalreporter.section("left out")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number} test{'' if number == 1 else 's'}: {reason}")
    terminalreporter.write_line("To run everything on Debian, as root: bash .ci/run")


def _reason(report: pytest.TestReport) -> str:
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    return reason.removeprefix("Skipped: ")
