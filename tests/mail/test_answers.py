"""The table of refusals: (phase, code, words) -> now or never, and whose fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.mail.answers import Blame, Phase, Verdict, classify, enhanced_status

NOW_RECIPIENT = Verdict(temporary=True, blame="recipient")
NEVER_RECIPIENT = Verdict(temporary=False, blame="recipient")
NOW_SENDER = Verdict(temporary=True, blame="sender")
NEVER_SENDER = Verdict(temporary=False, blame="sender")
NOW_SERVER = Verdict(temporary=True, blame="server")
NEVER_SERVER = Verdict(temporary=False, blame="server")
NEVER_MESSAGE = Verdict(temporary=False, blame="message")

TABLE: list[tuple[Phase, int, str, Verdict]] = [
    # The address itself.
    ("rcpt", 550, "5.1.1 The email account that you tried to reach does not exist.", NEVER_RECIPIENT),
    ("rcpt", 550, "5.1.1 <bob@example.org>: Recipient address rejected: User unknown in table", NEVER_RECIPIENT),
    ("rcpt", 550, "5.1.1 The email account that you\n5.1.1 tried to reach does not\n5.1.1 exist.", NEVER_RECIPIENT),
    ("rcpt", 550, "5.1.2 Bad destination mailbox domain", NEVER_RECIPIENT),
    ("rcpt", 553, "5.1.3 Bad recipient address syntax", NEVER_RECIPIENT),
    ("rcpt", 501, "5.1.3 Invalid character in address", NEVER_RECIPIENT),
    ("rcpt", 550, "5.1.10 RESOLVER.ADR.RecipientNotFound", NEVER_RECIPIENT),
    ("rcpt", 550, "5.1.6 Recipient no longer on server", NEVER_RECIPIENT),
    ("rcpt", 556, "5.1.10 Recipient domain has null MX", NEVER_RECIPIENT),
    ("rcpt", 550, "5.2.1 The email account that you tried to reach is disabled", NEVER_RECIPIENT),
    ("rcpt", 550, "5.4.1 Recipient address rejected: Access denied.", NEVER_RECIPIENT),
    ("rcpt", 550, "5.4.4 Unable to route: no MX record", NEVER_RECIPIENT),
    ("rcpt", 550, "No such user here", NEVER_RECIPIENT),
    ("rcpt", 550, "Requested action not taken: mailbox unavailable", NEVER_RECIPIENT),
    ("rcpt", 550, "Unrouteable address", NEVER_RECIPIENT),
    ("rcpt", 551, "User not local", NEVER_RECIPIENT),
    ("rcpt", 553, "sorry, that domain isn't in my list", NEVER_RECIPIENT),
    ("rcpt", 554, "delivery error: This user doesn't have an example.org account", NEVER_RECIPIENT),
    ("end", 550, "5.1.1 User unknown", NEVER_RECIPIENT),
    ("end", 554, "No such recipient", NEVER_RECIPIENT),
    ("rcpt", 450, "4.1.1 Recipient address rejected: unverified", NOW_RECIPIENT),
    ("rcpt", 450, "Requested mail action not taken: mailbox unavailable", NOW_RECIPIENT),
    # Full is never for ever.
    ("rcpt", 552, "5.2.2 Mailbox full", NOW_RECIPIENT),
    ("end", 552, "5.2.2 Mailbox full", NOW_RECIPIENT),
    ("rcpt", 552, "Requested mail action aborted: exceeded storage allocation", NOW_RECIPIENT),
    ("rcpt", 452, "4.2.2 The email account that you tried to reach is over quota", NOW_RECIPIENT),
    ("rcpt", 422, "The recipient's mailbox is full", NOW_RECIPIENT),
    ("end", 550, "User has exceeded his quota", NOW_RECIPIENT),
    ("end", 554, "Mailbox full", NOW_RECIPIENT),
    ("rcpt", 450, "4.2.1 The user you are trying to contact is receiving mail too quickly", NOW_RECIPIENT),
    ("end", 552, "Requested mail action aborted: exceeded storage allocation", NOW_RECIPIENT),
    ("rcpt", 556, "Domain does not accept mail", NEVER_RECIPIENT),
    ("rcpt", 550, "5.5.0 Requested action not taken: mailbox unavailable", NEVER_RECIPIENT),
    # Who we are, and whether we have proved it.
    ("rcpt", 538, "5.7.11 Encryption required", NEVER_SENDER),
    ("end", 550, "5.7.13 User account disabled", NEVER_SENDER),
    ("end", 432, "4.7.12 A password transition is needed", NOW_SENDER),
    ("end", 550, "5.7.515 Access denied, sending domain doesn't meet the required authentication level", NEVER_SENDER),
    ("end", 550, "5.7.26 Unauthenticated email from example.com is not accepted", NEVER_SENDER),
    ("end", 550, "5.7.25 The IP address sending this message does not have a PTR record", NEVER_SENDER),
    ("end", 550, "5.7.27 Sender address has null MX", NEVER_SENDER),
    ("end", 550, "5.7.23 SPF validation failed", NEVER_SENDER),
    ("end", 421, "4.7.26 This mail is unauthenticated", NOW_SERVER),
    ("end", 451, "4.7.26 This mail is unauthenticated", NOW_SENDER),
    ("mail", 530, "5.7.0 Authentication required", NEVER_SENDER),
    ("rcpt", 530, "5.7.57 Client not authenticated to send mail", NEVER_SENDER),
    ("auth", 535, "5.7.8 Username and Password not accepted", NEVER_SENDER),
    ("auth", 535, "authentication failed", NEVER_SENDER),
    ("auth", 534, "5.7.9 Application-specific password required", NEVER_SENDER),
    ("auth", 454, "4.7.0 Temporary authentication failure", NOW_SENDER),
    ("rcpt", 554, "5.7.1 <bob@example.org>: Relay access denied", NEVER_SENDER),
    ("rcpt", 550, "5.7.1 Unable to relay", NEVER_SENDER),
    ("rcpt", 550, "relay not permitted", NEVER_SENDER),
    ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using a list", NEVER_SENDER),
    ("rcpt", 550, "5.7.1 Your IP is on a blacklist", NEVER_SENDER),
    ("end", 550, "5.7.1 Message rejected due to SPF policy", NEVER_SENDER),
    ("end", 550, "5.7.1 Email rejected per DMARC policy for example.com", NEVER_SENDER),
    ("rcpt", 550, "blocked by policy: bad reputation", NEVER_SENDER),
    ("rcpt", 550, "5.7.606 Access denied, banned sending IP", NEVER_SENDER),
    ("mail", 550, "5.1.8 Access denied, bad outbound sender", NEVER_SENDER),
    ("mail", 553, "5.1.7 Bad sender's mailbox address syntax", NEVER_SENDER),
    ("mail", 550, "Sender rejected", NEVER_SENDER),
    ("mail", 553, "5.7.1 Sender address rejected: not owned by user mark", NEVER_SENDER),
    ("end", 554, "5.2.252 SendAsDenied; mark@example.com not allowed to send as other@example.com", NEVER_SENDER),
    # How much we may send.
    ("end", 550, "5.4.5 Daily user sending limit exceeded", NOW_SENDER),
    ("mail", 550, "5.4.5 Daily sending quota exceeded", NOW_SENDER),
    ("mail", 452, "4.3.1 Too many messages, slow down", NOW_SENDER),
    ("rcpt", 450, "4.7.1 Error: too much mail from 192.0.2.1", NOW_SENDER),
    ("end", 451, "4.7.650 The mail server has been temporarily rate limited due to IP reputation", NOW_SENDER),
    ("end", 432, "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", NOW_SENDER),
    # The server and the session.
    ("mail", 421, "4.3.2 Service shutting down", NOW_SERVER),
    ("end", 421, "closing", NOW_SERVER),
    ("rcpt", 421, "5.1.1 whatever it says", NOW_SERVER),
    ("greeting", 554, "No SMTP service here", NEVER_SERVER),
    ("greeting", 450, "busy", NOW_SERVER),
    ("mail", 451, "Requested action aborted: local error in processing", NOW_SERVER),
    ("rcpt", 451, "4.7.1 Greylisting in action, please come back later", NOW_SERVER),
    ("rcpt", 450, "4.2.0 Greylisted, see http://example.org", NOW_RECIPIENT),
    ("rcpt", 451, "4.4.3 Temporary lookup failure", NOW_SERVER),
    ("end", 451, "4.3.0 Error: queue file write error", NOW_SERVER),
    ("data", 452, "4.3.1 Insufficient system storage", NOW_SERVER),
    ("mail", 503, "5.5.1 nested MAIL command", NOW_SERVER),
    ("data", 503, "bad sequence", NOW_SERVER),
    ("mail", 502, "command not implemented", NEVER_SERVER),
    ("mail", 555, "parameters not recognized", NEVER_SERVER),
    ("mail", 0, "the connection was lost", NOW_SERVER),
    ("rcpt", 550, "5.5.1 Invalid command", NEVER_SERVER),
    ("rcpt", 452, "4.5.3 Too many recipients", NOW_SERVER),
    # The message: its content, its size, or a policy that names nobody.
    ("end", 554, "5.6.0 Message contains invalid content", NEVER_MESSAGE),
    ("end", 550, "5.7.1 Our system has detected that this message is likely unsolicited mail", NEVER_MESSAGE),
    ("end", 554, "Transaction failed", NEVER_MESSAGE),
    ("end", 550, "rejected", NEVER_MESSAGE),
    ("data", 554, "no valid recipients", NEVER_MESSAGE),
    ("rcpt", 550, "5.7.1 Delivery not permitted by local policy", NEVER_MESSAGE),
    ("mail", 552, "no", NEVER_MESSAGE),
    ("mail", 552, "5.3.4 Message size exceeds fixed limit", NEVER_MESSAGE),
    ("mail", 552, "message size exceeds fixed maximum message size", NEVER_MESSAGE),
    ("end", 552, "5.2.3 Message too large for this mailbox", NEVER_MESSAGE),
]


@pytest.mark.parametrize(("phase", "code", "answer", "verdict"), TABLE)
def test_the_table(phase: Phase, code: int, answer: str, verdict: Verdict) -> None:
    assert classify(phase, code, answer) == verdict


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("5.1.1 User unknown", "5.1.1"),
        ("(#5.7.1) no", "5.7.1"),
        ("#4.2.2: full", "4.2.2"),
        ("5.7.515", "5.7.515"),
        ("host 192.0.2.1 said no", ""),
        ("version 5.1.1.2", ""),
        ("", ""),
    ],
)
def test_the_enhanced_status(answer: str, status: str) -> None:
    assert enhanced_status(answer) == status


PHASES: list[Phase] = ["connect", "greeting", "auth", "mail", "rcpt", "data", "end"]
BLAMES: set[Blame] = {"recipient", "sender", "server", "message"}


@given(st.sampled_from(PHASES), st.integers(min_value=400, max_value=599), st.text(max_size=300))
def test_there_is_a_verdict_on_everything(phase: Phase, code: int, answer: str) -> None:
    verdict = classify(phase, code, answer)
    assert verdict.blame in BLAMES
    if code < 500:
        assert verdict.temporary, "a 4xx is never final"


@given(st.integers(min_value=400, max_value=599), st.text(max_size=100))
def test_before_rcpt_no_recipient_is_blamed(code: int, answer: str) -> None:
    for phase in PHASES[: PHASES.index("rcpt")]:
        assert classify(phase, code, answer).blame != "recipient"
