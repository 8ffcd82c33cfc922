"""How long scoring takes with the contact-center suite's scorers, how it grows, and how much memory it needs.

Trajectories are Harborline's golden replies with the tool calls that the cases expect, answered by their fixtures, and
searches that find the documents they name. Every conversation is another customer's, so that what scorers remember
about a text is of as little use as in production. `python tests/bench/scoring.py N` measures one size in a process of
its own, so that its peak memory is its own; `--profile` says where the time goes.
"""

from __future__ import annotations

import cProfile
import json
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from assay.registry.types.case import Case, Dataset
from assay.registry.types.score import ScoreRecord, ScorerFailure
from assay.registry.types.trajectory import Trajectory

ROOT = Path(__file__).resolve().parents[2]
SIZES = (2_500, 10_000)
TURNS = 4


def rows() -> list[dict[str, object]]:
    """One row for each size, beside writing the same trajectories as JSON and reading them again."""
    found: list[dict[str, object]] = []
    for size in SIZES:
        done = subprocess.run([sys.executable, __file__, str(size)], check=True, capture_output=True, text=True).stdout
        found.append(json.loads(done.splitlines()[-1]))
    return found


def pairs(dataset: Dataset, texts: dict[str, str], size: int) -> Iterator[tuple[Case, Trajectory]]:
    """`size` conversations of four turns, one after the other; none is held."""
    plain = [case.model_dump(mode="json") for case in dataset.cases if len(case.turns) == TURNS]
    for number, case in enumerate(islice(cycle(plain), size)):
        mine = _another_customer(case, number)
        yield Case.model_validate_json(json.dumps(mine)), Trajectory.model_validate_json(_trajectory(mine, texts))


def measure(size: int, *, profile: bool = False) -> dict[str, object]:
    from assay.registry.content import load_dataset, load_rule_packs, load_suite
    from assay.registry.retrieval.documents import load_knowledge
    from assay.runner.score import build_scorers, score_all
    from assay.runner.scorers.base import ScorerContext

    folder = ROOT / "datasets" / "harborline"
    dataset = load_dataset(folder)
    knowledge = load_knowledge(folder / "knowledge")
    texts = {document.id: document.text for document in knowledge}
    context = ScorerContext(
        rule_packs=load_rule_packs(ROOT / "evalsuites" / "policies"),
        tools=dataset.info.tools,
        documents=texts,
        internal_documents=tuple(d.id for d in knowledge if d.audience == "internal"),
        approved_wording=dataset.wording,
    )
    scorers = build_scorers(load_suite(ROOT / "evalsuites" / "contact-center.yaml"), context)
    clock = _Clock(pairs(dataset, texts, size))
    for _ in score_all(scorers, pairs(dataset, texts, 20)):
        pass  # libraries are imported, patterns compiled
    before = _peak()
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    began = time.perf_counter()
    records = sum(_measured(record) for record in score_all(scorers, clock))
    seconds = time.perf_counter() - began - clock.seconds
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    return {
        "what": f"score, {size:,} trajectories x {TURNS} turns, {records:,} results (+{_peak() - before:.0f} MB)",
        "seconds": round(seconds, 4),
        "against": "writing and reading them as JSON",
        "floor": round(_floor(dataset, texts, size), 4),
    }


def _measured(record: ScoreRecord) -> int:
    """One. What fails costs nothing like what is measured, so a failure ends the benchmark."""
    if isinstance(record.result, ScorerFailure):
        raise SystemExit(f"{record.scorer}, {record.metric}, {record.case_id}: {record.result.error}")
    return 1


class _Clock:
    """Pairs, with the seconds that making them took, which are not the scorers'."""

    def __init__(self, source: Iterator[tuple[Case, Trajectory]]) -> None:
        self._source, self.seconds = source, 0.0

    def __iter__(self) -> Iterator[tuple[Case, Trajectory]]:
        while True:
            began = time.perf_counter()
            pair = next(self._source, None)
            self.seconds += time.perf_counter() - began
            if pair is None:
                return
            yield pair


def _floor(dataset: Dataset, texts: dict[str, str], size: int) -> float:
    spent = 0.0
    for _, trajectory in pairs(dataset, texts, size // 10):
        began = time.perf_counter()
        Trajectory.model_validate_json(trajectory.model_dump_json())
        spent += time.perf_counter() - began
    return spent * 10


def _another_customer(case: dict[str, Any], number: int) -> dict[str, Any]:
    """The case with another customer's number and name, wherever they stand."""
    text = json.dumps(case, ensure_ascii=False)
    customer = case["customer"] or {}
    if customer.get("customer_number"):
        text = text.replace(customer["customer_number"], str(10_000_000 + 7 * number))
    if customer.get("name"):
        text = text.replace(customer["name"], f"{customer['name']} {_letters(number)}")
    other = json.loads(text)
    other["id"] = f"c{number}"
    for turn in other["turns"]:  # also where a customer gives neither
        turn["customer"] += f" ({_letters(number)})"
        turn["golden_reply"] = f"{turn['golden_reply'] or 'Thank you.'} Thank you, {_letters(number)}."
    return other


def _letters(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in f"{number:05}").capitalize()


def _trajectory(case: dict[str, Any], texts: dict[str, str]) -> str:
    turns = []
    for index, turn in enumerate(case["turns"], start=1):
        expect = turn["expect"]
        events: list[dict[str, Any]] = [{"type": "triage", "step": 0, "intent": case["intent"], "confidence": 0.9}]
        if expect["supporting_documents"]:
            passages = [
                {"document": document, "text": part, "score": 1.0}
                for document in expect["supporting_documents"]
                for part in texts[document].split("\n\n")[:4]
            ]
            events.append({"type": "retrieval", "step": 0, "query": turn["customer"], "passages": passages})
        events += [{"type": "tool_call", "step": 0, **_answered(call, case)} for call in expect["tool_calls"]]
        events.append({"type": "say", "step": 1, "text": turn["golden_reply"]})
        if case["expect"]["escalation"]["by_turn"] == index:
            events.append({"type": "handoff", "step": 1, "packet": _packet(case, index)})
        turns.append({"index": index, "customer": turn["customer"], "events": events})
    digest = "a" * 64
    whole = {
        "key": digest,
        "agent": "harborline",
        "bundle_digest": digest,
        "case_id": case["id"],
        "case_digest": digest,
        "mode": "scripted",
        "turns": turns,
        "outcome": "completed",
    }
    return json.dumps(whole)


def _answered(call: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    given = call["arguments"].items()
    for fixture in case["tools"]:
        if fixture["name"] == call["name"] and fixture["arguments"].items() <= given:
            return {**call, "result": fixture["result"], "error": fixture["error"]}
    return {**call, "error": "no fixture", "matched": False}


def _packet(case: dict[str, Any], by_turn: int) -> dict[str, Any]:
    escalation, handoff = case["expect"]["escalation"], case["expect"]["handoff"] or {}
    said = [turn["customer"] for turn in case["turns"][:by_turn]]
    return {
        "reason": escalation["reasons"][0],
        "queue": escalation["queue"],
        "intent": handoff.get("intent") or case["intent"],
        "summary": " ".join([said[0], *(w["any_of"][0] for w in handoff.get("must_mention", []))]),
        "history": said,
        "prior_actions": list(handoff.get("prior_actions", [])),
        "knowledge": list(handoff.get("documents", [])),
    }


def _peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    # `datasets.py` beside this file would stand in the way of the package of that name, which ragas imports.
    sys.path.pop(0)
    print(json.dumps(measure(int(sys.argv[1]), profile="--profile" in sys.argv)))
