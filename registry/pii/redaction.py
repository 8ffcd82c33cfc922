"""Blacking out: text, and JSON values with their keys and numbers."""

from __future__ import annotations

from assay.registry.pii.forms import find_by_form
from assay.registry.pii.names import kind_of_name
from assay.registry.pii.records import find_by_record, record_of
from assay.registry.pii.spans import placeholder, without_overlaps
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Customer

__all__ = ["hidden", "redact", "redact_json"]

_ROUNDS = 10
"""What is taken out may lay open what stood next to it. One round is enough for any text written to be read."""


def redact(text: str, customer: Customer | None = None) -> str:
    """`text` with personal data replaced by its kind in brackets, such as `[card number]`.

    With a customer, everything in the customer's record is replaced too. Neither can be found in the outcome, and
    redacting it again changes nothing. Text made so that it would take endless rounds is replaced as a whole.
    """
    for _ in range(_ROUNDS):
        known = find_by_record(text, record_of(customer)) if customer else ()
        spans = without_overlaps([*known, *find_by_form(text)])
        if not spans:
            return text
        parts, end = list[str](), 0
        for span in spans:
            parts += (text[end : span.start], placeholder(span.kind))
            end = span.end
        text = "".join((*parts, text[end:]))
    return "[personal data]"


def redact_json(value: JsonValue, customer: Customer | None = None) -> JsonValue:
    """`value` with all text in it redacted: strings, keys, and whole numbers, which become strings where they are one.

    What stands under the name of a kind of personal data, such as `date_of_birth`, is replaced whatever it is.
    """
    if isinstance(value, str):
        return redact(value, customer)
    if isinstance(value, int) and not isinstance(value, bool):
        shown = redact(str(value), customer)
        return value if shown == str(value) else shown
    if isinstance(value, float) and value.is_integer():
        shown = redact(f"{value:.0f}", customer)
        return value if shown == f"{value:.0f}" else shown
    if isinstance(value, list):
        return [redact_json(item, customer) for item in value]
    if isinstance(value, dict):
        return _redact_object(value, customer)
    return value


def _redact_object(value: dict[str, JsonValue], customer: Customer | None) -> dict[str, JsonValue]:
    """Keys that become the same are numbered, so that nothing gets lost."""
    done: dict[str, JsonValue] = {}
    for key, item in value.items():
        shown = name = redact(key, customer)
        number = 1
        while shown in done:
            number += 1
            shown = f"{name} {number}"
        concealed = hidden(key, item)
        done[shown] = redact_json(item if concealed is None else concealed, customer)
    return done


def hidden(name: str, value: JsonValue) -> JsonValue:
    """`value`, each datum in it replaced, where a field of this name holds personal data; None where it does not."""
    kind = kind_of_name(name)
    return _replaced(value, placeholder(kind)) if kind else None


def _replaced(value: JsonValue, shown: str) -> JsonValue:
    if isinstance(value, dict):
        return {key: _replaced(item, shown) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, shown) for item in value]
    return value if value is None or isinstance(value, bool) or value == "" else shown
