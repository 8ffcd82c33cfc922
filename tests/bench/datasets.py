"""How long loading and checking a dataset takes, how it grows, and how much memory it needs.

`python tests/bench/datasets.py N` measures one size in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HARBORLINE = Path(__file__).resolve().parents[2] / "datasets" / "harborline"
SIZES = (1_000, 10_000, 100_000)


def rows() -> list[dict[str, object]]:
    """One row for each size and step, beside parsing the same lines with `json.loads`."""
    found: list[dict[str, object]] = []
    for size in SIZES:
        done = subprocess.run(
            [sys.executable, __file__, str(size)], check=True, capture_output=True, text=True
        ).stdout.splitlines()[-1]
        found += json.loads(done)
    return found


def make(folder: Path, size: int) -> None:
    """A dataset of `size` cases: Harborline's, each with other words in the customer's turns."""
    folder.mkdir(parents=True)
    for name in ("dataset.yaml", "wording.md"):
        shutil.copyfile(HARBORLINE / name, folder / name)
    shutil.copytree(HARBORLINE / "knowledge", folder / "knowledge")
    cases = [json.loads(line) for line in (HARBORLINE / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    words = [word for case in cases for turn in case["turns"] for word in turn["customer"].split()]
    draw = random.Random(1)
    with (folder / "cases.jsonl").open("w", encoding="utf-8") as file:
        for number in range(size):
            case = dict(cases[number % len(cases)], id=f"c{number}")
            case["turns"] = [
                {**turn, "customer": " ".join(draw.choices(words, k=max(3, len(turn["customer"].split()))))}
                for turn in case["turns"]
            ]
            file.write(json.dumps(case) + "\n")


def measure(size: int) -> list[dict[str, object]]:
    from assay.registry.content import DatasetCheck, check_dataset, load_dataset
    from assay.registry.types.datacheck import DataExpectations

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "big"
        make(folder, size)
        floor = _seconds(lambda: _parse(folder / "cases.jsonl"))
        check_dataset(DatasetCheck(HARBORLINE, DataExpectations()))  # the libraries are imported, the caches warm
        before = _peak()
        checked = _seconds(lambda: check_dataset(DatasetCheck(folder, DataExpectations())))
        grown = _peak() - before
        loaded = _seconds(lambda: load_dataset(folder))
    against = "json.loads of every line"
    return [
        _row(f"dataset check, {size:,} cases (+{grown:.0f} MB)", checked, against, floor),
        _row(f"load_dataset, {size:,} cases", loaded, against, floor),
    ]


def _parse(file: Path) -> None:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            json.loads(line)


def _row(what: str, seconds: float, against: str, floor: float) -> dict[str, object]:
    return {"what": what, "seconds": round(seconds, 4), "against": against, "floor": round(floor, 4)}


def _seconds(work: object) -> float:
    assert callable(work)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
