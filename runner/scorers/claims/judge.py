"""One claim after another, before the evidence that was there when it was made."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from assay.registry.phrases import normalise
from assay.registry.types.trajectory import ToolCall
from assay.runner.scorers.claims.actions import Action, performed, refused
from assay.runner.scorers.claims.acts import PARTICIPLES, flag_words
from assay.runner.scorers.claims.arithmetic import amount_follows, broken_equation, date_follows, speaks_of_result
from assay.runner.scorers.claims.contradiction import denial, lines_of, opposed, restated
from assay.runner.scorers.claims.evidence import Source, arguments_index, text_source
from assay.runner.scorers.claims.facts import Fact, facts_of
from assay.runner.scorers.claims.model import calibrated_support
from assay.runner.scorers.claims.split import Claim
from assay.runner.scorers.claims.wording import content_words, merged, support, wording_of

__all__ = ["RULES", "Bench", "Verdict", "evidence_span"]

_FACT_RULES = {
    "amount": "unsupported_amount",
    "percent": "unsupported_percentage",
    "date": "unsupported_date",
    "month": "unsupported_date",
    "weekday": "unsupported_date",
    "time": "unsupported_time",
    "duration": "unsupported_duration",
    "identifier": "unsupported_identifier",
    "number": "unsupported_number",
}
_OF_RULES = ("amount", "percent", "duration", "time")
"""Figures of a rule or a price, which a customer who names them does not make true."""
RULES = (
    *dict.fromkeys(_FACT_RULES.values()),
    "unsupported_name",
    "unsupported_action",
    "wrong_source",
    "contradicted_claim",
    "unsupported_claim",
)

_VERBATIM = 0.9
_FEW = 12
_EXCERPT = 240
_ACT_WORDS = content_words(f"{' '.join(PARTICIPLES)} i've we've successfully now already")
_MOST_BESIDE = 2
"""So many words that no evidence has may stand beside an act that was done."""
_CENT = 0.005
_SURE = 0.95
_PRICE = re.compile(
    r"\b(?:price|fare|cost|fee|economy|business)\b(?: price| fare)?(?: is| of)?[\s:*]*\$", re.IGNORECASE
)
_PERSON = re.compile(
    r"\b(?:(?:Mr|Mrs|Ms|Dr)\.?|named|name is|name:|passengers?:?|holder:?|advis[eo]r|manager|beneficiary|payee)\s+"
    r"(?P<name>[A-Z][a-z]+(?:[ -][A-Z][a-z]+)*)\b(?!:)"
)
_MONEY_WORDS = content_words(
    "total cost price fare payment pay card credit amount passenger flight reservation ticket fee charge user book "
    "dollar new each per method use one proceed confirm provide customer agent order account"
)
"""Words that every talk of money has: they do not tell which rule a claim applies."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` is empty where the claim holds. `sources` are what it rests on."""

    rule: str = ""
    message: str = ""
    evidence: str = ""
    sources: tuple[Source, ...] = ()
    score: float | None = None
    """Support of the wording in [0, 1]; None where something strict decided."""


