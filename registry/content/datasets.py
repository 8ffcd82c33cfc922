"""Datasets from disk: `dataset.yaml`, the cases as JSON lines, and the knowledge they refer to.

Everything that can be wrong is looked for before anything is refused, and each problem names the file, the
line and the case. Nothing is skipped: a line that cannot be read makes the dataset unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from assay.registry.content.references import unknown_names
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import load_knowledge
from assay.registry.strict import load_yaml, read_text, validation_problems
from assay.registry.types.case import Case, Dataset, DatasetInfo

__all__ = ["EXPECTATIONS_NAME", "load_dataset"]

EXPECTATIONS_NAME = "expectations.yaml"
_SHOWN_PROBLEMS = 20


def load_dataset(folder: Path) -> Dataset:
    """Load and check the dataset in `folder`.

    The digest of a case is `digest_of(case)`; that of the dataset covers its `dataset.yaml`, the digests of
    its cases whatever their order, the digests of its knowledge documents, the approved wording, and the
    expectations it is checked against.

    Raises:
        ContentError: `dataset.yaml`, a case or a knowledge document is ill-formed or missing, an id stands
            twice, a case names an intent, tool, queue or document that does not exist, or there is no case.
    """
    info = load_yaml(folder / "dataset.yaml", DatasetInfo)
    documents = _documents(folder, info)
    path = _inside(folder, info.cases, "cases")
    cases = _load_cases(path, info, documents)
    if not cases:
        raise ContentError("the dataset holds no cases: nothing could be measured with it", file=path)
    case_digests = {case.id: digest_of(case) for case in cases}
    wording = read_text(_inside(folder, info.wording, "wording")) if info.wording else ""
    promised = folder / EXPECTATIONS_NAME
    content = {
        "info": info,
        "cases": sorted(case_digests.values()),
        "documents": documents,
        "wording": wording,
        "expectations": read_text(promised) if promised.exists() else "",
    }
    return Dataset(
        info=info,
        cases=cases,
        case_digests=case_digests,
        documents=documents,
        wording=wording,
        digest=digest_of(content),
    )


def _documents(folder: Path, info: DatasetInfo) -> dict[str, str]:
    if info.knowledge is None:
        return {}
    documents = load_knowledge(_inside(folder, info.knowledge, "knowledge"))
    return {document.id: digest_of(document) for document in documents}


def _inside(folder: Path, relative: str, key: str) -> Path:
    """A path of `dataset.yaml`; the dataset's digest can only stand for what lies in its folder."""
    path = folder / relative
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ContentError(f"{relative!r} lies outside of the dataset's folder", file=folder / "dataset.yaml", key=key)
    return path


def _load_cases(path: Path, info: DatasetInfo, documents: dict[str, str]) -> tuple[Case, ...]:
    cases: dict[str, Case] = {}
    first_line: dict[str, int] = {}
    problems: list[str] = []
    for line, raw in _lines(path):
        try:
            case = _parse_case(raw, path, line)
        except ContentError as error:
            problems.append(str(error))
            continue
        if case.id in cases:
            where = f"stands on line {first_line[case.id]} already"
            problems.append(str(ContentError(f"the case id {case.id!r} {where}", file=path, line=line, key="id")))
            continue
        cases[case.id], first_line[case.id] = case, line
        for key, problem in unknown_names(case, info, documents):
            problems.append(_located(problem, path, line, key, case.id))
    if problems:
        raise ContentError(_joined(problems))
    return tuple(cases.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that is not blank, with its number.

    Lines end with LF or CRLF alone: JSON text may hold other characters that Unicode calls line ends.
    """
    try:
        with path.open("rb") as file:
            for number, data in enumerate(file, start=1):
                try:
                    text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip(" \t\r\n")
                except UnicodeDecodeError as error:
                    raise ContentError(
                        f"not UTF-8 text: {error.reason} at byte {error.start} of the line", file=path, line=number
                    ) from None
                if text:
                    yield number, text
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", file=path) from None


def _parse_case(text: str, path: Path, line: int) -> Case:
    """One line as a case. Raises ContentError with every problem of the line."""
    try:
        plain = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ContentError(f"not valid JSON: {error.msg} at column {error.colno}", file=path, line=line) from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ContentError(f"not valid JSON: {reason}", file=path, line=line) from None
    if not isinstance(plain, dict):
        raise ContentError("a case is a JSON object, {...}", file=path, line=line)
    try:
        return Case.model_validate_json(text)
    except ValidationError as error:
        name = str(plain.get("id", "without an id"))
        found = [_located(problem, path, line, key, name) for key, problem in validation_problems(error, Case)]
        raise ContentError("\n".join(found)) from None


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _located(problem: str, path: Path, line: int, key: str, case_id: str) -> str:
    return str(
        ContentError(problem, file=path, line=line, key=f"case {case_id!r}, {key}" if key else f"case {case_id!r}")
    )


def _joined(problems: list[str]) -> str:
    shown = problems[:_SHOWN_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} problems more")
    return "\n".join(shown)
