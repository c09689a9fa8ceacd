"""What server answers mean: the reason, whether it is for ever, and who is to blame."""

from __future__ import annotations

import pytest

from sequencer.inbox.refusals import PERMANENT, SENDER_SIDE, Reason
from sequencer.inbox.status import judge, phase_of, phase_of_transcript

ANSWERS: dict[Reason, tuple[str, ...]] = {
    Reason.UNKNOWN_USER: (
        "550 5.1.1 <carla@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        "550 5.1.1 The email account that you tried to reach does not exist. Please try again",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient carla@example.com not found by SMTP address lookup",
        "550 #5.1.0 Address rejected. User carla@example.com does not exist",
        "550 No such user (carla@example.com)",
        "550 Requested action not taken: mailbox unavailable",
        "553 sorry, that domain isn't in my list; no such mailbox here",
        "550 Unrouteable address",
        "550 unknown user <carla@example.com>",
        "551 not our customer",
        "550 Mailbox not found. http://help.example/",
        "550 5.1.1 carla@example.com... Addressee unknown, relay=[192.0.2.1]",
        "554 delivery error: dd This user doesn't have an example.com account (carla@example.com) [0]",
        "550 Invalid recipient",
        "550 5.1.1 unknown or illegal alias: carla@example.com",
        "User carla (carla@example.com) not listed in Domino Directory",
        "550 Empfänger unbekannt",
        "550 5.1.1 Adresse d'au moins un destinataire invalide. Invalid recipient.",
        "550 El usuario no existe",
        "550 utente sconosciuto",
        "550 5.1.1 usuário inexistente",
        "550 Пользователь не найден",
        "550 5.1.1 宛先不明です",
        "550 收件人不存在",
        "450 4.1.1 <carla@example.com>: Recipient address rejected: User unknown in relay recipient table",
        "550 5.4.1 Recipient address rejected: user not found",
        "550-5.1.1 is not a valid mailbox",
        "The recipient name is not recognized",
        "550 domain is not hosted here",
        "550 no mailbox here",
        "550 5.1.1 recipient address rejected: undeliverable address: host mx.example.com said user unknown",
        "553 sorry, this recipient is not in my validrcptto list (#5.7.1)",
    ),
    Reason.UNKNOWN_HOST: (
        "Host or domain name not found. Name service error for name=gone.example type=MX: Host not found",
        "550 5.1.2 <carla@gone.example>... Host unknown (Name server: gone.example: host not found)",
        "DNS Error: DNS type 'mx' lookup of gone.example responded with code NXDOMAIN Domain name not found",
        "Sorry, I couldn't find any host named gone.example. (#5.1.2)",
        "550 5.4.310 DNS domain gone.example does not exist",
        "556 5.1.10 Recipient address has null MX",
        "550 Host does not accept mail",
    ),
    Reason.MOVED: (
        "551 5.1.6 recipient no longer on server: carla@example.com",
        "550 carla is no longer with the company",
        "551 User has moved to carla@example.org",
    ),
    Reason.DISABLED: (
        "550 5.2.1 The email account that you tried to reach is disabled",
        "554 Sorry your message cannot be delivered. This account has been disabled or discontinued",
        "550 5.7.1 <carla@example.com>: mailbox suspended",
        "550 Account inactive",
        "550 Mailbox deactivated",
    ),
    Reason.REFUSED: (
        "554 5.7.1 <carla@example.com>: Recipient address rejected: Access denied",
        "550 <carla@example.com> recipient rejected",
        "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; the sender was not authenticated when sending to it",
        "550 5.7.1 Relaying denied",
        "554 5.7.1 <carla@example.com>: Relay access denied",
        "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required",
        "550 Recipient not allowed",
    ),
    Reason.FULL: (
        "552 5.2.2 Mailbox full",
        "452 4.2.2 The email account that you tried to reach is over quota",
        "550 5.2.2 STOREDRV.Deliver; mailbox full",
        "552 Quota exceeded",
        "550 Postfach ist voll",
        "552 5.2.2 La boîte du destinataire est pleine",
        "550 почтовый ящик переполнен",
        "The email account that you tried to reach is over quota and inactive",
        "552 Requested mail action aborted: exceeded storage allocation",
        "Account has insufficient storage space",
    ),
    Reason.TOO_LARGE: (
        "552 5.3.4 Message size exceeds fixed limit",
        "552 5.2.3 Message too large",
        "message size 18876259 exceeds size limit 10485760 of server mx.example.com[192.0.2.1]",
        "554 5.3.4 Nachricht zu groß",
    ),
    Reason.SPAM: (
        "554 5.7.1 Message identified as SPAM",
        "550 5.7.1 Message content rejected, UBE, id=1",
        "554 5.6.0 This message contains a virus",
        "550 High probability of spam",
        "552 5.7.0 This message was blocked because its content presents a potential phishing risk",
    ),
    Reason.POLICY: (
        "550 5.7.1 Local Policy Violation",
        "554 5.7.9 Message not accepted for policy reasons",
        "550 5.7.0 <carla@example.com>: Recipient address rejected: Policy violation",
        "You are not a member of this list",
        "550 5.7.1 message refused",
    ),
    Reason.UNAUTHENTICATED: (
        "550-5.7.26 Unauthenticated email from us.example is not accepted due to domain's DMARC policy",
        "550 5.7.515 Access denied, sending domain us.example does not meet the required authentication level",
        "550 5.7.1 SPF check failed for us.example",
        "550 5.7.509 Access denied, sending domain [US.EXAMPLE] does not pass DMARC verification",
        "550 5.7.1 DKIM signature invalid",
        "421 4.7.27 Your email has been rate limited because SPF authentication didn't pass for this message",
    ),
    Reason.BLOCKED: (
        "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org",
        "550 5.7.606 Access denied, banned sending IP [192.0.2.9]",
        "550 5.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.9]",
        "550 SC-001 Unfortunately, messages from 192.0.2.9 weren't sent. Part of their network is on our block list",
        "554 Your IP address 192.0.2.9 is listed in RBL",
        "550 5.7.25 The IP address sending this message does not have a PTR record setup",
        "421 4.7.0 poor reputation of the sending IP",
    ),
    Reason.RATE: (
        "450 4.2.1 too many messages sent to this recipient",
        "421 4.7.0 [TSS04] Messages from 192.0.2.9 temporarily deferred due to unexpected volume or user complaints",
        "452 4.3.2 Connection rate limit exceeded",
        "550 5.4.5 Daily user sending limit exceeded",
        "421 Too many concurrent SMTP connections",
    ),
    Reason.SENDER: (
        "553 5.1.8 <rep@us.example>... Domain of sender address rep@us.example does not exist",
        "550 5.7.1 Sender address rejected: Access denied",
        "501 5.1.7 Bad sender address syntax: sender domain invalid",
        "550 Sender verify failed",
    ),
    Reason.EXPIRED: (
        "retry timeout exceeded",
        "Message expired",
        "Unable to deliver message after multiple retries, giving up.",
        "550 5.4.300 Message expired -> 451 4.4.0 Primary target IP address responded",
    ),
    Reason.NETWORK: (
        "connect to mx.example.com[192.0.2.1]:25: Connection timed out",
        "connect to mx.example.com[192.0.2.1]:25: Connection refused",
        "554 5.4.14 Hop count exceeded - possible mail loop",
        "mail for example.com loops back to myself",
        "lost connection with mx.example.com[192.0.2.1] while receiving the initial server greeting",
    ),
    Reason.SYSTEM: (
        "451 4.3.0 Temporary local problem, please try later",
        "550 5.3.5 Internal System Error",
        "451 Requested action aborted: local error in processing",
        "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    ),
}


@pytest.mark.parametrize(
    ("answer", "reason"), [(answer, reason) for reason, answers in ANSWERS.items() for answer in answers]
)
def test_the_words_of_an_answer_give_the_reason(answer: str, reason: Reason) -> None:
    verdict = judge(answer)

    assert verdict.reason is reason
    assert verdict.permanent is (reason in PERMANENT)
    assert verdict.sender_side is (reason in SENDER_SIDE)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("5.1.1", Reason.UNKNOWN_USER),
        ("5.1.2", Reason.UNKNOWN_HOST),
        ("5.1.6", Reason.MOVED),
        ("5.2.1", Reason.DISABLED),
        ("5.2.2", Reason.FULL),
        ("5.3.4", Reason.TOO_LARGE),
        ("5.4.4", Reason.UNKNOWN_HOST),
        ("5.7.1", Reason.POLICY),
        ("5.7.26", Reason.UNAUTHENTICATED),
        ("5.7.29", Reason.UNAUTHENTICATED),
        ("5.7.515", Reason.UNAUTHENTICATED),
        ("5.7.511", Reason.BLOCKED),
        ("5.7.606", Reason.BLOCKED),
        ("4.4.7", Reason.EXPIRED),
        ("4.1.1", Reason.SYSTEM),  # a code of the fourth class alone never condemns an address
        ("5.0.0", Reason.UNKNOWN),
        ("", Reason.UNKNOWN),
    ],
)
def test_without_words_the_code_decides(status: str, reason: Reason) -> None:
    assert judge("", status).reason is reason


