"""The diagram of a sequence: its boxes and ways, where they are put, SVG and Mermaid."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sequencer.core.model import BACK_OFF, MAIN_LINE, GoTo, MoveTo, Sequence, Stop
from sequencer.workspace.diagram import (
    END,
    REPLIES,
    START,
    Diagram,
    Edge,
    People,
    Standing,
    as_json,
    branch_id,
    diagram_of,
    return_id,
)
from sequencer.workspace.diagram_layout import PAD, WIDTH, Box, Layout, layout, text_width, wrapped
from sequencer.workspace.diagram_mermaid import mermaid
from sequencer.workspace.diagram_svg import svg, told
from tests.core.plans import QUOTE, email, task
from tests.workspace.plans import plans

QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
NAMESPACE = "{http://www.w3.org/2000/svg}"

BUSY = Standing({"thanks": People(9, 2, 1, 3), "call": People(), BACK_OFF: People(4)}, {"gone": 2}, 30, 5)


def ways(diagram: Diagram, way: str) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.target, edge.label) for edge in diagram.edges if edge.way == way]


# Boxes and ways -----------------------------------------------------------------------------------


def test_the_line_its_waits_the_back_off_and_the_end() -> None:
    drawn = diagram_of(QUOTE)
    assert ways(drawn, "next")[:5] == [
        (START, "thanks", "1 day later"),
        ("thanks", "article", "5 days later"),
        ("article", "call", "3 days later"),
        ("call", "last", "4 days later"),
        ("last", BACK_OFF, "after 10 days of silence"),
    ]
    assert ways(drawn, "end") == [(BACK_OFF, END, "")]
    assert drawn.node(END).details == ("move to keep-in-touch",)
    assert drawn.node("last").details == ("e-mail last-template", "not later than 5 days after its time")


def test_a_branch_begins_where_answers_lead_and_ends_where_the_plan_stood() -> None:
    drawn = diagram_of(QUOTE)
    assert ways(drawn, "reply") == [(REPLIES, "last", "not_now"), (REPLIES, branch_id("price"), "cost")]
    assert ways(drawn, "next")[5:] == [
        (branch_id("price"), "price-answer", "2 hours later"),
        ("price-answer", "price-call", "2 days later"),
        ("price-call", return_id("price"), ""),
    ]
    assert drawn.node(REPLIES).details == (
        "interested: pause, and the rep is told",
        "not now: silence until the day they name, else for 60 days, then last",
        "not interested: move to keep-in-touch",
        "cost: go to price",
        "unsubscribe: stop, and never write again",
        "any other answer: pause, and the rep is told",
    )


def test_without_a_back_off_the_steps_lead_to_the_end() -> None:
    drawn = diagram_of(replace(QUOTE, back_off=None, finally_=None, on_reply={}))
    assert ways(drawn, "next")[4] == ("last", END, "")
    assert drawn.node(END).details == ("finished",)
    assert drawn.node(REPLIES).details == (
        "unsubscribe: stop, and never write again",
        "any other answer: pause, and the rep is told",
    )


def test_two_ways_to_end_are_both_told() -> None:
    drawn = diagram_of(replace(QUOTE, finally_=Stop("we have tried")))
    assert drawn.node(END).details == ("no answer: move to keep-in-touch", "else: stop: we have tried")


def test_a_step_that_jumps_and_one_that_leaves() -> None:
    jump = replace(task("again", "1 day later"), do=GoTo("thanks"))
    leave = replace(task("away", "1 day later"), do=MoveTo("keep"))
    plan = replace(
        QUOTE, lines={MAIN_LINE: (email("thanks", "1 day later"), jump, leave, email("never", "1 day later"))}
    )
    plan = replace(plan, on_reply={})
    drawn = diagram_of(plan)
    assert ways(drawn, "go_to") == [("again", "thanks", "")]
    assert ("away", "never", "1 day later") not in ways(drawn, "next")
    assert drawn.node("away").details[0] == "move to keep"


def test_nobody_goes_on_behind_a_step_that_always_turns_back() -> None:
    """A jump up the line never comes back; a branch does, unless its own end leads elsewhere."""
    loop = replace(email("loop", "9 days later"), do=GoTo("thanks"))
    turn = replace(email("turn", "1 day later"), do=GoTo("price"))
    lines = {
        MAIN_LINE: (email("thanks", "1 day later"), turn, loop),
        "price": (email("cost", "1 day later"), replace(turn, id="on", do=GoTo("terms"))),
        "terms": (email("terms-mail", "1 day later"),),
    }
    drawn = diagram_of(replace(QUOTE, lines=lines, back_off=None, on_reply={}))
    along = [(source, target) for source, target, _ in ways(drawn, "next")]
    assert ("turn", "loop") in along
    assert ("on", return_id("price")) in along
    assert [source for source, target in along if target == END] == []

    for last in (Stop("done"), GoTo("thanks"), GoTo("price")):
        terms = (email("terms-mail", "1 day later"), replace(turn, id="last", do=last))
        drawn = diagram_of(replace(QUOTE, lines={**lines, "terms": terms}, back_off=None, on_reply={}))
        along = [(source, target) for source, target, _ in ways(drawn, "next")]
        assert ("turn", "loop") not in along
        assert not {return_id("price"), return_id("terms")} & {node.id for node in drawn.nodes}


def test_people_stand_at_their_steps_and_nobody_is_not_shown() -> None:
    drawn = diagram_of(QUOTE, BUSY)
    assert drawn.node("thanks").people == People(9, 2, 1, 3)
    assert drawn.node("call").people is None
    assert BUSY.open == 18
    told_json = as_json(drawn)
    assert told_json["people"] == {"open": 18, "elsewhere": {"gone": 2}, "finished": 30, "stopped": 5}
    nodes = told_json["nodes"]
    assert isinstance(nodes, list)
    assert nodes[1]["people"] == {"active": 9, "paused": 2, "snoozed": 1, "held": 3}
    assert as_json(diagram_of(QUOTE))["people"] is None


@QUIET
@given(plans())
def test_every_way_leads_from_a_box_to_a_box(plan: Sequence) -> None:
    drawn = diagram_of(plan)
    ids = [node.id for node in drawn.nodes]
    assert len(ids) == len(set(ids))
    for edge in drawn.edges:
        assert edge.source in ids
        assert edge.target in ids


# Geometry -----------------------------------------------------------------------------------------


def overlap(one: Box, other: Box) -> bool:
    return one.x < other.right and other.x < one.right and one.y < other.bottom and other.y < one.bottom


def crosses(edge: Edge, start: tuple[float, float], end: tuple[float, float], box: Box) -> bool:
    """Whether a stretch of a way (upright or level) runs through the inside of a box."""
    left, right = sorted((start[0], end[0]))
    top, bottom = sorted((start[1], end[1]))
    return left < box.right and right > box.x and top < box.bottom and bottom > box.y


def assert_tidy(placed: Layout) -> None:
    for one, other in combinations(placed.boxes, 2):
        assert not overlap(one, other), (one.node.id, other.node.id)
    for box in placed.boxes:
        assert box.x >= 0
        assert box.right <= placed.width
        assert box.bottom <= placed.height
        for line in box.lines:
            assert text_width(line.text) <= WIDTH - 2 * PAD + 0.01
            assert line.y < box.height
    for route in placed.routes:
        for start, end in zip(route.points, route.points[1:], strict=False):
            assert start[0] == end[0] or start[1] == end[1], "a way runs upright or level"
            assert max(start[0], end[0]) <= placed.width
            for box in placed.boxes:
                assert not crosses(route.edge, start, end, box), (route.edge, box.node.id)


@QUIET
@given(plans(), st.booleans())
def test_no_box_lies_on_another_and_no_way_runs_through_one(plan: Sequence, busy: bool) -> None:
    here = {step.id: People(1234567, 2, 1, 3) for steps in plan.lines.values() for step in steps} if busy else {}
    assert_tidy(layout(diagram_of(plan, Standing(here)), ("a", "b")))


@given(st.text(max_size=400), st.integers(1, 5))
def test_wrapped_text_has_room_and_loses_nothing_unless_it_is_cut(text: str, most: int) -> None:
    lines = wrapped(text, 200, most)
    assert len(lines) <= most
    assert all(text_width(line) <= 200 for line in lines)
    whole = "".join("".join(char if char.isprintable() else " " for char in text).split())
    told = "".join(lines).replace(" ", "")
    assert told == whole or (len(lines) == most and told.endswith("…"))


# SVG ----------------------------------------------------------------------------------------------


@QUIET
@given(plans())
def test_the_svg_is_xml_and_holds_no_more_than_text(plan: Sequence) -> None:
    root = ET.fromstring(svg(diagram_of(plan)))
    tags = {element.tag.removeprefix(NAMESPACE) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "defs", "marker", "path", "g", "text", "polyline"}
    assert not any(name.startswith("on") or "href" in name for element in root.iter() for name in element.attrib)


def test_the_svg_says_what_it_shows() -> None:
    root = ET.fromstring(svg(diagram_of(QUOTE, BUSY)))
    title, desc = root.find(f"{NAMESPACE}title"), root.find(f"{NAMESPACE}desc")
    assert root.get("role") == "img"
    assert title is not None
    assert title.text == "quote"
    assert desc is not None
    assert desc.text == told(diagram_of(QUOTE, BUSY))
    assert "1 day later, thanks: e-mail thanks-template, 12 people now" in (desc.text or "")
    texts = [element.text for element in root.iter(f"{NAMESPACE}text")]
    assert "12 here: 9 active, 2 paused, 1 snoozed; 3" in texts
    assert "12" in texts
    assert "Now: 18 on the way; 2 at gone, which the file no longer has; 30 finished, 5 stopped." in texts
    assert "5 days later" in texts
    style = root.find(f"{NAMESPACE}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in (style.text or "")
    assert "var(" not in (style.text or ""), "office programs would draw it black"


def test_names_of_any_kind_stay_text() -> None:
    plan = replace(QUOTE, name="<script>alert(1)</script> & \x00\ud800", about="]]> <!-- \u202e")
    root = ET.fromstring(svg(diagram_of(plan)))
    title = root.find(f"{NAMESPACE}title")
    assert title is not None
    assert title.text == "<script>alert(1)</script> &   "


# Mermaid ------------------------------------------------------------------------------------------

NODE = re.compile(r'    n\d+(?:\(\[|\[/|\{\{|\[)"[^"]*"(?:\]\)|/\]|\}\}|\])')
WAY = re.compile(r'    n\d+ (?:-->|-\.->)(?:\|"[^"]*"\|)? n\d+')
CLASS = re.compile(r"    (?:classDef \w+ [\w:\-; ]+|class n\d+(?:,n\d+)* \w+)")


@QUIET
@given(plans())
def test_mermaid_holds_nothing_but_what_its_grammar_knows(plan: Sequence) -> None:
    first, *lines = mermaid(diagram_of(plan)).splitlines()
    assert first == "flowchart TD"
    for line in lines:
        assert NODE.fullmatch(line) or WAY.fullmatch(line) or CLASS.fullmatch(line), line
        quoted = "".join(re.findall(r'"([^"]*)"', line)).replace("<br/>", "")
        assert not re.search(r"[<>`\[\]{}|]|#(?!\d+;)", quoted), line


def test_mermaid_of_a_plan() -> None:
    text = mermaid(diagram_of(QUOTE, BUSY))
    assert '    n1["thanks<br/>e-mail thanks-template<br/>now: 12"]\n' in text
    assert '    n0 -->|"1 day later"| n1\n' in text
    assert '-.->|"cost"|' in text


@pytest.mark.parametrize("name", ["1. first", "- item", "+ item"])
def test_what_mermaid_would_take_for_a_list_is_text(name: str) -> None:
    plan = replace(QUOTE, lines={MAIN_LINE: (email(name, "1 day later"),)}, on_reply={})
    assert f'n1["{name}' not in mermaid(diagram_of(plan))
    assert re.search(r'n1\["(1#46;|#45;|#43;) (first|item)<br/>', mermaid(diagram_of(plan)))
