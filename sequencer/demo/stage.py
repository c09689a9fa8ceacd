"""Where the prospects meet the post office: a mail arrives, and whoever has a cue for it answers in their time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from sequencer.demo.clock import AcceleratedClock
from sequencer.demo.letters import question_of
from sequencer.demo.post_office import Arrival, PostOffice, header_of
from sequencer.demo.prospects import Act, Answers, AnswersItself, Bounces, Prospect, letter_of, reaction
from sequencer.demo.story import IN, OUT, Story, quoted


class Stage:
    """Lets the cast act. `arrived` is to be the post office's `on_arrival`."""

    def __init__(self, cast: Sequence[Prospect], office: PostOffice, clock: AcceleratedClock, story: Story) -> None:
        self._cast = {prospect.email: prospect for prospect in cast}
        self._used: dict[str, frozenset[int]] = dict.fromkeys(self._cast, frozenset())
        self._office = office
        self._clock = clock
        self._story = story
        self.arrivals: list[Arrival] = []
        """Every mail that reached a prospect, in order."""

    def arrived(self, arrival: Arrival) -> None:
        """A mail reached somebody: show it, and let them answer later if it is their cue."""
        self.arrivals.append(arrival)
        self._story.tell(arrival.at, OUT, arrival.recipient, _shown(arrival))
        prospect = self._cast.get(arrival.recipient)
        if prospect is None:
            return
        index = reaction(prospect, self._used[prospect.email], arrival)
        if index is None:
            return
        self._used[prospect.email] |= {index}
        cue = prospect.cues[index]
        self._clock.at(arrival.at + cue.after, lambda: self._act(prospect, cue.act, arrival))

    def _act(self, prospect: Prospect, act: Act, arrival: Arrival) -> None:
        now = self._clock.now()
        raw = letter_of(prospect, act, arrival, now)
        who, text = _told(prospect, act)
        self._story.tell(now, IN, who, text)
        self._office.post(arrival.sender, raw, act.folder if isinstance(act, Answers) else "INBOX")


def _shown(arrival: Arrival) -> str:
    """A mail on one line: its subject, and what it asks."""
    subject, question = quoted(header_of(arrival.message, "Subject")), question_of(arrival)
    return subject if not question or question in subject else f"{subject}  {question}"


def _told(prospect: Prospect, act: Act) -> tuple[str, str]:
    """Who writes and what, for the story."""
    match act:
        case Answers():
            place = "" if act.folder == "INBOX" else f" (it lands in {act.folder})"
            who = act.writer.name if act.writer is not None else prospect.name
            return who, quoted(act.text) + place
        case AnswersItself():
            return prospect.name, f"{quoted(act.text)} (automatic)"
        case Bounces():
            return "mailer-daemon", f"{prospect.email}: {act.diagnosis}"
        case _:
            assert_never(act)
