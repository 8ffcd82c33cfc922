"""Whether what the agent tells customers rests on evidence. No language model is involved.

Each reply is taken apart into claims (`claims.split`). A claim may rest on passages retrieved in this turn
or an earlier one, results of tools, the customer's words, the instructions of a recording
(`trajectory.system`), the wording that the business approved, and what the agent said before that was itself
supported. Passages of internal and of superseded documents are no evidence. Nor is anything that only the
candidate brings along: its prompt, its copy of the knowledge, titles of passages and what it puts into calls are
on trial with it. What it says has to stand in the dataset's documents and approved wording.

A claim is judged by these rules, in order; the first that is broken gives the finding:

1. `unsupported_amount`, `unsupported_percentage`, `unsupported_date`, `unsupported_time`, `unsupported_duration`,
   `unsupported_identifier`, `unsupported_number`: a strict fact (`claims.facts`) that stands in no evidence and
   does not follow by arithmetic (`claims.arithmetic`). How the sentence is worded does not help.
   An amount that is written out as a sum has to add up, and a price given for one flight, order or account has to be
   that one's. A figure that only the customer named does not stand against a document that says the same with another.
   `unsupported_name`: a person's name of which a part stands in no evidence.
2. `unsupported_action`: the agent says in whatever sentence that something was done, and no tool call did it
   (`claims.actions`).
3. `wrong_source`: the case names the documents that answer the turn, and the claim's strict facts stand only
   in passages of other documents. An answer can be faithful to a passage that has nothing to do with the
   question, which is what poor retrieval makes of a good agent. A fact that the named documents state too
   is not flagged, whichever passage it was read from; nor is one that tools, the customer or the instructions
   supply. The same holds where the case is tagged as unanswerable (setting `unanswerable_tag`) and the turn
   names no document: then no document answers it.
4. `contradicted_claim`: a sentence or clause of the evidence says the same with the opposite polarity or the opposite
   word (`claims.contradiction`).
5. `unsupported_claim`: the claim's words are not in the evidence. Support is the best over the sources and over the
   two best read together: `claims.wording` ranks them and decides clear cases, `claims.model` the others. A claim
   whose strict facts all hold needs only a little of it: the facts are the message. Setting `check_wording: false`
   leaves this rule out, for agents that paraphrase freely; strict facts, actions and sources are still checked.

The threshold .3 is the operating point of both measures of support, chosen for the best balanced accuracy on the
files they were fitted on; docs/groundedness.md has the figures on files that they have not seen. A turn is hallucinated
where one claim in it is not supported, a conversation where one turn is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Annotated

from pydantic import Field

from assay.registry.digest import digest_of
from assay.registry.types.base import Frozen, Severity
from assay.registry.types.case import Case
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import Passage, Retrieval, Say, ToolCall, Trajectory
from assay.runner.scorers.base import Scorer
from assay.runner.scorers.claims.evidence import Source, text_source, tool_source
from assay.runner.scorers.claims.judge import RULES, Bench, Verdict, evidence_span
from assay.runner.scorers.claims.split import Claim, claims_of, sentences

__all__ = ["ClaimVerdict", "GroundednessScorer", "GroundednessSettings"]

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_HEADING = re.compile(r"^#+ .*$", re.MULTILINE)
_LOOSE = 0.5
"""A claim whose wording reaches this share of the threshold is a loose paraphrase rather than an invention."""


class GroundednessSettings(Frozen):
    """`support_threshold`: least support of a claim's wording. `unanswerable_tag`: tag of cases with turns that
    no document answers.
    """

    support_threshold: Annotated[float, Field(gt=0, lt=1)] = 0.3
    check_wording: bool = True
    unanswerable_tag: str = "unanswerable"


@dataclass
class _Tally:
    """Counts over one trajectory."""

    turns: int = 0
    bad_turns: int = 0
    claims: int = 0
    findings: list[Finding] = field(default_factory=list)


class ClaimVerdict(Frozen):
    """One claim, judged. `rule` is empty where the claim holds. `support`: of its wording, in [0, 1]; None where strict
    facts, actions or sources decided. `evidence`: the span it rests on, or the nearest one.
    """

    turn: int
    claim: str
    rule: str
    severity: Severity | None
    support: float | None
    evidence: str


class GroundednessScorer(Scorer):
    """Measures `hallucination_rate` (by turn) and `claim_support` (by claim)."""

    name = "groundedness"
    version = "4"
    Settings = GroundednessSettings
    settings: GroundednessSettings

    @property
    def identity(self) -> dict[str, object]:
        context = self.context
        return super().identity | {
            "documents": digest_of(context.documents),
            "approved_wording": digest_of(context.approved_wording),
            "internal_documents": sorted(context.internal_documents),
            "superseded_documents": sorted(context.superseded_documents),
        }

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (
            MetricSpec(
                name="hallucination_rate",
                kind="proportion",
                direction="lower_is_better",
                unit="turn",
                description="Agent turns with at least one unsupported claim, of agent turns with claims",
            ),
            MetricSpec(
                name="claim_support",
                kind="proportion",
                direction="higher_is_better",
                unit="claim",
                description="Claims of the agent that the evidence supports",
            ),
        )

    @property
    def rules(self) -> tuple[str, ...]:
        return RULES

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        tally = _Tally()
        for turn, judged in self._judged(case, trajectory):
            bad = [(claim, verdict) for claim, verdict in judged if verdict.rule]
            tally.turns += bool(judged)
            tally.bad_turns += bool(bad)
            tally.claims += len(judged)
            tally.findings += (
                _finding(turn, claim, verdict, self.settings.support_threshold) for claim, verdict in bad
            )
        if not tally.turns:
            nothing = Skipped(reason="the agent claims nothing in this conversation")
            return {"hallucination_rate": nothing, "claim_support": nothing}
        findings = tuple(tally.findings)
        held = tally.claims - len(findings)
        said = f"{held} of {tally.claims} claims in {tally.turns} turns are supported"
        return {
            "hallucination_rate": Score(value=tally.bad_turns, of=tally.turns, explanation=said, findings=findings),
            "claim_support": Score(value=held, of=tally.claims, explanation=said, findings=findings),
        }

    def verdicts(self, case: Case, trajectory: Trajectory) -> tuple[ClaimVerdict, ...]:
        """Every claim of the conversation in order, the supported ones too."""
        threshold = self.settings.support_threshold
        return tuple(
            ClaimVerdict(
                turn=turn,
                claim=claim.text,
                rule=verdict.rule,
                severity=severity_of(verdict, threshold) if verdict.rule else None,
                support=verdict.score,
                evidence=evidence_span(claim, verdict),
            )
            for turn, judged in self._judged(case, trajectory)
            for claim, verdict in judged
        )

    def _judged(self, case: Case, trajectory: Trajectory) -> Iterator[tuple[int, list[tuple[Claim, Verdict]]]]:
        """Each turn's index with its claims and their verdicts. Only what came before a sentence is evidence."""
        today = case.date
        bench = Bench(today, self._instructions(trajectory, today), self.settings.support_threshold)
        bench.check_wording = self.settings.check_wording
        named: dict[str, Source] = {}
        unanswerable = self.settings.unanswerable_tag in case.tags
        for turn in trajectory.turns:
            if turn.index <= len(case.turns):
                wanted = case.turns[turn.index - 1].expect.supporting_documents
                named.update((d, s) for d in wanted for s in self._document(d, today))
                bench.expect_documents(tuple(wanted), tuple(named.values()), none=unanswerable and not wanted)
            bench.add(text_source("customer", f"customer, turn {turn.index}", turn.customer, today))
            judged: list[tuple[Claim, Verdict]] = []
            for event in turn.events:
                if isinstance(event, Say):
                    judged += bench.judge(claims_of(event.text, today), f"agent, turn {turn.index}")
                elif isinstance(event, ToolCall):
                    bench.add_call(event, tool_source(event, today))
                elif isinstance(event, Retrieval):
                    for source in self._passages(event, today):
                        bench.add(source)
            yield turn.index, bench.reviewed(judged)

    def _instructions(self, trajectory: Trajectory, today: dt.date) -> tuple[Source, ...]:
        """The approved wording and a recording's instructions, by paragraph, so that words from afar don't add up."""
        return instruction_sources(self.context.approved_wording, trajectory.system, today)

    def _document(self, document: str, today: dt.date) -> Iterator[Source]:
        text = self.context.documents.get(document)
        if text is not None:
            yield text_source("passage", document, _FRONT_MATTER.sub("", text), today, document)

    def _genuine(self, passage: Passage) -> str:
        """The sentences of a passage that the dataset's own documents have too; all of it where it brings none.

        The knowledge that a candidate searches is on trial with it: what only the candidate's copy says is no
        evidence. Nor is a title, which nothing holds to the documents.
        """
        if not self.context.documents:
            return passage.text
        return _confirmed(passage.text, self._known)

    @cached_property
    def _known(self) -> str:
        return "\n".join(_flat(text) for text in self.context.documents.values())

    def _passages(self, event: Retrieval, today: dt.date) -> Iterator[Source]:
        banned = (*self.context.internal_documents, *self.context.superseded_documents)
        for passage in event.passages:
            if passage.audience == "public" and passage.document not in banned:
                yield text_source("passage", passage.document, self._genuine(passage), today, passage.document)


