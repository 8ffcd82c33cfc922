"""Groundedness on labels and corrupted turns, retrieval on documents and tasks, all of others: `make bench-scorers`.

Takes the folder of public data from ASSAY_EXTERNAL_DATA and writes build/bench-scorers.json and
build/bench-scorers.md. Intervals are 95 % percentile intervals of a bootstrap that draws whole texts of evidence (or
whole tasks), since replies to one passage are not independent.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import retrieval
import scorers_corruption as corruption

from assay.runner.scorers.claims.features import FAQ
from assay.runner.scorers.claims.model import OPERATING_POINT, calibrated_support
from assay.runner.scorers.claims.training import (
    Labelled,
    begin,
    best_strength,
    dstc9,
    is_for_training,
    out_of_fold,
    q2,
    table,
)

HERE = Path(__file__).resolve()
BUILD = HERE.parents[2] / "build"
REPLICATES = 1000
AIRLINE = "tau_bench_airline_gpt4o_trials_0_1.json.gz"
FILES = (
    "begin_topicalchat_dev.tsv.gz",
    "begin_cmudog_dev.tsv.gz",
    "dstc9_faq_dev.jsonl.gz",
    "q2_wow_dev.csv.gz",
    AIRLINE,
)
Scored = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Support in [0, 1], whether people found support, and the text of evidence, by reply."""


def main() -> int:
    named = os.environ.get("ASSAY_EXTERNAL_DATA")
    if not named or not Path(named).is_dir():
        print("bench-scorers: ASSAY_EXTERNAL_DATA does not name the folder of labelled data", file=sys.stderr)
        return 2
    if missing := [name for name in FILES if not Path(named, name).is_file()]:
        print(f"bench-scorers: {named} (ASSAY_EXTERNAL_DATA) has no {', '.join(missing)}", file=sys.stderr)
        return 2
    rows = [*labelled(Path(named)), *corrupted(Path(named) / AIRLINE), *retrieval.rows()]
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench-scorers.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    text = markdown(rows)
    (BUILD / "bench-scorers.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def labelled(folder: Path) -> list[dict[str, object]]:
    """One row a set. Sets that the shipped model was fitted on are not among them."""
    unseen = [row for row in dstc9(folder) if not is_for_training(row.evidence)]
    answers = q2(folder)
    sets: list[tuple[str, Scored, str, float]] = [
        ("BEGIN Topical-Chat dev, transfer", shipped(begin(folder, "topicalchat")), "LR of 29 features .934", 0.945),
        ("BEGIN CMU-DoG dev, transfer", shipped(begin(folder, "cmudog")), "LR of 29 features .969", 0.972),
        ("DSTC9 FAQ, unseen snippets, gross errors", shipped(unseen), "LR .921; one rater against two .742", 0.94),
        ("Q2, in domain (fitted on Q2, 5 folds by evidence)", refitted(answers), "LR .753", 0.80),
        ("Q2, shipped model, transfer", shipped(answers), "best single feature .723, in domain", 0.80),
    ]
    return [measured(name, scored, baseline, goal) for name, scored, baseline, goal in sets]


def shipped(rows: Sequence[Labelled]) -> Scored:
    """The scores of the model as it is shipped."""
    scores = np.array([calibrated_support(row.reply, row.evidence) for row in rows])
    return scores, np.array([row.supported for row in rows]), np.array([row.evidence for row in rows])


def refitted(rows: Sequence[Labelled]) -> Scored:
    """Scores of the same features, fitted on the set itself; no reply is scored by a model that saw its evidence."""
    features, labels, groups = table(rows, FAQ)
    odds = out_of_fold(features, labels, groups, best_strength(features, labels, groups))
    odds = odds / np.maximum(1e-9, 1 - odds) * OPERATING_POINT / (1 - OPERATING_POINT)
    return odds / (1 + odds), labels, groups


def measured(name: str, scored: Scored, baseline: str, goal: float) -> dict[str, object]:
    scores, labels, groups = scored
    row: dict[str, object] = {"set": name, "replies": len(labels), "unsupported": int((~labels).sum())}
    row["evidence"] = len(set(groups))
    for metric, statistic in (("auc", auc), ("balanced_accuracy", balanced), ("f1", f1)):
        low, high = interval(lambda at, s=statistic: s(scores[at], labels[at]), groups)
        row[metric] = {"value": round(statistic(scores, labels), 4), "low": round(low, 4), "high": round(high, 4)}
    reached = bool(row["auc"]["value"] >= goal)  # type: ignore[index]
    return row | {"baseline_auc": baseline, "goal_auc": goal, "reached": reached}


def auc(scores: np.ndarray, supported: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(~supported, -scores))


def balanced(scores: np.ndarray, supported: np.ndarray) -> float:
    kept = scores >= OPERATING_POINT
    return float((kept[supported].mean() + (~kept[~supported]).mean()) / 2)


def f1(scores: np.ndarray, supported: np.ndarray) -> float:
    """F1 of "unsupported" at the operating point."""
    flagged = scores < OPERATING_POINT
    hit = int((flagged & ~supported).sum())
    return 2 * hit / max(1, int(flagged.sum()) + int((~supported).sum()))


def interval(statistic: Callable[[np.ndarray], float], groups: np.ndarray) -> tuple[float, float]:
    """95 % interval of a statistic of row numbers; whole groups are drawn."""
    draw = np.random.default_rng(0)
    order = np.argsort(groups, kind="stable")
    _, starts = np.unique(groups[order], return_index=True)
    members = np.split(order, starts[1:])
    found: list[float] = []
    while len(found) < REPLICATES:
        at = np.concatenate([members[i] for i in draw.integers(len(members), size=len(members))])
        try:
            value = statistic(at)
        except ValueError:
            continue
        if not np.isnan(value):
            found.append(value)
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def corrupted(file: Path) -> list[dict[str, object]]:
    """False flags and catches, for identifiers and amounts, and the time a turn takes."""
    with tempfile.TemporaryDirectory() as folder:
        airline = corruption.load(file, Path(folder) / "airline")
        began = time.perf_counter()
        turns = corruption.score_all(airline)
        seconds = time.perf_counter() - began
        rows = [_corruption(airline, kind) for kind in ("identifier", "amount")]
    return [*rows, {"set": "speed, airline turns", "turns": turns, "ms_per_turn": round(1000 * seconds / turns, 3)}]


def _corruption(airline: corruption.Airline, kind: corruption.Kind) -> dict[str, object]:
    tally = corruption.trial(airline, kind)
    tasks = np.array([task for task, *_ in tally.caught])
    caught = np.array([float(was) for _, was in tally.caught])
    low, high = interval(lambda at: float(caught[at].mean()), tasks)
    return {
        "set": f"airline, {kind}s",
        "sites": tally.sites,
        "false_flags": tally.flagged,
        "corruptions": len(caught),
        "caught": {"value": round(float(caught.mean()), 4), "low": round(low, 4), "high": round(high, 4)},
        "missed": tally.missed[:20],
    }


def markdown(rows: Sequence[dict[str, object]]) -> str:
    """The Markdown tables of what was measured."""
    lines = [
        "| set | replies (unsupported), texts | ROC-AUC | balanced accuracy | F1 | baseline AUC | goal | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in (row for row in rows if "auc" in row):
        size = f"{row['replies']} ({row['unsupported']}), {row['evidence']}"
        cells = [row["set"], size, *(_figure(row[m]) for m in ("auc", "balanced_accuracy", "f1"))]
        cells += [row["baseline_auc"], _short(row["goal_auc"]), "reached" if row["reached"] else "not reached"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| airline turns | facts | false flags | corruptions | caught |", "| --- | --- | --- | --- | --- |"]
    for row in (row for row in rows if "caught" in row):
        share = int(row["false_flags"]) / int(row["sites"])  # type: ignore[call-overload]
        flags = f"{row['false_flags']} ({100 * share:.1f} %)"
        lines.append(f"| {row['set']} | {row['sites']} | {flags} | {row['corruptions']} | {_figure(row['caught'])} |")
    lines += ["", *(f"{row['set']}: {row['ms_per_turn']} ms a turn" for row in rows if "ms_per_turn" in row)]
    return "\n".join([*lines, "", *_of_retrieval([row for row in rows if "retriever" in row])]) + "\n"


def _of_retrieval(rows: Sequence[dict[str, object]]) -> list[str]:
    """The table of what was retrieved; none where that was not measured."""
    heads = list(rows[0]) if rows else []
    table = [heads, ["---"] * len(heads), *([str(value) for value in row.values()] for row in rows)] if rows else []
    return [f"| {' | '.join(cells)} |" for cells in table]


def _figure(value: object) -> str:
    assert isinstance(value, dict)
    return f"{_short(value['value'])} [{_short(value['low'])}, {_short(value['high'])}]"


def _short(value: object) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if isinstance(value, float) and value < 1 else f"{value:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
