"""Templates: what is sent, what holds a message, and that values do nothing."""

from __future__ import annotations

import re
from datetime import date
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequencer.core.model import Contact, FieldValue
from sequencer.workspace.config import Company, ImapAccount, Mailbox, SmtpAccount
from sequencer.workspace.templates import (
    BrokenTemplate,
    Rendered,
    Template,
    Templates,
    Unfilled,
    default_footer,
    fill,
    is_empty,
    parse_template,
    pretends_to_answer,
    read_templates,
    render,
    variables_for,
)

MARK = Mailbox("mark", "Dr. Mark Riffey", "mark@a.example", SmtpAccount("h", 465), ImapAccount("h", 993))
OURS = Company("Flathead RV", "12 Main St, Kalispell MT 59901")


def template_of(text: str, name: str = "t") -> Template:
    template, problems = parse_template(name, text, f"templates/{name}.md", Path(f"{name}.md"))
    assert template is not None, [str(problem) for problem in problems]
    return template


def letter(subject: str, body: str, more: str = "") -> str:
    return f"---\nsubject: {subject}\n{more}---\n{body}"


def bare_footer() -> Template:
    return template_of("The end.", "footer")


def rendering(
    text: str, footer: Template | None = None, /, **fields: FieldValue
) -> Rendered | Unfilled | BrokenTemplate:
    templates = Templates({"t": template_of(text)}, footer or bare_footer())
    contact = Contact(1, "anna@b.example", fields)
    variables = variables_for(contact, {}, MARK, OURS, unsubscribe="https://a.example/u/1", extra={})
    return render(templates, "t", variables)


def rendered(text: str, footer: Template | None = None, /, **fields: FieldValue) -> Rendered:
    result = rendering(text, footer, **fields)
    assert isinstance(result, Rendered), result
    return result


def text_of(body: str, **fields: FieldValue) -> str:
    text = rendered(letter("s", body), None, **fields).text
    assert text.endswith("\n\nThe end.\n")
    return text.removesuffix("\n\nThe end.\n")


def html_of(body: str, **fields: FieldValue) -> str:
    html = rendered(letter("s", body), None, **fields).html
    assert html is not None
    return html.partition("<body>\n")[2].partition('\n<div style="')[0]


# What is sent -------------------------------------------------------------------------------------


def test_a_letter_has_a_subject_a_text_an_html_part_and_a_footer() -> None:
    got = rendered(
        letter("Hello {{ first_name }}", "Dear {{ first_name }},\n\nyours\n{{ sender.first_name }}"), first_name="Anna"
    )
    assert got == Rendered(
        "Hello Anna",
        "Dear Anna,\n\nyours\nMark\n\nThe end.\n",
        "<!DOCTYPE html>\n<html><body>\n<p>Dear Anna,</p>\n<p>yours<br />\nMark</p>\n"
        '<div style="color:#555;font-size:small">\n<p>The end.</p>\n</div>\n</body></html>\n',
    )


def test_format_text_has_no_html() -> None:
    assert rendered(letter("s", "Hello", "format: text\n")).html is None


