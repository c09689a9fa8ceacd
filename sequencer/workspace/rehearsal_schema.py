"""What may stand in sequences/NAME.test.yaml: a list of rehearsals (docs/rehearsing.md shows them all)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, model_validator
from pydantic import WithJsonSchema as JsonSchema
from pydantic_core import core_schema

from sequencer.core.model import Span
from sequencer.core.react import HUMAN_KINDS
from sequencer.core.when import PhraseError, parse_span
from sequencer.workspace.expectations import Expectation, parse_expectation
from sequencer.workspace.shapes import OneOrMore, Shorthand, SpanPhrase, Strict, refuse

T = TypeVar("T")

NEVER: Final = "never"
YEARS: Final = range(1970, 2200)
"""Those in which time zones and holidays can be reckoned with."""

EVERY_TASK: Final = ""
"""The key under which `tasks: 2 days` is kept: what is true of every task."""


def _text(value: object, example: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):  # YAML takes `article says "a: b"` for a key with a value
        raise refuse("shape", "expected one line of text, found keys and values", f"put quotes around it: '{example}'")
    raise refuse("shape", "expected one line of text, found a list", f"for example {example}")


def _read_start(value: object) -> datetime:
    """A day, or an instant; without an offset it is in the contact's zone, a day alone is nine in the morning."""
    text = _text(value, "2026-12-18 10:00")
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise refuse("start", f"`{text[:40]}` is no day", "write it as in 2026-12-18, or 2026-12-18 10:00") from None
    if start.year not in YEARS:
        raise refuse("start", f"the year {start.year} is too far away", "write it as in 2026-12-18")
    return start if ":" in text else start.replace(hour=9)


def _read_day(value: object) -> date:
    text = _text(value, "2027-03-01")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refuse("date", f"`{text[:40]}` is no day", "write it as in 2027-03-01") from None


def _phrase(parse: Callable[[str], T], example: str) -> Callable[[object], T]:
    def read(value: object) -> T:
        try:
            return parse(_text(value, example))
        except PhraseError as error:
            raise refuse("expectation", error.message, error.hint) from None

    return read


def _read_task_time(value: object) -> Span | Literal["never"]:
    text = _text(value, "2 days")
    if text.lower() == NEVER:
        return NEVER
    try:
        return parse_span(text)
    except PhraseError as error:
        raise refuse("span", error.message, f"{error.hint}; or `{NEVER}`") from None


Start = Annotated[
    datetime,
    PlainValidator(_read_start),
    JsonSchema({"type": "string", "examples": ["2026-12-18 10:00", "2026-12-18"]}),
]
Day = Annotated[date, PlainValidator(_read_day), JsonSchema({"type": "string", "examples": ["2027-03-01"]})]
TaskTime = Annotated[
    Span | Literal["never"],
    PlainValidator(_read_task_time),
    JsonSchema({"type": "string", "description": "How long the rep takes for it.", "examples": ["2 days", NEVER]}),
]
ContactField = Annotated[str, Field(description="A field of the contact, as a text.", examples=["Carla"])]
EnrollmentField = Annotated[str, Field(description="A field of the enrollment, as a text.", examples=["2026-12-01"])]
ExpectationLine = Annotated[
    Expectation,
    PlainValidator(_phrase(parse_expectation, 'article says "price: ready"')),
    JsonSchema(
        {
            "type": "string",
            "examples": ["article on 2026-12-28", "snoozed until 2027-03-01", "nothing before 2027-03-01"],
        }
    ),
]


@dataclass(frozen=True, slots=True, eq=False)
class OrOne:
    """Annotates a list that may also be written as its one entry alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: [value] if isinstance(value, str | dict) else value, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


class AnswerFile(Strict):
    """What comes back after a touch: from a person, in words or as a kind; or a machine's notice."""

    after: str = Field(
        description="The id of the step that is answered, or back_off.",
        min_length=1,
        examples=["article", "back_off"],
    )
    in_: SpanPhrase = Field(
        alias="in",
        description="How long after it: 2 days, 3 hours, 2 business days.",
        examples=["2 days", "3 hours", "2 business days"],
    )
    says: str = Field(
        "",
        description="What they write. The inbox reader finds out its kind and date, as it will for the daemon.",
        examples=["Can you try me in March?"],
    )
    kind: str = Field(
        "",
        description="The kind (`not_now`, `out_of_office` …) or one of your labels; it wins over what `says` means.",
        examples=sorted(HUMAN_KINDS),
    )
    date: Day | None = Field(
        None, description="The day they name; it wins over what `says` means.", examples=["2027-03-01"]
    )

    @model_validator(mode="after")
    def _something(self) -> AnswerFile:
        if not self.says.strip() and not self.kind:
            raise refuse("answer", "an answer needs words or a kind", 'add for example `says: "Try me in March"`')
        return self


class RehearsalFile(Strict):
    """One rehearsal: who enters when, what they answer, and what is expected."""

    name: str = Field(
        "",
        description="What it shows, in a few words; reports print it.",
        examples=["a date in their own words is kept"],
    )
    contact: dict[str, ContactField] = Field(
        default_factory=dict,
        description="Who: email, timezone, holidays, language and any field. What the plan asks for and is not given "
        "here is made up; zone, holidays and language come from config.yaml.",
        examples=[{"email": "carla@example.com", "timezone": "America/Denver"}],
    )
    without: OneOrMore = Field(
        (), description="Fields that are not made up: this contact does not have them.", examples=["phone"]
    )
    mailbox: str = Field("", description="The mailbox that sends; else the first of the sequence.", examples=["mark"])
    start: Start = Field(
        description="When they enter, in their zone: 2026-12-18 10:00, or a day (at nine).",
        examples=["2026-12-18 10:00", "2026-12-18"],
    )
    set_: dict[str, EnrollmentField] = Field(
        default_factory=dict,
        alias="set",
        description="Fields of the enrollment, as `enroll --set` gives them.",
        examples=[{"product": "a 24-foot travel trailer"}],
    )
    reply: Annotated[tuple[AnswerFile, ...], OrOne()] = Field(
        (),
        description="What comes back: one answer, or a list of them.",
        examples=[{"after": "article", "in": "2 days", "says": "Can you try me in March?"}],
    )
    tasks: Annotated[
        dict[str, TaskTime], Shorthand(lambda text: {EVERY_TASK: text}, {"type": "string", "examples": ["2 days"]})
    ] = Field(
        default_factory=dict,
        description="How long the rep takes for a task: `2 days` or `never`, for all, or by the id of the step. At "
        "once when left out.",
        examples=["2 days", NEVER, {"call": "2 days"}],
    )
    expect: Annotated[tuple[ExpectationLine, ...], OrOne()] = Field(
        description="What must happen, in this order; other things may happen in between.",
        min_length=1,
        examples=[["article on 2026-12-28", "snoozed until 2027-03-01", "nothing before 2027-03-01"]],
    )


class RehearsalsFile(Strict):
    """The whole file, which is a list."""

    rehearsals: tuple[RehearsalFile, ...] = Field(description="The rehearsals.", min_length=1)
