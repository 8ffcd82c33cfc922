"""Finding personal data and blacking it out: the detectors, without a conversation around them."""

from __future__ import annotations

import json
import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pii_examples import HIDDEN, LATER, NOTHING, PLAIN, marked

from assay.gates.reports.text import presenter
from assay.registry.pii import (
    find_by_form,
    find_by_record,
    is_card_number,
    kind_of_name,
    read,
    record_of,
    redact,
    redact_json,
    undisguised,
)
from assay.registry.types.case import Customer

CUSTOMER = Customer.model_validate(
    {
        "name": "Zoë Okafor",
        "customer_number": "48213907",
        "personal_data": [
            {"kind": "date_of_birth", "value": "1984-03-12"},
            {"kind": "address", "value": "17 Larch Court, Dover, DE 19901"},
            {"kind": "phone", "value": "202-555-0142"},
            {"kind": "email", "value": "zoe.okafor@example.com"},
        ],
    }
)
DISGUISES = "\u200b\u200d\u2060\ufeff\u00ad\u0301\u0308\u20dd"
WRITINGS = "0123456789 -+().@/,_:#$aDEGBol|\n\u200b\u0301４①٤" + "".join(DISGUISES)
HOSTILE = [
    "one", "four ", "forty ", "double ", "ssn 1 ", "born on ", "account number 123456 ", "card 4", "a@",
    "a.", "at dot ", "GB82", "DE89 ", "+1 ", "(202) ", "17 Larch Court, ", "live at ", "[phone]", "[",
    " ", "\n", "1-", "4,", "O0",
]  # fmt: skip
pieces = st.lists(st.sampled_from(HOSTILE) | st.text(WRITINGS, max_size=12), max_size=12).map("".join)
texts = st.text(max_size=80) | pieces


# --- what is found ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "wanted"), marked(PLAIN + HIDDEN + NOTHING + LATER))
def test_exactly_the_personal_data_is_found(text: str, wanted: frozenset[tuple[str, str]]) -> None:
    assert {(span.kind, span.value) for span in find_by_form(text)} == wanted
    hidden = redact(text)
    assert not any(value in hidden for _, value in wanted)


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("ZOE OKAFOR", "name"),
        ("Zoe\u0308 Okafor", "name"),
        ("Okafor, Zoë", "name"),
        ("Mrs Okafor", "name"),
        ("Zo\u00eb\u200b Ok\u0430for", "name"),
        ("４８２１ ３９０７", "customer_number"),
        ("four eight two one, three nine oh seven", "customer_number"),
        ("12.03.1984", "date_of_birth"),
        ("12th of Mar. 1984", "date_of_birth"),
        ("3/12/84", "date_of_birth"),
        ("19840312", "date_of_birth"),
        ("17 larch court", "address"),
        ("+1 (202) 555-0142", "phone"),
        ("Zoe.Okafor＠example.com", "email"),
    ],
)
def test_a_record_is_found_in_every_notation(written: str, kind: str) -> None:
    text = f"This is {written}, I believe."
    (span,) = find_by_record(text, record_of(CUSTOMER))
    assert (span.kind, span.value, text[span.start : span.end]) == (kind, written, written)
    assert redact(text, CUSTOMER) == f"This is [{kind.replace('_', ' ')}], I believe."


@pytest.mark.parametrize(
    "other", ["Okafor", "Zoë", "48213908", "1984", "12/13/1984", "17 Larch", "202-555-0143", "148213907"]
)
def test_what_only_resembles_a_record_is_left(other: str) -> None:
    assert find_by_record(f"This is {other}, I believe.", record_of(CUSTOMER)) == ()


@pytest.mark.parametrize(
    "text", ["", " ", "\n", "\u200b" * 50, "@", "]", "[", "+", "at dot", "ssn", "double double double"]
)
def test_texts_with_nothing_in_them(text: str) -> None:
    assert find_by_form(text) == find_by_record(text, record_of(CUSTOMER)) == ()
    assert redact(text, CUSTOMER) == text


@given(
    st.integers(10**14, 10**15 - 1), st.sampled_from([" ", "-", ".", "/", "\n", "\u00a0", "\u2011"]), st.integers(0, 9)
)
def test_a_wrong_check_digit_is_no_card(stem: int, separator: str, check: int) -> None:
    number = f"4{str(stem)[1:]}{check}"
    text = "x " + separator.join(number[i : i + 4] for i in range(0, 16, 4)) + " x"
    found = [span for span in find_by_form(text) if span.kind == "card_number"]
    assert len(found) == is_card_number(number)


# --- places -------------------------------------------------------------------------------------------


