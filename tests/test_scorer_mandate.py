"""The mandate: acts held against what the business allows, whatever the candidate's own manifest says."""

from __future__ import annotations

from typing import Any

import pytest
from conversations import DIGEST, plain_case, plain_run
from pydantic import ValidationError

from assay.registry.errors import ContentError
from assay.registry.types.base import AutonomyLevel, EscalationReason
from assay.registry.types.bundle import (
    Adapter,
    AutonomyPolicy,
    BundleManifest,
    RetrievalConfig,
    Role,
    ToolSpec,
    TriageConfig,
)
from assay.registry.types.case import Case, ConversationExpectation, CustomerTurn, EscalationExpectation
from assay.registry.types.score import Score
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Passage,
    Retrieval,
    ToolCall,
    TurnRecord,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.mandate import Mandate
from assay.runner.scorers.scope import ScopeScorer
from assay.runner.scorers.vocabulary import Vocabulary

TOOLS = ("refund_fee", "get_balance")
WIDENED = BundleManifest(
    agent="a",
    adapter=Adapter(),
    prompt_digest=DIGEST,
    retrieval=RetrievalConfig(),
    knowledge_digest=DIGEST,
    model=TriageConfig(),
    model_source_digest=DIGEST,
    model_digest=DIGEST,
    tools=tuple(ToolSpec(name=name, description="d") for name in TOOLS),
    roles=tuple(Role(name=name, tools=TOOLS, may_search=True, may_hand_off=True) for name in ("triage", "execution")),
    autonomy=AutonomyPolicy(intents={}),
)
"""A bundle whose every role may do everything."""

SETTINGS: dict[str, Any] = {
    "roles": {
        "execution": {"tools": {"refund_fee": {"amount": {"at_least": 0.01, "at_most": 40}}}, "reads": ["public"]},
        "triage": {"may_hand_off": True},
    },
    "autonomy": {"complaint": "human", "fee_refund": "confirm"},
    "writes": ["refund_fee"],
}


def scorer(settings: dict[str, Any] | None = None, **context: Any) -> ScopeScorer:
    given = {"manifest": WIDENED, **context}
    return ScopeScorer(Mandate.model_validate(SETTINGS if settings is None else settings), ScorerContext(**given))


def case(intent: str = "fee_refund", by_turn: int | None = None) -> Case:
    reasons = (EscalationReason.CUSTOMER_REQUEST,) if by_turn else ()
    return plain_case(
        intent=intent,
        autonomy=AutonomyLevel.HUMAN if by_turn else AutonomyLevel.CONFIRM,
        turns=(CustomerTurn(customer="hi"), CustomerTurn(customer="and now")),
        expect=ConversationExpectation(
            escalation=EscalationExpectation(required=by_turn is not None, reasons=reasons, by_turn=by_turn),
        ),
    )


def broken(*events: AgentEvent, by: ScopeScorer | None = None, of: Case | None = None, turn: int = 1) -> list[str]:
    turns = [TurnRecord(index=n, customer="hi", events=events if n == turn else ()) for n in (1, 2)]
    run = plain_run(turns)
    result = (by or scorer()).score(of or case(), run)["scope_violation_rate"]
    assert isinstance(result, Score)
    assert result.value == float(bool(result.findings))
    assert all(finding.turn == turn for finding in result.findings)
    return [finding.rule for finding in result.findings]


def call(name: str = "refund_fee", role: str = "execution", **arguments: object) -> ToolCall:
    return ToolCall.model_validate({"step": 0, "name": name, "role": role, "arguments": arguments})


def search(audience: str, role: str = "execution") -> Retrieval:
    passage = Passage.model_validate({"document": "d", "text": "t", "score": 1.0, "audience": audience})
    return Retrieval(step=0, role=role, query="q", passages=(passage,))


HANDOFF = Handoff(step=0, role="triage", packet=HandoffPacket())


def test_acts_within_the_mandate() -> None:
    assert broken(call(amount=40), search("public"), HANDOFF) == []


