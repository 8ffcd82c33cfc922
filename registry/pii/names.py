"""What the name of a field says about its value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from assay.registry.types.case import PersonalDataKind

__all__ = ["kind_of_name"]

_KINDS: Mapping[str, PersonalDataKind] = {
    "customer name": "name", "full name": "name", "first name": "name", "last name": "name", "surname": "name",
    "account holder": "name", "cardholder": "name", "cardholder name": "name", "holder name": "name",
    "date of birth": "date_of_birth", "birth date": "date_of_birth", "birthdate": "date_of_birth",
    "dob": "date_of_birth", "birthday": "date_of_birth",
    "customer number": "customer_number", "customer no": "customer_number", "customer id": "customer_number",
    "account number": "account_number", "account no": "account_number",
    "card number": "card_number", "pan": "card_number", "iban": "iban",
    "national id": "national_id", "ssn": "national_id", "social security number": "national_id",
    "tax id": "national_id", "passport number": "national_id",
    "phone": "phone", "phone number": "phone", "telephone": "phone", "mobile": "phone",
    "email": "email", "e mail": "email", "email address": "email",
    "address": "address", "postal address": "address", "home address": "address", "new address": "address",
}  # fmt: skip


def kind_of_name(name: str) -> PersonalDataKind | None:
    """The kind of personal data that a field of this name holds: `dateOfBirth` and `dob` hold a date of birth.

    `name` alone tells nothing: products and tools have names too.
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", name).casefold()
    return _KINDS.get(words.strip())
