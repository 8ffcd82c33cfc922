"""Which customer speaks in which mode of replay."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Protocol, Self

from assay.registry.content.suites import require_simulations
from assay.registry.types.case import Case
from assay.registry.types.simulation import EmbeddedSimulator, OpenAISimulator
from assay.registry.types.suite import ReplaySettings
from assay.runner.agents.base import UNLOGGED, CallLog
from assay.runner.conversation import Trial
from assay.runner.customers.base import Customer, ScriptedCustomer
from assay.runner.customers.embedded import EmbeddedCustomer
from assay.runner.customers.guard import GuardedCustomer
from assay.runner.keys import trial_seed

__all__ = ["Customers", "Simulator", "customers_for", "simulator_of"]


class Simulator(Protocol):
    """Plays customers, any number at once; may also be an asynchronous context manager."""

    def play(self, case: Case, seed: int, calls: CallLog) -> Customer:
        """The customer of one trial; what it says is not checked yet.

        Args:
            case: has a simulation.
            seed: of the trial.
            calls: log of the conversation's calls to something outside.
        """
        ...


class Customers:
    """Makes the customer of a trial. Use it as an asynchronous context manager, so that what it holds is given back."""

    def __init__(self, settings: ReplaySettings, simulator: Simulator | None) -> None:
        self._settings = settings
        self._simulator = simulator
        self._stack = AsyncExitStack()

    def __call__(self, trial: Trial, calls: CallLog = UNLOGGED) -> Customer:
        """The customer of a trial. A simulated one raises `SimulatorError` for everything that it may not say.

        Raises:
            ContentError: customers are to be simulated, and the case has no simulation.
        """
        if self._simulator is None:
            return ScriptedCustomer(trial.case)
        require_simulations([trial.case], where=f"case {trial.case.id!r}")
        seed = trial_seed(self._settings, trial.case_digest, trial.trial)
        played = self._simulator.play(trial.case, seed, calls)
        return GuardedCustomer(played, trial.case, self._settings.max_turns)

    async def __aenter__(self) -> Self:
        if hasattr(self._simulator, "__aenter__"):
            await self._stack.enter_async_context(self._simulator)  # pyright: ignore[reportArgumentType]
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._stack.aclose()


def customers_for(settings: ReplaySettings) -> Customers:
    """What makes the customers of a replay.

    Raises:
        ContentError: a simulator's key is not in the environment.
    """
    if settings.mode != "simulated":
        return Customers(settings, None)
    return Customers(settings, simulator_of(getattr(settings, "simulator", None) or EmbeddedSimulator()))


def simulator_of(settings: EmbeddedSimulator | OpenAISimulator) -> Simulator:
    """The simulator that a suite asks for. Raises as `customers_for` does."""
    if isinstance(settings, EmbeddedSimulator):
        return _Embedded()
    from assay.runner.customers.played import PlayedByModel

    return PlayedByModel(settings)


class _Embedded:
    def play(self, case: Case, seed: int, calls: CallLog) -> Customer:
        del calls
        return EmbeddedCustomer(case, seed)
