"""Who is in the demo. Every address is in a reserved domain; nobody here exists."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sequencer.demo.letters import Writer
from sequencer.demo.post_office import Refusal
from sequencer.demo.prospects import Answers, AnswersItself, Bounces, Cue, Ending, Prospect

_TRAILER: Final = {"product": "a 24-foot travel trailer", "quote_total": "$38,900", "rating": "A"}
_VAN: Final = {"product": "a used camper van", "quote_total": "$52,400", "rating": "B"}
_POPUP: Final = {"product": "a pop-up camper", "quote_total": "$14,200", "rating": "B"}
_MET: Final = {"next_step": "the test drive", "their_promise": "measure the driveway"}

BUYER: Final = Prospect(
    email="anna.berg@berg-orchards.example",
    first_name="Anna",
    last_name="Berg",
    role="buys after the second mail",
    sequence="quote-follow-up",
    phone="+1 406 555 0101",
    fields=_TRAILER,
    cues=(
        Cue(
            ("What is the thing", "Which one matters"),
            timedelta(hours=3),
            Answers("Yes, send me the invoice. We would like to pick it up before Easter.\n\nAnna"),
        ),
    ),
    ending=Ending("quote-follow-up", "finished", "won"),
)

PROCRASTINATOR: Final = Prospect(
    email="tom.okafor@okafor.example",
    first_name="Tom",
    last_name="Okafor",
    role="says “in two weeks”, and is asked again in two weeks",
    sequence="quote-follow-up",
    zone="America/Los_Angeles",
    phone="+1 509 555 0102",
    fields=_VAN,
    cues=(
        Cue(
            ("have this settled",),
            timedelta(hours=5),
            Answers("Hi Mark,\n\nstill waiting for the bank. Could you get back to me in two weeks?\n\nThanks, Tom"),
        ),
        Cue(
            ("Are you still looking",),
            timedelta(hours=3, minutes=20),
            Answers("Yes! The bank said yes. When can I come by to look at it again?\n\nTom"),
        ),
    ),
    ending=Ending("quote-follow-up", "paused", "interested"),
)

ON_HOLIDAY: Final = Prospect(
    email="lena.fischer@fischer-sohn.example",
    first_name="Lena",
    last_name="Fischer",
    role="is out of office, and answers once she is back",
    sequence="after-meeting",
    zone="America/New_York",
    fields={**_POPUP, **_MET, "my_promise": "a price with the longer awning"},
    cues=(
        Cue(
            ("what we said",),
            timedelta(seconds=20),
            AnswersItself(
                "Thank you for your message. I am out of the office and will be back on March 15, 2027.\n"
                "In urgent cases please call the front desk.\n\nLena Fischer"
            ),
        ),
        Cue(
            ("When we parted",),
            timedelta(hours=2),
            Answers("I just got back. Measured it, it fits. Thursday is good, let us meet at ten.\n\nLena"),
        ),
    ),
    ending=Ending("after-meeting", "paused", ""),
)

NO_SUCH_ADDRESS: Final = Prospect(
    email="gus.petrov@petrov-plumbing.example",
    first_name="Gus",
    last_name="Petrov",
    role="his address does not exist: the post office refuses it",
    sequence="nine-word",
    fields=_TRAILER,
    refusal=Refusal(550, "5.1.1 <gus.petrov@petrov-plumbing.example>: Recipient address rejected: User unknown"),
    ending=Ending("nine-word", "stopped", ""),
)

BOUNCES_LATER: Final = Prospect(
    email="maria.lindgren@lindgren-design.example",
    first_name="Maria",
    last_name="Lindgren",
    role="her mail is taken, and comes back a minute later",
    sequence="nine-word",
    fields=_POPUP,
    cues=(
        Cue(
            (),
            timedelta(minutes=1),
            Bounces("5.1.1", "550 5.1.1 The email account that you tried to reach does not exist"),
        ),
    ),
    ending=Ending("nine-word", "stopped", "does not take mail"),
)

UNSUBSCRIBES: Final = Prospect(
    email="dale.hutchins@hutchins.example",
    first_name="Dale",
    last_name="Hutchins",
    role="does not want any more mail",
    sequence="nine-word",
    fields=_VAN,
    cues=(Cue(("Are you still looking",), timedelta(hours=1, minutes=10), Answers("unsubscribe")),),
    ending=Ending("nine-word", "stopped", "not to be mailed"),
)

COLLEAGUE_ANSWERS: Final = Prospect(
    email="priya.nair@cascade-outfitters.example",
    first_name="Priya",
    last_name="Nair",
    role="a colleague of hers answers, in a mail of his own",
    sequence="quote-follow-up",
    phone="+1 406 555 0107",
    fields={**_VAN, "company": "Cascade Outfitters"},
    cues=(
        Cue(
            ("have this settled",),
            timedelta(days=1, hours=3),
            Answers(
                "Hello Mark,\n\nPriya has left for parental leave and I look after the vans now. "
                "Can you send me the quote again, please?\n\nBen Ortiz\nCascade Outfitters",
                writer=Writer("Ben Ortiz", "ben.ortiz@cascade-outfitters.example", "America/Denver"),
                threaded=False,
                prefix="FW",
            ),
        ),
    ),
    ending=Ending("quote-follow-up", "paused", ""),
)

ANSWERS_THE_BACK_OFF: Final = Prospect(
    email="walter.schmidt@schmidt-ranch.example",
    first_name="Walter",
    last_name="Schmidt",
    role="is silent until he is asked whether to back off",
    sequence="missing-in-action",
    phone="+1 406 555 0108",
    fields=_TRAILER,
    cues=(
        Cue(
            ("Should I back off?",),
            timedelta(hours=4),
            Answers(
                "No, please don't. It is calving season and I have not looked at my mail for weeks.\n"
                "What did you want to know?\n\nWalter\n\nSent from my phone"
            ),
        ),
    ),
    ending=Ending("missing-in-action", "paused", ""),
)

FINDS_IT_EXPENSIVE: Final = Prospect(
    email="rosa.delgado@delgado-family.example",
    first_name="Rosa",
    last_name="Delgado",
    role="finds it too expensive, and gets an answer to that",
    sequence="quote-follow-up",
    phone="+1 406 555 0109",
    fields=_TRAILER,
    cues=(
        Cue(
            ("Which one is it with you?",),
            timedelta(hours=2),
            Answers(
                "Number 1. It is more than we wanted to spend. Is there anything you can do about the price?\n\nRosa"
            ),
        ),
        Cue(
            ("What would the number have to be",),
            timedelta(days=1),
            Answers("Without the big awning and at 36,000 we would do it.\n\nRosa"),
        ),
    ),
    ending=Ending("quote-follow-up", "paused", ""),
)

BOUGHT_ELSEWHERE: Final = Prospect(
    email="henry.walsh@walsh-logging.example",
    first_name="Henry",
    last_name="Walsh",
    role="has bought elsewhere",
    sequence="quote-follow-up",
    phone="+1 406 555 0110",
    fields=_VAN,
    cues=(
        Cue(
            ("What is the thing", "Which one matters", "lying around"),
            timedelta(hours=6),
            Answers("Hi Mark, thanks for your help, but we went with another dealer.\n\nHenry"),
        ),
    ),
    ending=Ending("keep-in-touch", "active", ""),
)

WRONG_PERSON: Final = Prospect(
    email="sofia.rossi@rossi-tours.example",
    first_name="Sofia",
    last_name="Rossi",
    role="is not the one who decides; her answer lands in Junk",
    sequence="quote-follow-up",
    phone="+1 509 555 0111",
    zone="America/Los_Angeles",
    fields={**_VAN, "company": "Rossi Tours"},
    cues=(
        Cue(
            ("have this settled",),
            timedelta(hours=4),
            Answers(
                "I am not the right person for this, sorry. "
                "Please talk to my brother Luca, he does the vehicles.\n\nSofia",
                folder="Junk",
            ),
        ),
    ),
    ending=Ending("quote-follow-up", "paused", ""),
)

OTHER_ADDRESS: Final = Prospect(
    email="erik.nilsson@nilsson-dental.example",
    first_name="Erik",
    last_name="Nilsson",
    role="answers from his private address",
    sequence="after-meeting",
    fields={**_TRAILER, **_MET},
    cues=(
        Cue(
            ("When we parted",),
            timedelta(hours=9),
            Answers(
                "Writing from home. The driveway is 31 feet, so it will fit. Tuesday after four?\n\nErik",
                writer=Writer("Erik N.", "erik.n@home-mail.example", "America/Denver"),
            ),
        ),
    ),
    ending=Ending("after-meeting", "paused", ""),
)

WRITTEN_TO_BY_HAND: Final = Prospect(
    email="claire.dupont@dupont-catering.example",
    first_name="Claire",
    last_name="Dupont",
    role="the rep writes to her by hand in between",
    sequence="quote-follow-up",
    phone="+1 406 555 0113",
    fields=_VAN,
    ending=Ending("quote-follow-up", "paused", ""),
)

NEVER_ANSWERS: Final = Prospect(
    email="sam.whitaker@whitaker.example",
    first_name="Sam",
    last_name="Whitaker",
    role="never answers anything",
    sequence="quote-follow-up",
    phone="+1 406 555 0114",
    fields=_POPUP,
    ending=Ending("keep-in-touch", "active", ""),
)

FIELD_MISSING: Final = Prospect(
    email="jo.park@park-dairy.example",
    first_name="Jo",
    last_name="Park",
    role="nobody wrote down what Jo was looking for, until the rep looks it up",
    sequence="nine-word",
    fields={"rating": "C"},
    ending=Ending("keep-in-touch", "active", ""),
)

CAST: Final = (
    BUYER,
    PROCRASTINATOR,
    ON_HOLIDAY,
    NO_SUCH_ADDRESS,
    BOUNCES_LATER,
    UNSUBSCRIBES,
    COLLEAGUE_ANSWERS,
    ANSWERS_THE_BACK_OFF,
    FINDS_IT_EXPENSIVE,
    BOUGHT_ELSEWHERE,
    WRONG_PERSON,
    OTHER_ADDRESS,
    WRITTEN_TO_BY_HAND,
    NEVER_ANSWERS,
    FIELD_MISSING,
)
