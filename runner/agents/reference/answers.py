"""Answers that are quotes: the sections of the found passages that fit the question best.

A quote cannot be invented, so an answer is as good as the choice of what is quoted. A sentence fits as far as

- it, its section, its heading and its document's title have the question's words, the rare ones counting more;
- its heading and its title say nothing that was not asked about: "The business account" does not answer a
  question about a current account, though all its words but one may be there;
- it has the kind of thing that is asked for: an amount for "how much", a time of day for "until when";
- it belongs to what the conversation was about, where the question goes on from there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from assay.registry.retrieval.search import Retriever, Term
from assay.registry.retrieval.text import sentences, tokens
from assay.registry.types.trajectory import Passage

__all__ = ["Answer", "Topic", "points_back", "questions_of", "select_answer"]

_IN_SECTION, _IN_HEADING, _IN_TITLE = 0.6, 0.8, 0.7
"""What a word counts that stands beside the sentence, and not in it."""
_UNASKED = 0.25
"""What a title costs of which nothing was asked."""
_BESIDE, _BESIDE_TERSE = 0.45, 0.6
"""What a word of the message weighs that is not in the question itself, the second where that says little."""
_TERSE = 2
"""A question of so few words that the knowledge has says too little by itself."""
_BEFORE, _POINTED_AT = 0.15, 0.5
"""What a word weighs that was said before, the second where the question goes on from there ("and that one?")."""
_MOST_AROUND = 0.5
"""What was said around a question may count for this share of it, so that it is not answered in its stead."""
_LEAST = 0.8
"""A question weighs at least this much of a word that no document has: one common word that happens to fit
answers nothing."""
_UNKNOWN = 0.8
"""What a word weighs that no document has: it may be what the question is about, or mere chatter."""
_RIGHT_KIND = 0.25
"""What it is worth that a sentence has the kind of thing that is asked for."""
_SAME_DOCUMENT, _STILL_THERE = 0.1, 0.35
"""What it is worth that the answer before came from the document, the second where the question goes on from it."""
_SUPPORT = 0.5
"""What the surroundings and the right kind count for the question's being answered at all, next to its words."""
_AT_MOST = 5
"""Sentences of a section that are quoted: its conditions and exceptions belong to the answer."""
_NEARLY = 0.5
"""Where another section of the document fits nearly as well, its best sentence is quoted, too."""

_POINTS_BACK = re.compile(
    r"\b(?:it|that|this|those|these|them|they|one|ones|she|he|there|in the meantime)\b", re.IGNORECASE
)
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_ASKING = (
    r"(?:how|what|where|when|which|who|whose|why|whats|hows|wheres|whens|until when|by when|from what)(?:'s)?\b|"
    r"(?:do|does|did|can|could|is|are|was|were|will|would|must|may|should|am|has|have|isn't|aren't|can't|don't|"
    r"doesn't) (?:i|u|you|we|it|there|the|my|your|an?|he|she|they|that|this|these|those|one|some\w+|any\w*)\b"
)
_CLAUSE = re.compile(rf"\b(?:{_ASKING})", re.IGNORECASE)
_OPENS_ASKING = re.compile(
    rf"^\W*(?:(?:and|so|ok|okay|but|then|also|plus|hi|hello|hey|please)\W+)*(?:{_ASKING})", re.IGNORECASE
)
_INDIRECT = re.compile(
    r"\b(?:know|learn|wonder\w*|ask(?:ing)?|tell me|curious|(?:find|figure) out)\b (?:\w+ )??"
    r"(?:what|how|when|where|which|who|whether|why)\b",
    re.IGNORECASE,
)
_NUMBER = r"(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"

