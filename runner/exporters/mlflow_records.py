"""Export as records of an MLflow evaluation dataset: one record a customer turn, with the conversation before it.

`inputs` are what an agent gets: `messages`, and which turn of which conversation it is. `expectations` carry MLflow's
own `expected_response` and `expected_facts`, which its judges read, and beside them what a case expects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from assay.registry.types.case import Case
from assay.runner.exporters.conversation import told
from assay.runner.importers.labels import label_texts

__all__ = ["mlflow_records"]


def mlflow_records(cases: Iterable[Case]) -> list[dict[str, Any]]:
    """The records, in order."""
    return [record for case in cases for record in _records(case)]


def _records(case: Case) -> Iterable[dict[str, Any]]:
    history: list[dict[str, str]] = []
    for number, turn in enumerate(told(case).turns, start=1):
        history.append({"role": "user", "content": turn.customer})
        yield {
            "inputs": {"messages": [*history], "conversation": case.id, "turn": number},
            "expectations": _expectations(case, number),
            "tags": _tags(case, number),
        }
        if turn.reply is not None:
            history.append({"role": "assistant", "content": turn.reply})


def _expectations(case: Case, number: int) -> dict[str, Any]:
    turn = case.turns[number - 1]
    wanted = turn.expect.model_dump(mode="json", exclude_defaults=True)
    facts = [" or ".join(requirement.any_of) for requirement in turn.expect.must_say]
    wanted["must_say"] = [list(requirement.any_of) for requirement in turn.expect.must_say]
    wanted["must_not_say"] = [*turn.expect.must_not_say, *case.expect.must_not_say]
    found: dict[str, Any] = {
        "expected_response": turn.golden_reply,
        "expected_facts": facts,
        **wanted,
        "escalation": case.expect.escalation.model_dump(mode="json", exclude_defaults=True),
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def _tags(case: Case, number: int) -> dict[str, str]:
    said = ("intent", "risk_tier", "autonomy", "channel", "language", "date", "tags")
    labels = {key: text for key, text in label_texts(case).items() if key in said and text}
    return {"assay.case": case.id, "assay.turn": str(number), **labels}