@pytest.mark.parametrize(
    ("markdown", "text", "html"),
    [
        (
            "**bold** and *this* `code`",
            "bold and this code",
            "<strong>bold</strong> and <em>this</em> <code>code</code>",
        ),
        (
            "[our page](https://a.example/x)",
            "our page <https://a.example/x>",
            '<a href="https://a.example/x">our page</a>',
        ),
        ("[https://a.example](https://a.example)", "https://a.example", ">https://a.example</a>"),
        ("<https://a.example>", "https://a.example", '<a href="https://a.example">'),
        (
            "See https://a.example/x.",
            "See https://a.example/x.",
            '<a href="https://a.example/x">https://a.example/x</a>.',
        ),
        ("[write](mailto:m@a.example)", "write <m@a.example>", 'href="mailto:m@a.example"'),
        ("- one\n- two", "- one\n- two", "<li>one</li>"),
        ("- one\n\n- two", "- one\n\n- two", "<p>two</p>"),
        ("1. one\n2. two", "1. one\n2. two", "<ol>"),
        ("3) three\n4) four", "3) three\n4) four", '<ol start="3">'),
        ("- one\n  - inner\n- two", "- one\n  - inner\n- two", "<ul>"),
        ("> quoted\n> more", "> quoted\n> more", "<blockquote>"),
        ("# Head\n\nText", "Head\n\nText", "<h1>Head</h1>"),
        ("a\n\n***\n\nb", "a\n\n* * *\n\nb", "<hr />"),
        ("```\ncode  x\n```", "code  x", "<pre><code>code  x\n</code></pre>"),
        ("one\ntwo", "one\ntwo", "one<br />\ntwo"),
        ("Mark\n--\nFlathead", "Mark\n--\nFlathead", "Mark<br />\n--<br />\nFlathead"),
        ("    Mark", "Mark", "<p>Mark</p>"),
        ("<b>x</b> & y", "<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("![a picture](https://a.example/x.png)", "!a picture <https://a.example/x.png>", "<a href="),
        ("[x](javascript:alert(1))", "x", "<p>x</p>"),
        ("[x](data:text/html,x)", "x", "<p>x</p>"),
    ],
)
def test_markdown_reads_as_a_person_would_write_it(markdown: str, text: str, html: str) -> None:
    assert text_of(markdown) == text
    assert html in html_of(markdown)


@pytest.mark.parametrize(
    ("body", "fields", "text"),
    [
        ("{{ first_name | default('there') }}", {}, "there"),
        ("{{ first_name | default('there') }}", {"first_name": ""}, "there"),
        ("{{ first_name | default('there') }}", {"first_name": None}, "there"),
        ("{{ first_name | default('there') }}", {"first_name": " \n"}, "there"),
        ("{{ first_name | default('there') }}", {"first_name": "\u200b\u00a0\x00"}, "there"),
        ("{{ first_name | default('there') }}", {"first_name": "Anna"}, "Anna"),
        ("{% if company %}at {{ company }}{% else %}alone{% endif %}", {}, "alone"),
        ("{% if company %}at {{ company }}{% else %}alone{% endif %}", {"company": "Berg"}, "at Berg"),
        ("{% if a is defined %}x{% else %}y{% endif %}", {"a": ""}, "y"),
        ("{{ a or b }}", {"b": "two"}, "two"),
        ("{{ 'x' if a }}y", {}, "y"),
        ("{% if rating == 'A' %}x{% else %}y{% endif %}", {}, "y"),
        ("{% if rating in ['A', 'B'] %}x{% else %}y{% endif %}", {}, "y"),
        ("{% if rating in 'AB' %}x{% else %}y{% endif %}", {}, "y"),
        ("{% if rating not in 'AB' %}x{% else %}y{% endif %}", {"rating": "C"}, "x"),
        ("{% if 'van' in product %}x{% else %}y{% endif %}{{ 1 < n < 3 }}", {"product": "a van", "n": 2}, "xyes"),
        ("{% if 'van' in product %}x{% else %}y{% endif %}{% if 2 in [n] %}z{% endif %}", {"n": 2}, "yz"),
        ("{{ full_name }}", {"first_name": "Anna", "last_name": "Berg"}, "Anna Berg"),
        ("{{ full_name }}", {"full_name": "Berg, Anna", "first_name": "Anna"}, "Berg, Anna"),
        ("{{ full_name }}", {"name": "Anna B."}, "Anna B."),
        ("{{ email }} {{ contact.email }}", {}, "anna@b.example anna@b.example"),
        ("{{ first_name }}", {"First_Name": "Anna"}, "Anna"),
        ("{{ sender.name }}, {{ sender.company }}", {}, "Dr. Mark Riffey, Flathead RV"),
        (
            "{{ our.name }} {{ company.name }} {{ company['address'] }}",
            {},
            "Flathead RV Flathead RV 12 Main St, Kalispell MT 59901",
        ),
        ("{{ company.name }} for {{ company }}", {"company": "Berg"}, "Flathead RV for Berg"),
        ("{{ sender.name }} {{ contact.sender }}", {"sender": "me"}, "Dr. Mark Riffey me"),
        ("{{ d }}", {"d": date(2026, 12, 1)}, "1 December 2026"),
        ("{{ d | date('%d.%m.%Y') }}", {"d": date(2026, 12, 1)}, "01.12.2026"),
        ("{{ d | date('%d.%m.%Y') }}", {"d": "2026-12-01"}, "01.12.2026"),
        ("{{ n }} {{ f }} {{ g }} {{ b }}", {"n": 3, "f": 2.5, "g": 2.0, "b": True}, "3 2.5 2 yes"),
        ("{{ n * 2 + 1 }} {{ n / 2 }}", {"n": 3}, "7 1.5"),
        ("{{ first_name | upper }}{{ first_name.lower() }}", {"first_name": "Anna"}, "ANNAanna"),
        ("{{ [a, b] | join(', ') }}", {"a": "x", "b": "y"}, "x, y"),
        ("{{ a ~ ' & ' ~ b }}", {"a": "x", "b": "y"}, "x & y"),
        ("{{ a | replace('x', 'z') }}", {"a": "xyx"}, "zyz"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}", {}, "012"),
        ("{% set x %}**{{ a }}** {% endset %}{{ x }}{{ x ~ a }}", {"a": "<i>"}, "<i> <i> <i>"),
    ],
)
def test_variables(body: str, fields: dict[str, FieldValue], text: str) -> None:
    assert text_of(body, **fields) == text


def test_the_enrollment_goes_before_the_contact() -> None:
    contact = Contact(1, "anna@b.example", {"product": "a van"})
    variables = variables_for(contact, {"product": "a trailer"}, MARK, OURS, unsubscribe="", extra={"product2": "x"})
    assert (variables["product"], variables["product2"]) == ("a trailer", "x")


def test_variables_may_also_be_given_by_hand() -> None:
    templates = Templates({"t": template_of(letter("s", "{{ company.name }} {{ a }}"))}, bare_footer())
    got = render(templates, "t", {"company": {"name": "Us", "address": "Here"}, "a": 1})
    assert isinstance(got, Rendered)
    assert got.text.startswith("Us 1\n")


# What holds a message -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "body", "names"),
    [
        ("s", "Hi {{ first_name }}, about {{ product }} {{ first_name }}", ("first_name", "product")),
        ("'{{ product }}'", "Hi {{ first_name }}", ("product", "first_name")),
        ("s", "{{ contact.phone }} {{ sender.phone }} {{ our.fax }}", ("contact.phone", "sender.phone", "our.fax")),
        (
            "s",
            "{{ first_name | upper }}{{ a ~ 'x' }}{{ a + 'x' }}{{ b | length }}{{ c.d.e }}",
            ("first_name", "a", "b", "c.d.e"),
        ),
        ("s", "{{ a * 2 }}{{ -b }}{{ c > 1 }}{{ d[0] }}{{ e | int }}{{ f() }}", ("a", "b", "c", "d.0", "e", "f")),
        ("s", "{% for x in things %}{{ x }}{% endfor %}", ("things",)),
        ("s", "{% if company %}{{ city }}{% endif %}", ("city",)),
        ("s", "{{ d | date('%d') }}", ("d",)),
        ("s", "{{ ['x', a] | join }}", ("a",)),
    ],
)
def test_every_missing_variable_is_named(subject: str, body: str, names: tuple[str, ...]) -> None:
    assert rendering(letter(subject, body), company="Berg") == Unfilled(names, "t")


def test_the_footer_is_filled_as_well() -> None:
    assert rendering(letter("s", "Hello"), template_of("{{ nobody_has }}", "footer")) == Unfilled(("nobody_has",), "t")


def test_an_unknown_template_is_not_an_exception() -> None:
    assert isinstance(render(Templates({}, bare_footer()), "nope", {}), BrokenTemplate)


@pytest.mark.parametrize(
    "body",
    [
        "{{ 1 / 0 }}",
        "{{ 'a' * 10 ** 9 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'x'.ljust(10000000) }}",
        "{{ '%99999999d' % 3 }}",
        "{{ 'x'.format(1) }}",
        "{{ ''.join.__globals__ }}",
        "{{ range(1000000) | list }}",
        "{% for i in range(500) %}{% for j in range(500) %}{{ i }}{{ j }}{% endfor %}{% endfor %}",
        "{% set x = 'a' %}" + "{% set x = x ~ x %}" * 40 + "{{ x }}",
        "{% set x = 'a' %}" + "{% set x = x + x %}" * 40 + "{{ x }}",
        "{% set x = 'a' %}" + "{% set x = x | replace('a', 'aa') %}" * 40 + "{{ x }}",
        "{% set x = ['aaaa'] * 400 %}{% set x = x | join('b') %}{% set x = [x] * 400 %}{{ x | join('c') }}",
        "{{ 10 | round(1000000000, 'ceil') }}",
        "{{ self }}",
        "{{ range }}",
        "{{ [1, 2] }}",
        "{% set x %}{{ a }}{% endset %}{{ x | truncate(2, True, '') }}",
        "{% set x %}{{ a }}{% endset %}{{ x | reverse | join }}",
        "{{ 'no date' | date('%d') }}",
        "{% if nobody %}Hello{% endif %}",
        "`````",
    ],
)
def test_a_template_that_fails_or_does_too_much_is_an_outcome(body: str) -> None:
    result = rendering(letter("s", body), a="value")
    assert isinstance(result, BrokenTemplate | Unfilled), result
    if isinstance(result, BrokenTemplate):
        assert result.message
        assert "0x" not in result.message, "no addresses of objects"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (letter("s", "Hello\n{{ first_name"), 5, "}}"),
        (letter("s", "Hello\n\n{% if a %}x"), 6, "endif"),
        (letter("s", "{{ a | uper }}"), 4, "known: abs"),
        (letter("s", "{% macro f() %}{% endmacro %}"), 4, "macro"),
        (letter("s", "{% include 'x' %}"), 4, "include"),
        (letter("s", "{% extends 'x' %}"), 4, "extends"),
        (letter("s", "\n{% frobnicate %}"), 5, "unknown tag"),
        (letter("s", "{% for i in a recursive %}{% endfor %}"), 4, "loops"),
        (
            letter("s", "{% for i in a %}{% for j in a %}{% for k in a %}{% endfor %}{% endfor %}{% endfor %}"),
            4,
            "loops",
        ),
        (letter("s", "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}"), 4, "nested"),
        (letter("'{{ first_name'", "Hello"), 2, "}}"),
        (letter("Re: hello", "Hello"), 2, "quotes"),
        (letter("{{ first_name }}, hello", "Hello"), 2, "quotes"),
        (letter("[a", "Hello"), 2, "closed"),
        ("---\nsubject: x\nHello\n", 1, "never closed"),
        ("subject: x\n---\nHello\n", 1, "outside the front matter"),
        ("\n\n---\nsubject: x\n---\nHello\n", 3, "not at the very top"),
        ("---\nsubject: x\nsubjct: y\n---\nHello\n", 3, "did you mean `subject`?"),
        ("---\nsubject:\n---\nHello\n", 2, "no value"),
        ("---\nsubject: x\nformat: rtf\n---\nHello\n", 3, "'text' or 'html'"),
        ("---\nsubject: x\n---\n\n", 4, "no text"),
        ("", 1, "no text"),
        ("x" * 100_001, 1, "short"),
    ],
)
def test_a_broken_template_is_named_at_its_line(text: str, line: int, words: str) -> None:
    template, problems = parse_template("t", text, "templates/t.md", Path("t.md"))
    assert template is None
    assert line in [problem.line for problem in problems], [str(problem) for problem in problems]
    assert any(words in f"{problem.message} {problem.hint}" for problem in problems), [str(p) for p in problems]