# What is asked for, and how a sentence looks that has it.
_KINDS = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(given, re.IGNORECASE))
    for asked, given in (
        (
            r"\bhow much\b|\b(?:cost|costs|charge|charged|fee|fees|price|pricey|expensive|free|pay)\b",
            r"\$\d|\bfree\b|\bpercent\b|\bcosts nothing\b|\bno\b[^.]*\bfee\b|\bnot charge|\bwithout a charge\b",
        ),
        (r"\b(?:interest|rate|rates|percent|percentage|apr|apy|yield)\b", r"\bpercent\b|\binterest\b"),
        (
            r"\bhow (?:long|soon|fast|quick\w*|many (?:\w+ )?(?:days|weeks|months|years|hours))\b|\btime limit\b",
            rf"\b{_NUMBER}(?:-| )(?:\w+ ){{0,2}}(?:minute|hour|day|week|month|year)s?\b|\bimmediate|\bat once\b",
        ),
        (
            r"\bwhat time\b|\bhow late\b|\b(?:until|till|by|since) when\b|\bwhen\b[^?]*\b(?:open|close)|"
            r"\bhours\b|\bopen\b",
            r"\d ?[ap]\.m\.|\bnoon\b|\bclosed\b|\bhours? before\b|\bdays? (?:before|after)\b",
        ),
        (r"\bwhen\b", r"\d ?[ap]\.m\.|\b(?:day|days|month|months|year|week)\b"),
        (r"\bwhere\b|\bwhich (?:branch|page|menu)", r"\bat \d|\bbranch|\bunder [A-Z]|\bonline banking\b|\bapp\b"),
        (r"\bhow (?:many|often)\b|\bhow old\b|\bwhat age\b", rf"\b{_NUMBER}\b"),
    )
)


@dataclass(frozen=True)
class Answer:
    """Sentences of one document, word for word."""

    quotes: tuple[str, ...]
    passage: Passage

    @property
    def text(self) -> str:
        return " ".join(self.quotes)


@dataclass(frozen=True)
class Topic:
    """What a question is asked in the midst of.

    Attributes:
        beside: what else the message says, where it asks several questions.
        words: what was asked before.
        document: where the last answer came from.
        goes_on: whether the question only makes sense after what was asked before.
    """

    beside: str = ""
    words: tuple[Term, ...] = ()
    document: str = ""
    goes_on: bool = False


@dataclass(frozen=True)
class _Candidate:
    """A sentence. `fit` ranks it; `covered` tells whether the question is answered at all."""

    fit: float
    covered: float
    section: tuple[int, int]
    order: int
    sentence: str
    passage: Passage


@dataclass(frozen=True)
class _Place:
    """The words around a sentence."""

    section: frozenset[str]
    heading: frozenset[str]
    title: frozenset[str]

    def covers(self, term: Term, sentence: Collection[str]) -> float:
        """How much of a term is in the sentence or near it, in [0, 1]."""
        return max(
            term.found_in(sentence),
            _IN_SECTION * term.found_in(self.section),
            _IN_HEADING * term.found_in(self.heading),
            _IN_TITLE * term.found_in(self.title),
        )


@dataclass(frozen=True)
class _Wanted:
    """The words of the question and those around it, each with its weight, and the kind of thing asked for."""

    asked: tuple[tuple[Term, float], ...]
    around: tuple[tuple[Term, float], ...]
    kinds: tuple[re.Pattern[str], ...]
    topic: Topic
    least: float

    @property
    def weight(self) -> float:
        return max(sum(weight for _, weight in self.asked), self.least)

    def unasked(self, title: Iterable[Term]) -> float:
        """The share of a title, by rarity, that neither the question nor its surroundings have."""
        words = tuple(title)
        total = sum(word.rarity for word in words)
        terms = [term for term, _ in (*self.asked, *self.around)]
        named = sum(w.rarity * max((t.found_in((w.word,)) for t in terms), default=0.0) for w in words)
        return 1 - named / total if total else 0.0

    def standing(self, document: str) -> float:
        """What it is worth that the conversation was about the document before."""
        if document != self.topic.document:
            return 0.0
        return _STILL_THERE if self.topic.goes_on else _SAME_DOCUMENT


def points_back(question: str) -> bool:
    """Whether the question is about something that was named before, by a pronoun."""
    asking = " ".join(part for part in _SENTENCE.findall(question) if part.endswith("?")) or question
    return len(asking.split()) <= 14 and bool(_POINTS_BACK.search(asking))


def questions_of(message: str) -> tuple[str, ...]:
    """The parts of a message that ask something, each from where the asking begins; none where nothing is asked."""
    return tuple(_asking_parts(message))


