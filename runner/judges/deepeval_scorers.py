"""A scorer of ours as a metric of deepeval's, for teams that evaluate with deepeval.

There is no threshold: what is good enough is for a gate to say. So, in deepeval's words:

| result | `score` | `reason` | `error` | `success`, `is_successful()` |
| --- | --- | --- | --- | --- |
| a score | its number; a share for a proportion | the explanation and the direction | None | None: no verdict |
| skipped | None | None | the reason | False |
| a failure | None | None | what failed | False |

A skipped metric is an error here, because deepeval leaves what it calls skipped out of a test's result.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from assay.registry.errors import AssayError, NotFoundError
from assay.registry.store.mlflow_scorers import RetrievedText
from assay.registry.types.case import Case
from assay.registry.types.score import Result, Score, ScorerFailure, Skipped
from assay.runner.elsewhere import CASE_KEY, Cases, measured
from assay.runner.importers.golden import Call, Turn
from assay.runner.importers.openai_chat import HANDOFF_TOOL
from assay.runner.scorers.base import Scorer

__all__ = ["deepeval_metric"]


def deepeval_metric(scorer: Scorer, metric: str, cases: Iterable[Case] = (), *, single_turn: bool = False) -> Any:
    """One metric of a scorer as a `BaseConversationalMetric`, or as a `BaseMetric` for `LLMTestCase`s.

    A test case's golden conversation is `metadata["assay_case"]` (whole, or its id), else the one its `name` names, as
    in the goldens that Assay exports.

    Args:
        scorer: as `build_scorers` makes it.
        metric: the name of one of its metrics.
        cases: golden conversations to find by id.
        single_turn: for `LLMTestCase`s, whose cases have one customer turn.

    Raises:
        NotFoundError: the scorer has no such metric.
    """
    known = [spec.name for spec in scorer.info().metrics]
    if metric not in known:
        raise NotFoundError("metric", metric, known, where=f"the scorer {scorer.info().name!r}")
    return _classes()[single_turn](scorer, metric, Cases(cases))


class _Measured:
    """What both kinds of metric do. deepeval copies a metric by the arguments of `__init__`, found by their names."""

    score: Any = None
    reason: Any = None
    error: Any = None
    success: Any = None

    def __init__(self, scorer: Scorer, metric: str, cases: Cases) -> None:
        self.scorer, self.metric, self.cases = scorer, metric, cases
        self.threshold = None
        self.include_reason = True

    @property
    def __name__(self) -> str:
        return self.metric

    def measure(self, test_case: Any, *args: Any, **kwargs: Any) -> Any:
        """The score, which also stands in `self.score`; None where there is none, and then `error` says why."""
        del args, kwargs
        result = self._result(test_case)
        self.score = self.reason = self.error = self.success = None
        if isinstance(result, Score):
            self.score = result.value / result.of
            spec = next(spec for spec in self.scorer.info().metrics if spec.name == self.metric)
            units = f"{result.value:g} of {result.of}, " if spec.kind == "proportion" else ""
            self.reason = f"{units}{spec.direction.replace('_', ' ')}. {result.explanation}".strip()
        else:
            self.error = f"skipped: {result.reason}" if isinstance(result, Skipped) else result.error
            self.success = False
        return self.score

    async def a_measure(self, test_case: Any, *args: Any, **kwargs: Any) -> Any:
        return self.measure(test_case)

    def is_successful(self) -> bool | None:
        """False where nothing was measured. None where something was: a score alone is no verdict."""
        self.success = None if self.error is None and self.score is not None else False
        return self.success

    def _result(self, test_case: Any) -> Result:
        try:
            case = self.cases.find((test_case.metadata or {}).get(CASE_KEY, test_case.name))
            turns, passages = _conversation(test_case)
            return measured(self.scorer, case, turns, passages)[self.metric]
        except (AssayError, ValueError) as error:
            return ScorerFailure(error=str(error)[:300] or type(error).__name__)


def _conversation(test_case: Any) -> tuple[list[Turn], dict[int, list[RetrievedText]]]:
    """Turns and what was found in them, by index, of either kind of test case."""
    if not hasattr(test_case, "turns"):
        passages = list(_passages(test_case.retrieval_context))
        calls, handoff = _calls(test_case.tools_called)
        return [Turn(str(test_case.input), str(test_case.actual_output or "") or None, calls, handoff)], {1: passages}
    turns: list[Turn] = []
    found: dict[int, list[RetrievedText]] = {}
    answered = True
    for said in test_case.turns:
        if said.role == "user":
            if answered:
                turns.append(Turn(said.content))
            else:
                turns[-1] = Turn(f"{turns[-1].customer}\n{said.content}")
            answered = False
        elif turns:  # what an agent says before the customer does answers nothing
            turns[-1] = _with(turns[-1], said)
            found.setdefault(len(turns), []).extend(_passages(said.retrieval_context))
            answered = True
    if not turns:
        raise ValueError("the customer says nothing: there is no turn of role 'user'")
    return turns, found


def _with(turn: Turn, said: Any) -> Turn:
    calls, handoff = _calls(said.tools_called)
    noted = (said.metadata or {}).get("handoff")
    reply = "\n".join(text for text in (turn.reply, said.content) if text and text.strip())
    packet = turn.handoff if turn.handoff is not None else noted if isinstance(noted, Mapping) else handoff
    return Turn(turn.customer, reply or None, (*turn.calls, *calls), packet)


def _calls(called: Sequence[Any] | None) -> tuple[tuple[Call, ...], Mapping[str, Any] | None]:
    """Tool calls, and the arguments of a transfer to a person among them."""
    calls: list[Call] = []
    handoff: Mapping[str, Any] | None = None
    for call in called or ():
        arguments = dict(call.input_parameters or {})
        if call.name == HANDOFF_TOOL:
            handoff = arguments if handoff is None else handoff
            continue
        failed = call.output.get("error") if isinstance(call.output, Mapping) and len(call.output) == 1 else None
        error = str(failed) if failed is not None else None
        result: Any = None if error else call.output
        calls.append(Call(call.name, arguments, result, error, answered=call.output is not None))
    return tuple(calls), handoff


def _passages(context: Sequence[Any] | None) -> Iterator[RetrievedText]:
    for found in context or ():
        if isinstance(found, str):
            yield RetrievedText("", found)
        else:
            yield RetrievedText(str(found.source), str(found.context))


@cache
def _classes() -> tuple[type, type]:
    """For conversations, and for single turns. Telemetry is off, and no `.env` is read."""
    os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
    os.environ["DEEPEVAL_DISABLE_DOTENV"] = "1"
    os.environ["ERROR_REPORTING"] = "NO"
    from deepeval.metrics import BaseConversationalMetric, BaseMetric

    class AssayConversationalMetric(_Measured, BaseConversationalMetric):
        pass

    class AssayMetric(_Measured, BaseMetric):
        _required_params: Any = []

    return AssayConversationalMetric, AssayMetric