# Values are data ----------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The tags of an HTML text, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


HOSTILE = [
    "**bold** _x_ `y` # z",
    "[click](https://evil.example)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</p></div></body>",
    '"><a href="https://evil.example">',
    "{{ sender.name }} {% for i in range(9) %}x{% endfor %}",
    "- a\n- b\n\n# Head\n\n> quote",
    "a\r\nBcc: victim@example.org\r\n\r\nbody",
    "x\x00\x1b[31m\x7fy",
    "x\ue000\ue010\ue001\ue002\ue003\ue004\ue005\ue006\ue007",
    "\u2028\u2029line",
    "x\ud800y",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "https://ok.example/?a=1&b=2",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_shown_and_does_nothing(value: str) -> None:
    got = rendered(
        letter("'About {{ x }}'", "**Hello** {{ x }}, [here]({{ x }}) and [{{ x }}](https://a.example).", ""), x=value
    )
    assert "\n" not in got.subject
    assert "\r" not in got.subject + got.text + (got.html or "")
    message = EmailMessage()
    message["Subject"] = got.subject
    assert list(message.keys()) == ["Subject"]
    tags = Tags(got.html or "")
    assert {tag for tag, _ in tags.tags} <= {"html", "body", "p", "strong", "a", "br", "div"}
    for tag, attributes in tags.tags:
        if tag == "a":
            assert [name for name, _ in attributes] in (["href"], [])
            assert all(re.match("https?:", target or "") for _, target in attributes)
        elif tag != "div":
            assert attributes == ()


def plain(value: str) -> str:
    """What a value may at most become: no control characters, no private-use marks of ours, one kind of line end."""
    lines = re.sub("\r\n|\r|\u2028|\u2029", "\n", value)
    lines = re.sub("[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", lines)
    return re.sub("[\ue000-\ue01f]", "", lines).encode("utf-8", "replace").decode()


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60))
def test_any_value_arrives_as_it_is(value: str) -> None:
    result = rendering(letter("s", "BEGIN{{ x }}END"), x=value)
    if is_empty(plain(value)):
        assert result == Unfilled(("x",), "t")
        return
    assert isinstance(result, Rendered)
    body = result.text.removesuffix("\n\nThe end.\n")
    assert body == f"BEGIN{plain(value)}END"
    words = Tags((result.html or "").replace("<br />\n", "\n")).words
    assert f"BEGIN{plain(value)}END" in words


