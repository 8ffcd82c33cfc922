"""The replay engine on one workload, beside its floor: conversations of four turns against a model server on loopback.

Everything is on: journal, call files, score book, keys, a scorer, progress. The floor is a bare aiohttp loop that sends
the same requests and keeps nothing. Each run is a process of its own, so that its time and its peak memory are its
own; the server is another. `python tests/bench/runner.py` writes build/bench-runner.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
from openai_server import server_process  # noqa: E402

OUT = HERE.parents[2] / "build" / "bench-runner.json"
TURNS = 4
GOALS_S = {0: 3.0, 20: 3.2, 100: 7.2}
"""By latency in ms, for 1,000 conversations on the machine that the peers were measured on."""
LIMIT_S = {0: 0.0, 20: 1.25, 100: 6.25}
MEMORY_MB = 120
FAULTS = "429:0.10:retry_after=1,500:0.05,hang:0.01"
TURN_S = 8.0


def run(what: str, url: str, *more: object, folder: str = "") -> dict[str, Any]:
    """One measured process: `ours` or `floor`."""
    command = [sys.executable, str(HERE.with_name("runner_process.py")), what, url, *map(str, more)]
    done = subprocess.run([*command, folder] if folder else command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def speed(times: int) -> list[dict[str, object]]:
    """1,000 conversations at each latency: median seconds of ours and of the floor, in turn."""
    rows = []
    for latency, goal in GOALS_S.items():
        with server_process("--latency", str(latency / 1000)) as url:
            pairs = [(run("ours", url, 1000, 64), run("floor", url, 1000, 64)) for _ in range(times)]
        ours, floor = (statistics.median(pair[n]["seconds"] for pair in pairs) for n in (0, 1))
        memory = max(pair[0]["peak_mb"] for pair in pairs)
        rows.append(
            {
                "what": f"1,000 conversations x 4 turns, {latency} ms, 64 in flight",
                "seconds": round(ours, 2),
                "bare_aiohttp_s": round(floor, 2),
                "ratio": round(ours / floor, 2),
                "goal_s": goal,
                "theoretical_limit_s": LIMIT_S[latency],
                "peak_mb": round(memory),
                "cpu_ms_per_call": round(1000 * pairs[0][0]["cpu"] / (1000 * TURNS), 3),
                "bare_cpu_ms_per_call": round(1000 * pairs[0][1]["cpu"] / (1000 * TURNS), 3),
            }
        )
        print(_line(rows[-1]), flush=True)
    return rows


def memory(sizes: tuple[int, int] = (1_000, 20_000)) -> dict[str, object]:
    """Peak memory of the replaying process at two sizes, and whether time grows in proportion."""
    with server_process() as url:
        small, large = (run("ours", url, size, 64) for size in sizes)
    row = {
        "what": f"peak memory at {sizes[0]:,} and {sizes[1]:,} conversations",
        "peak_mb": [round(small["peak_mb"]), round(large["peak_mb"])],
        "ratio": round(large["peak_mb"] / small["peak_mb"], 3),
        "goal": f"{MEMORY_MB} MB, ratio 1.2",
        "seconds": [small["seconds"], large["seconds"]],
        "time_per_conversation_ratio": round(large["seconds"] / small["seconds"] / (sizes[1] / sizes[0]), 2),
    }
    print(_line(row), flush=True)
    return row


def killed(times: int, conversations: int = 60) -> dict[str, object]:
    """Kill -9 at a random moment, again and again, then run to the end: which completed calls were made twice?

    A call counts as repeated where the server answered it wholly twice; those that were in flight when a kill came had
    not been completed for the one who asked, and are told apart.
    """
    chance = random.Random(20261125)
    repeated = in_flight = lost = wrong = 0
    for _ in range(times):
        with server_process("--latency", "0.004") as url, tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(HERE.with_name("runner_process.py")), "ours", url, str(conversations), "8"]
            process = subprocess.Popen([*command, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            time.sleep(chance.uniform(0.0, 0.5))
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            at_kill = written(Path(folder))
            done = run("ours", url, conversations, 8, folder=folder)
            log = json.loads(urllib.request.urlopen(url.removesuffix("/v1") + "/log").read())
            answers: dict[str, Counter[str]] = {}
            for call in log:
                if call["completed"]:
                    answers.setdefault(call["conversation"], Counter())[call["digest"]] += 1
            for conversation, calls in answers.items():
                for place, count in enumerate(calls.values()):  # in the order of their first answers
                    repeated += count > 1 and place < at_kill.get(conversation, 0)
                    in_flight += count > 1 and place >= at_kill.get(conversation, 0)
            lost += conversations * TURNS - sum(len(calls) for calls in answers.values())
            wrong += done["wrong"]
    row = {
        "what": f"kill -9 at a random moment, {times} times, {conversations} conversations x 4 turns",
        "completed_calls_repeated": repeated,
        "calls_in_flight_at_the_kill_asked_again": in_flight,
        "calls_lost": lost,
        "wrong_answers": wrong,
    }
    print(_line(row), flush=True)
    return row


def written(folder: Path) -> dict[str, int]:
    """By conversation, how many calls the killed process had completed: their answers are on its disk."""
    journal = folder / "trajectories"
    unfinished = {path.stem: path.read_bytes().count(b"\n") for path in journal.glob("calls/??/*.jsonl")}
    return unfinished | {path.stem: TURNS for path in journal.glob("??/*.json")}


def faulty() -> dict[str, object]:
    """10 % 429 with Retry-After, 5 % 500, 1 % hangs at 20 ms, with default settings."""
    with server_process("--latency", "0.02") as url:
        clean = run("ours", url, 1000, 64)
    with server_process("--latency", "0.02", "--faults", FAULTS) as url:
        done = run("ours", url, 1000, 64, "--turn-timeout", TURN_S)
    bound = clean["seconds"] + 1.0 + 2 * TURN_S
    row = {
        "what": f"1,000 conversations x 4 turns, 20 ms, faults {FAULTS}, turn deadline {TURN_S:g} s",
        "seconds": done["seconds"],
        "without_faults_s": clean["seconds"],
        "bound_s": round(bound, 1),
        "outcomes": done["outcomes"],
        "lost": 1000 - sum(done["outcomes"].values()),
        "wrong_answers": done["wrong"],
    }
    print(_line(row), flush=True)
    return row


def _line(row: dict[str, object]) -> str:
    return f"{row['what']}: " + ", ".join(f"{key} {value}" for key, value in row.items() if key != "what")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3, help="runs of which the median counts")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", choices=["speed", "memory", "killed", "faulty"], action="append")
    given = parser.parse_args()
    parts = {
        "speed": lambda: speed(given.times),
        "memory": memory,
        "killed": lambda: killed(given.kills),
        "faulty": faulty,
    }
    found = {name: part() for name, part in parts.items() if not given.only or name in given.only}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"python": sys.version.split()[0], "cores": os.cpu_count(), **found}, indent=2))
    print(f"Written to {OUT}")


if __name__ == "__main__":
    main()
