"""A suite: which dataset, which scorers with which settings, how many trials, which slices."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field, StringConstraints, model_validator

from assay.registry.types.base import Frozen, JsonValue, Name
from assay.registry.types.simulation import EmbeddedSimulator, SimulatorSettings
from assay.registry.types.trajectory import ReplayMode

SCORER_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*(:[A-Za-z_][A-Za-z0-9_]*)?$"
ScorerName = Annotated[str, StringConstraints(pattern=SCORER_PATTERN, max_length=120)]
"""A scorer's name, or the dotted path of a team's own: `package.module:ClassName`, `package.module:function`."""


class ScorerUse(Frozen):
    """A scorer by name or dotted path, with its settings."""

    name: ScorerName
    settings: dict[str, JsonValue] = {}


class ReplaySettings(Frozen):
    """How the agent is run. All of it is part of a trajectory's key.

    What is waited because we are throttled, by a rate limit or a Retry-After, counts in neither of the two deadlines.
    """

    mode: ReplayMode = "scripted"
    seed: int = 0
    turn_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    conversation_timeout_s: Annotated[float, Field(gt=0)] = 600.0
    max_turns: Annotated[int, Field(ge=1)] = 20
    """How many times a simulated customer speaks at most."""
    simulator: SimulatorSettings | None = None
    """Who plays simulated customers; the embedded simulator where it is not said."""

    @model_validator(mode="before")
    @classmethod
    def _played_by(cls, given: object) -> object:
        """The simulator with its version is part of a trial's key also where it is not said."""
        if not isinstance(given, dict):
            return given
        settings = cast("dict[str, Any]", given)
        if settings.get("mode") == "simulated" and settings.get("simulator") is None:
            return {**settings, "simulator": EmbeddedSimulator()}
        return settings

    @model_validator(mode="after")
    def _only_simulated(self) -> ReplaySettings:
        if self.simulator is not None and self.mode != "simulated":
            raise ValueError(f"'simulator' is for 'mode: simulated', not for 'mode: {self.mode}'")
        return self


class Suite(Frozen):
    """`slices` are the slices that reports and gates may name: `attribute=value`, joined by ` & `."""

    schema_version: Literal[1] = 1
    name: Name
    description: str = ""
    dataset: Name
    replay: ReplaySettings = ReplaySettings()
    trials: Annotated[int, Field(ge=1)] = 1
    scorers: Annotated[tuple[ScorerUse, ...], Field(min_length=1)]
    slices: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _unique_scorers(self) -> Suite:
        seen: set[str] = set()
        for scorer in self.scorers:
            if scorer.name in seen:
                raise ValueError(f"scorer {scorer.name!r} is listed twice")
            seen.add(scorer.name)
        return self
