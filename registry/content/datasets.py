"""Datasets from disk: `dataset.yaml`, the cases as JSON lines, and the knowledge they refer to.

Everything that can be wrong is looked for before anything is refused, and each problem names the file, the
line and the case. Nothing is skipped: a line that cannot be read makes the dataset unreadable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from assay.registry.content.references import unknown_names
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import load_knowledge
from assay.registry.strict import load_yaml, plain_json, read_text, validation_problems
from assay.registry.types.case import Case, Dataset, DatasetInfo

__all__ = [
    "EXPECTATIONS_NAME",
    "DatasetReader",
    "ReadCase",
    "load_dataset",
    "promised",
    "read_case_at",
    "read_cases",
]

EXPECTATIONS_NAME = "expectations.yaml"
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class ReadCase:
    """A case with its digest, and where it stands in its file: the line from 1, the byte from 0."""

    case: Case
    digest: str
    line: int
    offset: int


class DatasetReader:
    """Reads a dataset's folder without keeping its cases, so that memory does not grow with their text.

    Raises:
        ContentError: `dataset.yaml` or a knowledge document is ill-formed or missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = load_yaml(folder / "dataset.yaml", DatasetInfo)
        self.path = _inside(folder, self.info.cases, "cases")
        _refuse_unnamed(folder, self.info)
        knowledge = self.info.knowledge
        with _readable(folder / (knowledge or "")):
            found = () if knowledge is None else load_knowledge(_inside(folder, knowledge, "knowledge"))
        self.knowledge = {document.id: document for document in found}
        self.documents = {document.id: digest_of(document) for document in found}
        wording = self.info.wording
        self.wording = _plain_text(_inside(folder, wording, "wording")) if wording else ""
        self.expectations = promised(folder) or ""
        self._digests: list[str] | None = None

    def cases(self) -> Iterator[ReadCase]:
        """Every case in order. What is wrong with the file is raised at its end, all of it at once.

        Raises:
            ContentError: a case is ill-formed, an id stands twice, a case names an intent, tool, queue or document
                that does not exist, or there is no case.
        """
        digests: list[str] = []
        first_line: dict[str, int] = {}
        problems: list[str] = []
        for line, offset, raw in _lines(self.path):
            try:
                case = _parse_case(raw, self.path, line)
            except ContentError as error:
                problems.append(str(error))
                continue
            if case.id in first_line:
                problems.append(_stands_twice(case.id, self.path, line, first_line[case.id]))
                continue
            first_line[case.id] = line
            for key, problem in unknown_names(case, self.info, self.documents):
                problems.append(_located(problem, self.path, line, key, case.id))
            digest = digest_of(case)
            digests.append(digest)
            yield ReadCase(case, digest, line, offset)
        if problems:
            raise ContentError(_joined(problems))
        if not digests:
            raise ContentError("the dataset holds no cases: nothing could be measured with it", file=self.path)
        self._digests = sorted(digests)

    @property
    def digest(self) -> str:
        """The dataset's digest; known once `cases` has been read to its end.

        It covers `dataset.yaml`, the digests of the cases whatever their order, the digests of the knowledge
        documents, the approved wording, and the expectations that the dataset is checked against.
        """
        if self._digests is None:
            raise ValueError("the cases have not been read to their end")
        content = {
            "info": self.info,
            "cases": self._digests,
            "documents": self.documents,
            "wording": self.wording,
            "expectations": self.expectations,
        }
        return digest_of(content)


