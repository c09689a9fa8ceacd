"""Rehearsals played through the real rules: what is as expected, what is not, and what happens instead."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from sequencer.operations.record import Refusal
from sequencer.operations.rehearse import Outcome, files_for, rehearse
from sequencer.workspace.workspace import Workspace, load
from tests.workspace.folders import ENVIRON, REPOSITORY

CONFIG: Final = """\
company: {name: Flathead RV, address: "12 Main St, Kalispell MT 59901"}
contacts: {timezone: America/Denver, holidays: US, language: en, min_gap: 2 days}
spread: 30 minutes
mailboxes:
  mark:
    from: Mark Riffey <mark@flatheadrv.example>
    smtp: {host: smtp.flatheadrv.example, username: mark, password: "${MARK_PASSWORD}"}
    imap: {host: imap.flatheadrv.example, username: mark, password: "${MARK_PASSWORD}"}
    hours: Mon-Fri 08:30-17:00
"""

QUOTE_FOLLOW_UP: Final = """\
# yaml-language-server: $schema=../docs/sequence.schema.json
about: After a quote went out. Polite persistence, then we ask whether to back off.
from: mark                           # a mailbox, or a list: the contact stays with the first one used
hours: Mon-Fri 08:30-17:00           # in the contact's own zone; narrows the mailbox's hours
decision_cycle: 32 days              # our market usually decides in about 32 days

steps:
  - step: thanks
    email: thanks-for-your-time      # templates/thanks-for-your-time.md
    when: 1 business day later
  - step: article
    email: [pertinent-article, customer-story]      # variants: the split adapts to what earns replies
    when: 5 days later
  - step: call
    task: call                       # call | card | visit | text | linkedin | any word; the rep gets it, the plan waits
    note: Leave a voice message and mention the e-mail.
    when: 3 days later
    only_if: contact.phone
  - step: nine-word
    email: nine-word
    when: 3 days before decision at 09:30
    thread: new                      # default: reply in the same thread
    expires: 5 days                  # if it could not leave within this after its due time, it is skipped and recorded

branches:                            # reached only by go_to; at its end the plan goes on where it stood
  price-objection:
    - step: price-answer
      email: price-answer
      when: 2 hours later
    - step: price-call
      task: call
      when: 2 business days later

back_off:                            # after silence, once, then cool off
  after: 10 days of silence
  email: should-i-back-off
  then: {move_to: keep-in-touch}     # or: stop

labels:                              # your own reply labels, beside the built-in ones
  price: [price, budget, "too expensive", cheaper]
on_reply:
  interested: pause                  # pause = stop sending, tell the rep. The default for every human reply
  not_now: {snooze: until they say, otherwise: 60 days, then: nine-word}
  not_interested: {move_to: keep-in-touch}
  price: {go_to: price-objection}    # a branch, or a step of the line
  any: pause
finally: {move_to: keep-in-touch}    # when the steps are used up without an answer
"""
"""The sequence of the design, word by word."""

ITS_TEST: Final = """\
# sequences/quote-follow-up.test.yaml
- contact: {email: carla@example.com, timezone: America/Denver}
  start: 2026-12-18 10:00
  reply: {after: article, in: 2 days, says: "Can you try me in March?"}
  expect:
    - thanks on 2026-12-21
    - article on 2026-12-28
    - snoozed until 2027-03-01
    - nothing before 2027-03-01
