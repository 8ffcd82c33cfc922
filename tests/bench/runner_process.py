"""One measured replay in a process of its own: `ours URL CONVERSATIONS IN_FLIGHT [FOLDER]`, or `floor ...`.

Its last line of output is what it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TURNS = 4
SYSTEM = "You help customers of a bank. Be brief."


def said(conversation: int, turn: int) -> str:
    return f"Conversation {conversation}, question {turn}: what does a wire transfer to another bank cost me today?"


def expected(conversation: int) -> dict[str, Any]:
    return {"must_say": [{"any_of": [f"Conversation {conversation},"]}]}


def ours(url: str, conversations: int, in_flight: int, folder: Path, turn_timeout: float) -> dict[str, Any]:
    import aiohttp  # noqa: F401 - what it takes to import is no part of either figure

    from assay.registry.digest import digest_of
    from assay.registry.types.bundle import Adapter, AutonomyPolicy, BundleManifest, ChatConfig
    from assay.registry.types.case import Case
    from assay.registry.types.suite import ReplaySettings, ScorerUse, Suite
    from assay.runner.agents.openai.agent import build_openai_agent
    from assay.runner.collect import Done, collect
    from assay.runner.conversation import Trial
    from assay.runner.evaluate import Subject
    from assay.runner.journal import Journal
    from assay.runner.keys import trajectory_key
    from assay.runner.replay import Limits
    from assay.runner.score import build_scorers
    from assay.runner.scorebook import ScoreBook
    from assay.runner.scorers.base import ScorerContext
    from assay.runner.scoring import Scoring

    digest = "d" * 64
    manifest = BundleManifest(
        agent="bench",
        adapter=Adapter(kind="openai", settings={"base_url": url, "api_key_env": None}),
        prompt_digest=digest,
        retrieval=None,
        knowledge_digest=None,
        model=ChatConfig(kind="chat", name="test-model"),
        model_source_digest=digest,
        model_digest=digest,
        tools=(),
        roles=(),
        autonomy=AutonomyPolicy(intents={}),
    )
    settings = ReplaySettings(turn_timeout_s=turn_timeout)
    bundle = digest_of(manifest)

    def trials() -> Iterator[Trial]:
        for number in range(conversations):
            case = Case.model_validate(
                {
                    "id": f"c{number}",
                    "intent": "fee",
                    "risk_tier": "low",
                    "autonomy": "autonomous",
                    "date": "2026-03-02",
                    "turns": [
                        {
                            "customer": said(number, turn),
                            "expect": {"must_say": [{"any_of": [f"Conversation {number},"]}]},
                        }
                        for turn in range(1, TURNS + 1)
                    ],
                    "expect": {"escalation": {"required": False}},
                }
            )
            known = digest_of(case)
            yield Trial(case, known, 0, trajectory_key(bundle, known, settings, 0))

    suite = Suite(name="bench", dataset="bench", scorers=(ScorerUse(name="task"),))
    scorers = build_scorers(suite, ScorerContext())
    agent = build_openai_agent(manifest, SYSTEM, None)
    journal, book = Journal(folder / "trajectories"), ScoreBook(folder / "scores.db")
    outcomes: Counter[str] = Counter()
    scoring = _Watched(Scoring(scorers, book), outcomes)
    shown = 0

    def progress(done: Done) -> None:
        nonlocal shown
        shown += 1
        if shown * 4 // conversations > (shown - 1) * 4 // conversations:
            print(f"replaying: {shown} of {conversations}", file=sys.stderr, flush=True)

    print("begins", flush=True)
    began, cpu = time.perf_counter(), time.process_time()
    subject = Subject("bench", bundle, "bench v1")
    limits = Limits(concurrency=in_flight)
    collect(agent, subject, trials(), settings, journal, scoring, limits=limits, progress=progress)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": round(seconds, 3), "cpu": used, "outcomes": dict(outcomes), "wrong": scoring.wrong}


class _Watched:
    """The real scoring, which also counts outcomes and answers that stand in the wrong conversation."""

    def __init__(self, scoring: Any, outcomes: Counter[str]) -> None:
        self._scoring, self._outcomes = scoring, outcomes
        self.wrong = 0

    def records(self, case: Any, trajectory: Any, digest: str) -> Any:
        self._outcomes[trajectory.outcome.value] += 1
        for turn in trajectory.turns:
            self.wrong += bool(turn.reply) and turn.customer.split(":")[0] not in turn.reply
        return self._scoring.records(case, trajectory, digest)


def floor(url: str, conversations: int, in_flight: int) -> dict[str, Any]:
    """The same requests by the least code that sends them."""
    import aiohttp

    async def converse(session: aiohttp.ClientSession, gate: asyncio.Semaphore, number: int) -> None:
        async with gate:
            messages = [{"role": "system", "content": SYSTEM}]
            for turn in range(1, TURNS + 1):
                messages.append({"role": "user", "content": said(number, turn)})
                body = {"model": "test-model", "messages": messages}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    answer = await response.json()
                messages.append({"role": "assistant", "content": answer["choices"][0]["message"]["content"]})

    async def all_of_them() -> None:
        connector = aiohttp.TCPConnector(limit=in_flight)
        async with aiohttp.ClientSession(connector=connector) as session:
            gate = asyncio.Semaphore(in_flight)
            await asyncio.gather(*(converse(session, gate, number) for number in range(conversations)))

    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(all_of_them())
    return {"seconds": round(time.perf_counter() - began, 3), "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["ours", "floor"])
    parser.add_argument("url")
    parser.add_argument("conversations", type=int)
    parser.add_argument("in_flight", type=int)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--turn-timeout", type=float, default=60.0)
    given = parser.parse_args()
    if given.what == "floor":
        took = floor(given.url, given.conversations, given.in_flight)
    elif given.folder:
        took = ours(given.url, given.conversations, given.in_flight, given.folder, given.turn_timeout)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            took = ours(given.url, given.conversations, given.in_flight, Path(scratch), given.turn_timeout)
    print(json.dumps({**took, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
