"""Simulated customers in a replay: outcomes, keys, state of the back office, deadlines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from openai_server import OpenAIServer
from simulations import SHEET, WHO, simulated

from assay.registry.digest import digest_of
from assay.registry.types.case import Case
from assay.registry.types.score import ScorerFailure
from assay.registry.types.simulation import EmbeddedSimulator
from assay.registry.types.suite import ReplaySettings, ScorerUse, Suite
from assay.registry.types.trajectory import Outcome, ToolCall, Trajectory
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.customers.factory import customers_for
from assay.runner.journal import Journal
from assay.runner.keys import trajectory_key
from assay.runner.replay import Replayed, plan, replay
from assay.runner.score import build_scorers, score_trajectory
from assay.runner.scorers.base import ScorerContext

BUNDLE = "b" * 64
OPEN = "Please block my card ending 4821."


class Clerk:
    """Asks who it is, asks whether to go ahead, blocks the card and looks it up."""

    def __init__(self) -> None:
        self.conversations = 0

    def start(self, context: ConversationContext) -> Clerk:
        self.conversations += 1
        self.turn = 0
        return self

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        self.turn += 1
        if self.turn == 3:
            await turn.tool("block_card", {})
            await turn.tool("get_card_status", {})
        turn.say((WHO, "Shall I go ahead?", "It is blocked.", "Goodbye.")[min(self.turn, 4) - 1])


def carded(**more: Any) -> Case:
    tools = [
        {"name": "block_card", "sets": {"card.status": "blocked"}, "result": {"blocked": True}},
        {"name": "get_card_status", "result": {"status": "${state.card.status}"}},
    ]
    return simulated(case={"state": {"card": {"status": "active"}}, "tools": tools}, **more)


def run(case: Case, folder: Path, agent: Any = None, trials: int = 1, **more: Any) -> list[Replayed]:
    settings = ReplaySettings.model_validate({"mode": "simulated", **more})
    todo = plan([case], {case.id: digest_of(case)}, BUNDLE, settings, trials)

    async def collect() -> list[Replayed]:
        customers = customers_for(settings)
        made = replay(
            agent or Clerk(), todo, agent_name="a", bundle_digest=BUNDLE, settings=settings, journal=Journal(folder),
            customers=customers,
        )  # fmt: skip
        return [done async for done in made]

    return asyncio.run(collect())


def only(case: Case, folder: Path, **more: Any) -> Trajectory:
    return run(case, folder, **more)[0].trajectory


def answer(utterance: str, stop: str | None = None) -> str:
    return json.dumps({"utterance": utterance, "stop": stop})


def model(server: OpenAIServer, **more: Any) -> dict[str, Any]:
    return {"kind": "openai", "model": "m", "base_url": server.base_url, **more}


def test_a_simulated_conversation_is_recorded_as_it_was_said_and_writes_change_what_is_read(tmp_path: Path) -> None:
    found = only(carded(), tmp_path)
    assert (found.outcome, found.mode, len(found.turns)) == (Outcome.COMPLETED, "simulated", 4)
    assert found.turns[0].customer == OPEN
    assert "48213907" in found.turns[1].customer
    status = [e for _, e in found.events if isinstance(e, ToolCall) and e.name == "get_card_status"]
    assert [call.result for call in status] == [{"status": "blocked"}]


def test_what_was_simulated_is_not_simulated_again_and_trials_differ(tmp_path: Path) -> None:
    case = carded(opening=[f"{n}: block {{card_last4}}." for n in range(1, 9)])
    first = run(case, tmp_path, trials=6)
    assert len({done.trajectory.turns[0].customer for done in first}) > 1
    again = Clerk()
    assert not any(done.fresh for done in run(case, tmp_path, agent=again, trials=6))
    assert again.conversations == 0


def test_another_simulator_is_another_trial() -> None:
    played = {"kind": "openai", "model": "m", "base_url": "http://localhost:1/v1"}
    settings = ({"mode": "simulated"}, {"mode": "simulated", "simulator": played}, {"mode": "scripted"})
    keys = {trajectory_key(BUNDLE, BUNDLE, ReplaySettings.model_validate(given), 0) for given in settings}
    assert len(keys) == 3
    assert ReplaySettings(mode="simulated").simulator == EmbeddedSimulator()
    with pytest.raises(ValueError, match="'simulator' is for 'mode: simulated', not for 'mode: scripted'"):
        ReplaySettings.model_validate({"simulator": "embedded"})


def test_a_simulator_that_fails_ends_the_trial_and_measures_nothing(tmp_path: Path) -> None:
    given = iter([answer(OPEN), answer("You owe me $999.")])
    with OpenAIServer(handler=lambda _: next(given), models=["m"]) as server:
        found = only(carded(), tmp_path, simulator=model(server))
    assert found.outcome is Outcome.SIMULATOR_ERROR
    assert found.error == "turn 2: it used '$999', which stands neither in its sheet nor in what the agent said"
    assert len(found.turns) == 1
    scorers = build_scorers(Suite(name="s", dataset="d", scorers=(ScorerUse(name="escalation"),)), ScorerContext())
    assert {type(r.result) for r in score_trajectory(scorers, carded(), found)} == {ScorerFailure}


def test_an_agent_that_fails_is_not_excused_by_the_simulator(tmp_path: Path) -> None:
    class Broken(Clerk):
        async def respond(self, customer: str, turn: TurnChannel) -> None:
            raise ValueError("no model")

    assert only(carded(), tmp_path, agent=Broken()).outcome is Outcome.AGENT_ERROR


def test_the_time_that_a_simulator_takes_is_not_the_agents(tmp_path: Path) -> None:
    given = iter([answer(OPEN), answer("48213907, March 12, 1984"), answer("Yes."), answer("", "goal_reached")])
    with OpenAIServer(handler=lambda _: next(given), models=["m"], latency=0.4) as server:
        found = only(carded(), tmp_path, simulator=model(server), conversation_timeout_s=1.0)
    assert (found.outcome, found.error) == (Outcome.COMPLETED, None)
    assert len(found.turns) == 3


def test_a_case_that_is_not_simulated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="needs a 'simulation'"):
        only(simulated(case={"simulation": None}), tmp_path)


def test_scores_of_a_simulated_conversation_are_of_what_was_said(tmp_path: Path) -> None:
    expect = {"expect": {"tool_calls": [{"name": "block_card"}], "must_say": [{"any_of": ["It is blocked"]}]}}
    case = carded(simulation={**SHEET, **expect})
    scorers = build_scorers(Suite(name="s", dataset="d", scorers=(ScorerUse(name="task"),)), ScorerContext())
    results = {r.metric: r.result for r in score_trajectory(scorers, case, only(case, tmp_path))}
    assert results["task_success"].value == 1  # type: ignore[union-attr]
