"""Who speaks for the customers of a run in `simulated` mode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from assay.registry.errors import ContentError
from assay.registry.types.case import Case
from assay.registry.types.simulation import EmbeddedSimulator, OpenAISimulator
from assay.runner.agents.base import UNLOGGED, CallLog
from assay.runner.customers.base import Customer
from assay.runner.customers.embedded import EmbeddedCustomer
from assay.runner.customers.guard import GuardedCustomer

__all__ = ["Simulator", "require_simulations", "simulator_of"]

_SHOWN = 5


class Simulator(Protocol):
    """Plays customers, any number at once."""

    def customer(self, case: Case, *, seed: int, max_turns: int, calls: CallLog = UNLOGGED) -> Customer:
        """The customer of one trial. What it says is checked; it raises `SimulatorError` for what it may not say.

        Args:
            case: has a simulation.
            seed: of the trial.
            max_turns: how many times the customer speaks at most.
            calls: log of the conversation's calls to something outside.
        """
        ...


class _Embedded:
    def customer(self, case: Case, *, seed: int, max_turns: int, calls: CallLog = UNLOGGED) -> Customer:
        del calls
        return GuardedCustomer(EmbeddedCustomer(case, seed), case, max_turns)


@asynccontextmanager
async def simulator_of(settings: EmbeddedSimulator | OpenAISimulator) -> AsyncIterator[Simulator]:
    """The simulator that a suite asks for, open for as long as the context lasts.

    Raises:
        ContentError: the key that it names is not in the environment.
    """
    if isinstance(settings, EmbeddedSimulator):
        yield _Embedded()
        return
    from assay.runner.customers.played import opened

    async with opened(settings) as simulator:
        yield simulator


def require_simulations(cases: Iterable[Case], where: str) -> None:
    """Refuse to simulate customers that nobody described.

    Raises:
        ContentError: a case has no simulation; names the first of them.
    """
    without = [case.id for case in cases if case.simulation is None]
    if without:
        shown = ", ".join(without[:_SHOWN]) + (f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else "")
        raise ContentError(
            f"'mode: simulated' needs a 'simulation' in every case, and there is none in: {shown}. "
            "Add one to each, or use 'mode: scripted'",
            file=where,
            key="replay.mode",
        )