def test_a_value_in_a_list_or_quote_stays_inside() -> None:
    assert text_of("- {{ x }}\n- two", x="one\nmore") == "- one\n  more\n- two"
    assert text_of("> {{ x }}", x="one\nmore") == "> one\n> more"


def test_a_link_target_may_be_a_value() -> None:
    assert text_of("[here]({{ x }})", x="https://a.example/?q=a b") == "here <https://a.example/?q=a%20b>"
    assert html_of("[here]({{ x }})", x="https://a.example/?a=1&b=2") == (
        '<p><a href="https://a.example/?a=1&amp;b=2">here</a></p>'
    )
    assert html_of("at {{ x }}", x="https://a.example/y") == (
        '<p>at <a href="https://a.example/y">https://a.example/y</a></p>'
    )
    assert html_of("https://a.example/{{ x }}!", x="y z") == (
        '<p><a href="https://a.example/y%20z">https://a.example/y z</a>!</p>'
    )


def test_two_people_do_not_get_each_others_values() -> None:
    """What Markdown makes of a template is kept between contacts; the values must not be."""
    text = letter("s", "[{{ a }}]({{ b }}) {{ a }} **{{ c }}**")
    first = rendered(text, a="Anna", b="https://a.example", c="x")
    second = rendered(text, a="Bert", b="https://b.example", c="Bert")
    assert "Anna" in first.text + (first.html or "")
    for part in (second.text, second.html or ""):
        assert "Anna" not in part
        assert "a.example" not in part
        assert part.count("Bert") == 3


