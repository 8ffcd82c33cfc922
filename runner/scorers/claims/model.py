"""The support model: a logistic function of the features in `claims.features`, read from `support_model.json`.

The file is the model: for each form of evidence (`prose`, and `faq` for a question with its answer) the mean, the
spread and the weight of every feature, an intercept, and the lineage of the data they come from. `claims.training`
writes it; docs/groundedness.md is its card. A score is the probability that the evidence supports the claim where
as many claims are supported as not, moved on the log-odds scale so that `OPERATING_POINT` is the operating point of
both forms.

The model speaks of wording only. Strict facts, actions and sources are decided before it is asked, and no score of
it lets a wrong figure pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import FiniteFloat, model_validator

from assay.registry.types.base import Frozen
from assay.runner.scorers.claims.features import FAQ, PROSE, is_faq, measure

__all__ = ["FILE", "OPERATING_POINT", "Form", "SupportModel", "calibrated_support", "load_model"]

FILE = "support_model.json"
OPERATING_POINT = 0.3
Form = Literal["prose", "faq"]
FEATURES: dict[Form, Sequence[str]] = {"prose": PROSE, "faq": FAQ}


class Weight(Frozen):
    """One feature: a value counts as `weight` times its distance from `mean` in units of `spread`."""

    mean: FiniteFloat
    spread: FiniteFloat
    weight: FiniteFloat


class FormModel(Frozen):
    """The model for one form of evidence. `lineage`: what it was fitted on."""

    lineage: str
    intercept: FiniteFloat
    weights: dict[str, Weight]

    def support(self, features: dict[str, float]) -> float:
        """The score of a claim with these features, in [0, 1]."""
        logit = self.intercept + sum(w.weight * (features[n] - w.mean) / w.spread for n, w in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


class SupportModel(Frozen):
    """Both forms."""

    schema_version: Literal[1]
    prose: FormModel
    faq: FormModel

    @model_validator(mode="after")
    def _knows_its_features(self) -> SupportModel:
        for form, names in FEATURES.items():
            weights = self.of(form).weights
            if set(weights) != set(names):
                odd = ", ".join(sorted(set(weights) ^ set(names)))
                raise ValueError(f"{form}: its weights and the features of claims/features.py differ in {odd}")
            flat = [name for name, weight in weights.items() if weight.spread <= 0]
            if flat:
                raise ValueError(f"{form}: spread of {flat[0]} has to be above 0")
        return self

    def of(self, form: Form) -> FormModel:
        """The model for a form of evidence."""
        return self.prose if form == "prose" else self.faq


@cache
def load_model() -> SupportModel:
    """The shipped model.

    Raises:
        ValueError: the file's features are not those that are measured here.
        OSError: the file is missing from the installation.
    """
    text = files("assay.runner.scorers.claims").joinpath(FILE).read_text(encoding="utf-8")
    return SupportModel.model_validate(json.loads(text))


@lru_cache(maxsize=8192)
def calibrated_support(claim: str, evidence: str) -> float:
    """How far the evidence supports a claim's wording, in [0, 1]; below `OPERATING_POINT` it does not."""
    form: Form = "faq" if is_faq(evidence) else "prose"
    return load_model().of(form).support(measure(claim, evidence))
