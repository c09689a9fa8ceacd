"""The running daemon learns which variant does better, from the answers in the inbox, and sends that one more often."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from tests.daemon.house import House, answer_to, furnish
from tests.pymap_server import PymapServer
from tests.smtp_peer import SmtpPeer

TRIAL = """\
from: mark
steps:
  - step: opening
    email: [thanks, article]
  - step: much-later
    email: hello
    when: 8 weeks later
"""
SUBJECTS = {"thanks": "Thanks for your time", "article": "Something to read"}
FIRST, NEXT = 140, 40


def people(name: str, count: int) -> list[str]:
    return [f"{name}{number}@{name}{number}.example" for number in range(count)]


async def test_what_earns_interest_is_sent_more_often(database_url: str, tmp_path: Path) -> None:
    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"', quote=TRIAL)
        house = House(tmp_path, smtp)
        await house.enroll(*people("first", FIRST))
        async with house.running():
            await house.ear.happens("sent", FIRST)
            before = had(house, people("first", FIRST))
            assert all(50 <= count <= 90 for count in Counter(before.values()).values())
            pleased = [email for email, template in before.items() if template == "article"][:14]
            for email in pleased:
                sent = next(mail.data for mail in smtp.accepted if mail.recipients == (email,))
                answer = answer_to(sent, email, "Yes, what would it cost?", house.clock.now())
                await imap.append("mark", "INBOX", answer, house.clock.now())
            await house.ear.happens("paused", len(pleased))
            house.clock.advance(timedelta(days=3, hours=1))
            await house.enroll(*people("next", NEXT))
            house.clock.advance(timedelta(minutes=3))
            await house.ear.happens("sent", FIRST + NEXT)
        after = Counter(had(house, people("next", NEXT)).values())
        assert after["article"] >= 30, after  # nineteen in twenty: fewer come once in ten thousand times


async def test_figures_that_cannot_be_read_hold_nobody(database_url: str, tmp_path: Path) -> None:
    def lost(_conn: Connection, _cursor: object, words: str, *_rest: object) -> None:
        if "AS fresh" in words:
            raise OperationalError(words, {}, Exception("it takes too long"))

    async with PymapServer({"mark": "pw"}) as imap, SmtpPeer(logins={"mark": "pw"}) as smtp:
        furnish(tmp_path, smtp=smtp.port, imap=imap.port, user="mark", database=f'"{database_url}"', quote=TRIAL)
        house = House(tmp_path, smtp)
        await house.enroll(*people("first", 12))
        event.listen(Engine, "before_cursor_execute", lost)
        try:
            async with house.running():
                await house.ear.happens("sent", 12)
                await house.ear.notes_that("they are split as before")
        finally:
            event.remove(Engine, "before_cursor_execute", lost)
        assert set(had(house, people("first", 12)).values()) == set(SUBJECTS)


def had(house: House, emails: list[str]) -> dict[str, str]:
    """The template that each of these people received; nobody has had two."""
    templates = {subject: name for name, subject in SUBJECTS.items()}
    received = {email: house.sent_to(email) for email in emails}
    assert all(len(subjects) == 1 for subjects in received.values())
    return {email: templates[subjects[0]] for email, subjects in received.items()}
