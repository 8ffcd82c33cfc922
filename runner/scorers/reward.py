"""The reward that the source of a recording gives a trial, such as a benchmark's own verdict."""

from __future__ import annotations

from collections.abc import Mapping

from assay.registry.types.case import Case
from assay.registry.types.score import MetricSpec, Result, Score, ScorerFailure
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.base import Scorer

__all__ = ["RewardScorer"]

_REWARD = MetricSpec(
    name="task_reward",
    kind="proportion",
    direction="higher_is_better",
    description="Conversations that the recording's source rewards (label 'reward', 0 or 1).",
)


class RewardScorer(Scorer):
    """Reads `trajectory.labels["reward"]`. Anything but 0 or 1 there is a failure of the scorer, not a score."""

    name = "reward"
    version = "1"

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_REWARD,)

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        del case
        return {_REWARD.name: _result(trajectory)}


def _result(trajectory: Trajectory) -> Result:
    if "reward" not in trajectory.labels:
        return ScorerFailure(error="the trajectory has no label 'reward'; only some recordings have one")
    reward = trajectory.labels["reward"]
    if isinstance(reward, bool) or not isinstance(reward, int | float) or reward not in (0, 1):
        return ScorerFailure(error=f"the label 'reward' is {reward!r}; 0 or 1 is expected")
    return Score(value=float(reward), explanation=f"the source's reward is {reward:g}")
