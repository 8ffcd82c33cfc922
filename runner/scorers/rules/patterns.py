"""Patterns of a rule: a plain phrase, or a regular expression between slashes.

Both are matched against normalised text: lower case, single spaces, plain quotes, no zero-width characters.
A phrase stands between word boundaries; `/guarantee(s|d)?/` is a regular expression and says itself where
words end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assay.registry.phrases import normalise, plain_punctuation

__all__ = ["PatternError", "compiled", "first_match", "matching_sentences"]


class PatternError(ValueError):
    """A pattern that cannot be used; says which, why and at which column."""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern.

    Raises:
        PatternError: not a regular expression, one that matches nothing at all, or a phrase without a word.
    """
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        try:
            found = re.compile(plain_punctuation(pattern[1:-1]), re.IGNORECASE)
        except re.error as error:
            column = "" if error.pos is None else f" at column {error.pos + 2}"
            raise PatternError(f"{pattern!r} is not a regular expression: {error.msg}{column}") from None
        if found.match(""):
            raise PatternError(f"{pattern!r} matches the empty text, so it would match every reply")
        return found
    phrase = normalise(pattern)
    if not any(c.isalnum() for c in phrase):
        raise PatternError(f"{pattern!r} has no word to look for")
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    after = r"(?!\w)(?!'t\b)" if phrase[-1].isalnum() else ""
    return re.compile(f"{before}{re.escape(phrase)}{after}")


def first_match(patterns: Iterable[str], text: str) -> str | None:
    """The words of a text that match one of the patterns, or None."""
    plain = normalise(text)
    return next((found.group() for p in patterns if (found := compiled(p).search(plain))), None)


def matching_sentences(patterns: Iterable[str], text: str) -> Iterator[tuple[str, str]]:
    """Each match with the sentence it stands in, both normalised. A line break does not end a sentence here."""
    plain = normalise(text)
    for pattern in patterns:
        for found in compiled(pattern).finditer(plain):
            before = [m.end() for m in re.finditer(r"[.!?](?=\s)", plain[: found.start()])]
            ends = re.search(r"[.!?](?=\s|$)", plain[found.end() :])
            stop = found.end() + ends.end() if ends else len(plain)
            yield found.group(), plain[before[-1] if before else 0 : stop].strip()
