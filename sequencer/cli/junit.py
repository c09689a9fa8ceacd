"""The JUnit XML that CI systems read: a suite a file, a test case a rehearsal."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from sequencer.operations.rehearse import Outcome, Rehearsed
    from sequencer.workspace.source import Problem

_NO_XML: Final = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 §2.2 has no characters for."""


def junit_xml(rehearsed: Rehearsed) -> str:
    """The report. A mistake in a file is an error of a case of its own; times are not measured and left out."""
    suites = [_suite(file, list(outcomes)) for file, outcomes in groupby(rehearsed.outcomes, lambda each: each.file)]
    suites += [_broken(file, list(each)) for file, each in groupby(rehearsed.problems, lambda each: each.file)]
    inside = "\n".join(suites)
    tests = len(rehearsed.outcomes) + len({problem.file for problem in rehearsed.problems})
    failed = sum(not outcome.passed for outcome in rehearsed.outcomes)
    errors = len({problem.file for problem in rehearsed.problems})
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="sequencer test" tests="{tests}" failures="{failed}" errors="{errors}">\n'
        f"{inside}\n</testsuites>\n"
    )


def _suite(file: str, outcomes: list[Outcome]) -> str:
    failed = sum(not outcome.passed for outcome in outcomes)
    cases = "\n".join(_case(outcome) for outcome in outcomes)
    return (
        f'  <testsuite name={_quoted(file)} tests="{len(outcomes)}" failures="{failed}" errors="0">\n'
        f"{cases}\n  </testsuite>"
    )


def _case(outcome: Outcome) -> str:
    from sequencer.cli.testing import failure_lines

    head = (
        f"    <testcase classname={_quoted(outcome.sequence)} name={_quoted(outcome.name)} "
        f'file={_quoted(outcome.file)} line="{outcome.line}"'
    )
    if outcome.passed:
        return f"{head}/>"
    missed = [f"expected: {each.text}" for each in outcome.checked if not each.verdict.met]
    first = (missed or [message for _, message in outcome.trouble])[0]
    told = "\n".join(failure_lines(outcome))
    return f"{head}>\n      <failure message={_quoted(first)}>{escape(_clean(told))}</failure>\n    </testcase>"


def _broken(file: str, problems: list[Problem]) -> str:
    told = "\n".join(str(problem) for problem in problems)
    return (
        f'  <testsuite name={_quoted(file)} tests="1" failures="0" errors="1">\n'
        f'    <testcase classname={_quoted(file)} name="the file can be read" file={_quoted(file)}>\n'
        f"      <error message={_quoted(problems[0].message)}>{escape(_clean(told))}</error>\n"
        "    </testcase>\n  </testsuite>"
    )


def _quoted(text: str) -> str:
    return quoteattr(_clean(text))


def _clean(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
