"""From a decided step to exact bytes: the variant, the words, the thread, the headers. Touches nothing outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from sequencer.core.decisions import SendEmail
from sequencer.core.model import BACK_OFF, Contact, Enrollment, Thread
from sequencer.core.variants import NO_SPLITS, Splits, choose_variant
from sequencer.mail.addresses import BadAddress, wire_address
from sequencer.mail.compose import Letter, Unwritable, compose
from sequencer.mail.ids import make_message_id, unsubscribe_token
from sequencer.mail.threads import follow_up_subject, follow_up_thread, new_thread, thread_topic
from sequencer.operations.lacking import why_unwritten
from sequencer.store.trials import trial_of
from sequencer.workspace.config import Config, Mailbox
from sequencer.workspace.templates import Rendered, Templates, Unfilled, render, variables_for

UNRESERVED_IN_ADDRESS: Final = "@!$'*+"
"""What stands for itself in the address of a `mailto:` (RFC 6068 §2), beside letters, digits and `-._~`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message ready to go: what is committed before DATA, and the thread once it has left."""

    enrollment: Enrollment
    action: SendEmail
    contact: Contact
    variant: str
    subject: str
    message_id: str
    data: bytes
    thread: Thread
    definition: str
    words: str = ""  # the version of the template

    @property
    def trial(self) -> str:
        """The name of the trial that its variant was dealt in, where there were several."""
        several = len(self.action.email.variants) > 1
        return trial_of(self.enrollment.sequence, self.action.step) if several else ""


@dataclass(frozen=True, slots=True)
class Unready:
    """Why a message cannot be written: its person is held with this reason. `missing` are the variables it needs."""

    reason: str
    missing: tuple[str, ...] = ()


def has_had(enrollment: Enrollment, step: str) -> bool:
    """Whether somebody has had the e-mail of a step, and does not stand before it (again)."""
    if step == BACK_OFF:
        return enrollment.backed_off
    return step in enrollment.sent_variants and step != enrollment.position.step


def prepare(
    enrollment: Enrollment,
    action: SendEmail,
    contact: Contact,
    mailbox: Mailbox,
    config: Config,
    templates: Templates,
    *,
    key: bytes,
    nonce: str,
    now: datetime,
    definition: str = "",
    splits: Splits = NO_SPLITS,
    extra: Mapping[str, object] | None = None,
) -> Prepared | Unready:
    """The message of one step for one person. `nonce` makes its Message-ID unlike any other's."""
    variant = choose_variant(action.email, enrollment, action.step, splits)
    opt_out = opt_out_link(mailbox, unsubscribe_token(key, enrollment.id))
    variables = variables_for(
        contact, enrollment.fields, mailbox, config.company, unsubscribe=opt_out, extra=extra or {}
    )
    rendered = render(templates, variant, variables)
    if not isinstance(rendered, Rendered):
        return Unready(why_unwritten(rendered), rendered.variables if isinstance(rendered, Unfilled) else ())
    message_id = make_message_id(key, enrollment.id, action.step, nonce, mailbox.from_address.rpartition("@")[2])
    earlier = enrollment.thread if action.email.thread == "reply" else None
    subject = follow_up_subject(earlier) if earlier else rendered.subject
    if not subject.strip():
        return Unready(f"the template {variant} has no subject, and there is no thread to continue")
    thread = follow_up_thread(earlier, message_id, now) if earlier else new_thread(message_id, rendered.subject, now)
    data = compose(_letter(rendered, contact, mailbox, subject, opt_out, thread, earlier, message_id, now))
    if isinstance(data, Unwritable):
        return Unready(f"the message cannot be written: {data.field}: {data.reason}")
    made_by = definition or enrollment.definition
    words = templates.by_name[variant].version
    return Prepared(enrollment, action, contact, variant, subject, message_id, data, thread, made_by, words)


def _letter(
    rendered: Rendered,
    contact: Contact,
    mailbox: Mailbox,
    subject: str,
    opt_out: str,
    thread: Thread,
    earlier: Thread | None,
    message_id: str,
    now: datetime,
) -> Letter:
    """The headers and the words; `earlier` is the thread that it continues."""
    return Letter(
        from_name=mailbox.from_name,
        from_address=mailbox.from_address,
        to=contact.email,
        subject=subject,
        text=rendered.text,
        html=rendered.html,
        message_id=message_id,
        date=now,
        in_reply_to=earlier.last_message_id if earlier else "",
        references=earlier.references if earlier else (),
        list_unsubscribe=(opt_out,),
        thread_topic=thread_topic(subject),
        thread_index=thread.index,
    )


def opt_out_link(mailbox: Mailbox, token: str) -> str:
    """The `mailto:` that unsubscribes (RFC 2369 §3.2, RFC 6068): to the rep's own mailbox, the signed token in the
    subject."""
    return f"{_mailto(mailbox.from_address)}?subject={quote(f'unsubscribe {token}')}"


@lru_cache(maxsize=256)
def _mailto(from_address: str) -> str:
    address = wire_address(from_address)
    if isinstance(address, BadAddress):
        address = from_address  # `compose` says what is wrong with it
    return f"mailto:{quote(address, safe=UNRESERVED_IN_ADDRESS)}"
