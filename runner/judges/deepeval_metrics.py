"""deepeval's own tool correctness over the calls an agent made. Its only importer; no language model is asked."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from assay.registry.types.base import Frozen, JsonValue
from assay.registry.types.case import Case, ExpectedCall
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import ToolCall, Trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["DeepEvalToolsScorer", "DeepEvalToolsSettings"]

_NOTHING = Skipped(reason="the case expects no tool calls")


class DeepEvalToolsSettings(Frozen):
    """`arguments`: whether the expected arguments count too, or the tools' names alone. `exact`: whether the calls
    have to be the expected ones, in order, and no others.
    """

    arguments: bool = True
    exact: bool = False


class DeepEvalToolsScorer(Scorer):
    """`tool_correctness`: the share of expected calls that were made, as deepeval's ToolCorrectnessMetric counts it.

    An expected call names a subset of arguments; a call is compared by the arguments that any expected call of
    its tool names. Cases that expect no call are skipped: deepeval would give them full marks.
    """

    name = "deepeval_tools"
    version = "1"
    Settings = DeepEvalToolsSettings
    settings: DeepEvalToolsSettings

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (
            MetricSpec(
                name="tool_correctness",
                kind="mean",
                direction="higher_is_better",
                range=(0.0, 1.0),
                description="Share of expected tool calls that were made (deepeval ToolCorrectnessMetric)",
            ),
        )

    @property
    def identity(self) -> dict[str, object]:
        return super().identity | {"deepeval": version("deepeval")}

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        expected = _expected(case)
        if not expected:
            return {"tool_correctness": _NOTHING}
        called = [call for turn in trajectory.turns for call in turn.tool_calls]
        return {"tool_correctness": self._measure(expected, called)}

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        return None if _expected(case) else _NOTHING

    def _measure(self, expected: Sequence[ExpectedCall], called: Sequence[ToolCall]) -> Result:
        metric, test_case, tool = _deepeval(self.settings.arguments, self.settings.exact)
        keys: dict[str, set[str]] = {}
        for call in expected:
            keys.setdefault(call.name, set()).update(call.arguments)
        made = [(c.name, {k: v for k, v in c.arguments.items() if k in keys.get(c.name, ())}) for c in called]
        value = metric.measure(
            test_case(
                input="",
                expected_tools=_tools(tool, [(call.name, call.arguments) for call in expected]),
                tools_called=_tools(tool, made),
            ),
            _show_indicator=False,
        )
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return ScorerFailure(error=f"deepeval answered {value!r}, which is not a number")
        if not -1e-9 <= value <= 1 + 1e-9:
            return ScorerFailure(error=f"deepeval answered {value!r}, which is not between 0 and 1")
        names = (", ".join(call.name for call in calls) or "none" for calls in (expected, called))
        return Score(value=min(1.0, max(0.0, value)), explanation="expected: {}; called: {}".format(*names))


def _expected(case: Case) -> list[ExpectedCall]:
    return [call for turn in case.turns for call in turn.expect.tool_calls]


def _tools(tool: Any, calls: Sequence[tuple[str, Mapping[str, JsonValue]]]) -> list[Any]:
    """Deepeval's calls. It takes equal calls for one and the same, so each gets an output of its own, which
    is not compared.
    """
    return [tool(name=name, input_parameters=dict(args), output=f"#{i}") for i, (name, args) in enumerate(calls)]


@cache
def _deepeval(arguments: bool, exact: bool) -> tuple[Any, Any, Any]:
    """The metric, and the classes of its input. Telemetry is off, and no `.env` is read."""
    os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
    os.environ["DEEPEVAL_DISABLE_DOTENV"] = "1"
    os.environ["ERROR_REPORTING"] = "NO"
    from deepeval.metrics import ToolCorrectnessMetric
    from deepeval.models import DeepEvalBaseLLM
    from deepeval.test_case import LLMTestCase, ToolCallParams
    from deepeval.test_case import ToolCall as DeepEvalToolCall

    class NoModel(DeepEvalBaseLLM):
        """Stands where deepeval would look for an API key. This metric has no use for a model."""

        def load_model(self, *args: Any, **kwargs: Any) -> Any:
            return self

        def generate(self, *args: Any, **kwargs: Any) -> str:
            raise RuntimeError("tool correctness is measured without a language model")

        async def a_generate(self, *args: Any, **kwargs: Any) -> str:
            return self.generate()

        def get_model_name(self, *args: Any, **kwargs: Any) -> str:
            return "none"

    metric = ToolCorrectnessMetric(
        model=NoModel(),
        evaluation_params=[ToolCallParams.INPUT_PARAMETERS] if arguments else [],
        should_exact_match=exact,
        include_reason=False,
        async_mode=False,
    )
    return metric, LLMTestCase, DeepEvalToolCall
