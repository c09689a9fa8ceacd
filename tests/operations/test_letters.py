"""What leaves: the words, the thread, the headers; and what holds somebody whose letter cannot be written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from sequencer.core import events as e
from sequencer.core.model import Email, Enrollment, Position
from sequencer.core.variants import choose_variant
from sequencer.mail.ids import read_message_id, read_unsubscribe_token
from sequencer.operations.record import change
from sequencer.store import agenda, attempts, contacts, messages
from sequencer.store.database import Database
from sequencer.store.messages import Direction, NewMessage
from sequencer.workspace.templates import Template
from tests.operations.desk import ANNA, BEN, CLEO, CONFIG, DAY, HOUR, MONDAY, PLAN, Desk, a_desk
from tests.smtp_peer import Say

NEEDY = PLAN.replace("email: first", "email: needy")


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database, tmp_path) as desk:
        yield desk


async def held(desk: Desk, email: str) -> str:
    hold = (await desk.standing(email)).hold
    return hold.reason if hold is not None else ""


# Never half-written ----------------------------------------------------------------------------------


async def test_a_missing_variable_holds_that_person_alone_and_names_it(desk: Desk) -> None:
    await desk.adopt(plan=NEEDY)
    await desk.enroll(ANNA)
    await desk.enroll(BEN, product="trailer")
    sent = await desk.turn()
    assert (sent.count, sent.trouble) == (1, None)
    assert (desk.received(ANNA), desk.received(BEN)[0]["Subject"]) == ([], "About the trailer")
    assert await held(desk, ANNA) == "the template needy needs product"
    assert [h.detail for h in desk.told if h.what == "held"] == ["the template needy needs product"]
    await desk.turn(2 * HOUR)
    assert desk.words.count("held") == 1  # it is told once, and still held
    # The field arrives.
    async with desk.live.database.begin() as conn:
        anna = await contacts.upsert(conn, ANNA, {"product": "motor home"}, None, None, None, desk.now)
        await agenda.wake_contacts(conn, [anna.id], desk.now)
    await desk.turn()
    (mail,) = desk.received(ANNA)
    assert mail["Subject"] == "About the motor home"
    assert await held(desk, ANNA) == ""


async def test_every_missing_variable_is_named(desk: Desk) -> None:
    await desk.adopt(plan=NEEDY, needy_md="---\nsubject: '{{ a }}'\n---\n{{ b }} {{ c }} {{ b }}\n")
    await desk.enroll(ANNA)
    await desk.turn()
    assert await held(desk, ANNA) == "the template needy needs a, b and c"


@pytest.mark.parametrize("blank", ["", "   "])
async def test_a_blank_is_missing_too(desk: Desk, blank: str) -> None:
    await desk.adopt(plan=NEEDY)
    await desk.enroll(ANNA, product=blank)
    await desk.turn()
    assert await held(desk, ANNA) == "the template needy needs product"


async def test_what_cannot_be_rendered_holds_with_what_is_wrong(desk: Desk) -> None:
    await desk.adopt(plan=NEEDY, needy_md="---\nsubject: Hi\n---\n{{ 7 // (product | length - 3) }}\n")
    await desk.enroll(ANNA, product="RVs")
    await desk.enroll(BEN, product="trailer")
    await desk.turn()
    assert (await held(desk, ANNA)).startswith("the template needy cannot be rendered: ")
    assert len(desk.received(BEN)) == 1


async def test_a_template_that_went_away_holds_and_its_return_sends(desk: Desk) -> None:
    await desk.enroll(ANNA)
    workspace = desk.live.workspace
    without = replace(workspace.templates, by_name={})
    desk.live.replace_workspace(replace(workspace, templates=without))
    await desk.turn()
    assert await held(desk, ANNA) == "the template first cannot be rendered: there is no such template"
    await desk.adopt()
    await desk.turn()
    assert len(desk.received(ANNA)) == 1


class _Bomb(dict[str, Template]):
    """Templates of which one explodes."""

    def get(self, name: str, otherwise: object = None) -> Template | None:  # type: ignore[override]
        if name == "needy":
            raise RuntimeError("something nobody thought of")
        return super().get(name)


async def test_one_letter_that_explodes_is_set_aside_and_the_others_go(desk: Desk) -> None:
    await desk.adopt(other=NEEDY)
    await desk.enroll(ANNA, sequence="other")
    await desk.enroll(BEN)
    workspace = desk.live.workspace
    desk.live.replace_workspace(
        replace(workspace, templates=replace(workspace.templates, by_name=_Bomb(workspace.templates.by_name)))
    )
    sent = await desk.turn()
    assert (sent.count, len(desk.received(BEN))) == (1, 1)
    aside = next(told for told in desk.told if told.what == "set_aside")
    assert aside.detail == "set aside: RuntimeError: something nobody thought of"
    desk.live.replace_workspace(workspace)
    await desk.turn(25 * HOUR)
    assert len(desk.received(ANNA)) == 0  # it still needs a product
    assert (await desk.standing(ANNA, "other")).hold is not None


async def test_an_internationalised_domain_goes_out_as_punycode(desk: Desk) -> None:
    await desk.enroll("petra@bücher.example")
    await desk.turn()
    assert [mail.recipients for mail in desk.peer.accepted] == [("petra@xn--bcher-kva.example",)]
    assert desk.received("petra@xn--bcher-kva.example")[0]["To"] == "petra@xn--bcher-kva.example"


# Threads ---------------------------------------------------------------------------------------------

FOUR = """\
from: mark
steps:
  - step: first
    email: first
    when: immediately
  - step: second
    email: second
    when: 1 day later
  - step: third
    email: third
    when: 1 day later
  - step: fourth
    email: second
    when: 1 day later
