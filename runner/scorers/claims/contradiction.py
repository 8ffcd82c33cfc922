"""Where the evidence says the opposite of a claim: a negation more or less, or the opposite word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from assay.runner.scorers.claims.evidence import Source
from assay.runner.scorers.claims.split import Claim, sentences
from assay.runner.scorers.claims.wording import content_words

__all__ = ["denial", "lines_of"]

_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot|unable)\b|n't\b", re.IGNORECASE)
_DENYING = ("passage", "system", "wording")
_CLAUSE = re.compile(
    r"(?:,|;) (?:and |but |or |while |whereas )?|,? (?:and|but) (?=(?:an?|the|your|our|we|you|it|they) )"
)
_FEWEST_WORDS = 3


def denial(claim: Claim, sources: Iterable[Source]) -> str | None:
    """The sentence or clause of the sources that says the same as the claim, or as a clause of it, but for a negation;
    None where there is none, or another says it with the same polarity.
    """
    lines = [(source, line) for source in sources if source.kind in _DENYING for line in _with_clauses(source.text)]
    for _, words, negated in _with_clauses(claim.text):
        if len(words) < _FEWEST_WORDS:
            continue
        alike = [
            (source.name, text, polarity)
            for source, (text, known, polarity) in lines
            if len(shared := words & known) >= 0.8 * len(words) and len(shared) >= 0.6 * len(known)
        ]
        if alike and all(polarity != negated for *_, polarity in alike):
            return f"{alike[0][0]}: {alike[0][1]}"
    return None


@lru_cache(maxsize=2048)
def lines_of(text: str) -> tuple[tuple[str, frozenset[str], bool], ...]:
    """Each sentence of a text with its content words and whether it is negated."""
    return tuple(_read(sentence) for sentence in sentences(text))


@lru_cache(maxsize=2048)
def _with_clauses(text: str) -> tuple[tuple[str, frozenset[str], bool], ...]:
    """As `lines_of`; of a sentence that has several clauses these, since each has a polarity of its own."""
    return tuple(_read(part) for sentence in sentences(text) for part in _clauses(sentence))


def _clauses(sentence: str) -> list[str]:
    """The clauses of a sentence. What has too few words to be one, such as "We are sorry", goes with its neighbour."""
    clauses: list[str] = []
    for part in _CLAUSE.split(sentence):
        if clauses and min(len(content_words(part)), len(content_words(clauses[-1]))) < _FEWEST_WORDS:
            clauses[-1] += f" {part}"
        else:
            clauses.append(part)
    return clauses


def _read(sentence: str) -> tuple[str, frozenset[str], bool]:
    return sentence, content_words(sentence), bool(_NEGATION.search(sentence.replace("’", "'")))