class Bench:
    """The evidence of a conversation so far, and the judgement of claims on it.

    Args:
        instructions: what the agent was told to do and say; evidence from the first turn on.
        threshold: least support of a claim's wording, in (0, 1).
    """

    def __init__(self, today: dt.date, instructions: Sequence[Source], threshold: float) -> None:
        self.check_wording = True
        self._today = today
        self._threshold = threshold
        self._sources = list(instructions)
        self._approved = [source for source in instructions if source.kind == "wording"]
        self._approved_grams = _grams_of(tuple(source.text for source in self._approved))
        self._seen: set[tuple[str, str]] = set()
        self._calls: list[ToolCall] = []
        self._stated: list[float] = []
        self._subject: frozenset[object] = frozenset()
        self._priced = False
        self._known_words: frozenset[str] = frozenset()
        self._read = 0
        self._wanted: tuple[str, ...] = ()
        self._named: tuple[Source, ...] = ()
        self._no_answer = False

    def add(self, source: Source) -> None:
        """Admit a source; one that is already there is not admitted twice."""
        if (source.name, source.text) not in self._seen:
            self._seen.add((source.name, source.text))
            self._sources.append(source)

    def add_call(self, call: ToolCall, source: Source) -> None:
        """Admit a tool call."""
        self._calls.append(call)
        self.add(source)

    def expect_documents(self, wanted: tuple[str, ...], named: tuple[Source, ...], *, none: bool) -> None:
        """Set which documents answer the turn, the texts of all those named so far, and whether none answers it."""
        self._wanted, self._named, self._no_answer = wanted, named, none

    def judge(self, claims: Sequence[Claim], speaker: str) -> list[tuple[Claim, Verdict]]:
        """The claims of one message with their verdicts; those that hold become evidence for later ones."""
        judged: list[tuple[Claim, Verdict]] = []
        self._subject, self._priced = frozenset(), False
        for claim in claims:
            self._turn_to(claim)
            if not self._is_approved(claim):
                verdict = self._verdict(claim)
                judged.append((claim, verdict))
                if not verdict.rule:
                    self._stated += (f.value / 100 for f in claim.facts if f.kind == "amount")  # type: ignore[operator]
        held = [claim.text for claim, verdict in judged if not verdict.rule]
        if held:
            self.add(text_source("agent", speaker, "\n".join(held), self._today))
        return judged

    def reviewed(self, judged: Sequence[tuple[Claim, Verdict]]) -> list[tuple[Claim, Verdict]]:
        """The turn as a whole: where nothing in it rests on the documents named for it, claims that rest on
        other documents alone, and that the named ones do not make, answer another question.
        """
        if not self._wanted or not self._named or any(self._is_named(v) for _, v in judged):
            return list(judged)
        return [(claim, self._misplaced(claim, verdict)) for claim, verdict in judged]

    def _is_named(self, verdict: Verdict) -> bool:
        return any(source.document in self._wanted for source in verdict.sources)

    def _misplaced(self, claim: Claim, verdict: Verdict) -> Verdict:
        if verdict.rule or not verdict.sources or any(source.document is None for source in verdict.sources):
            return verdict
        if support(claim.wording, merged(source.wording for source in self._named)) >= self._threshold:
            return verdict
        return _wrong_source(verdict.sources, self._wanted)

    def _is_approved(self, claim: Claim) -> bool:
        """Whether the sentence is approved wording, which claims nothing the agent could have made up but an act."""
        shared = len(claim.wording.grams & self._approved_grams)
        if claim.actions or shared < _VERBATIM * len(claim.wording.grams) or denial(claim, self._approved):
            return False
        for source in self._approved:
            shared = len(claim.wording.grams & source.wording.grams)
            if shared >= _VERBATIM * len(claim.wording.grams) and all(source.facts.has(f) for f in claim.facts):
                return True
        return False

    def _verdict(self, claim: Claim) -> Verdict:
        bearing: dict[int, Source] = {}
        for fact in claim.facts:
            holders = [source for source in self._sources if source.facts.has(fact)]
            if not holders and not self._made_with(fact, claim) and not self._follows(fact, claim):
                rule = _FACT_RULES[fact.kind]
                return Verdict(rule, f"{fact.text!r} stands in no evidence", self._closest(claim))
            other = self._only_heard(fact, claim, holders)
            if other is not None:
                return Verdict(_FACT_RULES[fact.kind], f"the documents do not say {fact.text!r}", other)
            bearing.update((id(source), source) for source in holders)
        misread = self._of_another_record(claim)
        if misread is not None:
            return misread
        broken = broken_equation(claim.text)
        if broken is not None:
            return Verdict("unsupported_amount", f"{broken!r} does not add up", self._closest(claim))
        stranger = self._unknown_name(claim)
        if stranger is not None:
            message = f"the name {stranger!r} stands in no evidence"
            return Verdict("unsupported_name", message, self._closest(claim))
        undone = self._not_performed(claim)
        if undone is not None:
            return Verdict("unsupported_action", f"no tool call did this ({undone.act})", self._closest(claim))
        wrong = self._from_wrong_source(claim)
        if wrong is not None:
            return wrong
        if claim.facts_only or self._tells_only_acts(claim):
            return Verdict(sources=tuple(bearing.values()))
        return self._by_wording(claim, tuple(bearing.values()))

    def _not_performed(self, claim: Claim) -> Action | None:
        """The first act that the claim says is done and no call did. A sentence of a document that tells what was done
        may be quoted; that the agent did it may not.
        """
        quoted = any(not action.own for action in claim.actions) and self._is_quoted(claim)
        for action in claim.actions:
            held = (quoted and not action.own) or (action.heard and self._was_told(action))
            if not held and not performed(action, self._calls):
                return action
        return None

    def _was_told(self, action: Action) -> bool:
        """Whether the customer has told of the act as done."""
        return any(s.kind == "customer" and flag_words(action.act, s.text) for s in self._sources)

    def _only_heard(self, fact: Fact, claim: Claim, holders: Sequence[Source]) -> str | None:
        """What a document says instead, where a figure that only the customer named is passed off as the document's."""
        if claim.facts_only or fact.kind not in _OF_RULES or not holders:
            return None
        if any(source.kind != "customer" for source in holders):
            return None
        return restated(claim, fact, self._sources, self._today)

    def _made_with(self, fact: Fact, claim: Claim) -> bool:
        """Whether a call that did an act of the claim was made with the fact: "I've issued a $200 certificate"."""
        did = (c for c in self._calls if not refused(c) and any(performed(act, [c]) for act in claim.actions))
        return any(arguments_index(call, self._today).has(fact) for call in did)

    def _tells_only_acts(self, claim: Claim) -> bool:
        """Whether a sentence says hardly more than the acts, which were done, as "I've blocked your card" does."""
        return bool(claim.actions) and len(claim.wording.words - self._vocabulary() - _ACT_WORDS) <= _MOST_BESIDE

    def _is_quoted(self, claim: Claim) -> bool:
        return any(s.document is not None and normalise(claim.text) in normalise(s.text) for s in self._sources)

    def _unknown_name(self, claim: Claim) -> str | None:
        """The first name of a person, after a title or a word such as "passenger", with a part that no evidence has.

        Names of places are left alone: that LAS is Las Vegas is no invention, and no list here knows it.
        """
        for match in _PERSON.finditer(claim.text):
            if content_words(match["name"]) - self._vocabulary():
                return match["name"]
        return None

    def _vocabulary(self) -> frozenset[str]:
        """The content words of all evidence so far."""
        if self._read < len(self._sources):
            new = (source.wording.words for source in self._sources[self._read :])
            self._known_words = self._known_words.union(*new)
            self._read = len(self._sources)
        return self._known_words

    def _turn_to(self, claim: Claim) -> None:
        """Note which identifiers the lines that follow speak of: those named since the last amount."""
        named = frozenset(f.value for f in claim.facts if f.kind == "identifier")
        if named:
            self._subject = named if self._priced else self._subject | named
            self._priced = False
        self._priced = self._priced or any(f.kind == "amount" for f in claim.facts)

    def _of_another_record(self, claim: Claim) -> Verdict | None:
        """A verdict where a line such as "Price: $120" stands below "Flight HAT017", and no object of a tool result
        that carries this identifier has the amount, though such objects have money. Where several are named before
        the line, its price may be that of all of them together.
        """
        amounts = [fact for fact in claim.facts if fact.kind == "amount" and not fact.rough]
        if not amounts or len(self._subject) != 1 or not _PRICE.search(claim.text) or speaks_of_result(claim.text):
            return None
        own = [money for source in self._sources for ids, money in source.records if ids & self._subject]
        for fact in amounts if own else ():
            value = fact.value / 100  # type: ignore[operator]
            if not any(abs(value - abs(n)) < _CENT for money in own for n in money):
                named = ", ".join(sorted(str(name) for name in self._subject))
                return Verdict("unsupported_amount", f"{fact.text!r} is no amount of {named}", self._closest(claim))
        return None

    def _follows(self, fact: Fact, claim: Claim) -> bool:
        """Whether the fact follows from the evidence, or from the rest of the claim, by arithmetic."""
        if fact.kind == "weekday":
            dates = (_as_date(f, self._today) for f in claim.facts if f.kind == "date")
            return any(date is not None and date.weekday() == fact.value for date in dates)
        if fact.kind in ("amount", "number"):
            return speaks_of_result(claim.text) and self._adds_up(fact, claim)
        date = _as_date(fact, self._today) if fact.kind == "date" else None
        return date is not None and self._date_follows(date, claim)

    def _adds_up(self, fact: Fact, claim: Claim) -> bool:
        """Whether an amount, or a count such as bags times passengers, can be worked out."""
        if fact.kind == "number":
            parts = (Fact("number", float(fact.value) / count, "") for count in range(2, 7))  # type: ignore[arg-type]
            return any(source.facts.has(part) for part in parts for source in self._sources)
        counts = self._counts(claim)
        beside = [f.value / 100 for f in claim.facts if f.kind == "amount" and f.value != fact.value]  # type: ignore[operator]
        return amount_follows(fact.value / 100, [*self._stated, *beside], self._given(claim), counts, claim.text)  # type: ignore[operator]

    def _counts(self, claim: Claim) -> set[int]:
        """How many times something may be taken: counts in the claim and of people or things in tool results."""
        said = (f.value for f in claim.facts if f.kind == "number")
        small = {int(n) for n in said if isinstance(n, float) and n.is_integer() and 2 <= n <= 9}
        return small.union(*(source.counts for source in self._sources))

    def _given(self, claim: Claim) -> list[float]:
        """Amounts that the agent may reckon with: all of a few, else only totals and what was said."""
        said = [v / 100 for s in self._sources for v in s.facts.values("amount") if s.kind == "customer"]  # type: ignore[operator]
        rules = (s for s in self._sources if s.kind in ("system", "wording"))
        ruled = [n for s in rules for n in _applied(s.text, claim, self._today)]
        numbers = [n for source in self._sources for n in source.amounts]
        few = numbers if len(set(numbers)) <= _FEW else []
        return [*said, *ruled, *few, *(n for source in self._sources for n in source.totals)]

    def _date_follows(self, date: dt.date, claim: Claim) -> bool:
        asked = (v for s in self._sources if s.kind == "customer" for v in s.facts.values("duration"))
        counts = [*(f.value for f in claim.facts if f.kind == "duration"), *asked]
        others = (_as_date(f, self._today) for f in claim.facts if f.kind == "date")
        anchors = [self._today, *(d for d in others if d is not None and d != date)]
        return date_follows(date, anchors, [n / 24 for base, n in counts if base == "hour"])  # type: ignore[misc]

    def _from_wrong_source(self, claim: Claim) -> Verdict | None:
        """A verdict where some fact of the claim stands only in passages that do not answer the turn."""
        if not (self._no_answer or (self._wanted and self._named)):
            return None
        for fact in claim.facts:
            holders = [s for s in (*self._sources, *self._named) if s.facts.has(fact)]
            named = {source.document for source in self._named}
            if holders and all(s.document is not None and s.document not in named for s in holders):
                return _wrong_source(tuple(holders), self._wanted)
        return None

    def _by_wording(self, claim: Claim, bearing: tuple[Source, ...]) -> Verdict:
        ranked = sorted(self._sources, key=lambda s: support(claim.wording, s.wording), reverse=True)[:2]
        best = ranked[:1]
        reached = self._support(claim, best)
        if claim.facts and self._is_about(claim, bearing):
            return self._unless_denied(claim, best, bearing, reached)
        threshold = self._threshold
        if reached < threshold and ranked:
            best = list({id(s): s for s in (*ranked, *bearing)}.values())
            reached = self._support(claim, best)
        if self.check_wording and reached < threshold:
            message = f"the evidence does not say this (support {reached:.2f}, needed {threshold:.2f})"
            return Verdict("unsupported_claim", message, _excerpt(best, claim), score=reached)
        return self._unless_denied(claim, best, bearing, reached)

    def _support(self, claim: Claim, sources: Sequence[Source]) -> float:
        """How far the sources, read together, support the claim's wording: the quick measure where it is sure, where
        wording decides nothing, and for tool results, which are no sentences; else the model.
        """
        if not sources:
            return 0.0
        quick = support(claim.wording, merged(source.wording for source in sources))
        if not self.check_wording or quick >= _SURE or quick < 1 - _SURE:
            return quick
        prose = "\n".join(source.text for source in sources if source.kind != "tool")
        weighed = calibrated_support(claim.text, prose) if prose else 0.0
        return max(quick, weighed) if any(source.kind == "tool" for source in sources) else weighed

    def _is_about(self, claim: Claim, bearing: tuple[Source, ...]) -> bool:
        """Whether a claim whose facts all hold speaks of what its sources speak of.

        The facts are the message, so a third of the words is enough; for a fact that a tool gave (whose result has
        hardly any words), the customer gave, or that was worked out, none is needed.
        """
        if not bearing or any(source.document is None for source in bearing):
            return True
        known = merged(source.wording for source in (*bearing, *self._approved)).words
        return len(claim.wording.words & known) >= len(claim.wording.words) / 3

    def _unless_denied(self, claim: Claim, best: Sequence[Source], bearing: Sequence[Source], score: float) -> Verdict:
        denied = None
        if not self._is_quoted(claim):
            denied = denial(claim, (*best, *self._approved)) or opposed(claim, self._sources)
        if denied is not None:
            return Verdict("contradicted_claim", "the evidence says the opposite", denied, score=score)
        rests_on = tuple({id(s): s for s in (*best, *bearing)}.values())
        if self._no_answer and all(s.document is not None for s in rests_on):
            return _wrong_source(rests_on, ())
        return Verdict(sources=rests_on, score=score)

    def _closest(self, claim: Claim) -> str:
        return _excerpt(sorted(self._sources, key=lambda s: support(claim.wording, s.wording), reverse=True)[:1], claim)