def select_answer(
    question: str,
    passages: tuple[Passage, ...],
    retriever: Retriever,
    *,
    min_overlap: float,
    topic: Topic | None = None,
) -> Answer | None:
    """The best sentences of the passages, or None where none fits well enough.

    Args:
        question: the customer's words.
        passages: what the search found, best first.
        retriever: the search that found them.
        min_overlap: least share of the question's weight that the best sentence has to cover, in [0, 1].
        topic: what the question is asked in the midst of.
    """
    wanted = _wanted(question, topic or Topic(), retriever)
    candidates = [c for rank, p in enumerate(passages) for c in _candidates(rank, p, wanted, retriever)]
    best = _best(candidates)
    if best is None or best.covered < min_overlap:
        return None
    section = [c for c in candidates if c.section == best.section]
    chosen = sorted(sorted(section, key=_rank)[:_AT_MOST], key=lambda c: c.order)
    next_best = _best(
        c for c in candidates if c.passage.document == best.passage.document and c.section != best.section
    )
    if next_best is not None and next_best.fit >= best.fit - _NEARLY:
        chosen.append(next_best)
    return Answer(tuple(dict.fromkeys(c.sentence for c in chosen)), best.passage)


def _asking_parts(message: str) -> Iterator[str]:
    for sentence in _SENTENCE.findall(message):
        marked = sentence.endswith("?")
        clause = _CLAUSE.search(sentence)
        asks = marked or _OPENS_ASKING.match(sentence) or _INDIRECT.search(sentence) or "?" not in message
        if clause and asks:
            asked = sentence[clause.start() :]
            yield (asked if tokens(asked) else sentence).strip()
        elif marked:
            yield sentence.strip()


def _wanted(question: str, topic: Topic, retriever: Retriever) -> _Wanted:
    """What is asked: the parts that ask, where there are any; the rest of the message is around it.

    Where these parts hardly say anything ("My card broke. What now?"), the rest belongs to the question.
    """
    terms, least = retriever.terms, _LEAST * retriever.rarity("")
    asking = " ".join(questions_of(question)) or question
    beside = _weighed(terms(f"{question} {topic.beside}"))
    asked = {term.word: (term, weight) for term, weight in _weighed(terms(asking))}
    telling = sum(bool(term.meant) for term, _ in asked.values())
    if telling <= _TERSE:
        for term, weight in beside:
            if term.meant:
                asked.setdefault(term.word, (term, weight * (_BESIDE_TERSE if telling else 1.0)))
    before = _POINTED_AT if topic.goes_on else _BEFORE
    around: dict[str, tuple[Term, float]] = {}
    for words, share in ((beside, _BESIDE), (_weighed(topic.words), before)):
        for term, weight in words:
            if term.word not in asked:
                around.setdefault(term.word, (term, weight * share))
    kinds = tuple(given for wants, given in _KINDS if wants.search(asking))
    return _Wanted(tuple(asked.values()), tuple(around.values()), kinds, topic, least)


def _weighed(words: Iterable[Term]) -> list[tuple[Term, float]]:
    """Each term with its weight. A number that no document has tells nothing about what is asked."""
    return [(t, t.rarity * (1.0 if t.meant else _UNKNOWN)) for t in words if t.meant or not t.word[0].isdigit()]


def _candidates(rank: int, passage: Passage, wanted: _Wanted, retriever: Retriever) -> list[_Candidate]:
    """The sentences of a passage, each with how well it answers."""
    found: list[_Candidate] = []
    title = frozenset(tokens(passage.title))
    standing = wanted.standing(passage.document)
    cost = _UNASKED * wanted.unasked(retriever.terms(passage.title))
    for number, block in enumerate(("\n" + passage.text).split("\n## ")):
        heading, _, body = block.partition("\n")
        place = _Place(frozenset(tokens(body)), frozenset(tokens(heading)), title)
        for sentence in sentences(body):
            own = frozenset(tokens(sentence))
            asked = sum(weight * place.covers(term, own) for term, weight in wanted.asked) / wanted.weight
            around = sum(weight * place.covers(term, own) for term, weight in wanted.around) / wanted.weight
            kind = _RIGHT_KIND * any(pattern.search(sentence) for pattern in wanted.kinds)
            support = min(around, _MOST_AROUND) + kind + standing
            fit = asked + support - cost
            covered = asked + _SUPPORT * support if asked + around > 0 else 0.0
            found.append(_Candidate(fit, covered, (rank, number), len(found), sentence, passage))
    return found


def _best(candidates: Iterable[_Candidate]) -> _Candidate | None:
    return min(candidates, key=_rank, default=None)


def _rank(candidate: _Candidate) -> tuple[float, tuple[int, int], int]:
    """The best comes first; of equals, the one that the search found first."""
    return -candidate.fit, candidate.section, candidate.order
