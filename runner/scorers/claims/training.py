"""Fit the support model on public labelled replies: `python -m assay.runner.scorers.claims.training FOLDER [OUT]`.

FOLDER holds `begin_wow_dev.tsv.gz` (BEGIN, Dziri et al., TACL 2022; CC BY 4.0) and `dstc9_faq_dev.jsonl.gz` (DSTC9
track 1, Kim et al., 2020; Apache-2.0). The form `prose` is fitted on all of BEGIN's Wizard-of-Wikipedia development
file, the form `faq` on one half of the DSTC9 snippets, by a hash of the snippet; the other half, and BEGIN's two other
files, are for measuring (`make bench-scorers`). The same files always give the same model.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.runner.scorers.claims.features import FAQ, PROSE, measure
from assay.runner.scorers.claims.model import FILE, OPERATING_POINT, FormModel, SupportModel, Weight

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Labelled", "begin", "dstc9", "fit", "is_for_training", "out_of_fold", "q2"]

_GROSS = 3.0
_STRENGTHS = (0.003, 0.01, 0.03, 0.1)
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Labelled:
    """A reply with the evidence it was to rest on, and whether people found that it does. `kind`: their label's name
    or the system that wrote it.
    """

    evidence: str
    reply: str
    supported: bool
    kind: str


def begin(folder: Path, name: str) -> list[Labelled]:
    """A development file of BEGIN: `wow`, `topicalchat` or `cmudog`. "Generic" replies are left out: BEGIN counts a
    reply that claims nothing apart, and the splitter makes no claim of most.
    """
    rows = csv.DictReader(
        io.StringIO(_read(folder / f"begin_{name}_dev.tsv.gz")), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    return [
        Labelled(row["knowledge"], row["response"], row["begin_label"] == "Fully attributable", row["begin_label"])
        for row in rows
        if row["begin_label"] != "Generic"
    ]


def dstc9(folder: Path) -> list[Labelled]:
    """DSTC9 replies; not supported where the mean of the three accuracy ratings is under 3 (a gross error)."""
    rows = map(json.loads, _read(folder / "dstc9_faq_dev.jsonl.gz").splitlines())
    return [
        Labelled(
            r["evidence"], r["response"], sum(r["accuracy_ratings"]) / len(r["accuracy_ratings"]) >= _GROSS, r["system"]
        )
        for r in rows
    ]


def q2(folder: Path) -> list[Labelled]:
    """Q2's replies of two systems on Wizard-of-Wikipedia knowledge. In this file the label 1 marks the inconsistent."""
    rows = csv.DictReader(io.StringIO(_read(folder / "q2_wow_dev.csv.gz")))
    systems = ("dodeca", "memnet")
    return [Labelled(r["knowledge"], r[f"{s}_response"], int(r[f"{s}_label"]) == 0, s) for r in rows for s in systems]


def _read(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode("utf-8")


def is_for_training(evidence: str) -> bool:
    """Which half of DSTC9's snippets the model was fitted on."""
    return hashlib.sha256(f"split:{evidence}".encode()).digest()[-1] % 2 == 1


def table(rows: Sequence[Labelled], names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (rows x names), whether supported (rows), and evidence (rows)."""
    import numpy as np

    measured = (measure(row.reply, row.evidence) for row in rows)
    features = np.array([[found[name] for name in names] for found in measured])
    return features, np.array([row.supported for row in rows]), np.array([row.evidence for row in rows])


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    weighed = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
    return make_pipeline(StandardScaler(), weighed)


def out_of_fold(features: np.ndarray, labels: np.ndarray, groups: np.ndarray, strength: float) -> np.ndarray:
    """The score of every row from a model that has not seen its evidence, in [0, 1]."""
    import numpy as np
    from sklearn.model_selection import GroupKFold

    scores = np.zeros(len(labels))
    for train, test in GroupKFold(_FOLDS, shuffle=True, random_state=0).split(features, labels, groups):
        model = _regression(strength).fit(features[train], labels[train])
        scores[test] = model.predict_proba(features[test])[:, 1]
    return scores


def best_strength(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """The inverse strength of regularisation with the best area under the curve on unseen evidence."""
    from sklearn.metrics import roc_auc_score

    return max(_STRENGTHS, key=lambda c: float(roc_auc_score(labels, out_of_fold(features, labels, groups, c))))


def fit(rows: Sequence[Labelled], names: Sequence[str], lineage: str) -> FormModel:
    """Fit one form, with strength and operating point chosen on evidence that each fold has not seen."""
    import numpy as np
    from sklearn.metrics import roc_curve

    features, labels, groups = table(rows, names)
    strength = best_strength(features, labels, groups)
    false, true, at = roc_curve(labels, out_of_fold(features, labels, groups, strength))
    point = float(np.clip(at[int(np.argmax(true - false))], 0.02, 0.98))
    scaler, regression = (step for _, step in _regression(strength).fit(features, labels).steps)
    shift = _logit(OPERATING_POINT) - _logit(point)
    spreads = np.where(scaler.scale_ > 0, scaler.scale_, 1.0)
    return FormModel(
        lineage=f"{lineage} {len(rows)} replies, {int(labels.sum())} supported, {len(set(groups))} texts of evidence. "
        f"C = {strength}; moved by {shift:+.3f} from equal priors.",
        intercept=round(float(regression.intercept_[0]) + shift, 5),
        weights={
            name: Weight(mean=round(float(m), 5), spread=max(1e-5, round(float(s), 5)), weight=round(float(w), 5))
            for name, m, s, w in zip(names, scaler.mean_, spreads, regression.coef_[0], strict=True)
        },
    )


def _logit(p: float) -> float:
    import math

    return math.log(p / (1 - p))


def trained(folder: Path) -> SupportModel:
    """The model as it is shipped, from the public files."""
    half = [row for row in dstc9(folder) if is_for_training(row.evidence)]
    return SupportModel(
        schema_version=1,
        prose=fit(
            begin(folder, "wow"), PROSE, "BEGIN, Wizard of Wikipedia, development file (CC BY 4.0), without Generic."
        ),
        faq=fit(half, FAQ, "DSTC9 track 1 evaluation release (Apache-2.0), half of the snippets by hash."),
    )


def main() -> int:
    """Exit code 2 where FOLDER is not given or lacks a file."""
    if len(sys.argv) < 2:
        print("training: name the folder of public files", file=sys.stderr)
        return 2
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name(FILE)
    try:
        model = trained(Path(sys.argv[1]))
    except FileNotFoundError as error:
        print(f"training: there is no {error.filename}", file=sys.stderr)
        return 2
    out.write_text(json.dumps(model.model_dump(), indent=1) + "\n", encoding="utf-8")
    print(f"Written to {out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