@lru_cache(maxsize=64)
def _grams_of(texts: tuple[str, ...]) -> frozenset[str]:
    """The character 4-grams of several texts; approved wording is the same in every conversation."""
    return merged(map(wording_of, texts)).grams


def _applied(text: str, claim: Claim, today: dt.date) -> Iterator[float]:
    """The amounts of those sentences of a rule that speak of what the claim speaks of: a bag's fee is no part of
    a total that mentions no bag.
    """
    for sentence, words, _ in lines_of(text):
        if ("$" in sentence or "dollar" in sentence) and claim.wording.words & words - _MONEY_WORDS:
            yield from (f.value / 100 for f in facts_of(sentence, today) if f.kind == "amount")  # type: ignore[operator]


def _wrong_source(sources: Sequence[Source], wanted: Sequence[str]) -> Verdict:
    used = ", ".join(sorted({source.name for source in sources}))
    right = f"the answer stands in {', '.join(wanted)}" if wanted else "no document answers the question"
    return Verdict("wrong_source", f"taken from {used}; {right}", _excerpt(sources), tuple(sources))


def _excerpt(sources: Sequence[Source], claim: Claim | None = None) -> str:
    """What the sources say that is nearest to the claim; how they begin where there is no such sentence."""
    return " / ".join(f"{source.name}: {_span(source, claim)[:_EXCERPT]}" for source in sources[:2])


def evidence_span(claim: Claim, verdict: Verdict) -> str:
    """What a claim rests on, or what comes nearest to it where it rests on nothing."""
    return verdict.evidence or _excerpt(verdict.sources, claim)


def _span(source: Source, claim: Claim | None) -> str:
    lines = lines_of(source.text) if claim is not None and source.kind != "tool" else ()
    best = max(lines, key=lambda line: len(line[1] & claim.wording.words), default=None) if claim is not None else None
    if best is None or claim is None or not best[1] & claim.wording.words:
        return " ".join(source.text.split())
    return " ".join(best[0].split())


def _as_date(fact: Fact, today: dt.date) -> dt.date | None:
    year, month, day = fact.value  # type: ignore[misc]
    try:
        return dt.date(year or today.year, month, day)  # type: ignore[arg-type]
    except ValueError:
        return None
