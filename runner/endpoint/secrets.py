"""Keys come from the environment, and leave no trace in what is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote

from assay.registry.errors import ContentError

__all__ = ["Secrets", "fill_in"]

HIDDEN = "[removed]"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST = 4
_SHORTEST_IN_ANSWERS = 12
"""Servers without keys are often given `none` or `EMPTY` as one, which are words that an agent may say."""
_SHORTEST_PART = 8


class Secrets:
    """The secrets of one endpoint, to be taken out of texts."""

    def __init__(self, values: list[str]) -> None:
        self._values = list(values)
        whole = {value for value in values if len(value) >= _SHORTEST}
        forms = {form for value in whole for form in (value, quote(value, safe=""), json.dumps(value)[1:-1])}
        self._forms = sorted(forms, key=len, reverse=True)
        self._in_answers = [form.encode() for form in self._forms if len(form) >= _SHORTEST_IN_ANSWERS]

    def with_more(self, values: list[str]) -> Secrets:
        """These and others."""
        return Secrets([*self._values, *values])

    def removed(self, text: str) -> str:
        """The text without any secret, and without the beginning or the end of one where an endpoint masks the rest."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        for form in self._forms:
            for size in range(len(form) - 1, _SHORTEST_PART - 1, -1):
                for part in (form[:size], form[-size:]):
                    if part in text:
                        text = text.replace(part, HIDDEN)
        return text

    def removed_from_bytes(self, body: bytes) -> bytes:
        """The body of an answer without any secret, for an endpoint that echoes its headers."""
        for form in self._in_answers:
            if form in body:
                body = body.replace(form, HIDDEN.encode())
        return body


def fill_in(text: str, environ: Mapping[str, str], *, key: str) -> tuple[str, list[str]]:
    """The text with every `${NAME}` replaced, and what it was replaced by.

    Raises:
        ContentError: a variable is not set; names it, and `key` as the place.
    """
    values: list[str] = []

    def value(match: re.Match[str]) -> str:
        found = environ.get(match[1], "").strip()
        if not found:
            raise ContentError(f"the environment variable {match[1]} is not set", key=key)
        values.append(found)
        return found

    return _VARIABLE.sub(value, text), values
