"""What `only_if:` lets in, and what it says about contacts whose fields came out of a CSV."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.core.condition import CONDITION_FORMS, condition_holds, field_value, parse_condition
from sequencer.core.model import Condition, Contact, Fields, FieldValue
from sequencer.core.when import PhraseError

ANN = Contact(
    id=1,
    email="Ann@Shop.example.com",
    fields={
        "phone": "+1 406 555 0100",
        "rating": "a",
        "state": "MT",
        "product": "Winnebago RV",
        "amount": "5200",
        "seats": 4,
        "price": 12.5,
        "opted_in": "No",
        "vip": True,
        "fax": "  ",
        "renewal": date(2026, 12, 1),
        "renewal_text": "2026-12-01",
        "met_at": datetime(2026, 3, 4, 9, 30, tzinfo=UTC),
        "City": "Kalispell",
    },
    timezone="America/Denver",
)
SET: Fields = {"quote_date": date(2026, 11, 2), "rating": "B", "budget": 8000}


def holds(text: str, contact: Contact = ANN, own: Fields = SET) -> bool:
    return condition_holds(parse_condition(text), contact, {**contact.fields, **own})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # names
        ("contact.phone", True),
        ("phone", True),
        ("enrollment.phone", True),
        ("contact.mobile", False),
        ("mobile", False),
        ("enrollment.mobile", False),
        ("not contact.mobile", True),
        ("contact.fax", False),
        ("contact.Phone", True),
        ("contact.city == 'kalispell'", True),
        ("contact.email == 'ann@shop.example.com'", True),
        ("contact.domain == 'shop.example.com'", True),
        ("contact.language == 'en' and contact.timezone == 'America/Denver'", True),
        ("enrollment.email", False),
        ("contact.rating == 'b'", True),
        ("rating == 'B'", True),
        ("enrollment.rating == 'B'", True),
        # texts
        ("contact.state == 'mt'", True),
        ("contact.state != 'mt'", False),
        ("contact.state != 'ID'", True),
        ("contact.mobile != 'x'", True),
        ("contact.mobile == ''", True),
        ("contact.phone != ''", True),
        ("contact.mobile == none", True),
        ("contact.phone == None", False),
        ("contact.mobile == null", True),
        ("contact.state in ['ID', 'mt']", True),
        ("contact.state in ('ID', 'WY')", False),
        ("contact.state not in {'ID', 'WY'}", True),
        ("contact.mobile in ['ID', 'WY']", False),
        ("contact.mobile in ['']", True),
        ("'rv' in contact.product", True),
        ("'boat' in contact.product", False),
        ("'boat' not in contact.product", True),
        ("'rv' in contact.mobile", False),
        ("contact.mobile in contact.product", False),
        ("1 in contact.seats", False),
        ("contact.state in [contact.region, state]", True),
        ("'a' < 'B'", True),
        # numbers
        ("contact.amount > 5000", True),
        ("contact.amount > 5200.5", False),
        ("contact.amount == 5200", True),
        ("5000 <= amount < 6000", True),
        ("5000 <= amount < 5100", False),
        ("-1 < seats", True),
        ("seats == 4.0", True),
        ("contact.price <= 12.5", True),
        ("budget >= 8000", True),
        ("contact.state > 5", False),
        ("contact.state <= 5", False),
        ("contact.state == 5", False),
        ("contact.mobile < 5", False),
        ("contact.mobile >= 5", False),
        # yes and no
        ("contact.vip", True),
        ("contact.vip == true", True),
        ("contact.vip == 'yes'", True),
        ("contact.opted_in", False),
        ("contact.opted_in == false", True),
        ("contact.opted_in == True", False),
        ("contact.state == true", False),
        ("true and not false", True),
        ("none", False),
        ("0", False),
        ("contact.seats == true", False),
        # dates
        ("contact.renewal == '2026-12-01'", True),
        ("contact.renewal > '2026-11-30'", True),
        ("contact.renewal_text > enrollment.quote_date", True),
        ("contact.renewal == contact.renewal_text", True),
        ("contact.met_at == '2026-03-04'", True),
        ("contact.renewal > 'soon'", False),
        ("contact.renewal > 5", False),
        # and, or, brackets
        ("contact.phone and contact.state == 'ID'", False),
        ("contact.phone and (contact.state == 'ID' or vip)", True),
        ("contact.mobile or contact.phone", True),
        ("not (contact.mobile or contact.phone)", False),
        ("contact.phone\n  and vip", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_the_enrollments_fields_lie_over_the_contacts() -> None:
    condition = parse_condition("contact.rating == 'B'")
    assert condition_holds(condition, ANN, SET)
    assert not condition_holds(condition, ANN, {})
    assert condition_holds(parse_condition("contact.phone"), ANN, {"phone": None})
    assert not condition_holds(parse_condition("enrollment.phone"), ANN, {})


@pytest.mark.parametrize("form", CONDITION_FORMS)
def test_the_forms_that_people_are_shown_are_read(form: str) -> None:
    assert isinstance(holds(form), bool)


def test_names_are_given_as_written() -> None:
    condition = parse_condition(" contact.phone and (Rating == 'A' or enrollment.budget in [1, none, limit]) and true ")
    assert condition.names == {"contact.phone", "Rating", "enrollment.budget", "limit"}
    assert condition.text == "contact.phone and (Rating == 'A' or enrollment.budget in [1, none, limit]) and true"


@pytest.mark.parametrize(
    ("wrong", "message", "hint"),
    [
        ("", "the condition is empty", "write for example"),
        ("contact.rating = 'A'", "`contact.rating = 'A'` is not a condition", "did you mean `==`?"),
        ("phone && vip", "not a condition", "write `and` instead of `&&`"),
        ("phone || vip", "not a condition", "write `or` instead of `||`"),
        ("!phone", "not a condition", "write `not` instead of `!`"),
        ("phone AND vip", "not a condition", "write `and`, `or`, `not` and `in` in small letters"),
        ("state <> 'MT'", "not a condition", "write `!=` instead of `<>`"),
        ("state === 'MT'", "not a condition", "write `==` instead of `===`"),
        ("state is 'MT'", "compares in an unknown way", "write `==` instead of `is`"),
        ("state == “MT”", "not a condition", "use straight quotes"),
        ("contact", "`contact` alone is not a field", "name one: `contact.phone`"),
        ("contact.address.city", "`contact.address.city` is not a field", "write `contact.phone`"),
        ("company.name", "`company.name` is not a field", "write `contact.phone`"),
        ("contact.first-name", "not something that a condition can say", "letters, digits and `_`"),
        ("{{ phone }}", "not something that a condition can say", "without braces"),
        ("state == ['MT']", "compares with a list", "did you mean `state in ['MT']`?"),
        ("[phone]", "`[phone]` is not something", "write for example"),
        ("state in [['MT']]", "`['MT']` is not something", "write for example"),
        ("['MT'] == state", "`['MT']` is not something", "write for example"),
        ("phone.startswith('+1')", "is not something", "write for example"),
        ("len(phone) > 3", "is not something", "write for example"),
        ("__import__('os').system('true')", "is not something", "write for example"),
        ("(lambda: 1)()", "is not something", "write for example"),
        ("[x for x in phone]", "is not something", "write for example"),
        ("f'{phone}' == 'x'", "is not something", "write for example"),
        ("phone if vip else state", "is not something", "write for example"),
        ("seats + 1 > 3", "is not something", "write for example"),
        ("-seats > 3", "is not something", "write for example"),
        ("1j > seats", "is not something", "write for example"),
        ("b'x' == state", "is not something", "write for example"),
        ("... == state", "is not something", "write for example"),
        ("fields['phone']", "is not something", "write for example"),
        ("(x := 1)", "is not something", "did you mean `==`?"),
        ("phone and", "not a condition", "write for example"),
        ("phone\0", "not a condition", "write for example"),
        ("(" * 300, "not a condition", "write for example"),
        ("not " * 100 + "(" * 50, "not a condition", "write for example"),
        ("x" * 501, "500 characters", "split"),
        ("1" * 499 + "x", "not a condition", "write for example"),
    ],
)
def test_wrong_conditions(wrong: str, message: str, hint: str) -> None:
    with pytest.raises(PhraseError) as caught:
        parse_condition(wrong)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_habits_inside_quotes_are_texts() -> None:
    assert not holds("state == 'a = b && c || !d'")
    with pytest.raises(PhraseError) as caught:
        parse_condition("state == 'a = b' or")
    assert caught.value.hint.startswith("write for example")


def test_an_odd_escape_in_a_text_warns_nobody() -> None:
    assert not holds(r"state == 'a\d'")


PIECES = [
    *(
        "contact.phone",
        "state",
        "enrollment.budget",
        "contact.",
        "renewal",
        "'MT'",
        "5",
        "'2026-12-01'",
        "none",
        "true",
    ),
    *("and", "or", "not", "in", "==", "<", "=", "(", ")", "[", "]", ",", "-"),
]
VALUES: st.SearchStrategy[FieldValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.dates(),
    st.sampled_from(["5", "no", "2026-12-01", "NaN"]),
)


def outcome(text: str) -> Condition | PhraseError:
    try:
        return parse_condition(text)
    except PhraseError as error:
        return error


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join))
def test_any_text_is_read_or_explained(text: str) -> None:
    read = outcome(text)
    if isinstance(read, PhraseError):
        assert read.message
        assert read.hint
    else:
        assert condition_holds(read, ANN, SET) in (True, False)


@given(VALUES, VALUES)
def test_any_two_values_compare_without_an_error(a: FieldValue, b: FieldValue) -> None:
    fields = {"a": a, "b": b}
    same, differs, less, more = (holds(f"a {sign} b", own=fields) for sign in ("==", "!=", "<", ">"))
    assert same is not differs
    assert not (less and more)
    assert not (same and (less or more))
    assert holds("a == b", own=fields) is holds("b == a", own=fields)
    assert holds("a < b", own=fields) is holds("b > a", own=fields)
    assert holds("a", own=fields) is not holds("not a", own=fields)


def test_field_values() -> None:
    fields: Fields = {"First_Name": "Ann", "note": " ", "x": None, "X": "y"}
    assert field_value(fields, "first_name") == "Ann"
    assert field_value(fields, "note") is None
    assert field_value(fields, "x") == "y"
    assert field_value(fields, "z") is None
