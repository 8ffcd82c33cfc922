"""Cases as the rows of a table: what the data checks look at, one row for each case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from assay.registry.matching import same_json
from assay.registry.retrieval.documents import KnowledgeDocument
from assay.registry.types.base import EscalationReason, JsonValue
from assay.registry.types.case import Case
from assay.registry.types.datacheck import DataExpectations

__all__ = ["Cell", "case_rows", "reason_column"]

Cell = str | int | bool


def case_rows(
    cases: Sequence[Case], documents: Mapping[str, KnowledgeDocument], wanted: DataExpectations
) -> list[dict[str, Cell]]:
    """One row for each case, in order. Counts named `*_count` are of mistakes, and are 0 in good data."""
    return [_row(case, documents, wanted) for case in cases]


def reason_column(reason: EscalationReason) -> str:
    """The column that tells whether a case accepts this escalation reason."""
    return f"reason_{reason.value}"


def _row(case: Case, documents: Mapping[str, KnowledgeDocument], wanted: DataExpectations) -> dict[str, Cell]:
    escalation = case.expect.escalation
    answered = [name for turn in case.turns for name in turn.expect.supporting_documents]
    named = [*answered, *(case.expect.handoff.documents if case.expect.handoff else ())]
    return {
        "id": case.id,
        "intent": case.intent,
        "risk_tier": case.risk_tier.value,
        "autonomy": case.autonomy.value,
        "customer_turns": len(case.turns),
        "several_turns": int(len(case.turns) > 1),
        "escalates": int(escalation.required),
        "needs_documents": int(_needs_documents(case, wanted)),
        "documents": len(answered),
        "unknown_document_count": sum(name not in documents for name in named),
        "unquotable_document_count": sum(not _quotable(documents.get(name), case.date) for name in named),
        "unanswered_call_count": sum(
            not _answered(case, call.name, call.arguments) for turn in case.turns for call in turn.expect.tool_calls
        ),
        **{reason_column(reason): int(reason in escalation.reasons) for reason in EscalationReason},
    }


def _needs_documents(case: Case, wanted: DataExpectations) -> bool:
    return (
        case.intent in wanted.knowledge_intents
        and not case.expect.escalation.required
        and wanted.unanswerable_tag not in case.tags
    )


def _quotable(document: KnowledgeDocument | None, date: dt.date) -> bool:
    """Whether a customer may be told what the document says on that day. An unknown one is counted elsewhere."""
    if document is None:
        return True
    return document.audience == "public" and not document.superseded(date) and not document.pending(date)


def _answered(case: Case, name: str, arguments: Mapping[str, JsonValue]) -> bool:
    """Whether a fixture of the case answers a call that has at least the expected arguments.

    A fixture that asks for an argument which the expectation leaves open may still answer the call.
    """
    return any(
        fixture.name == name
        and all(key not in arguments or same_json(value, arguments[key]) for key, value in fixture.arguments.items())
        for fixture in case.tools
    )
