"""What may stand in sequences/*.yaml: the keys, their types and what each is for (docs/sequences.md shows them all)."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, PlainValidator, model_validator
from pydantic import WithJsonSchema as JsonSchema

from sequencer.core.model import Base, Span, When
from sequencer.core.when import PhraseError, parse_span, parse_when
from sequencer.workspace import editor_forms
from sequencer.workspace.shapes import (
    Allowed,
    ConditionPhrase,
    HoursPhrase,
    OneOrMore,
    Shorthand,
    SpanPhrase,
    Strict,
    WhenPhrase,
    YesNo,
    refuse,
    word_of,
)
from sequencer.workspace.template_choice import EmailTemplates

STEP_ACTIONS: Final = ("email", "task", "go_to", "move_to", "stop")
REACTIONS: Final = ("pause", "stop", "suppress", "continue", "snooze", "go_to", "move_to")
UNTIL_THEY_SAY: Final = "until they say"

STEP_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_ID: Final = 40


def read_id(value: object) -> str:
    """A step id: it ends up in Message-IDs and in the log, so it is short and plain."""
    text = value if isinstance(value, str) else ""
    if not STEP_ID.fullmatch(text) or len(text) > LONGEST_ID:
        plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_ID].strip("-")
        hint = f"did you mean `{plain}`?" if plain and plain != text else "for example nine-word"
        rule = f"an id is made of a-z, 0-9 and single dashes, at most {LONGEST_ID} characters"
        raise refuse("step-id", rule, hint)
    return text


def _read_snooze(value: object) -> Span | Literal["until they say"]:
    text = value if isinstance(value, str) else ""
    if " ".join(text.lower().split()) == UNTIL_THEY_SAY:
        return UNTIL_THEY_SAY
    try:
        return parse_span(text)
    except PhraseError as error:
        hint = error.hint if "did you mean" in error.hint else f"write `{UNTIL_THEY_SAY}` or a length like `60 days`"
        raise refuse("span", error.message, hint) from None


def _read_silence(value: object) -> When:
    """How long the silence lasts; `10 days` is `10 days of silence`."""
    text = value if isinstance(value, str) else ""
    example = "write for example `10 days of silence`"
    try:
        when = parse_when(text)
    except PhraseError as error:
        try:
            when = parse_when(f"{text} of silence")
        except PhraseError:
            raise refuse("when", error.message, example) from None
    if when.base is not Base.TOUCH or when.span.amount == 0:
        raise refuse("when", "the back-off message waits for silence", example)
    return when


StepId = Annotated[str, PlainValidator(read_id), JsonSchema(editor_forms.STEP_ID)]
SnoozeLength = Annotated[
    Span | Literal["until they say"],
    PlainValidator(_read_snooze),
    JsonSchema(editor_forms.SNOOZE),
]
Silence = Annotated[When, PlainValidator(_read_silence), JsonSchema(editor_forms.SILENCE)]
StopReason = Annotated[str, JsonSchema(editor_forms.maybe_text())]


class StepFile(Strict):
    """One planned touch or decision. It does exactly one of email, task, go_to, move_to and stop."""

    step: StepId = Field(
        description="The id of the step, unique in the file. Never change it once people are on the way."
    )
    email: EmailTemplates | None = Field(
        None,
        description="The template to send, without .md; a list of variants; or {a: 70%, b: 30%}, a fixed split.",
        examples=["quote-thanks", ["quote-story", "quote-three-questions"]],
    )
    task: str | None = Field(
        None,
        description="What the rep does: call, card, visit, text, linkedin or any word. The plan waits for it.",
        examples=["call", "text", "card"],
        min_length=1,
    )
    note: str = Field(
        "",
        description="What the rep should know about the task.",
        examples=["Leave a voice message and mention the e-mail."],
    )
    go_to: str | None = Field(
        None,
        description="Go on at a step of this file, or at the start of a branch.",
        examples=["price-objection"],
        min_length=1,
    )
    move_to: str | None = Field(
        None,
        description="Finish here and enroll the contact in another sequence.",
        examples=["keep-in-touch"],
        min_length=1,
    )
    stop: StopReason | None = Field(
        None, description="Stop here, with a reason that `why` shows.", examples=["nothing more to say"]
    )
    when: WhenPhrase | None = Field(
        None, description="When it is due. The first step of a line, and a decision, may leave it out: immediately."
    )
    only_if: ConditionPhrase | None = Field(
        None, description="A condition on the contact; the step is skipped when it does not hold."
    )
    thread: Literal["reply", "new"] | None = Field(
        None,
        description="reply (the default) answers in the same thread; new starts another one.",
        examples=["reply", "new"],
    )
    expires: SpanPhrase | None = Field(
        None,
        description="Skipped, and recorded, when it could not happen within this after its due time.",
        examples=["5 days", "1 business day"],
    )

    @model_validator(mode="after")
    def _one_action(self) -> StepFile:
        given = [name for name in STEP_ACTIONS if getattr(self, name) is not None]
        if len(given) != 1:
            message = (
                f"the step {self.step} does {' and '.join(given)}" if given else f"the step {self.step} does nothing"
            )
            raise refuse("step-action", message, f"a step does exactly one of {', '.join(STEP_ACTIONS)}")
        for key, owners in (("note", ("task",)), ("thread", ("email",)), ("expires", ("email", "task"))):
            if getattr(self, key) and given[0] not in owners:
                raise refuse("step-action", f"`{key}` belongs to a step with {' or '.join(owners)}", f"delete `{key}`")
        return self


class EndingFile(Strict):
    """What happens at the end: stop, or go on in another sequence."""

    move_to: str | None = Field(
        None, description="Enroll the contact in this sequence.", examples=["keep-in-touch"], min_length=1
    )
    stop: StopReason | None = Field(
        None, description="Stop, with a reason that `why` shows.", examples=["nothing more to say"]
    )

    @model_validator(mode="after")
    def _one(self) -> EndingFile:
        if (self.move_to is None) == (self.stop is None):
            raise refuse("ending", "an end is either `stop` or `move_to`", "write `stop` or `{move_to: SEQUENCE}`")
        return self


Ending = Annotated[EndingFile, Shorthand(word_of("stop"), editor_forms.words("stop"))]


class BackOffFile(Strict):
    """The one message that asks whether to stop, once the steps are used up and silence has lasted."""

    after: Silence = Field(description="How long the silence lasts before it is asked, for example 10 days of silence.")
    email: EmailTemplates = Field(
        description="The template of the message, or a list of variants.", examples=["should-i-back-off"]
    )
    thread: Literal["reply", "new"] = Field(
        "reply",
        description="reply (the default) answers in the same thread; new starts another one.",
        examples=["reply", "new"],
    )
    then: Ending | None = Field(
        None,
        description="What follows when it stays unanswered: stop, or {move_to: SEQUENCE}. Without it: finally.",
        examples=["stop", {"move_to": "keep-in-touch"}],
    )


class ReactionFile(Strict):
    """What a reply does. Exactly one of the actions; `otherwise` and `then` belong to snooze."""

    pause: str | None = Field(
        None, description="Stop sending and tell the rep, with this reason.", examples=["they want a price: ring them"]
    )
    stop: StopReason | None = Field(
        None, description="Stop for good, with a reason that `why` shows.", examples=["bought elsewhere"]
    )
    suppress: str | None = Field(
        None,
        description="Stop, and never mail this address again, for this reason.",
        examples=["asked to be left alone"],
    )
    continue_: str | None = Field(
        None, alias="continue", description="Take note and go on with the plan.", examples=["no answer to our question"]
    )
    snooze: SnoozeLength | None = Field(
        None, description="Stay silent: `until they say` takes the date they name, or a length like 60 days."
    )
    otherwise: SpanPhrase | None = Field(
        None, description="How long to stay silent when they name no date. 60 days when left out.", examples=["60 days"]
    )
    then: str | None = Field(
        None, description="The step or branch that is due when the snooze ends.", examples=["nine-word"], min_length=1
    )
    go_to: str | None = Field(
        None, description="Go on at a step of this file or at a branch.", examples=["price-objection"], min_length=1
    )
    move_to: str | None = Field(
        None, description="Finish here and enroll in another sequence.", examples=["keep-in-touch"], min_length=1
    )

    def action(self) -> str:
        """The name of the one action."""
        return next(name for name in REACTIONS if self.value_of(name) is not None)

    def value_of(self, name: str) -> object:
        return getattr(self, "continue_" if name == "continue" else name)

    @model_validator(mode="after")
    def _one(self) -> ReactionFile:
        given = [name for name in REACTIONS if self.value_of(name) is not None]
        if len(given) != 1:
            message = f"a reply cannot {' and '.join(given)}" if given else "a reply does nothing here"
            raise refuse("reaction", message, f"write exactly one of {', '.join(REACTIONS)}")
        if given != ["snooze"] and (self.otherwise is not None or self.then is not None):
            key = "then" if self.otherwise is None else "otherwise"
            raise refuse("reaction", f"`{key}` belongs to `snooze`", f"delete `{key}`")
        if self.otherwise is not None and self.snooze != UNTIL_THEY_SAY:
            raise refuse("reaction", f"`otherwise` belongs to `snooze: {UNTIL_THEY_SAY}`", "delete `otherwise`")
        return self


_WORDS: Final = ("pause", "stop", "suppress", "continue")
Reaction = Annotated[ReactionFile, Shorthand(word_of(*_WORDS), editor_forms.words(*_WORDS))]


class SequenceFile(Strict):
    """A named plan: the file sequences/NAME.yaml is the sequence NAME."""

    about: str = Field(
        "",
        description="What the plan is for, in a sentence.",
        examples=["After a quote went out. Polite persistence, then we ask whether to back off."],
    )
    from_: OneOrMore = Field(
        alias="from",
        description="The mailbox that sends, or a list: a contact stays with the first one used.",
        examples=["mark", ["mark", "lena"]],
    )
    hours: HoursPhrase | None = Field(
        None, description="When touches may leave, in the contact's own zone; narrows the mailbox's hours."
    )
    decision_cycle: SpanPhrase | None = Field(
        None,
        description="How long people usually take to decide; `before decision` and `after decision` count from it.",
        examples=["32 days", "6 weeks"],
    )
    alongside: YesNo = Field(
        False, description="true: it may run beside another active sequence of the same contact.", examples=[True]
    )
    fields: OneOrMore = Field(
        (),
        description="Fields that `enroll --set` gives, beside those of the contacts; `check` then knows their names.",
        examples=[["their_promise", "next_step"]],
    )
    allow: Allowed = Field(
        (),
        description="Warnings of `check` that are meant in this sequence, by their names (docs/craft.md).",
        examples=[["few-touches"]],
    )
    steps: tuple[StepFile, ...] = Field(
        description="The plan, in order: a list of steps.",
        examples=[
            [
                {"step": "thanks", "email": "quote-thanks", "when": "1 business day later"},
                {"step": "call", "task": "call", "when": "3 days later", "only_if": "contact.phone"},
            ]
        ],
        min_length=1,
    )
    branches: dict[StepId, tuple[StepFile, ...]] = Field(
        default_factory=dict,
        description="Lines that are reached only by go_to; at the end of one the plan goes on where it stood.",
        examples=[{"price-objection": [{"step": "price-answer", "email": "price-answer", "when": "2 hours later"}]}],
    )
    back_off: BackOffFile | None = Field(
        None,
        description="After the steps are used up and silence has lasted: ask once whether to stop.",
        examples=[{"after": "10 days of silence", "email": "should-i-back-off", "then": {"move_to": "keep-in-touch"}}],
    )
    labels: dict[str, OneOrMore] = Field(
        default_factory=dict,
        description="Your own reply labels, beside the built-in kinds: the words or phrases that tell them.",
        examples=[{"price": ["too expensive", "over our budget", "cheaper"]}],
    )
    on_reply: dict[str, Reaction] = Field(
        default_factory=dict,
        description="What each kind of reply does. Every human reply pauses unless it says otherwise.",
        examples=[
            {
                "price": {"go_to": "price-objection"},
                "not_now": {"snooze": "until they say", "otherwise": "60 days"},
                "any": "pause",
            }
        ],
    )
    finally_: Ending | None = Field(
        None,
        alias="finally",
        description="What follows when the steps are used up without an answer.",
        examples=[{"move_to": "keep-in-touch"}, "stop"],
    )