# Files --------------------------------------------------------------------------------------------


def test_templates_are_named_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "articles").mkdir()
    for name in ("hello", "articles/frost", "footer"):
        (tmp_path / f"{name}.md").write_text(letter("s", name), "utf-8")
    (tmp_path / "broken.md").write_text(letter("s", "{{"), "utf-8")
    (tmp_path / ".hidden.md").write_text("{{", "utf-8")
    (tmp_path / "notes.txt").write_text("{{", "utf-8")
    templates, problems = read_templates(tmp_path)
    assert templates.names() == ["articles/frost", "hello"]
    assert set(templates.broken) == {"broken"}
    assert (len(templates), "hello" in templates) == (2, True)
    assert templates.footer.body == "footer"
    assert [problem.file for problem in problems] == ["templates/broken.md"]


def test_without_a_footer_the_packaged_one_is_used(tmp_path: Path) -> None:
    templates, _ = read_templates(tmp_path)
    assert templates.footer.body == default_footer().body
    got = rendered(letter("s", "Hello"), default_footer())
    assert OURS.address in got.text
    assert "unsubscribe" in got.text
    assert "https://a.example/u/1" in got.text
    assert "-- \n" not in got.text, "a signature mark would hide the way out"


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ("{{ first_name }} {{ contact.city }} {{ sender.name }} {{ company.name }}", {"first_name", "city"}),
        ("{{ a | default('x') }}{% if b %}{{ b }}{% endif %}{{ c or 'x' }}", set()),
        ("{% if b %}{{ a }}{% else %}{{ a }} {{ c }}{% endif %}", {"a"}),
        ("{{ a if b else c }}{{ (d if b else d) | upper }}", {"d"}),
        ("{% set x = a %}{{ x }}{% for i in b %}{{ i }}{{ c }}{% endfor %}", {"a", "b"}),
        ("{{ range(3) | join }}{{ a is defined }}{{ b == 1 }}", set()),
        ("{{ company }}", {"company"}),
    ],
)
def test_what_a_template_cannot_do_without(body: str, needs: set[str]) -> None:
    assert template_of(letter("s", body)).needs == needs


def test_a_note_is_filled_like_a_template() -> None:
    assert fill("Call {{ first_name }}: {{ x }}", {"first_name": "Anna", "x": "**a**"}) == "Call Anna: **a**"
    assert fill("Call {{ first_name }}", {}) == Unfilled(("first_name",), "")
    assert isinstance(fill("Call {{ first_name", {}), BrokenTemplate)
    assert isinstance(fill("{{ 1 / 0 }}", {}), BrokenTemplate)


@pytest.mark.parametrize(
    "subject", ["Re: hello", "RE:hello", " re : x", "Fwd: x", "FW: x", "AW: x", "WG: x", "Re[2]: x", "Sv: x"]
)
def test_a_subject_that_pretends(subject: str) -> None:
    assert pretends_to_answer(subject)


@pytest.mark.parametrize("subject", ["Reminder: x", "Really? Re: x", "Retail: x", "Award: x", "Forward: x", ""])
def test_a_subject_that_does_not_pretend(subject: str) -> None:
    assert not pretends_to_answer(subject)
