"""Answers that are quotes: the sentences of the found passages that fit the question best.

A quote cannot be invented, so an answer is as good as the search behind it. A sentence fits as far as it,
its heading and its document's title have the question's words, the rare ones counting more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from assay.registry.retrieval.text import sentences, tokens
from assay.registry.types.trajectory import Passage

__all__ = ["Answer", "points_back", "select_answer"]

_IN_HEADING = 0.6
"""What a word counts that stands in the heading or the title but not in the sentence itself."""
_NAMES_THE_DOCUMENT = 0.4
"""What a word of the title weighs: it tells which document is meant, not what is asked about it."""
_AROUND, _POINTED_AT = 0.4, 0.8
"""What a word weighs that is not in the question itself but in what was said around it, the second where the
question points back to it ("what does that cost?")."""
_UNKNOWN = 0.5
"""What a word weighs that no document has: it may be what the question is about, or mere chatter."""
_SAID_BEFORE = 0.8
"""A sentence that was quoted before is less likely to be what is asked for now."""
_ALSO, _AT_MOST = 0.25, 3
"""Sentences of the same section are quoted as well when they have at least a quarter of the best one's fit."""

_POINTS_BACK = re.compile(
    r"\b(?:it|that|this|those|these|them|they|one|ones|she|he|there|in the meantime)\b", re.IGNORECASE
)
_QUESTION = re.compile(r"[^.!?\n]*\?")


@dataclass(frozen=True)
class Answer:
    """Sentences of one document, word for word."""

    quotes: tuple[str, ...]
    passage: Passage

    @property
    def text(self) -> str:
        return " ".join(self.quotes)


@dataclass(frozen=True)
class _Candidate:
    fit: float
    own: float
    section: tuple[int, int]
    order: int
    sentence: str
    passage: Passage


@dataclass(frozen=True)
class _Wanted:
    """The words of the question, and those around it, with their rarity."""

    asked: dict[str, float]
    around: dict[str, float]
    pointing: bool

    def fit(self, words: set[str], nearby: set[str], title: set[str]) -> tuple[float, float]:
        """How much of the question is covered, in total and by the sentence's own words.

        A sentence with nothing of the question but words of the document's title does not answer it, unless
        the question has no others.
        """
        weights = {
            word: rarity * (_NAMES_THE_DOCUMENT if word in title else 1.0) for word, rarity in self.asked.items()
        }
        specific = set(self.asked) - title
        own = sum(weight for word, weight in weights.items() if word in words)
        near = sum(weight for word, weight in weights.items() if word in nearby - words)
        more = sum(rarity for word, rarity in self.around.items() if word in words | nearby)
        # Where the question itself hardly says anything ("and after that?"), what was said around it decides.
        base = max(sum(weights.values()), 1.0)
        if specific and not (specific & (words | nearby)) and not more:
            return 0.0, 0.0
        share = _POINTED_AT if self.pointing else _AROUND
        covered = own + _IN_HEADING * near + min(share * more, base * (1.5 if self.pointing else 0.5))
        return covered / base, own + share * more


def points_back(question: str) -> bool:
    """Whether the question is about something that was named before, by a pronoun."""
    asking = " ".join(_QUESTION.findall(question)) or question
    return len(asking.split()) <= 14 and bool(_POINTS_BACK.search(asking))


def select_answer(
    question: str,
    passages: tuple[Passage, ...],
    rarity: Callable[[str], float],
    *,
    min_overlap: float,
    context: str = "",
    quoted: Collection[str] = (),
) -> Answer | None:
    """The best sentences of the passages, or None where none fits well enough.

    Args:
        question: the customer's words.
        passages: what the search found, best first.
        rarity: weight of a word, its inverse document frequency.
        min_overlap: least share of the question's weight that the best sentence has to cover, in [0, 1].
        context: what was asked before, for a question that goes on from there.
        quoted: sentences that were quoted before.
    """
    wanted = _wanted(question, context, rarity)
    top = passages[0].score if passages else 0.0
    candidates = [
        candidate
        for rank, passage in enumerate(passages)
        for candidate in _candidates(rank, passage, wanted, passage.score / top if top else 0.0, quoted)
    ]
    best = max(candidates, key=lambda c: (c.fit, -c.section[0], -c.order), default=None)
    if best is None or best.fit < min_overlap or best.own == 0:
        return None
    same = [c for c in candidates if c.section == best.section and (c is best or c.fit >= _ALSO * best.fit)]
    chosen = sorted(sorted(same, key=lambda c: (-c.fit, c.order))[:_AT_MOST], key=lambda c: c.order)
    return Answer(tuple(c.sentence for c in chosen), best.passage)


def _wanted(question: str, context: str, rarity: Callable[[str], float]) -> _Wanted:
    """What is asked: the sentences with a question mark, where there are any; the rest is around it.

    A number that no document has tells nothing about what is asked.
    """
    unknown = rarity("")

    def weighed(text: str) -> dict[str, float]:
        weights = {word: rarity(word) for word in tokens(text)}
        kept = {word: w for word, w in weights.items() if w < unknown or not word[0].isdigit()}
        return {word: w if w < unknown else _UNKNOWN * w for word, w in kept.items()}

    asked = weighed(" ".join(_QUESTION.findall(question))) or weighed(question)
    around = {word: w for word, w in weighed(f"{question} {context}").items() if word not in asked}
    return _Wanted(asked, around, points_back(question))


def _candidates(
    rank: int, passage: Passage, wanted: _Wanted, standing: float, quoted: Collection[str]
) -> list[_Candidate]:
    """The sentences of a passage; a better standing of the passage in the search breaks near ties."""
    found: list[_Candidate] = []
    title = set(tokens(passage.title))
    for number, block in enumerate(("\n" + passage.text).split("\n## ")):
        heading, _, body = block.partition("\n")
        nearby = title | set(tokens(heading))
        for sentence in sentences(body):
            fit, own = wanted.fit(set(tokens(sentence)), nearby, title)
            fit *= (0.8 + 0.2 * standing) * (_SAID_BEFORE if sentence in quoted else 1.0)
            found.append(_Candidate(fit, own, (rank, number), len(found), sentence, passage))
    return found
