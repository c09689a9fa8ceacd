"""The names of the warnings, by which `allow:` silences them, and for those about craft: what, why, what instead.

docs/craft.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Craft:
    """One rule of good craft, in the words of the docs."""

    what: str
    why: str
    instead: str


JUST_CHECKING_IN: Final = "just-checking-in"
LONG_SUBJECT: Final = "long-subject"
WALL_OF_TEXT: Final = "wall-of-text"
EVERY_DAY: Final = "every-day"
QUOTA_LANGUAGE: Final = "quota-language"
IMAGE_IN_FIRST_MAIL: Final = "image-in-first-mail"
LINKS_IN_FIRST_MAIL: Final = "links-in-first-mail"
NO_PHONE_STEP: Final = "no-phone-step"
FEW_TOUCHES: Final = "few-touches"
EARLY_BACK_OFF: Final = "early-back-off"

LONGEST_SUBJECT: Final = 60
MOST_WORDS: Final = 100
"""Words in one paragraph."""

MOST_LINKS: Final = 2
FEWEST_TOUCHES: Final = 5
FEWEST_BEFORE_BACK_OFF: Final = 3
FEWEST_MAILS_WITHOUT_PHONE: Final = 4

CRAFT: Final[Mapping[str, Craft]] = MappingProxyType(
    {
        JUST_CHECKING_IN: Craft(
            "a touch with no value of its own: “just checking in”, “touching base”, “following up on my last e-mail”, "
            "in English, German, French and Spanish",
            "It asks for an answer and gives no reason to write one. What they read is that you want to sell.",
            "Say what is new for them: an answer, a story, a number, a question that helps them decide.",
        ),
        LONG_SUBJECT: Craft(
            f"a subject of more than {LONGEST_SUBJECT} characters",
            "A telephone shows 30 to 40 of them, a desktop about 60. The end is what nobody reads.",
            "Put the one word that matters to them first, and stop there.",
        ),
        WALL_OF_TEXT: Craft(
            f"more than {MOST_WORDS} words without a break",
            "On a telephone that fills the screen. A block without an opening is put off for later, and forgotten.",
            "One thought, one paragraph: two or three lines, then an empty one. What is long belongs behind a link.",
        ),
        EVERY_DAY: Craft(
            "three touches or more, each a day or less after the one before",
            "Whoever hears from you every day learns to look away, or presses “spam”, which costs you the mailbox.",
            "Leave two business days at least between touches, and more the longer it lasts.",
        ),
        QUOTA_LANGUAGE: Craft(
            "month-end and quota language: “before the quarter ends”, a discount “until the end of the month”",
            "It is your deadline, not theirs. It tells them that waiting makes it cheaper, and that they are a number.",
            "Name a date that matters to them: when they need it, or what changes for them after it.",
        ),
        IMAGE_IN_FIRST_MAIL: Craft(
            "an image in the first mail of a sequence",
            "Nobody's colleague begins with a picture. Filters weigh it as advertising, most programs do not show it "
            "before a click; and letters here are words only, so that all that stays is its address.",
            "Words only. Send the picture when they have answered.",
        ),
        LINKS_IN_FIRST_MAIL: Craft(
            f"more than {MOST_LINKS} links in the first mail of a sequence",
            "Many links from somebody unknown are what spam looks like, to people and to filters.",
            "One link at most, to the one thing that you write about; none is better still.",
        ),
        NO_PHONE_STEP: Craft(
            f"a follow-up plan of {FEWEST_MAILS_WITHOUT_PHONE} mails or more and no step by phone or in person (not "
            "for plans with weeks between the touches, nor those with `alongside: true`)",
            "Many people who never answer a mail pick up the phone, and a voice message gets the mail read.",
            "Add for example `{step: call, task: call, when: 3 days later, only_if: contact.phone}`.",
        ),
        FEW_TOUCHES: Craft(
            f"fewer than {FEWEST_TOUCHES} touches before giving up (not for a single note, nor for plans that move on "
            "to another sequence, or with `alongside: true`)",
            "Few people are ready in the week in which you write. Whoever stops early leaves the rest to others.",
            "Add touches that are of use by themselves, or end with `finally: {move_to: keep-in-touch}`.",
        ),
        EARLY_BACK_OFF: Craft(
            f"a back-off message after fewer than {FEWEST_BEFORE_BACK_OFF} touches",
            "“Should I back off?” works since you have taken trouble before. After one mail it is a threat to leave.",
            f"Put {FEWEST_BEFORE_BACK_OFF} touches or more before it, by mail and by phone.",
        ),
    }
)

OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "no-timezone": "config.yaml does not say where contacts live",
        "not-yet": "a key that does nothing in this version",
        "outside-hours": "a time of day or weekday that the hours never allow",
        "unknown-field": "a field that no contact has, as far as can be seen",
        "no-decision": "`before decision` without a `decision_cycle`",
        "unreached-branch": "a branch to which nothing goes",
        "whose-company": "`company.name` is your own company",
        "unanswered": "`they_said` where people have not answered",
        "unused-template": "a template that no sequence sends",
        "same-phrase": "one phrase in two labels",
        "deaf": "`any: continue` goes on mailing people who have answered",
        "no-sequences": "there are no sequences yet",
        "schema-outdated": "the schema for editors is of another version",
    }
)

MEANINGS: Final[Mapping[str, str]] = MappingProxyType({**{name: one.what for name, one in CRAFT.items()}, **OTHERS})
WARNINGS: Final = frozenset(MEANINGS)
"""Every name that `allow:` knows."""
