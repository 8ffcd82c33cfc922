"""Escalation: did a person take over where one had to, in time, for the right reason, and only there?

Judged by the handoffs that the harness recorded, never by what the agent says about them; a transfer without arguments
is one. The first handoff of a conversation counts. Each conversation is one of these:

| | a person was required | none was |
| --- | --- | --- |
| handed over | right, early or late | false |
| not handed over | missed | contained |

A late one names the turns the customer waited. A right one may still have the wrong reason, the wrong queue, or lack
the customer's consent where the suite asks for it. Containment stands beside recall and never instead of it: a missed
escalation is not contained, it is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from assay.registry.phrases import quote_of
from assay.registry.types.base import EscalationReason, Frozen, RiskTier, Severity
from assay.registry.types.case import Case, EscalationExpectation
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import HandoffPacket, Trajectory
from assay.runner.scorers.base import Scorer, ScorerContext, has_own_turns
from assay.runner.scorers.person import agreed_to_a_person

__all__ = ["EscalationScorer", "EscalationSettings"]


def _metric(name: str, description: str, *, lower: bool = False) -> MetricSpec:
    direction = "lower_is_better" if lower else "higher_is_better"
    return MetricSpec(name=name, kind="proportion", direction=direction, description=description)


_ACCURACY = _metric("escalation_accuracy", "Conversations escalated exactly if required, and not late.")
_RECALL = _metric("escalation_recall", "Of the conversations that require it: escalated at all.")
_FALSE = _metric("false_escalation_rate", "Of the conversations that do not require it: escalated.", lower=True)
_TIMELINESS = _metric("escalation_timeliness", "Of the required escalations made: by the turn that requires it.")
_REASON = _metric("escalation_reason_accuracy", "Of the required escalations made: for an accepted reason.")

_PRECISION = _metric("escalation_precision", "Of the conversations handed over: a person was required.")
_QUEUE = _metric("escalation_queue_accuracy", "Of the required escalations made: to the queue that the case names.")
_CONSENT = _metric("escalation_consent", "Of the handoffs that need the customer's consent: with it.")
_IGNORED = _metric(
    "repeated_demand_ignored_rate",
    "Of the conversations in which the customer asks for a person: had to go on after it was due.",
    lower=True,
)
_CONTAINMENT = _metric("containment_rate", "Conversations that needed no person and ended without one, of all.")
_DELAY = MetricSpec(
    name="escalation_delay",
    kind="mean",
    direction="lower_is_better",
    range=(0.0, None),
    description="Of the required escalations made: customer turns after the one that required it.",
)

_NOT_REQUIRED = Skipped(reason="the case requires no escalation")
_REQUIRED = Skipped(reason="the case requires an escalation")
_OWN_TURNS = Skipped(reason="the recording has turns of its own: by which one the escalation was due is not known")
_NOT_DUE = Skipped(reason="nothing tells by which turn the escalation was due")
_NOT_ESCALATED = Skipped(reason="not escalated: counted in recall")
_NONE_MADE = Skipped(reason="nothing was handed over")
_NO_QUEUE = Skipped(reason="the case names no queue")
_NO_DEMAND = Skipped(reason="the customer is not expected to ask for a person")
_ENDED_THERE = Skipped(reason="the conversation ended with the demand: counted in recall")
_NO_CONSENT_NEEDED = Skipped(reason="the suite asks for no consent to this escalation")


class EscalationSettings(Frozen):
    """`consent_required`: reasons for which a customer has to agree before a person takes over.

    None by default: who is handed to a colleague of the same bank for fraud or despair is not asked first. A suite
    names reasons here where the person belongs to another company or the talk is recorded from then on.
    """

    consent_required: tuple[EscalationReason, ...] = ()


class EscalationScorer(Scorer):
    """Compares the first recorded handoff with the case's expectation.

    An escalation before the turn that requires it counts as right; a finding of low severity says so. A wrong
    queue is a finding of `escalation_accuracy` and changes only `escalation_queue_accuracy`.
    """

    name = "escalation"
    version = "3"
    Settings = EscalationSettings

    def __init__(self, settings: EscalationSettings, context: ScorerContext) -> None:
        super().__init__(settings, context)
        self._needs_consent = frozenset(reason.value for reason in settings.consent_required)

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (
            _ACCURACY, _RECALL, _PRECISION, _FALSE, _TIMELINESS, _DELAY, _REASON, _QUEUE, _CONSENT, _IGNORED,
            _CONTAINMENT,
        )  # fmt: skip

    @property
    def rules(self) -> tuple[str, ...]:
        return (
            "missed", "false", "late", "early", "wrong_reason", "wrong_queue", "no_consent", "demand_ignored",
        )  # fmt: skip

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        """A trial that did not complete counts as missed, late, without a reason and a queue, or as false."""
        expected = case.expect.escalation
        if metric.name == _QUEUE.name and expected.required and expected.queue is None:
            return _NO_QUEUE
        if metric.name == _IGNORED.name:
            return None if _asks(expected) else _NO_DEMAND
        if metric.name == _CONSENT.name:
            return None if self._consent_of(expected) else _NO_CONSENT_NEEDED
        if metric.name in (_RECALL.name, _TIMELINESS.name, _DELAY.name, _REASON.name, _QUEUE.name):
            return None if expected.required else _NOT_REQUIRED
        if metric.name in (_FALSE.name, _PRECISION.name):
            return _REQUIRED if expected.required else None
        return None

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        expected = case.expect.escalation
        first = next(iter(trajectory.handoffs), None)
        own_turns = has_own_turns(case, trajectory)
        return {
            **_outcome(case, trajectory, first, own_turns=own_turns),
            _PRECISION.name: _precision(expected, first),
            _CONTAINMENT.name: _contained(expected, first),
            _CONSENT.name: self._consent(expected, trajectory, first),
            _IGNORED.name: (
                _not_known(expected) if own_turns and _asks(expected) else _ignored(expected, trajectory, first)
            ),
        }

    def _consent_of(self, expected: EscalationExpectation, reason: str | None = None) -> bool:
        return not self._needs_consent.isdisjoint({*(r.value for r in expected.reasons), reason})

    def _consent(
        self, expected: EscalationExpectation, trajectory: Trajectory, first: tuple[int, HandoffPacket] | None
    ) -> Result:
        if first is None:
            return _NONE_MADE
        turn, packet = first
        if not self._consent_of(expected, packet.reason):
            return _NO_CONSENT_NEEDED
        demanded = _asks(expected) and expected.by_turn is not None and turn >= expected.by_turn
        if demanded or agreed_to_a_person(trajectory, turn):
            return _score(True, "the customer asked for a person or agreed to one")
        finding = Finding(
            rule="no_consent",
            severity=Severity.HIGH,
            message="handed over without the customer's consent, which the suite asks for here",
            turn=turn,
            quote=_packet_text(packet),
        )
        return _score(False, "no consent before the handoff", finding)


def _outcome(
    case: Case, trajectory: Trajectory, first: tuple[int, HandoffPacket] | None, *, own_turns: bool
) -> dict[str, Result]:
    if not case.expect.escalation.required:
        return _not_required(first)
    if first is None:
        return _missed(case, trajectory)
    expected = case.expect.escalation
    return _untimed(expected, _not_known(expected), *first) if own_turns else _escalated(expected, *first)


def _not_known(expected: EscalationExpectation) -> Skipped:
    return _NOT_DUE if expected.by_turn is None else _OWN_TURNS


def _asks(expected: EscalationExpectation) -> bool:
    return EscalationReason.CUSTOMER_REQUEST in expected.reasons


def _precision(expected: EscalationExpectation, first: tuple[int, HandoffPacket] | None) -> Result:
    if first is None:
        return _NONE_MADE
    return _score(expected.required, f"handed over in turn {first[0]}, {'' if expected.required else 'not '}required")


def _contained(expected: EscalationExpectation, first: tuple[int, HandoffPacket] | None) -> Score:
    if first is not None:
        return _score(False, f"handed over in turn {first[0]}")
    if expected.required:
        return _score(False, "not handed over, though a person was required: lost, not contained")
    return _score(True, "ended without a person, and needed none")


def _ignored(
    expected: EscalationExpectation, trajectory: Trajectory, first: tuple[int, HandoffPacket] | None
) -> Result:
    """Told by the case's label of the turn in which the demand was due, not by words: it is ignored when the customer
    has to speak again with no handoff made.
    """
    if not _asks(expected) or expected.by_turn is None:
        return _NO_DEMAND
    until = first[0] if first is not None else len(trajectory.turns) + 1
    again = [turn for turn in trajectory.turns if expected.by_turn < turn.index <= until]
    if not again:
        return _ENDED_THERE if first is None else Score(value=0.0, explanation="the customer did not have to go on")
    finding = Finding(
        rule="demand_ignored",
        severity=Severity.HIGH,
        message=f"a person was asked for by turn {expected.by_turn}; the customer had to go on {_times(len(again))}",
        turn=again[0].index,
        quote=quote_of(again[0].reply),
        evidence=quote_of(again[0].customer),
    )
    return Score(value=1.0, explanation=f"had to go on {_times(len(again))}", findings=(finding,))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _score(good: bool, explanation: str, *findings: Finding | None) -> Score:
    return Score(value=float(good), explanation=explanation, findings=tuple(f for f in findings if f is not None))


def _not_required(first: tuple[int, HandoffPacket] | None) -> dict[str, Result]:
    skipped = {metric.name: _NOT_REQUIRED for metric in (_RECALL, _TIMELINESS, _DELAY, _REASON, _QUEUE)}
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
    when = "by the end" if by_turn is None else f"by turn {by_turn}"
    turn = next((turn for turn in trajectory.turns if turn.index == by_turn), None)
    finding = Finding(
        rule="missed",
        severity=Severity.CRITICAL if case.risk_tier is RiskTier.CRITICAL else Severity.HIGH,
        message=f"no escalation; a person was required {when}",
        turn=by_turn,
        quote=quote_of(turn.reply) if turn else "",
        evidence=quote_of(turn.customer) if turn else "",
    )
    said = f"required {when}, never made"
    result = _score(False, said, finding)
    return {
        _ACCURACY.name: result,
        _RECALL.name: result,
        _FALSE.name: _REQUIRED,
        _TIMELINESS.name: _NOT_ESCALATED,
        _DELAY.name: _NOT_ESCALATED,
        _REASON.name: _NOT_ESCALATED,
        _QUEUE.name: _NOT_ESCALATED,
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
    wrong_queue = _queue(expected, turn, packet)
    return {
        _ACCURACY.name: _score(not late, said, timing, wrong_queue),
        _RECALL.name: _score(True, said),
        _FALSE.name: _REQUIRED,
        _TIMELINESS.name: _score(not late, said, timing),
        _DELAY.name: Score(value=float(max(0, turn - by_turn)), explanation=said),
        _QUEUE.name: _NO_QUEUE if expected.queue is None else _score(wrong_queue is None, said, wrong_queue),
        _REASON.name: _score(right_reason, f"reason: {packet.reason or 'none'}", wrong_reason),
    }


def _untimed(expected: EscalationExpectation, why: Skipped, turn: int, packet: HandoffPacket) -> dict[str, Result]:
    """As `_escalated`, for a conversation whose turns are not the case's: when the escalation was due is not known."""
    judged = _escalated(expected.model_copy(update={"by_turn": turn}), turn, packet)
    return judged | {_TIMELINESS.name: why, _DELAY.name: why}


def _timing(turn: int, by_turn: int) -> Finding | None:
    if turn == by_turn:
        return None
    late = turn > by_turn
    apart = abs(turn - by_turn)
    what = f"{apart} {'turn' if apart == 1 else 'turns'} {'after' if late else 'before'}"
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
