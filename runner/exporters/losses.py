"""What a format cannot hold, counted: nothing is left out without being said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from assay.registry.types.case import Case, CustomerTurn, Dataset, ToolFixture
from assay.runner.exporters.conversation import told
from assay.runner.importers.golden import fixtures_of
from assay.runner.importers.labels import is_like_a_label

__all__ = ["NOT_HELD", "lost", "openai_label"]


def _any_turn(holds: Callable[[CustomerTurn], object]) -> Callable[[Case], bool]:
    return lambda case: any(holds(turn) for turn in case.turns)


def openai_label(key: str, value: object, known: Sequence[str]) -> bool:
    """Whether one of the `labels` of a case can stand in the metadata of a chat and be read back."""
    return isinstance(value, str) and is_like_a_label(key, known) is None


_CUSTOMER = "customer record"
_FIXTURES = "tool fixtures beyond the results of the expected calls"
_STATE, _SIMULATION = "state of the back office", "simulated customer"


def _other_fixtures(case: Case) -> bool:
    calls = [call for turn in told(case).turns for call in turn.calls if call.answered]
    return case.tools != tuple(ToolFixture.model_validate(fixture) for fixture in fixtures_of(calls))


_HAS: Mapping[str, Callable[[Case], bool]] = {
    "must_say": _any_turn(lambda turn: turn.expect.must_say),
    "must_not_say": lambda case: bool(case.expect.must_not_say or any(t.expect.must_not_say for t in case.turns)),
    "forbidden tools": _any_turn(lambda turn: turn.expect.forbidden_tools),
    "supporting documents": _any_turn(lambda turn: turn.expect.supporting_documents),
    "what the handoff has to carry": lambda case: case.expect.handoff is not None,
    _CUSTOMER: lambda case: case.customer is not None,
    "personal data of the customer record": lambda case: bool(case.customer and case.customer.personal_data),
    _FIXTURES: _other_fixtures,
    "tool fixtures": lambda case: bool(case.tools),
    _STATE: lambda case: bool(case.state),
    _SIMULATION: lambda case: case.simulation is not None,
    "labels": lambda case: bool(case.labels),
    "structured labels": lambda case: any(not isinstance(value, str) for value in case.labels.values()),
    "near misses": lambda case: bool(case.expect.escalation.near_miss_of),
}
"""Each thing a case may have, by what people call it."""

NOT_HELD: Mapping[str, tuple[str, ...]] = {
    "csv": (),
    "openai": (
        "must_say", "must_not_say", "forbidden tools", "supporting documents", "what the handoff has to carry",
        "personal data of the customer record", "structured labels", _FIXTURES, _STATE, _SIMULATION,
    ),
    "deepeval": ("what the handoff has to carry", _CUSTOMER, "labels", _FIXTURES, _STATE, _SIMULATION),
    "ragas": (
        "must_say", "must_not_say", "forbidden tools", "supporting documents", "what the handoff has to carry",
        _CUSTOMER, "labels", _FIXTURES, _STATE, _SIMULATION,
    ),
    "mlflow": ("what the handoff has to carry", _CUSTOMER, "labels", "tool fixtures", _STATE, _SIMULATION),
}  # fmt: skip
"""Format to what it does not hold."""


def lost(dataset: Dataset, form: str) -> list[str]:
    """What `form` does not hold of this dataset, each with its count; empty where it holds everything."""
    parts: list[str] = []
    for name in NOT_HELD[form]:
        count = sum(_HAS[name](case) for case in dataset.cases)
        if count:
            parts.append(f"{name} (in {count} {'case' if count == 1 else 'cases'})")
    if dataset.documents:
        parts.append(f"the dataset's knowledge ({len(dataset.documents)} documents)")
    if dataset.wording:
        parts.append("the approved wording")
    return parts
