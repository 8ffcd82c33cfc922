"""The interface between the replay loop and whoever speaks for the customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from assay.registry.types.case import Case
from assay.registry.types.trajectory import TurnRecord

__all__ = ["Customer", "ScriptedCustomer", "SimulatorError"]


class SimulatorError(Exception):
    """A simulated customer did what it must not, or nothing usable. The trial measures nothing of the agent."""


class Customer(Protocol):
    """One customer in one conversation."""

    async def next(self, turns: Sequence[TurnRecord]) -> str | None:
        """What the customer says after `turns`; None ends the conversation.

        Raises:
            SimulatorError: the simulator failed.
        """
        ...


class ScriptedCustomer:
    """Says the case's turns, whatever the agent does."""

    def __init__(self, case: Case) -> None:
        self._turns = case.turns

    async def next(self, turns: Sequence[TurnRecord]) -> str | None:
        """The next turn of the case."""
        return self._turns[len(turns)].customer if len(turns) < len(self._turns) else None
