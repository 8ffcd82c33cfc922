"""A bundle of a few lines, a trainer of one, and runs made by hand, for tests of the store and of promotion."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from assay.registry.digest import digest_of
from assay.registry.types.base import AutonomyLevel, RiskTier
from assay.registry.types.bundle import TriageConfig
from assay.registry.types.case import (
    Case,
    ConversationExpectation,
    CustomerTurn,
    Dataset,
    DatasetInfo,
    EscalationExpectation,
)
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import Finding, MetricSpec, Score, ScoreRecord, ScorerFailure, ScorerInfo, Skipped
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
from assay.registry.workspace import Workspace, WorkspaceConfig

AGENT = "tiny"
DIGEST = {letter: letter * 64 for letter in "abcdef"}

_DOCUMENT = """---
id: {id}
title: Fees
version: "1"
effective_from: 2020-01-01
audience: {audience}
---
A wire transfer costs {amount} dollars.
"""

_BUNDLE = """
agent: {agent}
prompt: {{file: prompt.md}}
retrieval: {{knowledge: knowledge, top_k: {top_k}}}
model: {{utterances: utterances.csv}}
tools:
  - {{name: get_fee, description: Look up a fee}}
roles:
  - {{name: execution, tools: [get_fee]}}
autonomy: {{intents: {{fee: {{autonomy: autonomous}}}}}}
"""


def write_bundle(
    folder: Path, *, agent: str = AGENT, prompt: str = "Hello {{ name }}.\n", top_k: int = 2, rows: str = "fee,fee\n"
) -> Path:
    """Write a whole bundle into `folder`; the path of its YAML file."""
    (folder / "knowledge").mkdir(parents=True, exist_ok=True)
    (folder / "knowledge" / "public.md").write_text(_DOCUMENT.format(id="kb-fee", audience="public", amount=25))
    (folder / "knowledge" / "internal.md").write_text(_DOCUMENT.format(id="kb-own", audience="internal", amount=5))
    (folder / "prompt.md").write_text(prompt)
    (folder / "utterances.csv").write_text("text,intent\nhello,greeting\n" + rows)
    file = folder / "bundle.yaml"
    file.write_text(_BUNDLE.format(agent=agent, top_k=top_k))
    return file


def train(config: TriageConfig, utterances: str) -> object:
    """A real estimator from a few words."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    rows = [line.split(",") for line in utterances.splitlines()[1:]]
    return make_pipeline(CountVectorizer(), MultinomialNB(alpha=1 / config.regularisation)).fit(
        *zip(*rows, strict=True)
    )


def workspace(root: Path) -> Workspace:
    return Workspace(root, WorkspaceConfig(), {})


def make_case(case_id: str) -> Case:
    return Case(
        id=case_id,
        intent="fee",
        risk_tier=RiskTier.LOW,
        autonomy=AutonomyLevel.AUTONOMOUS,
        date=dt.date(2026, 3, 2),
        turns=(CustomerTurn(customer="What does a wire cost?"),),
        expect=ConversationExpectation(escalation=EscalationExpectation(required=False)),
    )


def make_dataset() -> Dataset:
    cases = (make_case("case-1"), make_case("case-2"))
    info = DatasetInfo(name="tiny-cases", version="1", description="two cases", licence="MIT", intents=("fee",))
    return Dataset(
        info=info,
        cases=cases,
        case_digests={case.id: digest_of(case) for case in cases},
        documents={"kb-fee": DIGEST["d"]},
        digest=digest_of([digest_of(case) for case in cases]),
    )


def make_trajectory(case: Case, bundle_digest: str, text: str = "25 dollars.\u2028Bye") -> Trajectory:
    passage = Passage(document="kb-fee", text="A wire transfer costs 25 dollars.", score=1.5)
    events = (
        Triage(step=0, intent="fee", confidence=0.9),
        Retrieval(step=1, query="wire", passages=(passage,)),
        ToolCall(step=2, name="get_fee", arguments={"kind": "wire"}, error="timeout"),
        Say(step=3, text=text),
        Handoff(step=4, packet=HandoffPacket(reason="customer_request")),
    )
    return Trajectory(
        key=digest_of([bundle_digest, case.id]),
        agent=AGENT,
        bundle_digest=bundle_digest,
        case_id=case.id,
        case_digest=digest_of(case),
        mode="scripted",
        turns=(TurnRecord(index=1, customer=case.turns[0].customer, events=events, latency_s=0.5),),
        outcome=Outcome.COMPLETED,
        started_at="2026-03-02T10:00:00+00:00",
    )


def make_run(
    bundle_digest: str, *, label: str = "tiny v1", created_at: str = "2026-03-02T10:00:00Z", value: float = 1.0
) -> tuple[EvalRun, list[Trajectory]]:
    """A run over the dataset of `make_dataset`, with a score, a skip and a failure."""
    dataset = make_dataset()
    trajectories = [make_trajectory(case, bundle_digest) for case in dataset.cases]
    finding = Finding(rule="no-promise", severity="high", message="It promised.", turn=1, quote="25 dollars")  # type: ignore[arg-type]
    results = (
        ("task_success", Score(value=value, findings=(finding,))),
        ("tool_call_accuracy", Skipped(reason="no calls expected")),
        ("pii_leak_rate", ScorerFailure(error="boom")),
    )
    info = ScorerInfo(
        name="task",
        version="1",
        digest=DIGEST["e"],
        metrics=tuple(
            MetricSpec(name=name, kind="proportion", direction="higher_is_better", description=name)
            for name, _ in results
        ),
    )
    scores = tuple(
        ScoreRecord(
            case_id=t.case_id,
            trial=0,
            trajectory=digest_of(t),
            scorer="task",
            scorer_digest=info.digest,
            metric=name,
            result=result,
        )
        for t in trajectories
        for name, result in results
    )
    planned = tuple(
        PlannedUnit(
            case_id=case.id,
            case_digest=digest_of(case),
            attributes=case.attributes(),
            outcome=Outcome.COMPLETED,
            trajectory=digest_of(trajectory),
        )
        for case, trajectory in zip(dataset.cases, trajectories, strict=True)
    )
    run = EvalRun(
        run_id="",
        created_at=created_at,
        agent=AGENT,
        bundle_digest=bundle_digest,
        bundle_label=label,
        dataset=dataset.info.name,
        dataset_digest=dataset.digest,
        suite="tiny-suite",
        suite_digest=DIGEST["b"],
        trials=1,
        planned=planned,
        scorers=(info,),
        scores=scores,
    )
    return run, trajectories
