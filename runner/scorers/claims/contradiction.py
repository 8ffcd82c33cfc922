"""Where the evidence says the opposite of a claim: a negation more or less, or the opposite word."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from functools import lru_cache

from assay.runner.scorers.claims.evidence import Source
from assay.runner.scorers.claims.facts import Fact, facts_of
from assay.runner.scorers.claims.split import Claim, sentences
from assay.runner.scorers.claims.wording import content_words

__all__ = ["denial", "lines_of", "opposed", "restated"]

_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot|unable)\b|n't\b", re.IGNORECASE)
_DENYING = ("passage", "system", "wording")
_CLAUSE = re.compile(
    r"(?:,|;) (?:and |but |or |while |whereas )?|,? (?:and|but) (?=(?:an?|the|your|our|we|you|it|they) )"
)
_FEWEST_WORDS = 3
_ALTERNATIVES = tuple(
    tuple(re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for words in group)
    for group in (
        ("incoming", "outgoing"),
        ("domestic", "international|foreign"),
        ("open|opens", "closed|closes"),
        ("at least|minimum|no less than", "at most|maximum|no more than"),
        ("above|more than", "below|less than"),
        ("fixed", "variable"),
        ("checking", "savings"),
        ("a day|per day|daily", "a month|per month|monthly", "a year|per year|yearly|annual|annually"),
    )
)
"""Words of which one excludes the others. A sentence that has several of them is not read."""
_FREE = re.compile(
    r"\b(?:is|are|comes?)(?: \w+ly)? free\b|\bfree of charge\b|\bcosts? (?:you )?nothing\b"
    r"|\b(?:no|without(?: an?| any)?) (?:\w+ ){0,3}?(?:fee|charge|cost)s?\b",
    re.IGNORECASE,
)
_PRICE_WORDS = content_words("free cost costs charge charges nothing there")
_AMOUNT = re.compile(r"[$€£]\s?\d|\d\s?(?:dollars?|USD|EUR|GBP|cents?)\b")
_DIGITS = re.compile(r"\d")


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
    clauses: list[list[str]] = []
    last = 0
    for part in _CLAUSE.split(sentence):
        words = len(content_words(part))
        if clauses and min(words, last) < _FEWEST_WORDS:
            clauses[-1].append(part)
            last += words
        else:
            clauses.append([part])
            last = words
    return [" ".join(parts) for parts in clauses]


def _read(sentence: str) -> tuple[str, frozenset[str], bool]:
    return sentence, content_words(sentence), bool(_NEGATION.search(sentence.replace("’", "'")))


def opposed(claim: Claim, sources: Iterable[Source]) -> str | None:
    """The sentence of a document that says of the same thing what the claim's words exclude: "incoming" for
    "outgoing", "closed" for "open", a price for "free". None where there is none, or another bears the claim out.
    """
    texts = [source for source in sources if source.document is not None]
    for group in _ALTERNATIVES:
        said = [word for word in group if word.search(claim.text)]
        if len(said) == 1 and (line := _says_other(claim, said[0], group, texts)):
            return line
    return _priced(claim, texts) if _FREE.search(claim.text) else None


def _says_other(
    claim: Claim, said: re.Pattern[str], group: tuple[re.Pattern[str], ...], texts: Iterable[Source]
) -> str | None:
    drop = frozenset().union(*(content_words(m[0]) for word in group for m in word.finditer(claim.text)))
    words = claim.wording.words - drop
    # "An incoming domestic wire" is in two words not what "an outgoing international wire" is.
    words -= frozenset().union(*(content_words(m[0]) for g in _ALTERNATIVES for w in g for m in w.finditer(claim.text)))
    near = [
        (source.name, text)
        for source in texts
        for text, known, _ in lines_of(source.text)
        if len(words) >= 2 and len(words & known) >= max(2, 0.8 * len(words))
    ]
    if not near or any(said.search(text) for _, text in near):
        return None
    return next((f"{name}: {text}" for name, text in near if any(word.search(text) for word in group)), None)


def _priced(claim: Claim, texts: Iterable[Source]) -> str | None:
    """The sentence that gives a price for what the claim says is free."""
    words = claim.wording.words - _PRICE_WORDS
    near = [
        (source.name, text)
        for source in texts
        for text, known, _ in lines_of(source.text)
        if len(words) >= 2 and words <= known
    ]
    if any(_FREE.search(text) for _, text in near):
        return None
    return next((f"{name}: {text}" for name, text in near if _AMOUNT.search(text)), None)


def restated(claim: Claim, fact: Fact, sources: Iterable[Source], today: dt.date) -> str | None:
    """The sentence of a document that says what the claim says, but with another figure of the fact's kind; None where
    some document has the fact.
    """
    texts = [source for source in sources if source.document is not None]
    if any(source.facts.has(fact) for source in texts):
        return None
    words = frozenset(word for word in claim.wording.words if not _DIGITS.search(word))
    for source in texts if len(words) >= 2 else ():
        for text, known, _ in lines_of(source.text):
            if len(words & known) >= 0.8 * len(words) and any(f.kind == fact.kind for f in facts_of(text, today)):
                return f"{source.name}: {text}"
    return None