@lru_cache(maxsize=256)
def instruction_sources(wording: str, system: str, today: dt.date) -> tuple[Source, ...]:
    """A source for each paragraph of the approved wording (headings and placeholders apart) and of the instructions."""
    plain = _PLACEHOLDER.sub(" ", _HEADING.sub("", wording))
    told = [text_source("wording", "approved wording", part, today) for part in _paragraphs(plain)]
    return (*told, *(text_source("system", "instructions", part, today) for part in _paragraphs(system)))


@lru_cache(maxsize=4096)
def _confirmed(text: str, known: str) -> str:
    """The sentences of a text that stand in what is `known`."""
    return " ".join(sentence for sentence in sentences(text) if _flat(sentence) in known)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def severity_of(verdict: Verdict, threshold: float) -> Severity:
    """A wrong fact, action, source or opposite is high; unsupported wording is medium, and low where it comes near."""
    if verdict.rule != "unsupported_claim":
        return Severity.HIGH
    near = verdict.score is not None and verdict.score >= _LOOSE * threshold
    return Severity.LOW if near else Severity.MEDIUM


def _finding(turn: int, claim: Claim, verdict: Verdict, threshold: float) -> Finding:
    return Finding(
        rule=verdict.rule,
        severity=severity_of(verdict, threshold),
        message=verdict.message,
        turn=turn,
        quote=claim.text,
        evidence=verdict.evidence,
    )