"""


def ids(mail: EmailMessage, header: str) -> list[str]:
    return re.findall(r"<[^>]+>", str(mail[header] or ""))


@pytest.mark.parametrize("subject", ["Your quote", "Grüße – “Ihr” Angebot", "A: b, c; " + "long " * 30 + "subject"])
async def test_three_follow_ups_stay_in_one_thread(desk: Desk, subject: str) -> None:
    await desk.adopt(plan=FOUR, first_md=f"---\nsubject: '{subject}'\n---\nHello {{{{ first_name }}}}.\n")
    await desk.enroll(ANNA)
    await desk.turns(timedelta(), DAY, DAY, DAY)
    mails = desk.received(ANNA)
    own = [str(mail["Message-ID"]) for mail in mails]
    assert len(set(own)) == 4
    assert [mail["Subject"] for mail in mails] == [subject.strip()] + [f"Re: {subject.strip()}"] * 3
    assert [ids(mail, "In-Reply-To") for mail in mails] == [[], own[:1], own[1:2], own[2:3]]
    assert [ids(mail, "References") for mail in mails] == [[], own[:1], own[:2], own[:3]]
    assert len({mail["Thread-Topic"] for mail in mails}) == 1
    index = [str(mail["Thread-Index"]) for mail in mails]
    assert len(set(index)) == 4
    for mail in desk.peer.accepted:  # Outlook does not read encoded ids
        for name in (b"Message-ID", b"In-Reply-To", b"References", b"List-Unsubscribe"):
            found = re.search(rb"(?mi)^" + name + rb":((?:.*\r\n[ \t])*.*)", mail.data)
            assert found is None or b"=?" not in found[1]


async def test_a_new_thread_begins_with_its_own_subject_and_is_continued(desk: Desk) -> None:
    third = "    email: third\n"
    await desk.adopt(plan=FOUR.replace(third, "    email: fresh\n    thread: new\n"))
    await desk.enroll(ANNA)
    await desk.turns(timedelta(), DAY, DAY, DAY)
    first, second, fresh, fourth = desk.received(ANNA)
    assert [m["Subject"] for m in (first, second, fresh, fourth)] == [
        "Your quote",
        "Re: Your quote",
        "Something new",
        "Re: Something new",
    ]
    assert (fresh["In-Reply-To"], fresh["References"]) == (None, None)
    assert ids(fourth, "References") == ids(fresh, "Message-ID")


async def test_a_follow_up_answers_the_newest_message_of_either_side(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    anna = await desk.enrollment(ANNA)
    (first,) = desk.received(ANNA)
    async with desk.live.database.begin() as conn:
        message = await messages.record(conn, _reply(anna, "Can you tell me\nthe colour?"), desk.now)
    assert isinstance(message, int)
    replied = e.Replied(
        at=desk.now, message=message, kind="reply", sender=ANNA, matched_by="a test", message_id="<re@example.com>"
    )
    await change(desk.live, anna.id, desk.now, lambda _: (replied,))
    await desk.adopt(second_md="---\nsubject: x\n---\nYou wrote:\n\n{{ they_said }}\n")
    await desk.turn(3 * DAY)
    second = desk.received(ANNA)[-1]
    assert ids(second, "In-Reply-To") == ["<re@example.com>"]
    assert ids(second, "References") == [str(first["Message-ID"]), "<re@example.com>"]
    assert "the colour?" in words(second)


def _reply(enrollment: Enrollment, text: str) -> NewMessage:
    return NewMessage(
        mailbox="mark",
        direction=Direction.RECEIVED,
        content=text,
        received_at=MONDAY,
        raw=text.encode(),
        enrollment_id=enrollment.id,
        kind="reply",
        confidence=0.9,
        sender=ANNA,
        subject="Re: Your quote",
        text=text,
        message_id="<re@example.com>",
        evidence="a reply",
    )


async def test_they_said_without_a_reply_is_missing(desk: Desk) -> None:
    await desk.adopt(first_md="---\nsubject: x\n---\nYou wrote: {{ they_said }}\n")
    await desk.enroll(ANNA)
    await desk.turn()
    assert await held(desk, ANNA) == "the template first needs they_said"


async def test_a_first_message_that_never_left_is_begun_anew(desk: Desk) -> None:
    await desk.enroll(ANNA)
    desk.peer.once("end", Say("451 4.3.0 Later"))
    await desk.turns(timedelta(), HOUR)
    (mail,) = desk.received(ANNA)
    assert (mail["Subject"], mail["In-Reply-To"]) == ("Your quote", None)
    tried = await desk.attempts(ANNA)
    assert len({attempt.message_id for attempt in tried}) == 2


# Headers and footer ----------------------------------------------------------------------------------


def words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_the_headers_of_a_letter(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turn()
    (mail,) = desk.received(ANNA)
    (attempt,) = await desk.attempts(ANNA)
    assert desk.peer.accepted[0].sender == "mark@flatheadrv.example"
    assert mail["From"] == "Mark Holloway <mark@flatheadrv.example>"
    assert mail["To"] == ANNA
    assert parsedate_to_datetime(str(mail["Date"])) == MONDAY
    anna = await desk.enrollment(ANNA)
    message_id = str(mail["Message-ID"])
    token = read_message_id(desk.live.key, message_id)
    assert token is not None
    assert (token.enrollment, token.step) == (anna.id, "first")
    assert message_id == f"<{attempt.message_id}>"
    assert len(attempt.message_id) <= 70
    assert message_id.endswith("@flatheadrv.example>")
    async with desk.live.database.read() as conn:
        committed = await attempts.bytes_of(conn, attempt.id)
    assert committed == desk.peer.accepted[0].data


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("mark@flatheadrv.example", "mark@flatheadrv.example"),
        ("mark+sales@flatheadrv.example", "mark+sales@flatheadrv.example"),
        ("mark@bücher.example", "mark@xn--bcher-kva.example"),
        ("m&m=x@flatheadrv.example", "m&m=x@flatheadrv.example"),
    ],
)
async def test_list_unsubscribe_carries_our_signed_token(desk: Desk, address: str, path: str) -> None:
    await desk.adopt(config=CONFIG.replace("mark@flatheadrv.example", address))
    await desk.enroll(ANNA)
    sent = await desk.turn()
    assert sent.count == 1
    (mail,) = desk.received(ANNA)
    link = urlsplit(str(mail["List-Unsubscribe"]).strip("<>"))
    assert (link.scheme, unquote(link.path)) == ("mailto", path)
    assert "&" not in link.path
    (subject,) = parse_qs(link.query)["subject"]
    anna = await desk.enrollment(ANNA)
    assert subject.startswith("unsubscribe ")
    assert read_unsubscribe_token(desk.live.key, subject.removeprefix("unsubscribe ")) == anna.id
    assert mail["List-Unsubscribe-Post"] is None  # one click takes an https address


async def test_every_message_ends_with_the_footer_in_both_parts(desk: Desk) -> None:
    await desk.enroll(ANNA)
    await desk.turns(timedelta(), 3 * DAY, 3 * DAY)
    for mail in desk.received(ANNA):
        html = mail.get_body(("html",))
        assert html is not None
        for text in (words(mail), str(html.get_content())):
            assert "12 Main St, Kalispell MT 59901" in text
            assert "unsubscribe" in text
        assert words(mail).rstrip().endswith("and I stop.")


async def test_what_a_contact_brings_along_cannot_write_headers(desk: Desk) -> None:
    await desk.adopt(plan=NEEDY)
    await desk.enroll(ANNA, product="trailer\r\nBcc: evil@stranger.example\r\n\r\n.\r\nMAIL FROM:<x>")
    sent = await desk.turn()
    assert sent.count == 1
    (mail,) = desk.received(ANNA)
    assert mail["Bcc"] is None
    assert str(mail["Subject"]).startswith("About the trailer Bcc: evil@stranger.example")
    assert [mail.recipients for mail in desk.peer.accepted] == [(ANNA,)]


async def test_dots_and_long_lines_arrive_as_they_were_written(desk: Desk) -> None:
    body = ".\n..\n.hidden\n\nFrom here on\n\n" + "x" * 2000 + "\n"
    await desk.adopt(first_md=f"---\nsubject: Dots\nformat: text\n---\n{body}")
    await desk.enroll(ANNA)
    await desk.turn()
    (attempt,) = await desk.attempts(ANNA)
    async with desk.live.database.read() as conn:
        committed = await attempts.bytes_of(conn, attempt.id)
    assert desk.peer.accepted[0].data == committed


# Variants --------------------------------------------------------------------------------------------


def _people(number: int) -> Iterator[Enrollment]:
    for n in range(1, number + 1):
        yield Enrollment(n, n, "plan", "mark", MONDAY, Position())


def test_variants_are_spread_evenly_and_stay_the_same_for_a_person() -> None:
    email = Email(("a", "b", "c"))
    chosen = {person.id: choose_variant(email, person, "first") for person in _people(600)}
    assert chosen == {person.id: choose_variant(email, person, "first") for person in _people(600)}
    assert all(160 < count < 240 for count in Counter(chosen.values()).values())
    others = {person.id: choose_variant(email, person, "second") for person in _people(600)}
    assert others != chosen


@pytest.mark.parametrize(("sent", "expected"), [({"first": "b"}, "b"), ({"first": "gone"}, None), ({"x": "b"}, None)])
def test_a_variant_that_was_sent_before_is_kept_while_there_is_one(
    sent: Mapping[str, str], expected: str | None
) -> None:
    email = Email(("a", "b"))
    (person,) = _people(1)
    assert choose_variant(email, replace(person, sent_variants=sent), "first") == (
        expected or choose_variant(email, person, "first")
    )


async def test_the_variant_is_recorded(desk: Desk) -> None:
    await desk.adopt(plan=PLAN.replace("email: first", "email: [first, fresh]"))
    await desk.enroll(ANNA, BEN, CLEO)
    await desk.turn()
    for email in (ANNA, BEN, CLEO):
        person = await desk.enrollment(email)
        (attempt,) = await desk.attempts(email)
        subject = {"first": "Your quote", "fresh": "Something new"}[attempt.variant]
        assert (person.sent_variants, desk.received(email)[0]["Subject"]) == ({"first": attempt.variant}, subject)