def load_dataset(folder: Path) -> Dataset:
    """Load and check the dataset in `folder`. The digest of a case is `digest_of(case)`.

    Raises:
        ContentError: `dataset.yaml`, a case or a knowledge document is ill-formed or missing, an id stands
            twice, a case names an intent, tool, queue or document that does not exist, or there is no case.
    """
    reader = DatasetReader(folder)
    found = list(reader.cases())
    return Dataset(
        info=reader.info,
        cases=tuple(read.case for read in found),
        case_digests={read.case.id: read.digest for read in found},
        documents=reader.documents,
        wording=reader.wording,
        expectations=reader.expectations,
        digest=reader.digest,
    )


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a JSON-lines file by itself; the names they use are not looked up.

    Raises:
        ContentError: a case is ill-formed, an id stands twice, or there is no case.
    """
    found: dict[str, Case] = {}
    first_line: dict[str, int] = {}
    for line, _, raw in _lines(path):
        case = _parse_case(raw, path, line)
        if case.id in found:
            raise ContentError(_stands_twice(case.id, path, line, first_line[case.id]))
        found[case.id], first_line[case.id] = case, line
    if not found:
        raise ContentError("the file holds no cases", file=path)
    return tuple(found.values())


def promised(folder: Path) -> str | None:
    """The text of the `expectations.yaml` of a dataset's folder, or None where it has none.

    Raises:
        ContentError: there is something of that name that cannot be read, such as a link to nowhere.
    """
    path = folder / EXPECTATIONS_NAME
    with _readable(path):
        return _plain_text(path) if path.exists() or path.is_symlink() else None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Names the file or folder where reading it breaks off: no permission, links in a circle."""
    try:
        yield
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", file=path) from None


def read_case_at(path: Path, offset: int) -> Case:
    """The case whose line begins at a byte that `ReadCase.offset` named."""
    with path.open("rb") as file:
        file.seek(offset)
        return Case.model_validate_json(file.readline().decode("utf-8-sig").strip(" \t\r\n"))


def _refuse_unnamed(folder: Path, info: DatasetInfo) -> None:
    """What stands in the folder and is not named would be taken for read: checked, searched, approved."""
    for key, given, usual in (("knowledge", info.knowledge, "knowledge"), ("wording", info.wording, "wording.md")):
        if given is None and (folder / usual).exists():
            message = f"{usual} stands beside it and is not named: add `{key}: {usual}`, or move it away"
            raise ContentError(message, file=folder / "dataset.yaml", key=key)


def _plain_text(path: Path) -> str:
    # A checkout that turns line ends into CRLF must not make another version of the dataset.
    return read_text(path).replace("\r\n", "\n")


def _inside(folder: Path, relative: str, key: str) -> Path:
    """A path of `dataset.yaml`; the dataset's digest can only stand for what lies in its folder."""
    path = folder / relative
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # no permission, links in a circle, a null character
        raise ContentError(f"{relative!r} is no path: {error}", file=folder / "dataset.yaml", key=key) from None
    if not inside:
        raise ContentError(f"{relative!r} lies outside of the dataset's folder", file=folder / "dataset.yaml", key=key)
    return path


def _lines(path: Path) -> Iterator[tuple[int, int, str]]:
    """Each line that is not blank, with its number and its first byte.

    Lines end with LF or CRLF alone: JSON text may hold other characters that Unicode calls line ends.
    """
    try:
        with path.open("rb") as file:
            offset = 0
            for number, data in enumerate(file, start=1):
                try:
                    text = data.decode("utf-8-sig" if number == 1 else "utf-8").strip(" \t\r\n")
                except UnicodeDecodeError as error:
                    raise ContentError(
                        f"not UTF-8 text: {error.reason} at byte {error.start} of the line", file=path, line=number
                    ) from None
                if text:
                    yield number, offset, text
                offset += len(data)
    except OSError as error:
        raise ContentError(f"cannot be read: {error.strerror}", file=path) from None


def _parse_case(text: str, path: Path, line: int) -> Case:
    """One line as a case. Raises ContentError with every problem of the line."""
    try:
        plain = plain_json(text)
    except ContentError as error:
        raise ContentError(error.problem, file=path, line=line) from None
    if not isinstance(plain, dict):
        raise ContentError("a case is a JSON object, {...}", file=path, line=line)
    try:
        return Case.model_validate_json(text)
    except ValidationError as error:
        name = str(plain.get("id", "without an id"))
        found = [_located(problem, path, line, key, name) for key, problem in validation_problems(error, Case)]
        raise ContentError("\n".join(found)) from None


def _stands_twice(case_id: str, path: Path, line: int, first: int) -> str:
    where = f"the case id {case_id!r} stands on line {first} already"
    return str(ContentError(where, file=path, line=line, key="id"))


def _located(problem: str, path: Path, line: int, key: str, case_id: str) -> str:
    return str(
        ContentError(problem, file=path, line=line, key=f"case {case_id!r}, {key}" if key else f"case {case_id!r}")
    )


def _joined(problems: list[str]) -> str:
    shown = problems[:_SHOWN_PROBLEMS]
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} problems more")
    return "\n".join(shown)
