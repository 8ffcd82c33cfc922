"""Looking things up: which words are searched for, and what is quoted."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace

from assay.registry.retrieval.search import Retriever
from assay.registry.retrieval.text import tokens
from assay.registry.types.trajectory import Passage
from assay.runner.agents.reference.answers import Answer, Topic, points_back, questions_of, select_answer

__all__ = ["Before", "LookUp", "goes_on", "hint_for", "is_question", "look_up"]

_GOES_ON = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|so|thanks|great|good|fine|cool|sweet|good to know)\W+)*"
    r"(?:and|plus|what about|how about|what if|also|but)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"^\W*(?:(?:and|so|ok|okay|but|then|hi|hello|hey|please)\W+)*(?:what|when|where|which|who|why|how|is|are|was|"
    r"do|does|did|can|could|will|would|may|should|until|wat|whats|hows)\b",
    re.IGNORECASE,
)
_TERSE = 2
"""A question of so few words that carry meaning says too little by itself."""


@dataclass(frozen=True)
class Before:
    """What a question may go on from: the request before, its intent, and the answer that was given."""

    request: str = ""
    intent: str = ""
    document: str = ""
    title: str = ""


@dataclass(frozen=True)
class LookUp:
    """The searches of a message in order, and the answer that was found in the end."""

    searches: tuple[tuple[str, tuple[Passage, ...]], ...]
    answers: tuple[Answer, ...]

    @property
    def answer(self) -> Answer | None:
        """The answers to all questions of the message as one; its passage is that of the last."""
        if not self.answers:
            return None
        quotes = dict.fromkeys(quote for answer in self.answers for quote in answer.quotes)
        return Answer(tuple(quotes), self.answers[-1].passage)

    @property
    def found_nothing(self) -> bool:
        return not any(passages for _, passages in self.searches)


def is_question(message: str) -> bool:
    """Whether the message asks something."""
    return "?" in message or bool(_ASKS.match(message))


def goes_on(message: str) -> bool:
    """Whether the message goes on from what was asked before."""
    return bool(_GOES_ON.match(message)) or points_back(message)


def hint_for(intent: str, question: str) -> str:
    """Words that a question of this intent leaves out: "when can I come by?" asks for opening hours."""
    if len(tokens(question)) > _TERSE:
        return ""
    if intent == "branch_information":
        return "address" if re.search(r"\bwhere\b", question, re.IGNORECASE) else "opening hours"
    return "fee" if intent == "fee_question" else ""


def look_up(message: str, before: Before, retriever: Retriever, date: dt.date, *, min_overlap: float) -> LookUp:
    """Search for each question of a message, by itself and with what it goes on from, and choose what answers it.

    Several questions of one message are answered one by one, each going on from the one before it.
    """
    searches: list[tuple[str, tuple[Passage, ...]]] = []
    answers: list[Answer] = []
    questions, beside = _questions(message)
    for question in questions:
        found = _search(question, beside, before, retriever, date)
        searches += [one for one in found if one not in searches]
        words = retriever.terms(_words_before(question, before))
        topic = Topic(beside, words, before.document, _leans(question, before))
        answer = select_answer(question, _merged(found), retriever, min_overlap=min_overlap, topic=topic)
        before = replace(before, request=question)
        if answer is not None:
            answers.append(answer)
            before = replace(before, document=answer.passage.document, title=answer.passage.title)
    return LookUp(tuple(searches), tuple(answers))


def _questions(message: str) -> tuple[tuple[str, ...], str]:
    """The questions of a message, and what else it says where there are several."""
    asking = questions_of(message)
    if len(asking) < 2:
        return (message,), ""
    rest = message
    for question in asking:
        rest = rest.replace(question, " ", 1)
    return asking, " ".join(rest.split())


def _leans(question: str, before: Before) -> bool:
    """Whether the question needs what was said before to be understood."""
    return bool(before.request) and (goes_on(question) or len(tokens(question)) <= _TERSE)


def _words_before(question: str, before: Before) -> str:
    hint = "" if before.request else hint_for(before.intent, question)
    return f"{hint} {before.request} {before.title}"


def _search(
    question: str, beside: str, before: Before, retriever: Retriever, date: dt.date
) -> list[tuple[str, tuple[Passage, ...]]]:
    """Search for the question as it stands, in the document that was quoted last, and with all that was said."""
    alone = f"{question} {beside}"
    queries = (alone, f"{question} {before.title}", f"{alone} {_words_before(question, before)}")
    distinct = dict.fromkeys(" ".join(query.split()) for query in queries)
    return [(query, retriever.search(query, date)) for query in distinct]


def _merged(searches: list[tuple[str, tuple[Passage, ...]]]) -> tuple[Passage, ...]:
    """The passages of several searches, each once, in the order in which they were found."""
    seen: dict[tuple[str, str], Passage] = {}
    for _, passages in searches:
        for passage in passages:
            seen.setdefault((passage.document, passage.text), passage)
    return tuple(seen.values())
