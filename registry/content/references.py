"""Names that a case uses, held against the names its dataset declares."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from assay.registry.errors import nearest
from assay.registry.types.case import Case, DatasetInfo

__all__ = ["unknown_names"]


def unknown_names(case: Case, info: DatasetInfo, documents: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each name of the case that its dataset does not know, as (dotted key, what is wrong and the nearest name)."""
    known = {
        "intent": ("dataset.yaml", info.intents),
        "tool": ("dataset.yaml", info.tools),
        "queue": ("dataset.yaml", info.queues),
        "document": (f"the folder {info.knowledge!r}" if info.knowledge else "dataset.yaml", documents),
    }
    for key, what, name in _names(case):
        place, names = known[what]
        if name not in names:
            yield key, f"no {what} named {name!r} in {place}.{nearest(name, names)}"


def _names(case: Case) -> Iterator[tuple[str, str, str]]:
    """Every name a case uses, as (dotted key, kind of thing, name)."""
    yield "intent", "intent", case.intent
    for i, fixture in enumerate(case.tools):
        yield f"tools.{i}.name", "tool", fixture.name
    for i, turn in enumerate(case.turns):
        at, expect = f"turns.{i}.expect", turn.expect
        for j, call in enumerate(expect.tool_calls):
            yield f"{at}.tool_calls.{j}.name", "tool", call.name
        yield from ((f"{at}.forbidden_tools.{j}", "tool", name) for j, name in enumerate(expect.forbidden_tools))
        yield from (
            (f"{at}.supporting_documents.{j}", "document", name) for j, name in enumerate(expect.supporting_documents)
        )
    yield from _conversation_names(case)
    yield from _simulation_names(case)


def _simulation_names(case: Case) -> Iterator[tuple[str, str, str]]:
    if case.simulation is None:
        return
    expect, reached = case.simulation.expect, case.simulation.goal.reached_when.called
    if reached is not None:
        yield "simulation.goal.reached_when.called.name", "tool", reached.name
    for j, call in enumerate(expect.tool_calls):
        yield f"simulation.expect.tool_calls.{j}.name", "tool", call.name
    yield from (
        (f"simulation.expect.forbidden_tools.{j}", "tool", name) for j, name in enumerate(expect.forbidden_tools)
    )


def _conversation_names(case: Case) -> Iterator[tuple[str, str, str]]:
    if case.expect.escalation.queue is not None:
        yield "expect.escalation.queue", "queue", case.expect.escalation.queue
    handoff = case.expect.handoff
    if handoff is None:
        return
    at = "expect.handoff"
    if handoff.intent is not None:
        yield f"{at}.intent", "intent", handoff.intent
    yield from ((f"{at}.prior_actions.{j}", "tool", name) for j, name in enumerate(handoff.prior_actions))
    yield from ((f"{at}.documents.{j}", "document", name) for j, name in enumerate(handoff.documents))
