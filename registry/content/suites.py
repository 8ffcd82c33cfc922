"""Suites and packs of policy rules from disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from assay.registry import slices
from assay.registry.errors import ContentError
from assay.registry.strict import load_yaml, read_text
from assay.registry.types.case import Case, Dataset
from assay.registry.types.suite import Suite

__all__ = ["check_suite", "load_rule_packs", "load_suite", "require_simulations"]

_SHOWN = 5


def load_suite(path: Path) -> Suite:
    """Load a suite; its slices are well-formed and name attributes that cases have.

    Raises:
        ContentError: the file is missing or ill-formed, or a slice is; every such slice is named.
    """
    suite = load_yaml(path, Suite)
    lines = read_text(path).splitlines()
    problems: list[str] = []
    counts = Counter(suite.slices)
    for index, text in enumerate(suite.slices):
        try:
            slices.check_attributes(text)
            if counts[text] > 1 and suite.slices.index(text) != index:
                raise slices.SliceError(f"slice {text!r} is listed twice")
        except slices.SliceError as error:
            line = next((n for n, content in enumerate(lines, start=1) if text and text in content), None)
            problems.append(str(ContentError(error.problem, file=path, line=line, key=f"slices.{index}")))
    if problems:
        raise ContentError("\n".join(problems))
    return suite


def check_suite(suite: Suite, dataset: Dataset) -> None:
    """Hold a suite against its dataset: it is the one named, and every slice selects at least one of its cases.

    Raises:
        ContentError: the suite is meant for another dataset, its customers are to be simulated and a case does not say
            how, or a slice names nothing in this one.
    """
    if suite.dataset != dataset.info.name:
        raise ContentError(
            f"suite {suite.name!r} is meant for the dataset {suite.dataset!r}, this one is {dataset.info.name!r}"
        )
    if suite.replay.mode == "simulated":
        require_simulations(dataset.cases, where=f"suite {suite.name!r}, dataset {dataset.info.name!r}")
    cases = {case.id: case.attributes() for case in dataset.cases}
    problems: list[str] = []
    for text in suite.slices:
        try:
            slices.select(text, cases)
        except slices.SliceError as error:
            problems.append(f"suite {suite.name!r}, dataset {dataset.info.name!r}: {error}")
    if problems:
        raise ContentError("\n".join(problems))


def require_simulations(cases: Iterable[Case], *, where: str) -> None:
    """Refuse to simulate customers that nobody described.

    Raises:
        ContentError: a case has no simulation; names the first of them.
    """
    without = [case.id for case in cases if case.simulation is None]
    if without:
        more = f" and {len(without) - _SHOWN} more" if len(without) > _SHOWN else ""
        raise ContentError(
            f"'mode: simulated' needs a 'simulation' in every case, and there is none in: "
            f"{', '.join(without[:_SHOWN])}{more}. Add one to each, or use 'mode: scripted'",
            file=where,
            key="replay.mode",
        )


def load_rule_packs(folder: Path) -> dict[str, str]:
    """Every `*.yaml` of a folder, as its name without the ending to its text, sorted.

    A folder that does not exist holds no packs; a scorer that is told to use one says so.

    Raises:
        ContentError: a file cannot be read, or is called `*.yml` and would be passed over.
    """
    if not folder.is_dir():
        return {}
    for path in sorted(folder.glob("*.yml")):
        raise ContentError("rule packs are called *.yaml; rename the file", file=path)
    return {path.stem: read_text(path) for path in sorted(folder.glob("*.yaml"))}