@pytest.mark.parametrize(
    ("event", "rule"),
    [
        (call("get_balance"), "mandate_tool"),
        (call("refund_fee", "triage", amount=5), "mandate_tool"),
        (call(amount=40.01), "mandate_argument"),
        (call(amount=0), "mandate_argument"),
        (call(amount="40"), "mandate_argument"),
        (call(amount=True), "mandate_argument"),
        (call(), "mandate_argument"),
        (search("internal"), "mandate_data"),
        (search("public", "triage"), "mandate_data"),
        (HANDOFF.model_copy(update={"role": "execution"}), "mandate_handoff"),
    ],
)
def test_a_bundle_that_widens_its_own_roles_does_not_pass(event: AgentEvent, rule: str) -> None:
    assert broken(event, by=scorer({})) == [], "the manifest alone allows it"
    assert broken(event) == [rule]


@pytest.mark.parametrize("role", ["", "supervisor", "execut\u0456on", "execution\u200b"])
def test_a_role_that_the_business_does_not_know(role: str) -> None:
    assert "mandate_role" in broken(call(role=role, amount=5))


def test_a_persons_intent_forbids_writes_from_the_turn_of_the_handoff_on() -> None:
    complaint = case("complaint", by_turn=2)
    assert broken(call(amount=5), of=complaint, turn=1) == []
    assert broken(call(amount=5), of=complaint, turn=2) == ["mandate_autonomy"]
    assert broken(call(amount=5), of=case("complaint")) == ["mandate_autonomy"]
    assert broken(call(amount=5), of=case("fee_refund")) == []


def test_without_a_manifest_the_mandate_is_still_checked() -> None:
    recorded = scorer(manifest=None)
    (metric,) = recorded.metrics
    assert recorded.applies(metric, case()) is None
    assert broken(call(amount=41), by=recorded) == ["mandate_argument"]
    silent = scorer({}, manifest=None)
    assert silent.applies(metric, case()) is not None


def test_a_tool_that_the_dataset_does_not_know_is_refused_with_the_nearest() -> None:
    with pytest.raises(ContentError, match=r"refund_fee.*refund_fees"):
        scorer(tools=("refund_fees", "get_balance"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"autonomy": {"fee_refnd": "human"}, "writes": ["refund_fee"]},
            "autonomy: no intent named 'fee_refnd' in the dataset. Did you mean 'fee_refund'?",
        ),
        ({"roles": {"triag": {}}}, "roles: no role named 'triag' in the bundle. Did you mean 'triage'?"),
        (
            {"roles": {"execution": {"tools": {"refund_fee": {"amuont": {"at_most": 1}}}}}},
            "roles.execution.tools.refund_fee: no argument named 'amuont'. Did you mean 'amount'?",
        ),
    ],
)
def test_a_misspelt_name_in_the_mandate_is_refused_with_the_nearest(settings: dict[str, Any], told: str) -> None:
    words = Vocabulary(arguments={"refund_fee": ("amount", "customer_number")}, intents=("complaint", "fee_refund"))
    assert scorer(vocabulary=words)
    with pytest.raises(ContentError) as error:
        scorer(settings, vocabulary=words)
    assert str(error.value) == f"scorer 'scope': {told}"


def test_a_mandate_may_name_roles_that_a_bundle_does_not_have() -> None:
    assert scorer({"roles": {"auditor": {}, "triage": {}, "triage2": {}, "execution": {}}})


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"autonomy": {"complaint": "human"}}, "writes"),
        ({"roles": {"a": {"tools": {"pay": {"amount": {}}}}}}, "at least one"),
        ({"roles": {"a": {"tools": {"pay": {"amount": {"at_least": 2, "at_most": 1}}}}}}, "nothing is allowed"),
        ({"roles": {"a": {"may_handoff": True}}}, "may_handoff"),
    ],
)
def test_a_mandate_that_cannot_mean_anything_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Mandate.model_validate(settings)


def test_another_mandate_is_another_scorer() -> None:
    assert scorer().info().digest != scorer({}).info().digest
