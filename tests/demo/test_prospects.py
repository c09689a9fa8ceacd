"""The prospects answer as people and servers do: checked with readers that are not ours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from flufl.bounce import all_failures

from sequencer.demo import cast
from sequencer.demo.letters import Writer, letter, text_of
from sequencer.demo.post_office import Arrival
from sequencer.demo.prospects import Answers, Bounces, Cue, Prospect, letter_of, reaction

NOON = datetime(2027, 3, 2, 19, 0, tzinfo=UTC)
REP = Writer("Mark Holloway", "mark@flatheadrv.example", "America/Denver")


def _arrival(prospect: Prospect, text: str, subject: str = "Your quote, and one question") -> Arrival:
    raw = letter(REP, prospect.writer.mailbox, subject, text, NOON)
    return Arrival(NOON, REP.address, prospect.email, raw, message_from_bytes(raw, policy=default))


def _played(prospect: Prospect, index: int) -> tuple[Arrival, EmailMessage]:
    cue = prospect.cues[index]
    arrival = _arrival(prospect, cue.words[0] if cue.words else "Hello")
    raw = letter_of(prospect, cue.act, arrival, NOON + cue.after)
    return arrival, message_from_bytes(raw, policy=default)


def test_a_cue_is_taken_once_and_only_on_its_words() -> None:
    prospect = cast.FINDS_IT_EXPENSIVE
    assert reaction(prospect, frozenset(), _arrival(prospect, "Nothing of the kind")) is None
    asked = _arrival(prospect, "which one is it with you?")
    assert reaction(prospect, frozenset(), asked) == 0
    assert reaction(prospect, frozenset({0}), asked) is None
    assert reaction(prospect, frozenset(), _arrival(prospect, "text", subject="What would the number have to be")) == 1


def test_a_reply_is_threaded_and_quotes_what_it_answers() -> None:
    arrival, answer = _played(cast.BUYER, 0)
    assert answer["In-Reply-To"] == arrival.message["Message-ID"]
    assert str(arrival.message["Message-ID"]) in str(answer["References"])
    assert answer["Subject"] == "Re: Your quote, and one question"
    assert answer["To"].addresses[0].addr_spec == REP.address
    text = text_of(Arrival(NOON, "", "", b"", answer))
    assert text.startswith("Yes, send me the invoice.")
    assert "On Tue, Mar 2, 2027 at 12:00 PM Mark Holloway <mark@flatheadrv.example> wrote:" in text
    assert "> What is the thing" in text


def test_a_colleague_writes_afresh_and_an_address_may_be_another() -> None:
    _, colleague = _played(cast.COLLEAGUE_ANSWERS, 0)
    assert colleague["In-Reply-To"] is None
    assert colleague["References"] is None
    sender = colleague["From"].addresses[0]
    assert sender.domain == cast.COLLEAGUE_ANSWERS.email.partition("@")[2]
    assert sender.addr_spec != cast.COLLEAGUE_ANSWERS.email
    arrival, elsewhere = _played(cast.OTHER_ADDRESS, 0)
    assert elsewhere["In-Reply-To"] == arrival.message["Message-ID"]
    assert elsewhere["From"].addresses[0].domain != cast.OTHER_ADDRESS.email.partition("@")[2]


def test_an_out_of_office_reply_says_that_a_machine_wrote_it() -> None:
    _, notice = _played(cast.ON_HOLIDAY, 0)
    assert notice["Auto-Submitted"] == "auto-replied"
    assert "March 15, 2027" in notice.get_content()
    assert date(2027, 3, 15).weekday() == 0


def test_a_bounce_is_a_delivery_status_notification() -> None:
    prospect = cast.BOUNCES_LATER
    arrival, report = _played(prospect, 0)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    temporary, permanent = all_failures(message_from_bytes(report.as_bytes()))
    assert (set(temporary), set(permanent)) == (set(), {prospect.email.encode()})
    text, status, original = report.iter_parts()
    assert prospect.email in text.get_content()
    fields = [part for part in status.walk() if "Status" in part]
    assert [part["Status"] for part in fields] == ["5.1.1"]
    assert fields[0]["Action"] == "failed"
    assert fields[0]["Final-Recipient"] == f"rfc822; {prospect.email}"
    assert original.get_content()["Message-ID"] == arrival.message["Message-ID"]


@pytest.mark.parametrize("prospect", cast.CAST, ids=lambda prospect: prospect.first_name)
def test_everybody_lives_in_a_reserved_domain_and_can_say_their_lines(prospect: Prospect) -> None:
    for index, cue in enumerate(prospect.cues):
        _, message = _played(prospect, index)
        assert message["From"].addresses[0].domain.endswith(".example")
        assert cue.after > timedelta(0)
        assert not message.defects
    assert prospect.email.endswith(".example")


def test_the_cast_covers_what_people_do() -> None:
    assert len({prospect.email for prospect in cast.CAST}) == len(cast.CAST) >= 12
    acts = [cue.act for prospect in cast.CAST for cue in prospect.cues]
    assert any(isinstance(act, Bounces) for act in acts)
    assert any(isinstance(act, Answers) and act.folder == "Junk" for act in acts)
    assert [prospect for prospect in cast.CAST if prospect.refusal] == [cast.NO_SUCH_ADDRESS]
    assert not cast.NEVER_ANSWERS.cues


def test_a_cue_without_words_is_set_off_by_any_mail() -> None:
    prospect = Prospect(
        "x@shop.example", "X", "Y", "", "s", cast.BUYER.ending, cues=(Cue((), timedelta(hours=1), Answers("Yes")),)
    )
    assert reaction(prospect, frozenset(), _arrival(prospect, "anything")) == 0