def test_the_code_in_the_answer_beats_the_status_of_the_relay() -> None:
    verdict = judge("550 5.7.1 IP address blacklisted by recipient", "5.1.1")

    assert (verdict.status, verdict.permanent, verdict.sender_side) == ("5.7.1", False, True)


def test_a_bare_refusal_of_the_recipient_is_for_ever_but_one_of_the_sender_is_not() -> None:
    assert judge("550 no", phase="rcpt").permanent
    refused_sender = judge("550 5.1.7 No such domain us.example", phase="mail")
    assert (refused_sender.permanent, refused_sender.sender_side) == (False, True)
    assert judge("550 no", phase="data").permanent is False


def test_the_whole_notice_is_heard_when_the_answer_is_mute() -> None:
    assert judge("", "5.0.0", around="The mailbox is full.").reason is Reason.FULL
    assert judge("550 5.1.1 no", "", around="The mailbox is full.").reason is Reason.UNKNOWN_USER


@pytest.mark.parametrize(
    ("text", "phase"),
    [
        ("host mx.example.com said: 550 x (in reply to RCPT TO command)", "rcpt"),
        ("host mx.example.com said: 550 x (in reply to end of DATA command)", "data"),
        ("SMTP error from remote mail server after MAIL FROM:<rep@us.example> SIZE=1: 550 x", "mail"),
        ("SMTP error from remote mail server after initial connection: 554 x", "connect"),
        ("550 x [RCPT_TO]", "rcpt"),
        ("550 x", ""),
    ],
)
def test_mailers_name_the_command_that_was_refused(text: str, phase: str) -> None:
    assert phase_of(text) == phase


def test_a_transcript_shows_the_command_that_was_refused() -> None:
    transcript = "... while talking to mx.example.com:\n>>> MAIL From:<rep@us.example>\n<<< 550 5.7.1 no\n>>> QUIT"

    assert phase_of_transcript(transcript) == "mail"
    assert phase_of_transcript("<<< 550 nobody asked") == ""


def test_our_own_words_and_links_in_an_answer_do_not_decide() -> None:
    verdict = judge("550 5.7.1 refused, see https://example.com/mailbox-full?user=unknown")

    assert verdict.reason is Reason.POLICY
