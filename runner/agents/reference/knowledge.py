"""Answering from the knowledge base."""

from __future__ import annotations

import datetime as dt
import re

from assay.registry.types.trajectory import Passage
from assay.runner.agents.reference.answers import Answer
from assay.runner.agents.reference.desk import KNOWLEDGE, Desk
from assay.runner.agents.reference.equipment import Equipment
from assay.runner.agents.reference.inquiries import Before, LookUp, look_up
from assay.runner.agents.reference.memory import Memory

__all__ = ["Knowledge"]

_FEE_WORDS = re.compile(r"\b(?:fee|fees|cost|costs|charge|charged|charges|free of charge|price)\b", re.IGNORECASE)


class Knowledge:
    """The part of the agent that searches and quotes."""

    def __init__(self, equipment: Equipment, memory: Memory, date: dt.date) -> None:
        self._with = equipment
        self._memory = memory
        self._date = date
        self._looked_up: tuple[str, LookUp] | None = None
        self._last: Passage | None = None
        """Where the last answer came from: a question may go on from there."""

    @property
    def available(self) -> bool:
        """Whether the bundle lets this part search."""
        return self._with.roles.may_search(KNOWLEDGE)

    def begin_turn(self) -> None:
        """Forget what was looked up in the turn before."""
        self._looked_up = None

    def gather(self, query: str, desk: Desk) -> None:
        """Search for what bears on a request that goes to a person."""
        if self.available:
            self.record(query, self._with.retriever.search(query, self._date), desk)

    def answered(self, question: str, context: str, desk: Desk) -> bool:
        """Answer from the knowledge base if it has something that fits; says nothing otherwise."""
        if not self.available:
            return False
        found = self.look_up(question, context, desk)
        if found.answer is None:
            return False
        self._memory.misunderstandings = 0
        self._memory.request = f"{context} {question}".strip()
        self.quote(found.answer, desk)
        return True

    def look_up(self, question: str, context: str, desk: Desk) -> LookUp:
        """Each question is looked up once a turn."""
        if self._looked_up is not None and self._looked_up[0] == question:
            return self._looked_up[1]
        found = look_up(
            question,
            self._before(context),
            self._with.retriever,
            self._date,
            min_overlap=self._with.settings.min_overlap,
        )
        for query, passages in found.searches:
            self.record(query, passages, desk)
        self._looked_up = (question, found)
        return found

    def _before(self, context: str) -> Before:
        """What a question may go on from: the request before it, and the document that was quoted last."""
        last, memory = self._last, self._memory
        if last is None:
            return Before(context, memory.intent or "")
        return Before(context, memory.intent or "", last.document, last.title)

    def quote(self, answer: Answer, desk: Desk) -> None:
        """Say the answer, with the disclosure that goes with fees."""
        prompt = self._with.prompt
        self._last = answer.passage
        desk.say(prompt.render("answer", quote=answer.text, title=answer.passage.title), KNOWLEDGE)
        if "$" in answer.text and (self._memory.intent == "fee_question" or _FEE_WORDS.search(answer.text)):
            desk.say(prompt.render("disclosure_fees"), KNOWLEDGE)

    def record(self, query: str, passages: tuple[Passage, ...], desk: Desk) -> None:
        """Record a search and remember the documents that it showed."""
        desk.found(query, passages)
        for passage in passages:
            if passage.document not in self._memory.documents:
                self._memory.documents.append(passage.document)
