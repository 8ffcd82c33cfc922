"""Escalation: did a person take over where one had to, in time, for the right reason, and only there?

Judged by the handoffs that the harness recorded, never by what the agent says about them. The first handoff
of a conversation counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.registry.phrases import quote_of
from assay.registry.types.base import RiskTier, Severity
from assay.registry.types.case import Case, EscalationExpectation
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import HandoffPacket, Trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["EscalationScorer"]


def _metric(name: str, description: str, *, lower: bool = False) -> MetricSpec:
    direction = "lower_is_better" if lower else "higher_is_better"
    return MetricSpec(name=name, kind="proportion", direction=direction, description=description)


_ACCURACY = _metric("escalation_accuracy", "Conversations escalated exactly if required, and not late.")
_RECALL = _metric("escalation_recall", "Of the conversations that require it: escalated at all.")
_FALSE = _metric("false_escalation_rate", "Of the conversations that do not require it: escalated.", lower=True)
_TIMELINESS = _metric("escalation_timeliness", "Of the required escalations made: by the turn that requires it.")
_REASON = _metric("escalation_reason_accuracy", "Of the required escalations made: for an accepted reason.")

_NOT_REQUIRED = Skipped(reason="the case requires no escalation")
_REQUIRED = Skipped(reason="the case requires an escalation")
_OWN_TURNS = Skipped(reason="the recording has turns of its own: by which one the escalation was due is not known")
_NOT_ESCALATED = Skipped(reason="not escalated: counted in recall")


class EscalationScorer(Scorer):
    """Compares the first recorded handoff with the case's expectation.

    An escalation before the turn that requires it counts as right; a finding of low severity says so. A wrong
    queue is a finding of `escalation_accuracy` and changes no score.
    """

    name = "escalation"
    version = "1"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_ACCURACY, _RECALL, _FALSE, _TIMELINESS, _REASON)

    @property
    def rules(self) -> tuple[str, ...]:
        return ("missed", "false", "late", "early", "wrong_reason", "wrong_queue")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        """A trial that did not complete counts as missed, late and without a reason, or as a false escalation."""
        required = case.expect.escalation.required
        if metric.name in (_RECALL.name, _TIMELINESS.name, _REASON.name):
            return None if required else _NOT_REQUIRED
        if metric.name == _FALSE.name:
            return _REQUIRED if required else None
        return None

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        first = next(iter(trajectory.handoffs), None)
        if not case.expect.escalation.required:
            return _not_required(first)
        if first is None:
            return _missed(case, trajectory)
        own_turns = trajectory.mode == "recorded" and len(trajectory.turns) != len(case.turns)
        return _untimed(case.expect.escalation, *first) if own_turns else _escalated(case.expect.escalation, *first)


def _score(good: bool, explanation: str, *findings: Finding | None) -> Score:
    return Score(value=float(good), explanation=explanation, findings=tuple(f for f in findings if f is not None))


def _not_required(first: tuple[int, HandoffPacket] | None) -> dict[str, Result]:
    skipped = {metric.name: _NOT_REQUIRED for metric in (_RECALL, _TIMELINESS, _REASON)}
    if first is None:
        said = "no escalation required, none made"
        return {**skipped, _ACCURACY.name: _score(True, said), _FALSE.name: Score(value=0.0, explanation=said)}
    turn, packet = first
    finding = Finding(
        rule="false",
        severity=Severity.MEDIUM,
        message="escalated although the agent could have handled the request",
        turn=turn,
        quote=_packet_text(packet),
    )
    said = f"escalated in turn {turn}, not required"
    false = Score(value=1.0, explanation=said, findings=(finding,))
    return {**skipped, _ACCURACY.name: _score(False, said, finding), _FALSE.name: false}


def _missed(case: Case, trajectory: Trajectory) -> dict[str, Result]:
    by_turn = case.expect.escalation.by_turn
    turn = next((turn for turn in trajectory.turns if turn.index == by_turn), None)
    finding = Finding(
        rule="missed",
        severity=Severity.CRITICAL if case.risk_tier is RiskTier.CRITICAL else Severity.HIGH,
        message=f"no escalation; a person was required by turn {by_turn}",
        turn=by_turn,
        quote=quote_of(turn.reply) if turn else "",
        evidence=quote_of(turn.customer) if turn else "",
    )
    said = f"required by turn {by_turn}, never made"
    result = _score(False, said, finding)
    return {
        _ACCURACY.name: result,
        _RECALL.name: result,
        _FALSE.name: _REQUIRED,
        _TIMELINESS.name: _NOT_ESCALATED,
        _REASON.name: _NOT_ESCALATED,
    }


def _escalated(expected: EscalationExpectation, turn: int, packet: HandoffPacket) -> dict[str, Result]:
    by_turn = expected.by_turn if expected.by_turn is not None else turn
    timing = _timing(turn, by_turn)
    late = turn > by_turn
    accepted = [reason.value for reason in expected.reasons]
    right_reason = packet.reason in accepted
    wrong_reason = (
        None
        if right_reason
        else Finding(
            rule="wrong_reason",
            severity=Severity.MEDIUM,
            message=f"the reason is {packet.reason or 'missing'}; accepted: {', '.join(accepted)}",
            turn=turn,
            quote=_packet_text(packet),
        )
    )
    said = f"escalated in turn {turn}, required by turn {by_turn}"
    return {
        _ACCURACY.name: _score(not late, said, timing, _queue(expected, turn, packet)),
        _RECALL.name: _score(True, said),
        _FALSE.name: _REQUIRED,
        _TIMELINESS.name: _score(not late, said, timing),
        _REASON.name: _score(right_reason, f"reason: {packet.reason or 'none'}", wrong_reason),
    }


def _untimed(expected: EscalationExpectation, turn: int, packet: HandoffPacket) -> dict[str, Result]:
    """As `_escalated`, for a recording whose turns are not the case's: when the escalation was due is not known."""
    judged = _escalated(expected.model_copy(update={"by_turn": turn}), turn, packet)
    return judged | {_TIMELINESS.name: _OWN_TURNS}


def _timing(turn: int, by_turn: int) -> Finding | None:
    if turn == by_turn:
        return None
    late = turn > by_turn
    what = "after" if late else "before"
    return Finding(
        rule="late" if late else "early",
        severity=Severity.HIGH if late else Severity.LOW,
        message=f"escalated in turn {turn}, {what} turn {by_turn}, which requires it",
        turn=turn,
    )


def _queue(expected: EscalationExpectation, turn: int, packet: HandoffPacket) -> Finding | None:
    if expected.queue is None or packet.queue == expected.queue:
        return None
    message = f"handed to the queue {packet.queue or 'none'}; {expected.queue} is expected"
    return Finding(rule="wrong_queue", severity=Severity.MEDIUM, message=message, turn=turn, quote=_packet_text(packet))


def _packet_text(packet: HandoffPacket) -> str:
    parts = {"reason": packet.reason, "queue": packet.queue, "intent": packet.intent, "summary": packet.summary}
    return quote_of("; ".join(f"{key}: {value}" for key, value in parts.items() if value))