@given(texts)
@example("\u0301call 2\u030102-555-0142\u0301 now")
@example("FOUR DOUBLE 0")
@example("ﬃ①② 4111 1111 1111 1111")
def test_places_are_those_of_the_text_as_it_is(text: str) -> None:
    spans = find_by_form(text)
    assert all(span.value == text[span.start : span.end] != "" for span in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    for plain, places in (undisguised(text), (read(text).plain, read(text).places)):
        assert len(places) == len(plain) + 1
        assert places[-1] == len(text)
        assert list(places) == sorted(places)


@given(st.lists(st.sampled_from(DISGUISES), max_size=3).map("".join), st.text("aäß ﬁ\u0301\u200b", max_size=8))
def test_signs_that_do_not_show_hide_nothing_and_shift_nothing(sign: str, before: str) -> None:
    written = sign.join("4111 1111 1111 1111")
    text = f"{before} {written} after"
    (span,) = find_by_form(text)
    assert span.start == len(before) + 1
    assert text[span.start : span.end].startswith(written)
    assert redact(text) == f"{before} [card number] after"


@given(st.lists(st.integers(0, 9), min_size=15, max_size=15), st.booleans())
def test_a_card_in_words_is_found_as_the_card_in_digits(digits: list[int], pauses: bool) -> None:
    words = ["oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    number = [4, *digits]
    said = ["".join((words[d], "," if pauses and i % 4 == 3 and i < 15 else "")) for i, d in enumerate(number)]
    by_words = [s.kind for s in find_by_form("It is " + " ".join(said)) if s.kind == "card_number"]
    by_digits = [s.kind for s in find_by_form("It is " + "".join(map(str, number))) if s.kind == "card_number"]
    assert by_words == by_digits


# --- redaction ----------------------------------------------------------------------------------------


@given(texts)
def test_redacted_text_holds_nothing_more_and_stays_as_it_is(text: str) -> None:
    for customer in (None, CUSTOMER):
        once = redact(text, customer)
        assert find_by_form(once) == ()
        assert customer is None or find_by_record(once, record_of(customer)) == ()
        assert redact(once, customer) == once


@pytest.mark.parametrize("name", ["Card Number", "Name", "Phone", "Iban"])
def test_a_name_that_is_the_name_of_a_kind_does_not_go_on_for_ever(name: str) -> None:
    customer = Customer(name=name)
    once = redact(f"I am {name}, card 4111111111111111.", customer)
    assert once == redact(once, customer)
    assert once.startswith("I am [name]")
    assert "4111" not in once


def test_a_text_made_to_take_endless_rounds_is_hidden_as_a_whole_or_clean() -> None:
    text = "account number 123456 " + "123456 " * 2_000
    assert find_by_form(redact(text)) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just("dob"), inner, max_size=3),
    max_leaves=8,
)


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *_strings(item))]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return [] if isinstance(value, bool) or value is None else [str(value)]


@given(json_values)
def test_redacted_json_holds_nothing_more(value: object) -> None:
    once = redact_json(value)  # type: ignore[arg-type]
    assert all(find_by_form(text) == () for text in _strings(once))
    assert redact_json(once) == once


def test_json_is_redacted_in_keys_numbers_and_under_telling_names() -> None:
    value = {
        "a@example.com": 1,
        "b@example.com": 2,
        "dateOfBirth": "the twelfth",
        "address": {"street": "Somewhere", "verified": True},
        "phone_number": [2025550142, None, ""],
        "customer_name": "Anyone",
        "name": "Everyday account",
        "n": 48213907,
        "whole": 48213907.0,
        "share": 0.4111111111111111,
        "amount": 1250.4,
        "ok": False,
    }
    assert redact_json(value) == {
        "[email]": 1,
        "[email] 2": 2,
        "dateOfBirth": "[date of birth]",
        "address": {"street": "[address]", "verified": True},
        "phone_number": ["[phone]", None, ""],
        "customer_name": "[name]",
        "name": "Everyday account",
        "n": "[customer number]",
        "whole": "[customer number]",
        "share": 0.4111111111111111,
        "amount": 1250.4,
        "ok": False,
    }


def test_a_report_hides_what_the_detectors_find_and_what_stands_under_telling_names() -> None:
    show = presenter(redact=True).of(CUSTOMER)
    value = {"dob": "the twelfth", "a@example.com": 48213907, "note": "two one nine, oh nine, nine nine nine nine"}
    shown = {"dob": "[date of birth]", "[email]": "[customer number]", "note": "[national id]"}
    assert json.loads(show.json(value)) == shown
    assert show.text("Zoe\u0308 Okafor, SSN two one nine, oh nine, nine nine nine nine") == "[name], SSN [national id]"
    assert presenter(redact=False).json({"dob": "1984-03-12"}) == '{"dob": "1984-03-12"}'


@pytest.mark.parametrize(
    ("name", "kind"),
    [("dob", "date_of_birth"), ("E-Mail", "email"), ("phoneNumber", "phone"), ("name", None), ("card_last4", None)],
)
def test_names_of_fields(name: str, kind: str | None) -> None:
    assert kind_of_name(name) == kind


# --- time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "piece",
    [
        "4-1", "1", "4 ", "four ", "a dot b at c dot d ", "DE89", "DE89 ", "a.", "a@", "O0", "born on was ", "1 Aa ",
        "live at ", "(202) ", "ssn 1 2 ", "+1", "+1 ", "ms ", "4111 1111 1111 1111 ", "12345678 ", "4\u200b", "one-",
        "account number 123456 ",
    ],
)  # fmt: skip
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """100,000 characters take a fraction of a second; anything quadratic takes minutes."""
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    find_by_form(text)
    find_by_record(text, record_of(CUSTOMER))
    redact(text, CUSTOMER)
    assert time.process_time() - began < 10


def test_a_message_takes_a_fraction_of_a_millisecond() -> None:
    lines = [text for text, _ in marked(PLAIN) + marked(NOTHING)] * 5
    began = time.process_time()
    for number, line in enumerate(lines):
        find_by_form(f"{line} {number}")
    assert (time.process_time() - began) / len(lines) < 0.002


def test_the_disguises_are_what_they_say() -> None:
    assert {unicodedata.category(sign) for sign in DISGUISES} == {"Cf", "Mn", "Me"}
