"""Benchmarks: each figure beside what it was measured against in the same run. `make bench` writes them."""

from __future__ import annotations

import asyncio
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import retrieval
import scoring
import triage

import datasets
from assay.registry.digest import digest_of
from assay.registry.types.case import Case
from assay.registry.types.run import EvalRun, PlannedUnit
from assay.registry.types.score import MetricSpec, Score, ScoreRecord, ScorerInfo
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome

HERE = Path(__file__).resolve()
OUT = HERE.parents[2] / "build" / "bench.json"


def main() -> None:
    rows = [startup(), replay(), deciding(), *datasets.rows(), *scoring.rows()]
    for row in rows:
        print(f"{row['what']}: {row['seconds']:.3f} s (against {row['against']}: {row['floor']:.3f} s)")
    found_by_search = retrieval.rows()
    for found in found_by_search:
        print(f"{found['retriever']} on {found['query']}: recall at 10 {found['recall_at_10']}, MRR {found['mrr']}")
    held_out = triage.rows()
    for found in held_out:
        shares = ", ".join(f"{name} {found[name]['value']}" for name in ("recall", "false_escalations"))
        print(f"triage model of {found['bundle']} on messages it was not trained on: {shares}")
    OUT.parent.mkdir(exist_ok=True)
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    OUT.write_text(json.dumps({**machine, "rows": rows, "held_out": held_out, "retrieval": found_by_search}, indent=2))
    print(f"Written to {OUT}")


def timed(work: Callable[[], object], times: int = 3) -> float:
    """Median seconds of a few runs."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def row(what: str, seconds: float, against: str, floor: float) -> dict[str, object]:
    return {"what": what, "seconds": round(seconds, 4), "against": against, "floor": round(floor, 4)}


def startup() -> dict[str, object]:
    assay = Path(sys.executable).with_name("assay")

    def run(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    bare = timed(run(sys.executable, "-c", "pass"), 5)
    return row("assay --help", timed(run(str(assay), "--help"), 5), "python -c pass", bare)


class _Echo:
    def start(self, context: object) -> _Echo:
        return self

    async def respond(self, customer: str, turn) -> None:
        turn.say(customer)


def replay() -> dict[str, object]:
    from assay.runner.journal import Journal
    from assay.runner.replay import Limits, plan
    from assay.runner.replay import replay as run

    cases = [_case(n) for n in range(1000)]
    settings = ReplaySettings()
    trials = plan(cases, {case.id: digest_of(case) for case in cases}, "b" * 64, settings, 1)

    async def all_of_it(folder: str) -> None:
        journal = Journal(Path(folder))
        more = {"agent_name": "a", "bundle_digest": "b" * 64, "settings": settings, "journal": journal}
        async for _ in run(_Echo(), trials, limits=Limits(64), **more):
            pass

    async def bare() -> None:
        async def converse(case: Case) -> list[str]:
            return [turn.customer for turn in case.turns]

        await asyncio.gather(*(converse(case) for case in cases))

    def once() -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(all_of_it(folder))

    return row(
        "replay, 1,000 conversations x 4 turns, journal on",
        timed(once),
        "bare loop",
        timed(lambda: asyncio.run(bare())),
    )


def deciding() -> dict[str, object]:
    from assay.gates.decide import decide
    from assay.gates.policy import GatePolicy

    policy = GatePolicy.model_validate(
        {
            "name": "p",
            "checks": [
                {"name": m, "kind": "limit", "metric": m, "at_least": 0.5} for m in ("m0", "m1", "m2", "m3", "m4")
            ],
        }
    )
    run = _run(20_000, 5)
    seconds = timed(lambda: decide(policy, "d" * 64, run, "e" * 64, None, False, "2026-01-01T00:00:00+00:00"))
    floor = timed(lambda: sum(r.result.value for r in run.scores if isinstance(r.result, Score)))
    return row("decide over 100,000 scores", seconds, "summing them", floor)


def _case(number: int) -> Case:
    return Case.model_validate(
        {
            "id": f"c{number}",
            "intent": "i",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": "2026-01-01",
            "turns": [{"customer": f"turn {n}"} for n in range(4)],
            "expect": {"escalation": {"required": False}},
        }
    )


def _run(cases: int, metrics: int) -> EvalRun:
    names = [f"m{n}" for n in range(metrics)]
    specs = tuple(MetricSpec(name=n, kind="proportion", direction="higher_is_better", description=n) for n in names)
    digest = "a" * 64
    return EvalRun(
        run_id="r",
        created_at="",
        agent="a",
        bundle_digest=digest,
        bundle_label="a v1",
        dataset="d",
        dataset_digest=digest,
        suite="s",
        suite_digest=digest,
        trials=1,
        planned=tuple(
            PlannedUnit(
                case_id=f"c{n}",
                case_digest=digest,
                attributes={"intent": ("i",)},
                outcome=Outcome.COMPLETED,
                trajectory=digest,
            )
            for n in range(cases)
        ),
        scorers=(ScorerInfo(name="s", version="1", digest=digest, metrics=specs),),
        scores=tuple(
            ScoreRecord(
                case_id=f"c{n}",
                trial=0,
                trajectory=digest,
                scorer="s",
                scorer_digest=digest,
                metric=m,
                result=Score(value=float(n % 50 > 0)),
            )
            for n in range(cases)
            for m in names
        ),
    )


if __name__ == "__main__":
    main()
