"""Personal data in text: finding it and blacking it out.

Two ways of finding. By form: a card number is 13 to 19 digits that begin as an issuer's do and satisfy the Luhn
formula, an IBAN leaves 1 modulo 97. By value: a customer's record says what to look for, in whatever notation it
is written. Both read a text as a person would (`reading`): without invisible characters, with look-alikes and
spelled-out digits taken for what they stand for; the places they give are those of the text as it is.

All of it takes time in proportion to the length of the text.
"""

from __future__ import annotations

from assay.registry.pii.forms import find_by_form
from assay.registry.pii.names import kind_of_name
from assay.registry.pii.numbers import is_card_number, is_iban
from assay.registry.pii.reading import Reading, read, undisguised
from assay.registry.pii.records import find_by_record, record_of
from assay.registry.pii.redaction import hidden, redact, redact_json
from assay.registry.pii.spans import PersonalSpan

__all__ = [
    "PersonalSpan",
    "Reading",
    "find_by_form",
    "find_by_record",
    "hidden",
    "is_card_number",
    "is_iban",
    "kind_of_name",
    "read",
    "record_of",
    "redact",
    "redact_json",
    "undisguised",
]
