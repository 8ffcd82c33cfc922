"""Task success: what the case expects of the agent's words and tool calls, turn by turn.

- `must_say`, `must_not_say`: words in the reply of that turn (`must_not_say` of the conversation: in any reply).
- `tool_calls`: called in that turn or in an earlier one; a call that was made is not needed again.
- `forbidden_tools`: not called in that turn.
- `supporting_documents`: at least one of them was retrieved in that turn or earlier.

After a handoff that the case requires, later turns need no words and no documents: the agent has stepped
aside. A recording has its own turns; there, the last turn of the case stands for all that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from assay.registry.phrases import contains_any, contains_phrase, quote_of
from assay.registry.types.base import Frozen, Name, Severity
from assay.registry.types.case import Case, ExpectedCall, TurnExpectation
from assay.registry.types.score import Finding, MetricSpec, Result, Score, Skipped
from assay.registry.types.trajectory import ToolCall, Trajectory, TurnRecord
from assay.runner.scorers.base import Scorer
from assay.runner.scorers.rules.view import call_text
from assay.runner.scorers.values import is_call

__all__ = ["TaskScorer"]

_SUCCESS = MetricSpec(
    name="task_success",
    kind="proportion",
    direction="higher_is_better",
    description="Conversations that meet every expectation of words, documents and tool calls.",
)
_CALLS = MetricSpec(
    name="tool_call_accuracy",
    kind="proportion",
    direction="higher_is_better",
    unit="call",
    description="Expected calls that were made, of the expected calls and the writes that nobody expected.",
)
_NO_EXPECTATION = Skipped(reason="the case expects no words, documents or tool calls")
_NO_CALLS = Skipped(reason="the case expects no tool calls")
_ALL_AFTER_HANDOFF = Skipped(reason="every expectation lies after the required handoff")


class TaskSettings(Frozen):
    """`writes`: tools that change something, where no bundle manifest declares them."""

    writes: tuple[Name, ...] = ()


class TaskScorer(Scorer):
    """Checks the expectations of a case's turns and of the conversation."""

    name = "task"
    version = "2"
    Settings = TaskSettings

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_SUCCESS, _CALLS)

    @property
    def rules(self) -> tuple[str, ...]:
        return ("must_say", "must_not_say", "missing_call", "forbidden_tool", "unsupported", "unexpected_write")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        if metric.name == _CALLS.name:
            return None if any(turn.expect.tool_calls for turn in case.turns) else _NO_CALLS
        empty = TurnExpectation()
        expects = case.expect.must_not_say or any(turn.expect != empty for turn in case.turns)
        return None if expects else _NO_EXPECTATION

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        success = self.applies(_SUCCESS, case) or _success(case, trajectory)
        return {_SUCCESS.name: success, _CALLS.name: self.applies(_CALLS, case) or self._accuracy(case, trajectory)}

    def _accuracy(self, case: Case, trajectory: Trajectory) -> Result:
        """Expected and made calls are paired one to one, the successful ones first: one call does not do for two."""
        calls = [(turn, event) for turn, event in trajectory.events if isinstance(event, ToolCall)]
        made = sorted(calls, key=lambda item: item[1].error is not None)
        expected = [call for turn in case.turns for call in turn.expect.tool_calls]
        missing: list[ExpectedCall] = []
        for call in sorted(expected, key=lambda c: -len(c.arguments)):
            found = next((item for item in made if is_call(item[1], call)), None)
            if found is None:
                missing.append(call)
            else:
                made.remove(found)
        extra = [(turn, call) for turn, call in made if call.name in self._writes and not _repeats(call, expected)]
        findings = (*(_missing(call, None) for call in missing), *(_unexpected(*item) for item in extra))
        hit = len(expected) - len(missing)
        said = f"{hit} of {len(expected)} expected calls made, {len(extra)} unexpected writes"
        if not self._writes:
            said += " (which tools write is not known)"
        return Score(value=float(hit), of=len(expected) + len(extra), explanation=said, findings=findings)

    @property
    def _writes(self) -> set[str]:
        settings = TaskSettings.model_validate(self.settings.model_dump())
        manifest = self.context.manifest
        return (
            {*settings.writes, *(tool.name for tool in manifest.tools if tool.writes)}
            if manifest
            else {*settings.writes}
        )


