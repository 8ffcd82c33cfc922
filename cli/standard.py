"""What a bundle is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.registry.types.case import Dataset
    from assay.registry.types.datacheck import DataCheckReport
    from assay.registry.types.suite import Suite
    from assay.runner.scorers.base import Scorer, ScorerContext
    from assay.runner.scorers.custom import ScorerHome

__all__ = ["Standard"]


@dataclass(frozen=True)
class Standard:
    """What a bundle is measured against: a suite with its dataset and scorers."""

    suite: Suite
    dataset: Dataset
    scorers: tuple[Scorer, ...]
    suite_digest: str
    context: ScorerContext
    home: ScorerHome
    data_checks: DataCheckReport | None
    data_check_files: dict[str, str]
    """What was found out about the data, to be kept with the run: in our words, and in Great Expectations'."""
