"""Text of customers and agents, made safe to look at.

Escaping for HTML happens in the templates. What happens here is about the reader's eyes: characters that
hide, reorder or cut text are shown by their code points, very long text is cut in the middle with the
length stated, and personal data is redacted before anything is cut.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from assay.registry.types.base import JsonValue
from assay.registry.types.case import Customer

__all__ = ["TEXT_LIMIT", "Presenter", "presenter", "shorten", "visible"]

TEXT_LIMIT = 4_000
"""Characters of one message that a report shows."""

_WHOLE = 3
"""Up to so many times the limit, a text is redacted as a whole before it is cut."""

_MARGIN = 300
"""More characters than any piece of personal data has."""

# Controls, bidirectional overrides and isolates, invisible spaces and tags, lone surrogates, non-characters.
# The joiners U+200C and U+200D stay: scripts and emoji need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """`text` with every character that hides or reorders text shown as `[U+XXXX]`, and plain line ends."""
    unified = text.replace("\r\n", "\n")
    return _HIDDEN.sub(lambda match: f"[U+{ord(match.group()):04X}]", unified)


def shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    """`text`, or its beginning and end with a sentence between them that says how much is not shown."""
    if len(text) <= limit:
        return text
    return _joined(text[: limit * 2 // 3], text[-(limit // 3) :], len(text))


def _joined(head: str, tail: str, length: int) -> str:
    omitted = length - len(head) - len(tail)
    return f"{head}\n[… {omitted:,} of {length:,} characters are not shown …]\n{tail}"


@dataclass(frozen=True)
class Presenter:
    """How text of one conversation is shown: `redact` replaces the personal data of `customer`."""

    redact: Callable[[str, Customer | None], str]
    customer: Customer | None = None
    hide: Callable[[str, JsonValue], JsonValue] = lambda key, value: None
    """What to show for a value under a key that tells its kind; None: look at the value itself."""

    def of(self, customer: Customer | None) -> Presenter:
        """The same presentation for another customer's conversation."""
        return Presenter(self.redact, customer, self.hide)

    def text(self, value: str, limit: int = TEXT_LIMIT) -> str:
        """Redacted, then cut, then made visible."""
        return visible(self._cut(value, limit))

    def json(self, value: JsonValue, limit: int = TEXT_LIMIT) -> str:
        """A JSON value on one line, each text and number in it redacted."""
        if isinstance(value, str):
            return self.text(value, limit)
        return visible(shorten(json.dumps(self._redacted(value, limit), ensure_ascii=False), limit))

    def _cut(self, value: str, limit: int) -> str:
        if len(value) <= _WHOLE * limit:
            return shorten(self.redact(value, self.customer), limit)
        # Of a very long text only the ends are looked at. What may be half of a datum, at the inner edge of
        # either end, is dropped.
        head = self.redact(value[: limit + _MARGIN], self.customer)[:-_MARGIN]
        tail = self.redact(value[-limit - _MARGIN :], self.customer)[_MARGIN:]
        return _joined(head[: limit * 2 // 3], tail[-(limit // 3) :], len(value))

    def _under(self, key: str, item: JsonValue, limit: int) -> JsonValue:
        """What stands under a key that says it is personal data is hidden whatever it looks like."""
        hidden = self.hide(key, item)
        return self._redacted(item if hidden is None else hidden, limit)

    def _redacted(self, value: JsonValue, limit: int) -> JsonValue:
        if isinstance(value, dict):
            return {self._cut(key, limit): self._under(key, item, limit) for key, item in value.items()}
        if isinstance(value, list):
            return [self._redacted(item, limit) for item in value]
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._cut(value, limit)
        # A customer number is personal data as a number too.
        shown = self.redact(str(value), self.customer)
        return value if shown == str(value) else shown


def presenter(redact: bool) -> Presenter:
    """The presentation of all text of a report."""
    if not redact:
        return Presenter(lambda text, customer: text)
    from assay.registry.pii import hidden
    from assay.registry.pii import redact as redacted

    return Presenter(redacted, hide=hidden)
