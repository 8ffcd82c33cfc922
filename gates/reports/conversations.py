"""Conversations as a reviewer reads them: turn by turn, each finding beside the turn it is about.

The result is plain JSON values. The page embeds them as data and builds the text from them with
`textContent` when a conversation is opened, so that a thousand conversations stay light.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from assay.gates.reports.figures import counted, label
from assay.gates.reports.handoffs import handoff_rows, handoff_sentences
from assay.gates.reports.status import CaseStatus, Status, TrialStatus, Violation
from assay.gates.reports.text import Presenter
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case, TurnExpectation
from assay.registry.types.score import Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    Outcome,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    Triage,
    TurnRecord,
)

__all__ = ["ConversationView", "Evidence", "conversation_view"]

_HEADLINE_FINDINGS = 3


@dataclass(frozen=True)
class Evidence:
    """Where the texts of the conversations come from. Trajectories are found by (case id, trial).

    `strings` collects the passages of all conversations, so that each is embedded once.
    """

    presenter: Presenter
    cases: Mapping[str, Case]
    candidate: Mapping[tuple[str, int], Trajectory]
    champion: Mapping[tuple[str, int], Trajectory]
    champion_status: Mapping[str, Status]
    strings: dict[str, int] = field(default_factory=dict[str, int])

    def intern(self, text: str) -> int:
        """The number of a text that may stand in many conversations."""
        return self.strings.setdefault(text, len(self.strings))


@dataclass(frozen=True)
class ConversationView:
    """A conversation in the list of the report. `body` is what opens below it."""

    case_id: str
    status: Status
    blocks: tuple[str, ...]
    facts: tuple[str, ...]
    failing: tuple[str, ...]
    findings: tuple[str, ...]
    more_findings: int
    champion: str
    slices: tuple[str, ...]
    body: dict[str, JsonValue]

    @property
    def anchor(self) -> str:
        return f"case-{self.case_id}"


def conversation_view(case: CaseStatus, evidence: Evidence) -> ConversationView:
    """All there is to show about one case of a run."""
    golden = evidence.cases.get(case.case_id)
    show = evidence.presenter.of(golden.customer if golden else None)
    lines = tuple(_finding_line(violation, show) for violation in case.violations)
    trials: list[JsonValue] = [_trial(trial, golden, evidence, show, len(case.trials)) for trial in case.trials]
    return ConversationView(
        case_id=case.case_id,
        status=case.status,
        blocks=case.blocked_checks,
        facts=_facts(case.attributes),
        failing=tuple(label(metric) for metric in case.failing),
        findings=lines[:_HEADLINE_FINDINGS],
        more_findings=max(0, len(lines) - _HEADLINE_FINDINGS),
        champion=_against_champion(case, evidence),
        slices=tuple(f"{key}={value}" for key, values in case.attributes.items() for value in values),
        body={"trials": trials},
    )


def _facts(attributes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    shown = (("intent", ""), ("risk_tier", " risk"), ("autonomy", " autonomy"))
    return tuple(f"{label(value)}{suffix}" for key, suffix in shown for value in attributes.get(key, ()))


def _against_champion(case: CaseStatus, evidence: Evidence) -> str:
    """`regressed`, `improved`, `same` or nothing where the champion was not measured on the case."""
    champion = evidence.champion_status.get(case.case_id)
    if champion is None or champion in {Status.MISSING, Status.UNMEASURED}:
        return ""
    before, now = champion is Status.PASSED, case.status is Status.PASSED
    return "same" if before == now else "improved" if now else "regressed"


def _finding_line(violation: Violation, show: Presenter) -> str:
    finding = violation.finding
    where = f"Turn {finding.turn}: " if finding.turn else ""
    return f"{where}{show.text(finding.message, 300)}"


def _trial(
    trial: TrialStatus, golden: Case | None, evidence: Evidence, show: Presenter, trials: int
) -> dict[str, JsonValue]:
    unit = trial.unit
    trajectory = evidence.candidate.get((unit.case_id, unit.trial))
    champion = evidence.champion.get((unit.case_id, unit.trial))
    script = golden
    if trajectory and trajectory.mode == "simulated":  # customers of their own: no turn of it is one of the case's
        script = champion = None
    turns: tuple[TurnRecord, ...] = trajectory.turns if trajectory else ()
    shown = {turn.index for turn in turns}
    loose = [v for v in trial.violations if v.finding.turn not in shown]
    return {
        "title": f"Trial {unit.trial + 1} of {trials}" if trials > 1 else "",
        "status": trial.status.value,
        "words": trial.status.words,
        "notes": [*_notes(trial, trajectory, golden, script, show)],
        "findings": [_finding(v, show) for v in loose],
        "expected": [*(handoff_sentences(golden, trajectory, show) if golden else ())],
        "packet": handoff_rows(golden, trajectory, show),
        "turns": [_turn(turn, trial.violations, script, champion, evidence, show) for turn in turns],
        "scores": [
            _score_row(record.metric, record.result, record.metric in trial.failing, show) for record in trial.records
        ],
    }


def _notes(
    trial: TrialStatus, trajectory: Trajectory | None, golden: Case | None, script: Case | None, show: Presenter
) -> Iterable[str]:
    unit = trial.unit
    if unit.outcome is None:
        yield "This trial was planned but never run. It counts as not measured."
    elif trajectory is None:
        yield "The trial was run, but its text was not handed to this report."
    if trial.status is Status.ERRORED and unit.outcome is not None:
        error = f": {show.text(unit.error, 600)}" if unit.error else ""
        stop = "" if error.endswith((".", "!", "?", "…")) else "."
        yield f"The trial ended with {label(unit.outcome.value)}{error}{stop} {_counts(unit.outcome)}"
    if golden is None:
        yield "The golden conversation was not handed to this report, so nothing expected can be shown."
    if trajectory and trajectory.case_digest != unit.case_digest:
        yield "The text below was made for another version of this golden conversation than the one that was planned."
    if trajectory and script and len(trajectory.turns) < len(script.turns):
        of = counted(len(script.turns), "customer turn")
        yield f"The conversation ended after {len(trajectory.turns)} of {of}."


def _counts(outcome: Outcome) -> str:
    if outcome is Outcome.SIMULATOR_ERROR:
        return "The simulated customer failed, so nothing was measured of the agent."
    return "It counts at the worst value in every metric."


def _finding(violation: Violation, show: Presenter) -> dict[str, JsonValue]:
    finding = violation.finding
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "message": show.text(finding.message),
        "clause": show.text(finding.clause),
        "quote": show.text(finding.quote),
        "evidence": show.text(finding.evidence),
        "metrics": [label(metric) for metric in violation.metrics],
    }


def _score_row(metric: str, result: Score | Skipped | ScorerFailure, failing: bool, show: Presenter) -> list[JsonValue]:
    if isinstance(result, Skipped):
        return [label(metric), "skipped", "not applicable", show.text(result.reason, 600)]
    if isinstance(result, ScorerFailure):
        return [label(metric), "unmeasured", "could not be measured", show.text(result.error, 600)]
    value = f"{result.value:g} of {result.of}" if float(result.value).is_integer() else f"{result.value:.3f}"
    return [label(metric), "failed" if failing else "passed", value, show.text(result.explanation, 600)]


def _turn(
    turn: TurnRecord,
    violations: Iterable[Violation],
    golden: Case | None,
    champion: Trajectory | None,
    evidence: Evidence,
    show: Presenter,
) -> dict[str, JsonValue]:
    expectation = golden.turns[turn.index - 1].expect if golden and turn.index <= len(golden.turns) else None
    return {
        "index": turn.index,
        "customer": show.text(turn.customer),
        "events": [_event(event, evidence, show) for event in turn.events],
        "findings": [_finding(v, show) for v in violations if v.finding.turn == turn.index],
        "expected": [*(_turn_expectations(expectation, show) if expectation else ())],
        "champion": _champion_turn(turn, champion, show),
    }


def _event(event: AgentEvent, evidence: Evidence, show: Presenter) -> dict[str, JsonValue]:
    head: dict[str, JsonValue] = {"type": event.type, "role": show.text(label(event.role), 80)}
    if isinstance(event, Say):
        return {**head, "text": show.text(event.text)}
    if isinstance(event, Triage):
        signals: list[JsonValue] = [show.text(label(signal), 80) for signal in event.signals]
        return {
            **head,
            "intent": show.text(label(event.intent), 200),
            "confidence": f"{event.confidence:.2f}",
            "signals": signals,
        }
    if isinstance(event, Retrieval):
        return {**head, "query": show.text(event.query), "passages": _passages(event, evidence, show)}
    if isinstance(event, ToolCall):
        return {**head, **_tool_call(event, show)}
    return {**head, "text": _handoff_sentence(event, show)}


def _passages(event: Retrieval, evidence: Evidence, show: Presenter) -> list[JsonValue]:
    return [
        {
            "document": passage.document,
            "title": show.text(passage.title, 200),
            "version": show.text(passage.version, 40),
            "score": f"{passage.score:.2f}",
            "internal": passage.audience == "internal",
            "text": evidence.intern(show.text(passage.text)),
        }
        for passage in event.passages
    ]


def _tool_call(event: ToolCall, show: Presenter) -> dict[str, JsonValue]:
    if event.error is not None:
        outcome, tone = show.text(event.error), "error"
    else:
        outcome, tone = show.json(event.result), "result"
    return {
        "name": show.text(event.name, 120),
        "arguments": [[show.text(key, 120), show.json(value, 1_000)] for key, value in event.arguments.items()],
        "outcome": outcome,
        "tone": tone,
        "matched": event.matched,
    }


def _handoff_sentence(event: Handoff, show: Presenter) -> str:
    packet = event.packet
    to = show.text(label(packet.queue), 120) if packet.queue else "no queue"
    why = show.text(label(packet.reason), 120) if packet.reason else "no reason given"
    return f"Handed over to {to} ({why})"


def _turn_expectations(expect: TurnExpectation, show: Presenter) -> Iterable[str]:
    for phrase in expect.must_say:
        yield f"Says {_quoted(phrase.any_of, show)}"
    if expect.must_not_say:
        yield f"Does not say {_quoted(expect.must_not_say, show)}"
    for call in expect.tool_calls:
        arguments = ", ".join(f"{show.text(key, 80)}={show.json(value, 200)}" for key, value in call.arguments.items())
        yield f"Calls {call.name}({arguments})"
    if expect.forbidden_tools:
        yield f"Does not call {', '.join(expect.forbidden_tools)}"
    if expect.supporting_documents:
        yield f"Rests on {', '.join(expect.supporting_documents)}"


def _quoted(phrases: Iterable[str], show: Presenter) -> str:
    return " or ".join(f"“{show.text(phrase, 300)}”" for phrase in phrases)


def _champion_turn(turn: TurnRecord, champion: Trajectory | None, show: Presenter) -> str | None:
    """What the champion said and did in this turn, where it differs; None where it does not, or is unknown."""
    other = next((t for t in champion.turns if t.index == turn.index), None) if champion else None
    if other is None or _conduct(other) == _conduct(turn):
        return None
    lines = [show.text(other.reply)] if other.reply else ["(no reply)"]
    lines += [f"→ called {show.text(call.name, 120)}" for call in other.tool_calls]
    lines += [f"→ {_handoff_sentence(event, show)}" for event in other.events if isinstance(event, Handoff)]
    return "\n".join(lines)


def _conduct(turn: TurnRecord) -> tuple[object, ...]:
    calls = tuple((call.name, call.arguments) for call in turn.tool_calls)
    packet = turn.handoff
    return turn.reply, calls, packet and (packet.queue, packet.reason)
