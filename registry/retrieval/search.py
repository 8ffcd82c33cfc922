"""BM25 search over knowledge documents.

What may be found is decided before anything is ranked: internal documents and documents that do not
hold on the day of the conversation are found only where the configuration asks for it.

A word of a question also finds its other forms, mistyped words and words that have to do with it, for less
than itself: a question is rarely put in the words of the document that answers it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import KnowledgeDocument
from assay.registry.retrieval.text import mistyped, related, same_words, tokens, within_reach
from assay.registry.types.bundle import RetrievalConfig
from assay.registry.types.trajectory import Passage

__all__ = ["Retriever", "Term"]


@dataclass(frozen=True)
class Term:
    """A word of a question, the words of the knowledge that it stands for, and its rarity."""

    word: str
    rarity: float
    meant: Mapping[str, float]
    """Word to how sure it is that it is meant, in (0, 1]; empty where the knowledge has nothing like it."""

    def found_in(self, words: Iterable[str]) -> float:
        """How surely the term stands among `words`, in [0, 1]."""
        return max((self.meant.get(word, 0.0) for word in words), default=0.0)


@dataclass(frozen=True)
class _Chunk:
    document: KnowledgeDocument
    text: str
    words: tuple[str, ...]


class Retriever:
    """Finds passages of `documents` as `config` says. Deterministic; safe to share between conversations.

    Raises:
        ContentError: there is no document that may be searched under `config`.
    """

    def __init__(self, documents: Iterable[KnowledgeDocument], config: RetrievalConfig) -> None:
        self.config = config
        self.documents = tuple(sorted(documents, key=lambda document: document.id))
        allowed = [d for d in self.documents if config.include_internal or d.audience == "public"]
        self._chunks = tuple(chunk for document in allowed for chunk in _cut(document, config))
        if not self._chunks:
            raise ContentError("the knowledge base has no document that may be searched")
        self._rarity = _inverse_frequencies(self._chunks)
        forms = {form: word for form, word in same_words().items() if word in self._rarity}
        forms |= {word: word for word in self._rarity}
        self._forms: dict[str, list[tuple[str, str]]] = {}
        for form, word in forms.items():
            self._forms.setdefault(form[0], []).append((form, word))
        self._terms: dict[str, Term] = {}
        self._index = _index(self._chunks, config)

    def search(self, query: str, date: dt.date) -> tuple[Passage, ...]:
        """At most `top_k` passages with a score above zero and of at least `min_score`, best first.

        Args:
            query: any text; words that no document has are ignored.
            date: the day of the conversation.
        """
        terms = [term for term in self.terms(query) if term.meant]
        if not terms:
            return ()
        scores = np.sum([self._scores(term) for term in terms], axis=0).round(6)
        floor = max(self.config.min_score, 1e-6)
        # A stable sort: chunks of equal score stay in the order of the documents' ids.
        ranked = np.argsort(-scores, kind="stable")
        best = [n for n in ranked if scores[n] >= floor and self._holds(self._chunks[n].document, date)]
        return tuple(_passage(self._chunks[n], float(scores[n])) for n in best[: self.config.top_k])

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a word as `tokens` cuts it: ln(1 + (N - n + 0.5) / (n + 0.5)).

        A word that no chunk has is as rare as can be (n = 0). Source: Robertson and Zaragoza, The
        Probabilistic Relevance Framework (2009), in the form that stays positive.
        """
        return self._rarity.get(word, _idf(len(self._chunks), 0))

    def terms(self, text: str) -> tuple[Term, ...]:
        """The words of a text that carry meaning, each once, with what they stand for in the knowledge."""
        words = dict.fromkeys(tokens(text))
        return tuple(self._term(word) for word in words if word in self._rarity or not mistyped(word))

    def _term(self, word: str) -> Term:
        if word not in self._terms:
            meant = self._meant(word)
            known = word in self._rarity or not meant
            rarity = self.rarity(word) if known else max(self.rarity(other) for other in meant)
            self._terms[word] = Term(word, rarity, meant)
        return self._terms[word]

    def _meant(self, word: str) -> dict[str, float]:
        known = word in self._rarity
        meant = {other: close for other, close in related(word).items() if other in self._rarity}
        for form, other in self._forms.get(word[0], ()):  # what begins with another letter is out of reach
            close = within_reach(word, form, forms_only=known)
            if close:
                meant[other] = max(close, meant.get(other, 0.0))
        return meant | ({word: 1.0} if known else {})

    def _scores(self, term: Term) -> Any:
        """BM25 of every chunk for a term: the best of what it may mean, so that synonyms do not add up."""
        of_each = [
            sure * np.asarray(self._index.get_scores([word]), dtype=np.float64) for word, sure in term.meant.items()
        ]
        return np.max(of_each, axis=0)

    def _holds(self, document: KnowledgeDocument, date: dt.date) -> bool:
        return not document.pending(date) and (self.config.include_superseded or not document.superseded(date))


def _cut(document: KnowledgeDocument, config: RetrievalConfig) -> list[_Chunk]:
    """Chunks of a document. Title, topics and heading count as words of each, though they are not all in its text."""
    if config.chunking == "document":
        pieces = [("", document.text)]
    else:
        pieces = [(section.heading, section.text) for section in document.sections]
        if config.chunking == "paragraph":
            pieces = [(head, part) for head, text in pieces for part in text.split("\n\n") if part.strip()]
    context = f"{document.title} {' '.join(document.topics)}"
    return [
        _Chunk(document, f"## {head}\n{text}" if head else text, tuple(tokens(f"{context} {head} {text}")))
        for head, text in pieces
    ]


def _index(chunks: tuple[_Chunk, ...], config: RetrievalConfig) -> Any:
    import bm25s

    index = bm25s.BM25(k1=config.k1, b=config.b, backend="numpy")
    index.index([list(chunk.words) for chunk in chunks], show_progress=False)
    return index


def _inverse_frequencies(chunks: tuple[_Chunk, ...]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for chunk in chunks:
        for word in set(chunk.words):
            counts[word] = counts.get(word, 0) + 1
    return {word: _idf(len(chunks), count) for word, count in counts.items()}


def _idf(total: int, count: int) -> float:
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def _passage(chunk: _Chunk, score: float) -> Passage:
    document = chunk.document
    return Passage(
        document=document.id,
        text=chunk.text,
        score=score,
        title=document.title,
        version=document.version,
        audience=document.audience,
    )
