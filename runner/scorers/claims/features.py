"""What is measured of a claim beside its evidence, before a small model weighs it.

All of it is read from the two texts alone; nothing is learnt here. Shares lie in [0, 1]; counts are capped and scaled
to about that range. Each name in `PROSE` and `FAQ` is a key of what `measure` returns:

- characters: `g2`..`g5`, the shares of the claim's character n-grams that the evidence has;
- words: `tokens` (all), `content` (stems of content words), `pairs`, `triples`: shares found in the evidence; `cover`:
  share of the evidence's content words in the claim;
- novelty: `missing`, content words that the evidence lacks; `unlike`, those with no word of similar spelling either;
- alignment: `soft` (content words, each by its most similar word), `common` (longest common subsequence), `run`
  (longest run of words), `sentence` and `covered` (for the best single sentence of the evidence);
- facts: `numbers` and `names` of the claim that the evidence lacks;
- polarity: `negation` differs from the best sentence's; `denies` where nothing in the evidence does;
- manner: `length`, `weight` (logarithms of words and content words), `opinion`, `self` ("I", "my"), `hedge`,
  `question`, `repeats`;
- question and answer, for evidence "Question? Answer.": overlap with the answer (`answer`, `answered`, `unanswered`),
  `yes`, `no`, `yes_to_wh`, `wrong_yes`, `wrong_no`, `dropped_no`, numbers `left_out`, `qualifier_lost`,
  `qualifier_new`, `order`, `disorder`, `redundant`, `evidence_length`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from assay.runner.scorers.claims.numerals import digits
from assay.runner.scorers.claims.split import sentences
from assay.runner.scorers.claims.wording import is_opinion, is_stop_word, stem

__all__ = ["FAQ", "PROSE", "is_faq", "measure"]

PROSE = (
    "g2", "g3", "g4", "g5", "content", "missing", "soft", "unlike", "tokens", "pairs", "triples", "common", "run",
    "sentence", "covered", "cover", "length", "weight", "numbers", "names", "opinion", "self", "hedge", "question",
    "negation", "denies", "repeats",
)  # fmt: skip
FAQ = (
    *PROSE, "evidence_length", "yes", "no", "yes_to_wh", "wrong_yes", "wrong_no", "dropped_no", "answer", "answered",
    "unanswered", "qualifier_lost", "qualifier_new", "left_out", "disorder", "order", "redundant",
)  # fmt: skip

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_DETACHED = re.compile(r"(\w) ?' ?(s|t|m|re|ve|ll|d)\b")
_DETACHED_NOT = re.compile(r" n't\b")
_NEGATION = re.compile(r"\b(?:not|no|never|none|neither|nor|without|cannot|unable)\b|n't\b")
_COURTESY = re.compile(r"\s*(?:let me know|thank|you're welcome|have a (?:good|great|nice))", re.IGNORECASE)
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+")
_HEDGE = re.compile(
    r"\b(?:maybe|perhaps|probably|might|i guess|not sure|seems?|sounds?|apparently|i (?:do|did) ?n.t know)\b"
)
_SELF = frozenset({"i", "im", "ive", "my", "me", "id"})
_YES = re.compile(r"\s*(?:yes|yeah|yep)\b")
_NO = re.compile(r"\s*(?:no\b|nope\b|sorry\b|unfortunately\b)")
_WH = re.compile(r"\b(?:what|which|when|where|who|how|why)\b")
_QUALIFIER = re.compile(
    r"\b(?:but|except|unless|otherwise|however|only|if|until|before|after|without|extra|additional)\b"
)
_NEAR = 6
_ALIKE = 0.5
_MOST_EVIDENCE_WORDS = 600
"""Evidence is read up to here for spelling and order: far more than a passage has."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    text: str
    tokens: tuple[str, ...]
    known: frozenset[str]
    spoken: str
    stems: tuple[str, ...]
    content: frozenset[str]
    parts: tuple[tuple[frozenset[str], bool], ...]
    question: str
    answer: str
    answer_numbers: frozenset[str]
    answer_content: frozenset[str]
    masks: dict[str, int]
    places: dict[str, list[int]]


def is_faq(evidence: str) -> bool:
    """Whether a text is a question with its answer."""
    return "?" in evidence[:-1]


def measure(claim: str, evidence: str) -> dict[str, float]:
    """Every feature of a claim (or a whole reply) before the evidence, by name."""
    return _measure(claim, _prepared(evidence))


