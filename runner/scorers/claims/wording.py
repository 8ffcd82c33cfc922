"""How far the words of one text are found in another.

The support of a claim is a logistic function of three things, each read from the text alone:

- containment: the share of the claim's character 4-grams that the evidence has, in [0, 1];
- missing: distinct content words of the claim that the evidence lacks, at most five, divided by five;
- opinion: whether the claim speaks of what the speaker feels, guesses or lived through.

The weights were fitted by logistic regression on the 430 labelled replies of BEGIN's Wizard-of-Wikipedia
development file (Dziri et al., TACL 2022, arXiv 2105.00071); of sixteen lexical features, these three carry
all but .01 of the area under the curve. Inverse document frequencies added nothing and are left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Wording", "content_words", "is_opinion", "is_stop_word", "merged", "stem", "support", "wording_of"]

_GRAM = 4
_WEIGHT_CONTAINMENT, _WEIGHT_MISSING, _WEIGHT_OPINION, _INTERCEPT = 6.11, -3.42, -2.73, -2.98

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_STOP = frozenset(
    """a an the and or but if then else of in on at to for from by with about into over under as is are was were be
    been being am do does did done have has had having i you he she it we they me him her us them my your his its our
    their this that these those there here what which who whom whose when where why how not no nor so than too very
    can could will would shall should may might must just also only own same such both each few more most other some
    any all out up down off again further once during before after above below between through because until while
    s t d ll m o re ve y don isn aren wasn weren doesn didn hasn haven hadn won wouldn shouldn couldn yes ok okay oh
    well like know think really please""".split()  # noqa: SIM905 - a list of 150 lines reads no better
)
_FEELS = (
    "think|thought|like|liked|love|loved|feel|felt|guess|bet|heard|hear|remember|wish|hate|know|knew|prefer|enjoy|"
    "enjoyed|believe|wonder|suppose|agree|imagine|saw|seen|watch|watched|read|grew|hope|want|wanted|went|play|played|"
    "had|been|got|get|was|own"
)
_OPINION = re.compile(
    r"\b(?:i|we)(?:'m|'ve|'d| am| have| do| did| was| would| can)?"
    rf"(?: \w+n't| not| really| never| also| always| just| even| only| still| sure| definitely)* (?:{_FEELS})\b"
    r"|\bmy (?:mom|dad|mother|father|wife|husband|brother|sister|kids?|family|favou?rite|friends?|parents|opinion)\b"
    r"|\b(?:maybe|perhaps|probably|i'm sure|might be|must be|lol|haha|wow)\b"
)
_SUFFIXES = (("ies", "y"), ("ing", ""), ("ed", ""), ("ly", ""), ("es", ""), ("s", ""))


@dataclass(frozen=True, slots=True)
class Wording:
    """A text as the comparison sees it. `words` are stems of content words."""

    words: frozenset[str]
    grams: frozenset[str]
    opinion: bool


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A light English stem: plural, -ing, -ed, -ly and a final e go; numbers and short words stay."""
    word = word.partition("'")[0]
    if word.isdigit() or len(word) < 4:
        return word
    for suffix, instead in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not (suffix == "s" and word.endswith("ss")):
            word = word[: -len(suffix)] + instead
            break
    if word.endswith("e") and len(word) > 4:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls" else word


def is_stop_word(word: str) -> bool:
    """Whether a lower-case word carries no meaning of its own."""
    return word in _STOP


def is_opinion(text: str) -> bool:
    """Whether a lower-case text speaks of what the speaker feels, guesses or lived through."""
    return bool(_OPINION.search(text))


def content_words(text: str) -> frozenset[str]:
    """Stems of the words that carry meaning."""
    return frozenset(stem(word) for word in _WORD.findall(text.lower().replace("’", "'")) if word not in _STOP)


@lru_cache(maxsize=8192)
def wording_of(text: str) -> Wording:
    """The wording of a text."""
    lowered = text.lower().replace("’", "'").replace(" '", "'")
    plain = f" {' '.join(_WORD.findall(lowered.replace(chr(39), '')))} "
    grams = frozenset(plain[i : i + _GRAM] for i in range(len(plain) - _GRAM + 1))
    return Wording(content_words(text), grams, bool(_OPINION.search(lowered)))


def merged(parts: Iterable[Wording]) -> Wording:
    """The wording of several texts read together."""
    found = tuple(parts)
    return Wording(
        frozenset().union(*(part.words for part in found)), frozenset().union(*(part.grams for part in found)), False
    )


def support(claim: Wording, evidence: Wording) -> float:
    """How likely the evidence is to say what the claim says, in [0, 1], by its words."""
    containment = len(claim.grams & evidence.grams) / max(1, len(claim.grams))
    missing = min(5, len(claim.words - evidence.words)) / 5
    logit = _INTERCEPT + _WEIGHT_CONTAINMENT * containment + _WEIGHT_MISSING * missing
    return 1 / (1 + math.exp(-(logit + _WEIGHT_OPINION * claim.opinion)))