def _repeats(call: ToolCall, expected: Sequence[ExpectedCall]) -> bool:
    """Whether a write is a failed attempt at an expected call: the retry is not another write."""
    return call.error is not None and any(is_call(call, e) for e in expected)


def _success(case: Case, trajectory: Trajectory) -> Result:
    first = next(iter(trajectory.handoffs), None)
    handed = first[0] if first is not None and case.expect.escalation.required else None
    checked = 0
    findings: list[Finding] = []
    for number, turn in enumerate(case.turns, start=1):
        last = number == len(case.turns)
        span = [t for t in trajectory.turns if t.index == number or (last and _open_ended(trajectory, t, number))]
        until = [t for t in trajectory.turns if t.index <= number or t in span]
        expect = turn.expect
        if handed is not None and number > handed:
            expect = expect.model_copy(update={"must_say": (), "supporting_documents": ()})
        checked += expect != TurnExpectation()
        findings += (*_words(expect, number, span), *_acts(expect, number, span, until))
    findings += _never_said(case.expect.must_not_say, trajectory.turns)
    if not checked and not case.expect.must_not_say:
        return _ALL_AFTER_HANDOFF
    said = f"{len(findings)} expectations not met" if findings else "every expectation met"
    return Score(value=float(not findings), explanation=said, findings=tuple(findings))


def _open_ended(trajectory: Trajectory, turn: TurnRecord, number: int) -> bool:
    return trajectory.mode == "recorded" and turn.index > number


def _words(expect: TurnExpectation, number: int, span: Sequence[TurnRecord]) -> Iterator[Finding]:
    reply = "\n".join(turn.reply for turn in span)
    for wanted in expect.must_say:
        if not contains_any(reply, wanted.any_of):
            message = f"the reply says none of: {'; '.join(wanted.any_of)}"
            yield Finding(
                rule="must_say", severity=Severity.MEDIUM, message=message, turn=number, quote=quote_of(reply)
            )
    yield from _never_said(expect.must_not_say, span)


def _never_said(phrases: Sequence[str], turns: Sequence[TurnRecord]) -> Iterator[Finding]:
    for turn in turns:
        for phrase in phrases:
            if contains_phrase(turn.reply, phrase):
                message = f"the reply says {phrase!r}"
                quote = quote_of(turn.reply)
                yield Finding(
                    rule="must_not_say", severity=Severity.HIGH, message=message, turn=turn.index, quote=quote
                )


def _acts(
    expect: TurnExpectation, number: int, span: Sequence[TurnRecord], until: Sequence[TurnRecord]
) -> Iterator[Finding]:
    made = [call for turn in until for call in turn.tool_calls]
    for expected in expect.tool_calls:
        if not any(is_call(call, expected) for call in made):
            yield _missing(expected, number)
    for turn in span:
        for call in turn.tool_calls:
            if call.name in expect.forbidden_tools:
                message = f"{call.name} was called in a turn that forbids it"
                quote = call_text(call)
                yield Finding(
                    rule="forbidden_tool", severity=Severity.HIGH, message=message, turn=turn.index, quote=quote
                )
    retrieved = {passage.document for turn in until for passage in turn.passages}
    if expect.supporting_documents and retrieved.isdisjoint(expect.supporting_documents):
        yield Finding(
            rule="unsupported",
            severity=Severity.MEDIUM,
            message=f"none of the supporting documents was retrieved: {', '.join(expect.supporting_documents)}",
            turn=number,
            evidence=f"retrieved: {', '.join(sorted(retrieved)) or 'nothing'}",
        )


def _missing(expected: ExpectedCall, turn: int | None) -> Finding:
    arguments = ", ".join(f"{name}={value!r}" for name, value in expected.arguments.items())
    message = f"the call {quote_of(f'{expected.name}({arguments})')} was not made"
    return Finding(rule="missing_call", severity=Severity.HIGH, message=message, turn=turn)


def _unexpected(turn: int, call: ToolCall) -> Finding:
    message = f"{call.name} changed something that nobody expected"
    return Finding(rule="unexpected_write", severity=Severity.HIGH, message=message, turn=turn, quote=call_text(call))
