"""One run against another, metric by metric and slice by slice: a pure function. Equal inputs give equal bytes.

Nothing is judged here: there is no margin, no limit and no verdict. What is said of each difference is whether
its paired 95 % interval leaves 0 out, and the list of what regressed is corrected for how often one looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from assay.gates.comparing.cells import holm, measure
from assay.gates.comparing.flips import find_flips
from assay.gates.comparing.refusal import incomparable, notes, refuse
from assay.gates.evidence import Evidence, read_evidence
from assay.gates.metrics import collect
from assay.gates.pairing import pair_samples
from assay.registry.types.comparison import Change, Comparison, Flips, MetricChange, Regressions, RunRef
from assay.registry.types.run import EvalRun

__all__ = ["compare"]

_ALPHA = 0.05
"""The chance that the list of what regressed names anything without reason."""


def compare(run_a: EvalRun, run_b: EvalRun) -> Comparison:
    """What changed from run A to run B.

    Raises:
        AssayError: the two cannot be compared; names what differs and what to do about it.
        NotMeasuredError: a run contradicts itself.
    """
    refuse(run_a, run_b)
    a, b = read_evidence(run_a), read_evidence(run_b)
    metrics = list(dict.fromkeys((*run_a.metric_names(), *run_b.metric_names())))
    slices = list(dict.fromkeys((*run_a.slices, *run_b.slices)))
    refused = {metric: incomparable(metric, run_a, run_b) for metric in metrics}
    cells = _corrected(
        [
            measure(metric, part, a, b, refused[metric])
            for metric in metrics
            for part in (("",) if refused[metric] else ("", *slices))
        ]
    )
    tested = [cell for cell in cells if cell.p_corrected is not None]
    found = [c for c in tested if c.change is Change.REGRESSED and (c.p_corrected or 0.0) <= _ALPHA]
    return Comparison(
        agent=run_b.agent,
        a=_reference(run_a),
        b=_reference(run_b),
        dataset=run_b.dataset,
        dataset_digest=run_b.dataset_digest,
        suite=run_b.suite,
        cases=len({unit.case_id for unit in b.units}),
        trials=run_b.trials,
        metrics=tuple(cells),
        regressed=Regressions(
            comparisons=len(tested),
            alpha=_ALPHA,
            found=tuple(sorted(found, key=lambda c: (c.p_corrected, c.p_regressed, c.metric, c.slice))),
        ),
        flips=tuple(_flips(a, b, [metric for metric in metrics if not refused[metric]])),
        notes=tuple(notes(run_a, run_b)),
    )


def _corrected(cells: Sequence[MetricChange]) -> list[MetricChange]:
    p_values = [cell.p_regressed for cell in cells if cell.p_regressed is not None]
    corrected = iter(holm(p_values))
    return [
        cell if cell.p_regressed is None else cell.model_copy(update={"p_corrected": next(corrected)}) for cell in cells
    ]


def _flips(a: Evidence, b: Evidence, metrics: Sequence[str]) -> Iterator[Flips]:
    """Of the metrics that are a yes or no for each conversation, the ones that read otherwise in any."""
    for metric in metrics:
        if b.metrics[metric].kind == "proportion" and b.metrics[metric].unit == "conversation":
            old, new = collect(a, metric), collect(b, metric)
            flips = find_flips(pair_samples(new, old), (a, old), (b, new))
            if flips.lost or flips.gained or flips.undecided:
                yield flips


def _reference(run: EvalRun) -> RunRef:
    return RunRef(
        run_id=run.run_id,
        created_at=run.created_at,
        bundle_label=run.bundle_label,
        bundle_digest=run.bundle_digest,
    )
