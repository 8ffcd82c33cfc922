"""The handoff of a conversation beside what was expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from assay.gates.reports.figures import label
from assay.gates.reports.text import Presenter
from assay.registry.types.base import JsonValue
from assay.registry.types.case import Case, EscalationExpectation
from assay.registry.types.trajectory import HandoffPacket, Trajectory

__all__ = ["handoff_rows", "handoff_sentences"]

_NOTHING = "—"


def handoff_sentences(case: Case, trajectory: Trajectory | None, show: Presenter) -> tuple[str, str]:
    """What should have happened and what did, a sentence each."""
    return _expected(case.expect.escalation), _happened(trajectory, show)


def handoff_rows(case: Case | None, trajectory: Trajectory | None, show: Presenter) -> list[JsonValue]:
    """Rows of (element, expected, passed on, mark) where a handoff happened or was required.

    The mark is `same` or `differs` for elements that compare as they stand, else empty: whether a summary
    mentions what it must is the scorer's to say.
    """
    packet = trajectory.handoffs[0][1] if trajectory and trajectory.handoffs else None
    escalation = case.expect.escalation if case else None
    if packet is None and not (escalation and escalation.required):
        return []
    return [[*row] for row in _rows(case, packet, show)]


def _expected(expectation: EscalationExpectation) -> str:
    if not expectation.required:
        return "Expected: the agent serves the customer without a handover."
    to = f" to {label(expectation.queue)}" if expectation.queue else ""
    why = " or ".join(label(reason.value) for reason in expectation.reasons)
    when = "by the end" if expectation.by_turn is None else f"by turn {expectation.by_turn}"
    return f"Expected: handover{to} {when} ({why})."


def _happened(trajectory: Trajectory | None, show: Presenter) -> str:
    if trajectory is None:
        return "What happened is not known."
    if not trajectory.handoffs:
        return "What happened: no handover."
    turn, packet = trajectory.handoffs[0]
    to = f" to {show.text(label(packet.queue), 120)}" if packet.queue else ""
    why = show.text(label(packet.reason), 120) if packet.reason else "no reason given"
    return f"What happened: handover{to} in turn {turn} ({why})."


def _rows(case: Case | None, packet: HandoffPacket | None, show: Presenter) -> Iterable[tuple[str, str, str, str]]:
    escalation = case.expect.escalation if case else None
    expected = case.expect.handoff if case else None
    given = packet or HandoffPacket()
    reasons = tuple(reason.value for reason in escalation.reasons) if escalation else ()
    yield _one_of("Reason", reasons, given.reason, show)
    yield _one_of("Queue", (escalation.queue,) if escalation and escalation.queue else (), given.queue, show)
    yield _one_of("Intent", (expected.intent,) if expected and expected.intent else (), given.intent, show)
    yield _contains("Prior actions", expected.prior_actions if expected else (), given.prior_actions, show)
    yield _contains("Knowledge", expected.documents if expected else (), given.knowledge, show)
    phrases = tuple(" or ".join(phrase.any_of) for phrase in expected.must_mention) if expected else ()
    yield (
        "Summary",
        _lines(f"mentions {show.text(p, 300)}" for p in phrases),
        show.text(given.summary) or _NOTHING,
        "",
    )
    yield "History", _NOTHING, _lines(show.text(line, 1_000) for line in given.history), ""


def _one_of(name: str, expected: Sequence[str], given: str | None, show: Presenter) -> tuple[str, str, str, str]:
    mark = "" if not expected else "same" if given in expected else "differs"
    shown = show.text(label(given), 200) if given else _NOTHING
    return name, " or ".join(map(label, expected)) or _NOTHING, shown, mark


def _contains(name: str, expected: Sequence[str], given: Sequence[str], show: Presenter) -> tuple[str, str, str, str]:
    mark = "" if not expected else "same" if set(expected) <= set(given) else "differs"
    return name, _lines(expected), _lines(show.text(item, 200) for item in given), mark


def _lines(items: Iterable[str]) -> str:
    return "\n".join(items) or _NOTHING