"""

TEMPLATES: Final = {
    "thanks-for-your-time": "---\nsubject: Your quote\n---\n{{ first_name }}, thank you for your time.\n",
    "pertinent-article": "---\nsubject: An article\n---\n{{ first_name }}, about {{ product }}.\n",
    "customer-story": "---\nsubject: A story\n---\nThis is what the Bergs did with {{ product }}.\n",
    "nine-word": "---\nsubject: Are you still looking?\n---\nAre you still looking for {{ product }}?\n",
    "price-answer": "---\nsubject: The price\n---\nYou wrote: {{ they_said }}\n",
    "should-i-back-off": "---\nsubject: Should I back off?\n---\nShould I back off?\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part in ("sequences", "templates"):
        (tmp_path / part).mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG, "utf-8")
    (tmp_path / "sequences" / "quote-follow-up.yaml").write_text(QUOTE_FOLLOW_UP, "utf-8")
    keep = "from: mark\nsteps:\n  - {step: hello, email: nine-word, when: 6 weeks later, thread: new}\n"
    (tmp_path / "sequences" / "keep-in-touch.yaml").write_text(keep, "utf-8")
    for name, text in TEMPLATES.items():
        (tmp_path / "templates" / f"{name}.md").write_text(text, "utf-8")
    return tmp_path


def opened(folder: Path) -> Workspace:
    loaded = load(folder, ENVIRON)
    assert loaded.workspace is not None, loaded.problems
    return loaded.workspace


def played(folder: Path, text: str) -> Outcome:
    """What becomes of the one rehearsal in this text."""
    (folder / "sequences" / "quote-follow-up.test.yaml").write_text(text, "utf-8")
    workspace = opened(folder)
    paths = files_for(workspace, [])
    assert not isinstance(paths, Refusal)
    done = rehearse(workspace, paths)
    assert done.problems == ()
    (outcome,) = done.outcomes
    return outcome


def expecting(folder: Path, *lines: str, more: str = "") -> dict[str, str]:
    """What happens instead, by expectation; "" for those that are met. One who enters on Friday 18 December."""
    expect = "".join(f"    - '{line}'\n" for line in lines)
    outcome = played(folder, f"- start: 2026-12-18 10:00\n{more}  expect:\n{expect}")
    assert outcome.trouble == ()
    return {each.text: each.verdict.instead if not each.verdict.met else "" for each in outcome.checked}


def met(folder: Path, *lines: str, more: str = "") -> None:
    assert {line: why for line, why in expecting(folder, *lines, more=more).items() if why} == {}


REPLY: Final = '  reply: {after: article, in: 2 days, says: "Can you try me in March?"}\n'


def test_the_example_of_the_design_is_as_expected(folder: Path) -> None:
    outcome = played(folder, ITS_TEST)
    assert outcome.passed
    assert [each.verdict.met for each in outcome.checked] == [True] * 4
    assert (outcome.file, outcome.line) == ("sequences/quote-follow-up.test.yaml", 2)
    assert outcome.name == "carla@example.com answers “Can you try me in March?”"


# What happens -------------------------------------------------------------------------------------


def test_days_and_minutes_without_the_spread(folder: Path) -> None:
    met(folder, "thanks on 2026-12-21 at 10:00", "article on 2026-12-28 at 08:30", "call on 2026-12-31")
    assert expecting(folder, "thanks on 2026-12-21 at 10:01", "article between 2026-12-29 and 2027-01-04") == {
        "thanks on 2026-12-21 at 10:01": "thanks leaves on Mon 21 Dec 2026 10:00",
        "article between 2026-12-29 and 2027-01-04": (
            "article leaves on Mon 28 Dec 2026 08:30 (due Sat 26 Dec: weekend)"
        ),
    }


def test_the_start_is_in_the_contacts_own_zone(folder: Path) -> None:
    text = "- contact: {timezone: Europe/Berlin, holidays: DE}\n  start: 2026-12-23\n  expect: [thanks on 2026-12-24]\n"
    outcome = played(folder, text)
    assert outcome.passed
    assert outcome.start is not None
    assert outcome.start.isoformat() == "2026-12-23T08:00:00+00:00"
    assert played(folder, text.replace("2026-12-23\n", "2026-12-23T09:00+09:00\n")).start != outcome.start


def test_order_counts(folder: Path) -> None:
    assert expecting(folder, "article", "thanks on 2026-12-21", "call") == {
        "article": "",
        "thanks on 2026-12-21": "thanks leaves on Mon 21 Dec 2026 10:00, before what was expected above",
        "call": "",
    }
    assert expecting(folder, "thanks", "thanks")["thanks"] != ""


def test_after_one_that_is_missed_the_others_are_still_looked_for(folder: Path) -> None:
    found = expecting(folder, "thanks on 2026-12-22", "article on 2026-12-28", "nothing before 2026-12-30")
    assert [line for line, why in found.items() if why] == ["thanks on 2026-12-22"]


def test_the_whole_way_to_the_end(folder: Path) -> None:
    met(
        folder, "thanks", "article", "call", "nine-word on 2027-01-19", "back_off on 2027-01-29",
        "moved to keep-in-touch on 2027-01-29", "nothing else", "nothing after 2027-01-29",
    )  # fmt: skip


def test_a_step_that_is_passed_over(folder: Path) -> None:
    met(folder, "call skipped because contact.phone", "call never", "nine-word", more="  without: phone\n")
    instead = "call is skipped on Thu 31 Dec 2026 08:30 (only if contact.phone)"
    found = expecting(folder, "call", "call skipped on 2026-12-30", more="  without: phone\n")
    assert found == {"call": instead, "call skipped on 2026-12-30": instead}


def test_nothing_is_about_messages_tasks_and_other_sequences(folder: Path) -> None:
    assert expecting(folder, "nothing before 2026-12-22") == {
        "nothing before 2026-12-22": "thanks leaves on Mon 21 Dec 2026 10:00"
    }
    assert expecting(folder, "article", "nothing after 2026-12-30", "nothing else", "call never") == {
        "article": "",
        "nothing after 2026-12-30": "call is due on Thu 31 Dec 2026 08:30",
        "nothing else": "call is due on Thu 31 Dec 2026 08:30",
        "call never": "call is due on Thu 31 Dec 2026 08:30",
    }
    assert "moved to keep-in-touch" in expecting(folder, "back_off", "nothing else")["nothing else"]


# Answers ------------------------------------------------------------------------------------------


def test_what_an_answer_leads_to(folder: Path) -> None:
    met(
        folder, "article", "read as not_now on 2026-12-30", "snoozed on 2026-12-30 because you try me in march",
        "nothing before 2027-03-01", "nine-word on 2027-03-01", more=REPLY,
    )  # fmt: skip
    found = expecting(folder, "read as question", "paused", "snoozed until 2027-03-02", "nine-word", more=REPLY)
    assert found["read as question"] == "the reply on Wed 30 Dec 2026 08:30 is read as not_now"
    assert found["paused"].startswith("snoozed on Wed 30 Dec 2026 08:30, until Mon 1 Mar 2027 00:00")
    assert found["snoozed until 2027-03-02"] == found["paused"]
    assert found["nine-word"] == ""


def test_a_label_and_its_branch(folder: Path) -> None:
    more = '  reply: {after: thanks, in: 1 hour, says: "That is over our budget."}\n'
    met(folder, "read as price", "price-answer", 'price-answer says "You wrote: That is over our budget."', more=more)


def test_a_kind_wins_over_the_words(folder: Path) -> None:
    more = '  reply: {after: thanks, in: 1 hour, kind: interested, says: "Try me in March."}\n'
    met(folder, "read as interested", "paused because interested", "nothing else", more=more)


def test_an_absence_moves_what_comes(folder: Path) -> None:
    more = '  reply: {after: thanks, in: 1 day, kind: out_of_office, says: "back on 11 January"}\n'
    met(folder, "read as out_of_office", "nothing before 2027-01-12", "article", more=more)


def test_the_reason_of_the_author_is_found_and_shown(folder: Path) -> None:
    path = folder / "sequences" / "quote-follow-up.yaml"
    path.write_text(path.read_text().replace("any: pause", 'any: {pause: "call them, they read it"}'))
    more = '  reply: {after: thanks, in: 1 hour, says: "Let me ask my boss."}\n'
    met(folder, "paused because they read it", more=more)
    assert "call them" in expecting(folder, "paused because nobody knows", more=more)["paused because nobody knows"]


def test_a_variant_that_nobody_gets_need_not_say_it(folder: Path) -> None:
    path = folder / "sequences" / "quote-follow-up.yaml"
    both = "email: [pertinent-article, customer-story]"
    path.write_text(path.read_text().replace(both, "email: {pertinent-article: 0%, customer-story: 100%}"))
    met(folder, 'article says "the Bergs"')


def test_a_soft_bounce_takes_the_step_again_and_begins_the_thread_anew(folder: Path) -> None:
    more = '  reply: {after: thanks, in: 1 minute, kind: soft_bounce, says: "452 4.2.2 full"}\n'
    outcome = played(folder, f"- start: 2026-12-18 10:00\n{more}  expect: [thanks, thanks, article]\n")
    assert outcome.passed
    mails = [each.subject for each in outcome.happenings if each.action == "email"]
    assert mails[:3] == ["Your quote", "Your quote", "Re: Your quote"]


def test_two_answers_each_in_its_place(folder: Path) -> None:
    more = (
        "  reply:\n    - {after: thanks, in: 1 day, kind: receipt}\n"
        '    - {after: call, in: 1 day, says: "Please take me off your list."}\n'
    )
    met(folder, "read as receipt", "article", "call", "read as unsubscribe", "stopped", "nothing else", more=more)


def test_an_answer_that_never_comes_is_told(folder: Path) -> None:
    reply = "  reply: {after: call, in: 1 day, kind: interested}\n"
    outcome = played(folder, f"- start: 2026-12-18\n  without: phone\n{reply}  expect: thanks\n")
    assert not outcome.passed
    assert outcome.trouble == ((3, "the answer to call never comes: call does not happen"),)
    outcome = played(folder, f"- start: 2026-12-18\n  tasks: never\n{reply}  expect: thanks\n")
    assert outcome.trouble == ((3, "the answer to call never comes: the rep never does call"),)


# The rep, and what is missing ---------------------------------------------------------------------


def test_how_long_the_rep_takes(folder: Path) -> None:
    met(folder, "call on 2026-12-31", "nine-word on 2027-01-22", more="  tasks: {call: 20 days}\n")
    assert expecting(folder, "waits for call", "nine-word", more="  tasks: never\n") == {
        "waits for call": "",
        "nine-word": "nine-word never happens; the plan waits for the rep to do call",
    }
    assert expecting(folder, "waits for call")["waits for call"] == (
        "at the end they are finished: moved to keep-in-touch"
    )


def test_what_is_missing_holds(folder: Path) -> None:
    found = expecting(folder, "thanks", "held at article because product", "call", more="  without: product\n")
    assert found == {
        "thanks": "",
        "held at article because product": "",
        "call": "call never happens; they are held at article (the template customer-story needs product)",
    }


def test_what_expires_while_it_is_held_is_skipped(folder: Path) -> None:
    path = folder / "templates" / "nine-word.md"
    path.write_text(path.read_text().replace("product", "lease_end"))
    met(folder, "held at nine-word on 2027-01-19", "nine-word skipped on 2027-01-24", "back_off",
        more="  without: lease_end\n")  # fmt: skip


def test_what_is_given_stands_over_what_is_made_up(folder: Path) -> None:
    more = "  contact: {first_name: Carla}\n  set: {product: a tent}\n"
    met(folder, 'thanks says "Carla, thank you"', 'nine-word says "looking for a tent?"', more=more)


# Words --------------------------------------------------------------------------------------------


def test_the_words_of_every_variant(folder: Path) -> None:
    lines = ('article says "[product]"', 'article says "the Bergs"', 'article never says "the Bergs"')
    assert expecting(folder, *lines) == {
        'article says "[product]"': "",
        'article says "the Bergs"': "article (pertinent-article) says “Anna, about [product].”",
        'article never says "the Bergs"': "article (customer-story) says “This is what the Bergs did with [product].”",
    }


def test_subjects_and_notes(folder: Path) -> None:
    met(folder, 'thanks subject "Your quote"', "article subject Re: Your quote", 'call says "a voice message"')
    found = expecting(folder, "nine-word subject Re:", 'thanks says "THANK you"')
    assert found["nine-word subject Re:"] == "nine-word (nine-word) has the subject “Are you still looking?”"
    assert found['thanks says "THANK you"'].endswith("says “Anna, thank you for your time.”")


# Files --------------------------------------------------------------------------------------------


def test_files_by_sequence_by_name_and_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (folder / "sequences" / "quote-follow-up.test.yaml").write_text(ITS_TEST, "utf-8")
    workspace = opened(folder)
    one = [folder / "sequences" / "quote-follow-up.test.yaml"]
    for wanted in ([], ["quote-follow-up"], ["quote-follow-up.yaml"], [str(one[0])], ["sequences/" + one[0].name]):
        assert files_for(workspace, wanted) == one
    assert files_for(workspace, ["quote-follow-up", str(one[0])]) == one
    for name, words in (
        ("keep-in-touch", "write sequences/keep-in-touch.test.yaml"),
        ("quote-folow-up", "did you mean `quote-follow-up`?"),
        ("sequences/none.test.yaml", "there is no file"),
    ):
        refused = files_for(workspace, [name])
        assert isinstance(refused, Refusal)
        assert words in refused.reason


def test_a_field_that_cannot_be_set_is_told_with_its_line(folder: Path) -> None:
    outcome = played(folder, "- start: 2026-12-18\n  set:\n    quote_date: soon\n  expect: thanks\n")
    assert not outcome.passed
    assert outcome.trouble[0][0] == 3
    assert "no date for quote_date" in outcome.trouble[0][1]


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "sequences").glob("*.test.yaml")))
def test_every_play_keeps_its_promises(name: str) -> None:
    workspace = opened(REPOSITORY)
    done = rehearse(workspace, [REPOSITORY / "sequences" / name])
    assert done.problems == ()
    missed = [
        f"{name}:{each.line}: {each.text}: {each.verdict.instead}"
        for outcome in done.outcomes
        for each in outcome.checked
        if not each.verdict.met
    ]
    assert missed == []
    assert all(outcome.passed for outcome in done.outcomes)


def test_every_play_has_its_rehearsals(tmp_path: Path) -> None:
    plays = {path.stem for path in (REPOSITORY / "sequences").glob("*.yaml") if not path.stem.endswith(".test")}
    assert {path.name.removesuffix(".test.yaml") for path in (REPOSITORY / "sequences").glob("*.test.yaml")} == plays


def test_a_promise_that_is_broken_is_noticed(tmp_path: Path) -> None:
    """The rehearsals of the plays find an edit that nobody wanted."""
    for part in ("sequences", "templates"):
        shutil.copytree(REPOSITORY / part, tmp_path / part)
    shutil.copy(REPOSITORY / "config.yaml", tmp_path)
    path = tmp_path / "sequences" / "quote-follow-up.yaml"
    path.write_text(re.sub(r"(step: which-of-three\n.*\n    when: )5 days", r"\g<1>4 weeks", path.read_text()))
    workspace = opened(tmp_path)
    done = rehearse(workspace, [tmp_path / "sequences" / "quote-follow-up.test.yaml"])
    assert any(not outcome.passed for outcome in done.outcomes)
