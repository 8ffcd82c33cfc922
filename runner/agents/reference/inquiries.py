"""Looking things up: which words are searched for, and what is quoted."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from assay.registry.retrieval.search import Retriever
from assay.registry.retrieval.text import tokens
from assay.registry.types.trajectory import Passage
from assay.runner.agents.reference.answers import Answer, points_back, select_answer

__all__ = ["LookUp", "goes_on", "hint_for", "is_question", "look_up"]

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
class LookUp:
    """The searches of one question in order, and the answer that was found in the end."""

    searches: tuple[tuple[str, tuple[Passage, ...]], ...]
    answer: Answer | None

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


def look_up(
    question: str, context: str, retriever: Retriever, date: dt.date, *, min_overlap: float, quoted: list[str]
) -> LookUp:
    """Search for the question by itself and, where `context` is given, together with it.

    A question that goes on from the one before is first read together with it.
    """
    alone, together = (question, ""), (f"{question} {context}".strip(), context)
    if not context:
        attempts = [alone]
    else:
        terse = goes_on(question) and len(tokens(question)) <= _TERSE
        attempts = [together, alone] if terse or points_back(question) else [alone, together]
    searches: list[tuple[str, tuple[Passage, ...]]] = []
    for query, around in attempts:
        passages = retriever.search(query, date)
        searches.append((query, passages))
        answer = select_answer(
            question, passages, retriever.rarity, min_overlap=min_overlap, context=around, quoted=quoted
        )
        if answer is not None:
            return LookUp(tuple(searches), answer)
    return LookUp(tuple(searches), None)