def _measure(reply: str, known: _Evidence) -> dict[str, float]:
    body = _statement(reply)
    lowered = _plain(body)
    tokens = _tokens(digits(body))
    stems = [stem(w) for w in tokens if not is_stop_word(w)]
    content = frozenset(stems)
    missing = content - known.content
    found = _characters(tokens, known) | _words(tokens, content, missing, known)
    found |= _alignment(tokens, content, missing, known)
    found |= _manner(reply, body, lowered, tokens, content, known)
    return found | _answering(lowered, tokens, stems, content, known)


def _characters(tokens: Sequence[str], known: _Evidence) -> dict[str, float]:
    said = f" {' '.join(tokens)} "
    shares: dict[str, float] = {}
    for n in (2, 3, 4, 5):
        grams = {said[i : i + n] for i in range(len(said) - n + 1)}
        shares[f"g{n}"] = sum(gram in known.spoken for gram in grams) / max(1, len(grams))
    return shares


def _words(
    tokens: Sequence[str], content: frozenset[str], missing: frozenset[str], known: _Evidence
) -> dict[str, float]:
    pairs, triples = set(pairwise(tokens)), set(zip(tokens, tokens[1:], tokens[2:], strict=False))
    return {
        "content": _share(len(content - missing), len(content), empty=1.0),
        "missing": min(5, len(missing)) / 5,
        "tokens": _share(sum(token in known.known for token in tokens), len(tokens)),
        "pairs": _share(sum(f" {' '.join(pair)} " in known.spoken for pair in pairs), len(pairs)),
        "triples": _share(sum(f" {' '.join(triple)} " in known.spoken for triple in triples), len(triples)),
        "cover": _share(len(content - missing), len(known.content)),
        "length": math.log1p(len(tokens)),
        "weight": math.log1p(len(content)),
        "numbers": min(2, sum(token.isdigit() and token not in known.known for token in tokens)) / 2,
        "repeats": 1 - _share(len(set(tokens)), len(tokens)) if tokens else 0.0,
    }


def _alignment(
    tokens: Sequence[str], content: frozenset[str], missing: frozenset[str], known: _Evidence
) -> dict[str, float]:
    alike = [max((_similar(word, other) for other in known.content), default=0.0) for word in missing]
    best = max(known.parts, key=lambda part: len(part[0] & content))[0]
    shared = len(best & content)
    return {
        "soft": _share(len(content) - len(missing) + sum(alike), len(content)),
        "unlike": sum(value < _ALIKE for value in alike) / 5,
        "common": _share(_common_subsequence(tokens, known.masks, len(known.tokens)), len(tokens)),
        "run": _share(_longest_run(tokens, known.spoken), len(tokens)),
        "sentence": _share(shared, len(content)),
        "covered": _share(shared, len(best)),
    }


def _manner(
    reply: str, body: str, lowered: str, tokens: Sequence[str], content: frozenset[str], known: _Evidence
) -> dict[str, float]:
    negated = bool(_NEGATION.search(lowered))
    best = max(known.parts, key=lambda part: len(part[0] & content))
    names = [w for w in _NAME.findall(body) if w.lower() not in known.known and not is_stop_word(w.lower())]
    return {
        "names": min(2, len(names)) / 2,
        "opinion": float(is_opinion(lowered)),
        "self": min(3, sum(token in _SELF for token in tokens)) / 3,
        "hedge": float(bool(_HEDGE.search(lowered))),
        "question": float("?" in reply),
        "negation": float(best[1] != negated),
        "denies": float(negated and not any(part[1] for part in known.parts)),
    }


