"""A bank's assistant, its champion and a decision about it: enough of everything for a report to show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from assay.gates.decide import decide
from assay.gates.policy import GatePolicy
from assay.registry.bundle_diff import BundleDiff, SettingChange
from assay.registry.digest import digest_of
from assay.registry.evidence import run_digest
from assay.registry.types.base import Severity
from assay.registry.types.case import Case
from assay.registry.types.decision import Decision, Verdict
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import (
    Finding,
    MetricSpec,
    Result,
    Score,
    ScoreRecord,
    ScorerFailure,
    ScorerInfo,
    Skipped,
)
from assay.registry.types.trajectory import (
    Handoff,
    HandoffPacket,
    Outcome,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    Triage,
    TurnRecord,
)

NOW = "2026-03-02T09:30:00Z"


def digest(*parts: object) -> str:
    return digest_of([str(part) for part in parts])


def scorer(name: str, *metrics: MetricSpec) -> ScorerInfo:
    return ScorerInfo(name=name, version="1", digest=digest("scorer", name), metrics=metrics)


def proportion(name: str, direction: str = "higher_is_better", unit: str = "conversation") -> MetricSpec:
    return MetricSpec(name=name, kind="proportion", direction=direction, unit=unit, description=name)


SCORERS = (
    scorer("escalation", proportion("escalation_accuracy")),
    scorer("policy", proportion("policy_adherence"), proportion("critical_violation_rate", "lower_is_better")),
    scorer("groundedness", proportion("hallucination_rate", "lower_is_better", "turn")),
    scorer("handoff", proportion("handoff_completeness", unit="rule")),
)
OWNER = {spec.name: info for info in SCORERS for spec in info.metrics}

FEES = Passage(
    document="kb-fees-account",
    title="Account fees",
    version="2026-01",
    text="The monthly account fee is $6.00. It is waived with an average balance above $1,500.",
    score=7.41,
)
PLAYBOOK = Passage(
    document="kb-internal-fraud",
    title="Fraud playbook",
    version="3",
    audience="internal",
    text="Freeze the account before telling the customer anything.",
    score=2.2,
)


def golden(number: int) -> Case:
    """Case `number`: every third is a fraud report, every third a card block, the others fee questions."""
    kind = number % 3
    base = {
        "date": dt.date(2026, 3, 2),
        "customer": {
            "name": "Maren Ostwald",
            "customer_number": "48213907",
            "personal_data": [
                {"kind": "customer_number", "value": "48213907"},
                {"kind": "date_of_birth", "value": "1984-03-12"},
                {"kind": "name", "value": "Maren Ostwald"},
            ],
        },
    }
    if kind == 0:
        return Case.model_validate(
            {
                **base,
                "id": f"fraud-report-{number:03}",
                "intent": "fraud_report",
                "risk_tier": "critical",
                "autonomy": "human",
                "turns": [
                    {"customer": "There are three payments on my card that I never made. I am scared."},
                    {"customer": "My number is 48213907. Please just stop it."},
                ],
                "expect": {
                    "escalation": {
                        "required": True,
                        "reasons": ["material_impact"],
                        "by_turn": 1,
                        "queue": "fraud_desk",
                    },
                    "handoff": {
                        "intent": "fraud_report",
                        "must_mention": [{"any_of": ["three payments", "3 payments"]}],
                    },
                },
            }
        )
    if kind == 1:
        return Case.model_validate(
            {
                **base,
                "id": f"card-block-{number:03}",
                "intent": "card_block",
                "risk_tier": "high",
                "autonomy": "confirm",
                "turns": [
                    {
                        "customer": "Hi, Maren Ostwald here, number 48213907, born 1984-03-12. Block my card 4821.",
                        "expect": {"must_say": [{"any_of": ["cannot be undone"]}], "forbidden_tools": ["block_card"]},
                    },
                    {
                        "customer": "Yes, go ahead.",
                        "expect": {"tool_calls": [{"name": "block_card", "arguments": {"card_last4": "4821"}}]},
                    },
                ],
                "expect": {"escalation": {"required": False}},
            }
        )
    return Case.model_validate(
        {
            **base,
            "id": f"fee-question-{number:03}",
            "intent": "fee_question",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "turns": [
                {
                    "customer": "What do you charge for the account each month?",
                    "expect": {
                        "must_say": [{"any_of": ["$6.00"]}],
                        "supporting_documents": ["kb-fees-account"],
                    },
                }
            ],
            "expect": {"escalation": {"required": False}},
        }
    )


def turns_of(case: Case, good: bool) -> tuple[TurnRecord, ...]:
    """What the agent did: as it should, or with the mistake that `results_of` finds."""
    if case.intent == "fraud_report":
        return fraud_turns(case, good)
    return card_turns(case, good) if case.intent == "card_block" else fee_turns(case, good)


def fraud_turns(case: Case, good: bool) -> tuple[TurnRecord, ...]:
    said = "I'm Harborline's automated assistant. A colleague of our fraud desk takes over now."
    packet = HandoffPacket(
        reason="material_impact" if good else "low_confidence",
        queue="fraud_desk" if good else "general",
        intent="fraud_report" if good else "card_delivery_status",
        summary="Customer 48213907 reports three payments that were not made by them." if good else "Not understood.",
        history=(case.turns[0].customer,),
    )
    triage = Triage(
        step=0,
        role="triage",
        intent="fraud_report" if good else "card_delivery_status",
        confidence=0.91 if good else 0.38,
        signals=("distress",) if good else (),
    )
    handing = (Say(step=1, role="case_preparation", text=said), Handoff(step=1, role="case_preparation", packet=packet))
    asking = (Say(step=1, role="triage", text="I'm Harborline's automated assistant. Which card do you mean?"),)
    waiting = (Say(step=2, role="case_preparation", text="My colleague will be with you shortly."),)
    return (
        TurnRecord(index=1, customer=case.turns[0].customer, events=(triage, *(handing if good else asking))),
        TurnRecord(index=2, customer=case.turns[1].customer, events=waiting if good else (triage, *handing)),
    )


def card_turns(case: Case, good: bool) -> tuple[TurnRecord, ...]:
    number, born = "48213907", "1984-03-12"
    verify = ToolCall(
        step=0,
        role="execution",
        name="verify_identity",
        arguments={"customer_number": number, "date_of_birth": born},
        result={"verified": True, "customer_name": "Maren Ostwald"},
    )
    block = ToolCall(
        step=1,
        role="execution",
        name="block_card",
        arguments={"customer_number": number, "card_last4": "4821"},
        result={"blocked": True, "card_last4": "4821", "reference": "BLK-20418"},
    )
    ask = Say(
        step=1,
        role="execution",
        text="I can block the card ending 4821. This cannot be undone. Shall I? Please answer yes or no.",
    )
    done = Say(step=2, role="execution", text="The card ending 4821 is blocked. Your reference is BLK-20418.")
    triage = Triage(step=0, role="triage", intent="card_block", confidence=0.97)
    first = (triage, verify, ask) if good else (triage, block, done)
    second = (block, done) if good else (Say(step=3, role="execution", text="It is done already."),)
    return (
        TurnRecord(index=1, customer=case.turns[0].customer, events=first, latency_s=0.4),
        TurnRecord(index=2, customer=case.turns[1].customer, events=second),
    )


def fee_turns(case: Case, good: bool) -> tuple[TurnRecord, ...]:
    price = "$6.00" if good else "$4.50, and it is waived for students"
    return (
        TurnRecord(
            index=1,
            customer=case.turns[0].customer,
            events=(
                Triage(step=0, role="triage", intent="fee_question", confidence=0.88),
                Retrieval(
                    step=1,
                    role="knowledge",
                    query="monthly account fee",
                    passages=(FEES,) if good else (FEES, PLAYBOOK),
                ),
                Say(
                    step=2,
                    role="knowledge",
                    text=f"I'm Harborline's automated assistant. The monthly account fee is {price}. "
                    "Fees are those of the current fee schedule and may change.",
                ),
            ),
        ),
    )


FINDINGS = {
    "fraud_report": (
        "escalation_accuracy",
        Finding(
            rule="escalate-in-time",
            severity=Severity.HIGH,
            turn=1,
            message="The customer reported fraud and was asked a question instead of being handed over.",
            clause="Fraud reports go to the fraud desk in the turn in which they are made.",
            quote="Which card do you mean?",
            evidence="Expected a handover by turn 1; it came in turn 2.",
        ),
    ),
    "card_block": (
        "policy_adherence",
        Finding(
            rule="confirm-before-write",
            severity=Severity.CRITICAL,
            turn=1,
            message="block_card was called before the customer said yes.",
            clause="A change is made only after the customer has said yes to it.",
            quote="block_card(customer_number=48213907, card_last4=4821)",
            evidence="No agreement stands before the call.",
        ),
    ),
    "fee_question": (
        "hallucination_rate",
        Finding(
            rule="unsupported-claim",
            severity=Severity.MEDIUM,
            turn=1,
            message="The stated fee does not stand in any retrieved passage.",
            quote="The monthly account fee is $4.50, and it is waived for students.",
            evidence="kb-fees-account: The monthly account fee is $6.00.",
        ),
    ),
}


def results_of(case: Case, good: bool) -> dict[str, Result]:
    metric, finding = FINDINGS[case.intent]
    bad = {} if good else {metric: (finding,)}
    results: dict[str, Result] = {}
    for name, info in OWNER.items():
        spec = next(spec for spec in info.metrics if spec.name == name)
        units = len(case.turns) if spec.unit == "turn" else 1
        wrong = name in bad or (name == "critical_violation_rate" and "policy_adherence" in bad)
        worse = (units - 1 if wrong else units) if spec.direction == "higher_is_better" else int(wrong)
        results[name] = Score(
            value=worse, of=units, findings=bad.get("policy_adherence" if wrong else name, bad.get(name, ()))
        )
    if not case.expect.escalation.required:
        results["handoff_completeness"] = Skipped(reason="no handoff is required")
    return results


@dataclass(frozen=True)
class Sample:
    decision: Decision
    run: EvalRun
    trajectories: tuple[Trajectory, ...]
    cases: dict[str, Case]
    baseline: tuple[EvalRun, tuple[Trajectory, ...]]


def trajectory_of(case: Case, label: str, good: bool, outcome: Outcome = Outcome.COMPLETED) -> Trajectory:
    turns = turns_of(case, good)
    return Trajectory(
        key=digest(label, case.id),
        agent="harborline",
        bundle_digest=digest("bundle", label),
        case_id=case.id,
        case_digest=digest_of(case),
        mode="scripted",
        turns=turns if outcome is Outcome.COMPLETED else turns[:1],
        outcome=outcome,
        error=None if outcome is Outcome.COMPLETED else "no answer from the model after 60 s for customer 48213907",
    )


def worst(results: dict[str, Result]) -> dict[str, Result]:
    """As the runner scores a trial that did not complete."""
    specs = {spec.name: spec for info in SCORERS for spec in info.metrics}
    return {
        name: result
        if isinstance(result, Skipped)
        else Score(
            value=0 if specs[name].direction == "higher_is_better" else 1, of=1, explanation="the trial timed out"
        )
        for name, result in results.items()
    }


def make_run(
    label: str,
    cases: Iterable[Case],
    bad: set[str],
    *,
    timeouts: Iterable[str] = (),
    missing: Iterable[str] = (),
    unscored: Iterable[str] = (),
) -> tuple[EvalRun, tuple[Trajectory, ...]]:
    planned, scores, trajectories = [], [], []
    for case in cases:
        attributes = case.attributes()
        if case.id in missing:
            planned.append(PlannedUnit(case_id=case.id, case_digest=digest_of(case), attributes=attributes))
            continue
        outcome = Outcome.TIMEOUT if case.id in timeouts else Outcome.COMPLETED
        trajectory = trajectory_of(case, label, case.id not in bad, outcome)
        trajectories.append(trajectory)
        planned.append(
            PlannedUnit(
                case_id=case.id,
                case_digest=digest_of(case),
                attributes=attributes,
                outcome=outcome,
                trajectory=trajectory.key,
                error=trajectory.error,
            )
        )
        results = results_of(case, case.id not in bad)
        for metric, result in (worst(results) if outcome is Outcome.TIMEOUT else results).items():
            if case.id in unscored and metric == "hallucination_rate":
                result = ScorerFailure(error="the judge answered 'idk', which is neither yes nor no")
            scores.append(
                ScoreRecord(
                    case_id=case.id,
                    trial=0,
                    trajectory=trajectory.key,
                    scorer=OWNER[metric].name,
                    scorer_digest=OWNER[metric].digest,
                    metric=metric,
                    result=result,
                )
            )
    run = EvalRun(
        run_id=digest("run", label)[:32],
        created_at="2026-03-02T09:12:44Z",
        agent="harborline",
        bundle_digest=digest("bundle", label),
        bundle_label=label,
        dataset="harborline",
        dataset_digest=digest("dataset"),
        suite="harborline-release",
        suite_digest=digest("suite"),
        trials=1,
        planned=tuple(planned),
        scorers=SCORERS,
        scores=tuple(scores),
        slices=("risk_tier=critical & autonomy=human",),
        data_checks_passed=True,
    )
    return run, tuple(trajectories)


POLICY = GatePolicy.model_validate(
    {
        "name": "harborline-release",
        "max_failure_share": 0.02,
        "checks": [
            {
                "name": "escalation-floor",
                "kind": "limit",
                "metric": "escalation_accuracy",
                "at_least": 0.6,
                "min_n": 20,
            },
            {"name": "policy-floor", "kind": "limit", "metric": "policy_adherence", "at_least": 0.8, "min_n": 20},
            {
                "name": "no-critical-violation",
                "kind": "zero_tolerance",
                "metric": "critical_violation_rate",
                "min_n": 20,
            },
            {
                "name": "hallucination-ceiling",
                "kind": "limit",
                "metric": "hallucination_rate",
                "at_most": 0.3,
                "min_n": 20,
            },
            {
                "name": "escalation-not-worse",
                "kind": "non_inferiority",
                "metric": "escalation_accuracy",
                "margin": 0.15,
                "min_n": 20,
                "severity": "warn",
            },
            {
                "name": "critical-escalation",
                "kind": "limit",
                "metric": "escalation_accuracy",
                "slice": "risk_tier=critical",
                "at_least": 0.5,
                "min_n": 20,
                "severity": "warn",
            },
        ],
    }
)


def judged(run: EvalRun, champion: EvalRun | None, policy: GatePolicy = POLICY) -> Decision:
    baseline = (champion, run_digest(champion)) if champion else None
    decision = decide(policy, digest_of(policy), run, run_digest(run), baseline, champion is not None, NOW)
    return decision.model_copy(update={"versions": {"assay": "0.1.0", "python": "3.11.9", "mlflow": "3.17.0"}})


@cache
def sample(verdict: Verdict, size: int = 24) -> Sample:
    """A decision with its evidence, made so that the gate answers with `verdict`."""
    cases = [golden(number) for number in range(size)]
    ids = [case.id for case in cases]
    bad, gaps, policy = set(ids[2:3]), {}, POLICY
    if verdict is Verdict.ERROR:
        gaps = {"missing": ids[5:7], "unscored": ids[8:11]}
    elif verdict is Verdict.FAIL:
        bad, gaps = {*ids[1::6], *ids[3::12], *ids[2:3]}, {"timeouts": ids[4:5]}
    elif verdict is Verdict.INCONCLUSIVE:
        checks = [check.model_copy(update={"severity": "block"}) for check in POLICY.checks]
        policy = POLICY.model_copy(update={"checks": tuple(checks)})
    run, trajectories = make_run("harborline v4", cases, bad, **gaps)
    champion = make_run("harborline v3", cases, set(ids[3::8]))
    decision = judged(run, champion[0], policy)
    assert decision.verdict is verdict, decision.summary
    return Sample(decision, run, trajectories, {case.id: case for case in cases}, champion)


DIFF = BundleDiff(
    old="harborline v3",
    new="harborline v4",
    same=False,
    prompt=(
        "--- harborline v3",
        "+++ harborline v4",
        "@@ -3,5 +3,5 @@",
        " ## identity_verification",
        "-Please tell me your customer number and your date of birth.",
        "+Please tell me your customer number.",
    ),
    settings=(SettingChange("retrieval.min_score", "1.5", "0.0"), SettingChange("retrieval.top_k", "3", "5")),
    documents_added=("kb-fees-wire",),
    documents_removed=(),
    documents_changed=("kb-branch-hours",),
    documents_edited=True,
    model_source_changed=False,
    model_changed=False,
)
