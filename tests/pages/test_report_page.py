"""The page of the report: it stands alone, runs nothing, and escapes what strangers wrote; what its charts say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sequencer.core.survival import Point, rise
from sequencer.operations.report import Reason, Report, report
from sequencer.pages import charts
from sequencer.pages.report import report_page
from sequencer.store.database import Database
from sequencer.store.report import Scope
from tests.operations.histories import invent
from tests.operations.shop import open_shop

SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
async def found(database: Database, tmp_path: Path) -> Report:
    live = await open_shop(database, tmp_path / "shop")
    return await report(live, Scope(), await invent(live, 5, 30))


def _policy(page: str) -> str:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    return str(policy).replace("&#39;", "'")


async def test_the_page_stands_alone(found: Report) -> None:
    page = report_page(found)
    assert _policy(page).startswith("default-src 'none'; style-src 'sha256-")
    (css,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in _policy(page)
    assert not re.search(r"<script|<link|<iframe|<img|<object|\bstyle=|\bon\w+=|javascript:|@import|url\(", page)
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)


async def test_every_section_is_there_once(found: Report) -> None:
    page = report_page(found)
    anchors = re.findall(r'<section class="sequence" id="([^"]*)"', page)
    assert anchors == ["sequence-keep", "sequence-quote", "sequence-vanished"]
    assert re.findall(r'<a href="#([^"]*)"', page) == anchors
    (one,) = [section for section in found.sections if section.name == "quote"]
    alone = report_page(replace(found, sections=(one,), whole=one))
    assert "<section>" in alone
    assert 'class="sequence"' not in alone


async def test_what_strangers_wrote_is_text(found: Report) -> None:
    assert found.whole is not None
    told = tuple(
        replace(
            one,
            noes=(Reason("closed", HOSTILE, 3),),
            steps=tuple(replace(step, step=f"{step.step}{HOSTILE}") for step in one.steps),
            stages=tuple(replace(stage, name=f"{stage.name}{HOSTILE}") for stage in one.stages),
            leaks=tuple(replace(leak, reason=HOSTILE) for leak in one.leaks),
        )
        for one in found.sections
    )
    page = report_page(replace(found, sections=told))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page


async def test_every_chart_is_well_formed_and_says_what_it_shows(found: Report) -> None:
    drawn = SVG.findall(report_page(found))
    assert len(drawn) > 50
    for text in drawn:
        chart = ElementTree.fromstring(text)
        assert chart.get("role") == "img"
        assert (chart.findtext("title") or "").strip()
        assert "nan" not in text
        assert "inf" not in text.replace("info", "")


def test_a_report_on_nobody() -> None:
    empty = Report(datetime(2026, 12, 1, tzinfo=UTC), Scope(), "America/Denver", (), None, ())
    assert "Nobody has entered a sequence yet." in report_page(empty)
    named = report_page(replace(empty, scope=Scope(sequence="quote")))
    assert "Nobody has entered it yet." in named


# Charts -------------------------------------------------------------------------------------------


def _widths(svg: str) -> list[float]:
    return [float(width) for width in re.findall(r'class="bar" width="([\d.]+)"', svg)]


def test_a_bar_is_as_long_as_its_share() -> None:
    assert _widths(charts.bar(0.25, "a quarter")) == [25.0]
    assert _widths(charts.bar_with_interval(0.05, 0.02, 0.1, 0.2, "")) == [25.0]
    whisker = str(charts.bar_with_interval(0.05, 0.02, 0.1, 0.2, ""))
    assert 'd="M10 5H50M10 2V8M50 2V8"' in whisker
    assert _widths(charts.bar_with_interval(None, 0.0, 1.0, 0.2, "")) == []  # nothing is known: the line alone
    assert "H100" in charts.bar_with_interval(None, 0.0, 1.0, 0.2, "")


def test_the_darkest_hour_is_the_busiest() -> None:
    cells = [0] * 168
    cells[10], cells[34], cells[58] = 1, 50, 100
    shades = re.findall(r'class="h(\d)"', charts.heat(cells, ("Monday",) * 7, "n", "d"))
    assert [int(shades[at]) for at in (0, 10, 34, 58)] == [0, 1, 3, 5]
    assert set(re.findall(r'class="h(\d)"', charts.heat([0] * 168, ("Monday",) * 7, "n", "d"))) == {"0"}


def test_a_curve_stays_within_its_frame() -> None:
    curve = rise([1.0, 2.0, 400.0], [3.0] * 50)
    drawn = charts.rising(curve.points, curve.longest, "n", "d")
    heights = [float(y) for y in re.findall(r"V([\d.]+)", drawn)]
    assert heights
    assert all(0 <= y <= charts.HEIGHT for y in heights)


@pytest.mark.parametrize(
    ("value", "round_number"), [(0.034, 0.05), (1, 1), (1.2, 2), (7, 10), (0.2, 0.2), (99, 100), (0, 1)]
)
def test_round_numbers(value: float, round_number: float) -> None:
    assert charts.nice(value) == pytest.approx(round_number)
    marks = charts.ticks(charts.nice(value))
    assert 4 <= len(marks) <= 6
    assert marks[0] == 0
    assert marks[-1] == pytest.approx(round_number)


def test_thinning_keeps_the_end() -> None:
    points = [Point(float(n), n / 5000, 0.0, 1.0, 9) for n in range(1, 5001)]
    kept = charts.thinned(points)
    assert len(kept) <= 161
    assert kept[-1] is points[-1]
    assert kept == sorted(kept, key=lambda point: point.after)
