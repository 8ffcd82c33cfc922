"""Which runs and which of their metrics cannot be compared, and what else a reader has to know about two runs."""

from __future__ import annotations

from collections.abc import Iterator

from assay.gates.comparable import differences
from assay.registry.errors import AssayError
from assay.registry.types.run import EvalRun
from assay.registry.types.score import MetricSpec, ScorerInfo
from assay.registry.types.trajectory import Outcome

__all__ = ["incomparable", "notes", "refuse"]


def refuse(a: EvalRun, b: EvalRun) -> None:
    """Raise AssayError where B cannot be compared with A.

    A suite's digest covers its scorers. Where those differ, the suite's digest has to, and only their metrics are
    left out; where none is the same, or the suite differs in something else, there is nothing left.
    """
    if a.run_id == b.run_id:
        raise AssayError(
            f"A and B are the same run {a.run_id}: there is nothing to compare. `assay runs list` has more."
        )
    if a.model_copy(update={"run_id": b.run_id, "created_at": b.created_at}) == b:
        raise AssayError(
            f"the runs {a.run_id} and {b.run_id} hold the very same results of {b.bundle_label}: there is nothing to "
            f"compare. `assay eval BUNDLE --suite {b.suite} --fresh` runs every trial anew and shows what chance does."
        )
    shared = _versions(a) & _versions(b)
    rescored = shared and _versions(a) != _versions(b)
    found = [d for d in differences(a, b) if not (rescored and d.field == "suite_digest")]
    if not found:
        return
    told = " and ".join(f"{d.words}{_values(d.field, a, b)}" for d in found)
    pair = f"run {b.run_id} ({b.bundle_label}) cannot be compared with run {a.run_id} ({a.bundle_label})"
    raise AssayError(f"{pair}: it {told}. {_advice({d.field for d in found}, b)}")


def _values(field: str, a: EvalRun, b: EvalRun) -> str:
    if field == "cases":
        return ""
    theirs, ours = (str(getattr(run, field)) for run in (b, a))
    return f" ({theirs[:12]} instead of {ours[:12]})" if field.endswith("digest") else f" ({theirs} instead of {ours})"


def _advice(fields: set[str], b: EvalRun) -> str:
    if "agent" in fields:
        return "Only runs of one agent can be compared: `assay runs list AGENT` shows them."
    advice = f"Evaluate both bundles as the suite is now: `assay eval BUNDLE --suite {b.suite}`; what ran is not rerun."
    if fields == {"suite_digest"}:
        advice += f" If only scorers changed, `assay score RUN --suite {b.suite}` on both is enough."
    return advice


def _versions(run: EvalRun) -> set[tuple[str, str]]:
    return {(scorer.name, scorer.digest) for scorer in run.scorers}


def _scorers(run: EvalRun) -> dict[str, tuple[ScorerInfo, MetricSpec]]:
    """Metric to the scorer that measures it."""
    return {metric.name: (scorer, metric) for scorer in run.scorers for metric in scorer.metrics}


def incomparable(metric: str, run_a: EvalRun, run_b: EvalRun) -> str:
    """Why the two runs' values of a metric cannot be compared at all, or nothing."""
    a, b = _scorers(run_a), _scorers(run_b)
    if metric not in a or metric not in b:
        return f"only {'B' if metric in b else 'A'} measures it"
    (old, before), (new, after) = a[metric], b[metric]
    if old.name != new.name:
        return f"scored by {new.name} in B and by {old.name} in A"
    if old.digest != new.digest:
        return f"scored by another version of {new.name}"
    return "" if before == after else "the two runs declare it differently"


def notes(a: EvalRun, b: EvalRun) -> Iterator[str]:
    """What else a reader of the comparison has to know, as sentences."""
    if a.bundle_digest == b.bundle_digest:
        yield "Both runs are of the same bundle: whatever differs is chance, not a change of the agent."
    if a.suite_digest != b.suite_digest:
        names = ", ".join(sorted({name for name, _ in _versions(a) ^ _versions(b)}))
        yield (
            f"The suite changed between the runs: scorers {names}. Whether its replay settings changed too, a run "
            f"does not tell. `assay score RUN --suite {b.suite}` on both runs compares all metrics; no agent is run."
        )
    broken = False
    for name, run in (("A", a), ("B", b)):
        absent = sum(unit.outcome is None or unit.trajectory is None for unit in run.planned)
        errored = sum(unit.outcome is not Outcome.COMPLETED for unit in run.planned) - absent
        broken = broken or errored > 0
        if absent:
            yield f"{name}: {absent} of {len(run.planned)} planned trials were not run."
        if errored:
            yield f"{name}: {errored} of {len(run.planned)} planned trials did not complete."
        if run.data_checks_passed is False:
            yield f"{name}: the dataset's own checks failed: its cases cannot be relied on."
    if broken:
        yield "A case that did not complete in either run counts as failed in B and as passed in A."