def _answering(
    lowered: str, tokens: Sequence[str], stems: Sequence[str], content: frozenset[str], known: _Evidence
) -> dict[str, float]:
    yes, no, negated = bool(_YES.match(lowered)), bool(_NO.match(lowered)), bool(_NEGATION.search(lowered))
    denied = bool(_NEGATION.search(known.answer))
    refused = bool(_NO.match(known.answer)) or denied
    asked = bool(known.question)
    shared = len(content & known.answer_content)
    both = [pair for pair in pairwise(stems) if pair[0] in known.places and pair[1] in known.places]
    near = sum(any(0 < j - i <= _NEAR for i in known.places[a] for j in known.places[b]) for a, b in both)
    counts = Counter(stems)
    redundant = sum(n - 1 for word, n in counts.items() if n > max(1, len(known.places.get(word, ()))))
    return {
        "evidence_length": math.log1p(len(known.tokens)),
        "yes": float(yes),
        "no": float(no),
        "yes_to_wh": float((yes or no) and bool(_WH.search(known.question))),
        "wrong_yes": float(asked and yes and refused),
        "wrong_no": float(asked and (no or negated) and not refused),
        "dropped_no": float(denied and not negated),
        "answer": _share(shared, len(content)),
        "answered": _share(shared, len(known.answer_content)),
        "unanswered": float(not shared),
        "qualifier_lost": float(bool(_QUALIFIER.search(known.answer)) and not _QUALIFIER.search(lowered)),
        "qualifier_new": float(bool(_QUALIFIER.search(lowered)) and not _QUALIFIER.search(_plain(known.text))),
        "left_out": min(4, len(known.answer_numbers.difference(tokens))) / 4,
        "disorder": min(4, len(both) - near) / 4,
        "order": _share(near, len(stems) - 1),
        "redundant": min(3, redundant) / 3,
    }


def _share(part: float, whole: int, *, empty: float = 0.0) -> float:
    return part / whole if whole > 0 else empty


def _statement(reply: str) -> str:
    """The reply without its closing courtesies and questions; all of it where it is nothing else."""
    kept = [s for s in sentences(reply) if not s.rstrip().endswith("?") and not _COURTESY.match(s)]
    return " ".join(kept) if kept else reply


def _plain(text: str) -> str:
    """Lower case, with contractions in one piece however the source spaces them ("i ' m", "did n't")."""
    return _DETACHED.sub(r"\1'\2", _DETACHED_NOT.sub("n't", text.lower().replace("’", "'")))


def _tokens(text: str) -> list[str]:
    return [word.replace("'", "") for word in _WORD.findall(_plain(text))]


@lru_cache(maxsize=2048)
def _prepared(text: str) -> _Evidence:
    tokens = _tokens(digits(text))[:_MOST_EVIDENCE_WORDS]
    stems = tuple(stem(word) for word in tokens)
    masks: dict[str, int] = {}
    places: dict[str, list[int]] = {}
    for place, (token, stemmed) in enumerate(zip(tokens, stems, strict=True)):
        masks[token] = masks.get(token, 0) | 1 << place
        places.setdefault(stemmed, []).append(place)
    parts = tuple((_content(part), bool(_NEGATION.search(_plain(part)))) for part in sentences(text))
    plain = _plain(text)
    question, asked, answer = plain.partition("?")
    if not asked:
        question, answer = "", plain
    answered = _tokens(digits(answer))
    return _Evidence(
        text,
        tuple(tokens),
        frozenset(tokens),
        f" {' '.join(tokens)} ",
        stems,
        frozenset(stem(word) for word in tokens if not is_stop_word(word)),
        parts or ((frozenset(), False),),
        question,
        answer,
        frozenset(token for token in answered if token.isdigit()),
        frozenset(stem(token) for token in answered if not is_stop_word(token)),
        masks,
        places,
    )


def _content(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _tokens(digits(text)) if not is_stop_word(word))


@lru_cache(maxsize=16384)
def _bigrams(word: str) -> frozenset[str]:
    marked = f"^{word}$"
    return frozenset(marked[i : i + 2] for i in range(len(marked) - 1))


def _similar(one: str, other: str) -> float:
    """Dice coefficient of two words' letter pairs, in [0, 1]."""
    first, second = _bigrams(one), _bigrams(other)
    return 2 * len(first & second) / (len(first) + len(second))


def _common_subsequence(tokens: Sequence[str], masks: dict[str, int], length: int) -> int:
    """Length of the longest common subsequence, by Hyyrö's bit-parallel recurrence (2004)."""
    full = (1 << length) - 1
    row = full
    for token in tokens:
        met = row & masks.get(token, 0)
        row = ((row + met) | (row - met)) & full
    return length - row.bit_count()


def _longest_run(tokens: Sequence[str], spoken: str) -> int:
    """Most words of the claim in a row that stand in a row in the evidence too."""
    best = start = 0
    for end in range(1, len(tokens) + 1):
        while start < end and f" {' '.join(tokens[start:end])} " not in spoken:
            start += 1
        best = max(best, end - start)
    return best
