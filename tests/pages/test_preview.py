"""The page of `preview`: what it shows, and that nothing in it runs, loads or leaves, whoever wrote the words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sequencer.core.model import Fields
from sequencer.operations import foresight
from sequencer.operations.foresight import Subject
from sequencer.operations.previews import NOBODYS_KEY
from sequencer.operations.showing import Showing, showing, showings_of_worst
from sequencer.pages.preview import frame, heights, initials, preview_page
from sequencer.workspace.workspace import Workspace, load
from tests.operations.shop import MONDAY, write_shop

SHIPPED = load(Path(__file__).resolve().parents[2], {}, secrets_required=False).workspace


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def shown(workspace: Workspace, name: str, fields: Fields | None = None, step: str = "") -> Showing:
    plan = workspace.sequences[name]
    subject = foresight.made_up(workspace, plan, date(2026, 11, 30))
    assert isinstance(subject, Subject)
    if fields is not None:
        subject = replace(subject, contact=replace(subject.contact, fields=fields))
    letters = foresight.letters(workspace, plan, subject, MONDAY, NOBODYS_KEY)
    return showing(workspace, plan, subject, letters, MONDAY, step=step)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    folder = write_shop(tmp_path / "shop")
    path = folder / "sequences" / "quote.yaml"
    path.write_text(path.read_text("utf-8").replace("email: thanks\n", "email: [thanks, last]\n", 1), "utf-8")
    loaded = load(folder, {}, secrets_required=False)
    assert loaded.workspace is not None, loaded.problems
    return loaded.workspace


def test_the_thread_in_order_with_its_waits_dates_and_deeds(shop: Workspace) -> None:
    seen = shown(shop, "quote", {"first_name": "Anna", "last_name": "Berg", "product": "a tent"})
    line, branch = seen.stretches
    assert [(moment.step, moment.wait, moment.at) for moment in line.moments] == [
        ("thanks", "1 business day later at 09:30", "Tue 1 Dec 2026 09:30"),
        ("call", "4 days later", "Mon 7 Dec 2026 08:30"),
        ("last", "5 days later", "Mon 14 Dec 2026 08:30"),
        ("back_off", "after 10 days of silence", "Thu 24 Dec 2026 08:30"),
    ]
    assert line.moments[1].deed == "call, by the rep"
    assert line.moments[1].note == "Ask Anna Berg about a tent."
    assert line.ending == "The end: no answer: move to keep; else: finished"
    assert (branch.name, branch.entrance) == ("branch price", "When a step goes there")
    assert [mail.template for mail in line.moments[0].mails] == ["thanks", "last"]
    page = Page(preview_page([seen]))
    assert "Thu 24 Dec 2026 08:30" in page.text
    assert "2 variants; each contact gets one" in page.text
    assert "Ask Anna Berg about a tent." in page.text


def test_the_inbox_lists_sender_subject_and_the_beginning_of_the_text(shop: Workspace) -> None:
    seen = shown(shop, "quote")
    text = preview_page([seen])
    page = Page(text)
    targets = {attributes["href"] for attributes in page.all("a")}
    assert {f"#{attributes['id']}" for attributes in page.all("li") if "id" in attributes} >= targets
    first, answer = seen.stretches[0].moments[2].mails[0], seen.stretches[1].moments[0].mails[0]
    for mail in (first, answer):
        assert mail.snippet.startswith("Are you still looking? Flathead RV, 12 Main St")
        assert f'<span class="snippet" dir="auto">{mail.snippet}' in text
    assert page.text.count("Mark Holloway") >= 10


def test_what_holds_a_mail_stands_at_the_top_in_the_inbox_and_in_its_place(shop: Workspace) -> None:
    page = Page(preview_page([shown(shop, "quote", {})]))
    assert page.text.count("the template thanks needs first_name") >= 2
    assert "cannot be written" in page.text
    assert "cannot be written" not in Page(preview_page([shown(shop, "quote")])).text


def test_one_step_alone(shop: Workspace) -> None:
    seen = shown(shop, "quote", step="price-answer")
    assert [(stretch.name, [moment.step for moment in stretch.moments]) for stretch in seen.stretches] == [
        ("branch price", ["price-answer"])
    ]


def test_plain_text_mails_have_no_frame(shop: Workspace) -> None:
    for name in ("thanks", "last", "back-off"):
        path = shop.folder / "templates" / f"{name}.md"
        path.write_text(path.read_text("utf-8").replace("---\n", "---\nformat: text\n", 1), "utf-8")
    plain = load(shop.folder, {}, secrets_required=False).workspace
    assert plain is not None
    page = Page(preview_page([shown(plain, "quote")]))
    assert not page.all("iframe")
    assert "Anna, thank you." in page.text


def test_several_people_with_what_is_to_be_said_about_them(shop: Workspace) -> None:
    seen = showings_of_worst(shop, shop.sequences["quote"], MONDAY)
    assert isinstance(seen, list)
    page = Page(preview_page(seen, "a note"))
    assert len(page.all("details")) >= len(seen) == 12
    assert "first_name is missing templates/thanks.md:4" in page.text
    assert "a note" in page.text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


# What it must not do ------------------------------------------------------------------------------


def assert_harmless(text: str) -> None:
    page = Page(text)
    (policy,) = [
        attributes["content"] or ""
        for attributes in page.all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy
    inside = [Page(attributes["srcdoc"] or "") for attributes in page.all("iframe")]
    assert all(attributes["sandbox"] in (None, "") for attributes in page.all("iframe"))
    for each in (page, *inside):
        names = {name for name, _ in each.elements}
        assert not names & {"script", "img", "link", "object", "embed", "form", "video", "audio", "svg"}
        assert len(each.all("style")) == (1 if each is page else 0)
        for name, attributes in each.elements:
            assert not any(key.startswith("on") for key in attributes), name
            assert "src" not in attributes
            if name == "a" and each is page:
                assert (attributes["href"] or "").startswith("#p")
    for each in inside:
        assert not each.all("iframe")
        assert all(re.match(r"https?:|mailto:|tel:", link["href"] or "", re.IGNORECASE) for link in each.all("a"))


HOSTILE = st.text(max_size=80) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</iframe><script>x</script>",
        '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)",
        "</title></head><body onload=x>",
        "[x](javascript:alert(1)) ![y](https://example.com/z.png)",
        "{{ 7 * 7 }}{% raw %}",
        "https://example.com/?a=b&c=<d>",
        "\u202eabc\x00\x1b[31m",
        "&quot; onmouseover=x &#39;",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["first_name", "last_name", "company", "product", "full_name"]), HOSTILE))
def test_whatever_the_fields_say_nothing_runs_loads_or_leaves(fields: dict[str, str]) -> None:
    assert SHIPPED is not None
    assert_harmless(preview_page([shown(SHIPPED, "quote-follow-up", fields)]))


def test_the_worst_case_is_harmless() -> None:
    assert SHIPPED is not None
    for plan in SHIPPED.sequences.values():
        seen = showings_of_worst(SHIPPED, plan, MONDAY)
        assert isinstance(seen, list)
        assert_harmless(preview_page(seen))


def test_what_was_typed_is_read_as_it_was_typed() -> None:
    assert SHIPPED is not None
    seen = shown(SHIPPED, "quote-follow-up", {"first_name": "<b>Anna</b>", "product": "x"})
    mail = seen.mails[0]
    assert "<b>Anna</b>," in Page(frame(mail)).text
    assert "<b>Anna</b>," in Page(preview_page([seen])).text


# Frames -------------------------------------------------------------------------------------------


def test_a_frame_is_higher_where_it_is_narrower_and_where_there_is_more_to_read() -> None:
    assert SHIPPED is not None
    short, long = (shown(SHIPPED, "quote-follow-up").mails[index] for index in (4, 1))
    for mail in (short, long):
        wide, middle, slim = heights(mail)
        assert wide <= middle <= slim
    assert heights(short)[0] < heights(long)[0]


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Mark Holloway", "MH"), ("Dr. Anna B. Berg", "DB"), ("mark", "M"), ("", "?"), ("(x) 王小明", "王")],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters
