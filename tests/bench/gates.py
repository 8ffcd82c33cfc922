"""False and missed promotions, by our gate and by comparing means with limits: `make bench-gates`.

Releases with a known truth are drawn and judged by `assay.gates.decide.decide`, as a candidate is. Where the truth is
at the limit or beyond, each PASS is a false promotion; where it is better, each other verdict is a missed one. Writes
build/bench-gates.json and build/bench-gates.md; exit code 1 where false promotions exceed what the policy states.

`decide` is pure and does not depend on the order of cases (tests hold it to both), so that of releases with the same
outcomes in another order only one is judged. One in a hundred is judged as it was drawn too, and has to agree.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import platform
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path

import numpy as np
from gates_evidence import Outcomes, runs_of
from gates_settings import Setting, settings

from assay.gates.checks import (
    LimitCheck,
    MeanCheck,
    NonInferiorityCheck,
    PassKCheck,
    QuantileCheck,
    SuperiorityCheck,
    ZeroToleranceCheck,
)
from assay.gates.decide import decide
from assay.gates.repeats import pass_k
from assay.registry.types.decision import Verdict

BUILD = Path(__file__).resolve().parents[2] / "build"
NOW = "2026-03-02T09:00:00Z"
SEED = 20260302
_CHUNK = 500
_RECHECKED = 100
Row = dict[str, object]


def main() -> int:
    wanted = arguments()
    began = time.perf_counter()
    chosen = [s for s in settings() if wanted.only in s.name and (wanted.slow or not s.slow)]
    rows: dict[str, Row] = {}
    with ProcessPoolExecutor(wanted.processes, initializer=gc.disable) as pool:
        jobs = [pool.submit(measure, s.name, wanted.releases, wanted.seed) for s in by_work(chosen)]
        for done, job in enumerate(as_completed(jobs), 1):
            row = job.result()
            rows[str(row["setting"])] = row
            print(f"[{done}/{len(jobs)}] {row['setting']}: {told(row)}", flush=True)
    ordered = [rows[s.name] for s in chosen]
    BUILD.mkdir(exist_ok=True)
    about = {"python": platform.python_version(), "machine": platform.machine(), "seed": wanted.seed}
    about |= {"releases": wanted.releases, "seconds": round(time.perf_counter() - began, 1)}
    (BUILD / "bench-gates.json").write_text(json.dumps({**about, "rows": ordered}, indent=2) + "\n", encoding="utf-8")
    text = markdown(ordered)
    (BUILD / "bench-gates.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\n{len(ordered)} settings, {wanted.releases:,} releases each, {about['seconds']} s")
    exceeding = [row["setting"] for row in ordered if row["verdict"] == "exceeds"]
    for name in exceeding:
        print(f"bench-gates: more false promotions than stated in {name}", file=sys.stderr)
    return 1 if exceeding or not ordered else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--releases", type=int, default=10_000, help="simulated releases of each setting")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="", help="settings whose name contains this text")
    parser.add_argument("--slow", action="store_true", help="the bootstrap too: an hour at 10,000 releases")
    return parser.parse_args()


def measure(name: str, releases: int, seed: int) -> Row:
    """One row: how often our gate and the naive one were wrong in a setting. Equal seeds give equal rows."""
    setting = _by_name()[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    known: dict[bytes, Verdict] = {}
    ours = theirs = 0
    began = time.perf_counter()
    for start in range(0, releases, _CHUNK):
        outcomes = setting.draw(rng, min(_CHUNK, releases - start))
        theirs += int(naive(setting, outcomes).sum())
        for i, drawn in enumerate(outcomes):
            ours += judged(setting, drawn, known, recheck=(start + i) % _RECHECKED == 0) is Verdict.PASS
    return tally(setting, ours, theirs, releases) | {
        "judged": len(known),
        "seconds": round(time.perf_counter() - began, 1),
    }


def judged(setting: Setting, drawn: Outcomes, known: dict[bytes, Verdict], recheck: bool = False) -> Verdict:
    """The gate's verdict on one release: (cases, sides, trials, metrics, 2)."""
    ordered = in_order(drawn, setting.slice_cases)
    key = hashlib.blake2b(ordered.tobytes(), digest_size=16).digest()
    if key not in known:
        known[key] = verdict_on(setting, ordered)
    if recheck and verdict_on(setting, drawn) is not known[key]:
        raise AssertionError(f"{setting.name}: the order of the cases changed the verdict")
    return known[key]


def verdict_on(setting: Setting, outcomes: Outcomes) -> Verdict:
    run, *champion = runs_of(outcomes, setting.metrics, setting.slice_cases)
    baseline = (champion[0], "b" * 64) if champion else None
    return decide(setting.policy, "e" * 64, run, "a" * 64, baseline, bool(champion), NOW).verdict


def in_order(drawn: Outcomes, slice_cases: int) -> Outcomes:
    """The same cases, sorted by their outcomes within the slice and outside it."""
    rows = drawn.reshape(len(drawn), -1)
    outside = np.arange(len(rows)) >= slice_cases
    return np.ascontiguousarray(drawn[np.lexsort((*rows.T[::-1], outside))])


def naive(setting: Setting, outcomes: Outcomes) -> np.ndarray:
    """Whether the naive gate promotes each release: every mean meets its limit, whatever it rests on.

    It counts crashes as failures, unless the setting says that it leaves them out, as many tools do. Where no event is
    tolerated it asks for a rate of at most .01, which is what no event in 300 cases shows.
    """
    promoted = np.ones(len(outcomes), bool)
    for i, (check, spec) in enumerate(zip(setting.policy.checks, setting.metrics, strict=True)):
        part = outcomes[:, : setting.slice_cases or None] if check.slice else outcomes
        values, sizes = part[:, :, :, :, i, 0], part[:, :, :, :, i, 1]
        worst = 0.0 if spec.direction == "higher_is_better" else -sizes
        values = np.where(sizes > 0, values, 0.0 if setting.naive_drops_crashes else worst)
        sizes = np.maximum(sizes, 0) if setting.naive_drops_crashes else np.abs(sizes)
        means = values.sum(axis=(1, 3)) / sizes.sum(axis=(1, 3))
        sign = 1 if spec.direction == "higher_is_better" else -1
        if isinstance(check, NonInferiorityCheck):
            promoted &= sign * (means[:, 0] - means[:, 1]) >= -check.margin - 1e-9
        elif isinstance(check, SuperiorityCheck):
            promoted &= sign * (means[:, 0] - means[:, 1]) > check.by + 1e-9
        elif isinstance(check, LimitCheck | MeanCheck):
            promoted &= sign * means[:, 0] >= sign * check.limit - 1e-9
        elif isinstance(check, QuantileCheck):
            promoted &= (values[:, :, 0] <= check.limit).mean(axis=(1, 2)) >= check.quantile - 1e-9
        elif isinstance(check, PassKCheck):
            chances = np.array([pass_k(c, values.shape[3], check.k) for c in range(values.shape[3] + 1)])
            promoted &= chances[values[:, :, 0].sum(axis=2).astype(int)].mean(axis=1) >= check.at_least - 1e-9
        elif isinstance(check, ZeroToleranceCheck):
            promoted &= means[:, 0] <= 0.01 + 1e-9
        else:
            raise NotImplementedError(f"what the naive gate makes of a check of the kind {check.kind!r}")
    return promoted


def tally(setting: Setting, ours: int, theirs: int, releases: int) -> Row:
    """The row of a setting in which so many releases were promoted by our gate and by the naive one."""
    alpha = round(1 - setting.policy.confidence, 10)
    error = (lambda promoted: promoted) if setting.bad else (lambda promoted: releases - promoted)
    own = share(error(ours), releases)
    return {
        "setting": setting.name,
        "group": setting.group,
        "evidence": setting.evidence,
        "truth": setting.truth,
        "error": "false promotion" if setting.bad else "missed promotion",
        "alpha": alpha,
        "releases": releases,
        "ours": own,
        "naive": share(error(theirs), releases),
        "theory": None if setting.theory is None else round(setting.theory if setting.bad else 1 - setting.theory, 4),
        "verdict": ("exceeds" if own["low"] > alpha else "holds") if setting.bad else "",
    }


def share(count: int, n: int) -> dict[str, float]:
    """A share with its two-sided 95 % Monte Carlo interval (Clopper-Pearson)."""
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(0.95, "exact")
    return {"value": count / n, "low": round(float(found.low), 5), "high": round(float(found.high), 5)}


def by_work(chosen: Iterable[Setting]) -> list[Setting]:
    """The longest first, so that no process is left alone with it at the end."""
    return sorted(chosen, key=lambda s: -s.draw(np.random.default_rng(0), 1).size)


def markdown(rows: Sequence[Row]) -> str:
    """A table of false promotions, then one of missed ones."""
    lines: list[str] = []
    for error in ("false promotion", "missed promotion"):
        lines += [f"| check | evidence | truth | {error}s, ours [95 %] | naive | theory | stated | |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- | --- |"]
        for row in (row for row in rows if row["error"] == error):
            stated = short(row["alpha"], 2) if row["verdict"] else ""
            theory = "" if row["theory"] is None else short(row["theory"])
            cells = [row["group"], row["evidence"], row["truth"], interval(row["ours"]), rate(row["naive"])]
            lines.append(f"| {' | '.join(map(str, [*cells, theory, stated, row['verdict']]))} |")
        lines.append("")
    return "\n".join(lines)


def told(row: Row) -> str:
    """A row as a line of progress."""
    words = f"{row['error']}s {interval(row['ours'])}, naive {rate(row['naive'])} {row['verdict']}".rstrip()
    return f"{words} ({row['judged']} judged, {row['seconds']} s)"


def interval(found: object) -> str:
    assert isinstance(found, dict)
    return f"{short(found['value'])} [{short(found['low'])}, {short(found['high'])}]"


def rate(found: object) -> str:
    assert isinstance(found, dict)
    return short(found["value"])


def short(value: object, digits: int = 3) -> str:
    assert isinstance(value, float)
    return f"{value:.{digits}f}".replace("0.", ".", 1) if 0 < value < 1 else f"{value:g}"


@cache
def _by_name() -> dict[str, Setting]:
    return {setting.name: setting for setting in settings()}


if __name__ == "__main__":
    raise SystemExit(main())
