"""A trajectory as the rules see it: its acts in order, and the names that stand for sets of tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from assay.registry.phrases import quote_of
from assay.registry.types.base import AutonomyLevel
from assay.registry.types.case import Case
from assay.registry.types.trajectory import Handoff, ToolCall, Trajectory, TurnRecord

__all__ = ["Act", "Checked", "View", "Violation", "call_text"]


@dataclass(frozen=True)
class Violation:
    """One break of a rule, in a turn (1-based), with the words or the call that broke it."""

    message: str
    turn: int | None = None
    quote: str = ""
    evidence: str = ""


@dataclass(frozen=True)
class Checked:
    """What a check found. `exercised` tells whether the conversation gave the rule anything to say."""

    exercised: bool
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True)
class Act:
    """A tool call with its place: `turn` (1-based index) and `order` among all events of the conversation."""

    turn: int
    order: int
    call: ToolCall


@dataclass(frozen=True)
class View:
    """A case and its trajectory, with what the bundle or the pack declares about tools and intents."""

    case: Case
    trajectory: Trajectory
    writes: frozenset[str]
    verified: frozenset[str]
    intents: dict[str, AutonomyLevel]
    """Autonomy level by intent, as far as the bundle declares it."""
    internal: tuple[str, ...] = ()
    """Texts that must not be quoted to customers."""
    public: tuple[str, ...] = ()

    @property
    def turns(self) -> tuple[TurnRecord, ...]:
        return self.trajectory.turns

    def named(self, tools: str | tuple[str, ...] | None) -> frozenset[str]:
        """The tools that `writes`, `verified` or a list of names stands for."""
        if tools is None:
            return frozenset()
        if isinstance(tools, tuple):
            return frozenset(tools)
        return self.writes if tools == "writes" else self.verified

    def acts(self, tools: str | tuple[str, ...] | None = None) -> Iterator[Act]:
        """All tool calls in order, or those of the given tools."""
        wanted = self.named(tools)
        return (act for act in self._all_acts if tools is None or act.call.name in wanted)

    @cached_property
    def _all_acts(self) -> tuple[Act, ...]:
        events = enumerate(self.trajectory.events)
        return tuple(Act(turn, order, event) for order, (turn, event) in events if isinstance(event, ToolCall))

    def first_handoff(self) -> int | None:
        """The place of the first handoff among all events."""
        events = self.trajectory.events
        return next((order for order, (_, event) in enumerate(events) if isinstance(event, Handoff)), None)


def call_text(call: ToolCall) -> str:
    """A tool call as people read it."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
    return quote_of(f"{call.name}({arguments})")
