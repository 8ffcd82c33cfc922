"""Knowledge documents: Markdown with front matter, read strictly.

A document that cannot be dated or whose audience is unknown must not be searched, so every key of the
front matter but `effective_to` is required and unknown keys are refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.strict import parse_yaml, read_text
from assay.registry.types.base import Frozen, Name

__all__ = ["KnowledgeDocument", "Section", "knowledge_digest", "load_knowledge", "parse_document"]

_FENCE = "---"
_HEADING = re.compile(r"^(#+) +(.*\S)\s*$")


class _FrontMatter(Frozen):
    id: Name
    title: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1, coerce_numbers_to_str=True)]
    effective_from: dt.date
    effective_to: dt.date | None = None
    audience: Literal["public", "internal"]
    topics: tuple[Annotated[str, Field(min_length=1)], ...] = ()

    @model_validator(mode="after")
    def _dates_in_order(self) -> _FrontMatter:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            raise ValueError("'effective_to' is before 'effective_from'")
        return self


class Section(Frozen):
    """The text below one heading; `heading` is empty for text before the first one."""

    heading: str
    text: str


class KnowledgeDocument(_FrontMatter):
    """One document of a knowledge base. It holds on the days from `effective_from` to `effective_to`, both included."""

    sections: Annotated[tuple[Section, ...], Field(min_length=1)]

    @property
    def text(self) -> str:
        """The body as Markdown."""
        return "\n\n".join(f"## {s.heading}\n{s.text}" if s.heading else s.text for s in self.sections)

    def superseded(self, date: dt.date) -> bool:
        """Whether the document no longer holds on `date`."""
        return self.effective_to is not None and self.effective_to < date

    def pending(self, date: dt.date) -> bool:
        """Whether the document does not hold yet on `date`."""
        return date < self.effective_from


def parse_document(text: str, *, file: Path | str) -> KnowledgeDocument:
    """Parse Markdown with front matter. Line ends may be LF or CRLF; a byte-order mark is ignored.

    Raises:
        ContentError: the front matter is missing, open or ill-formed, a heading is not of level two, or
            there is no text.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[0].rstrip() != _FENCE:
        raise ContentError("a document begins with front matter between two lines '---'", file=file, line=1)
    end = next((n for n, line in enumerate(lines[1:], start=1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise ContentError("the front matter is not closed by a line '---'", file=file, line=1)
    # An empty first line in place of the fence keeps the line numbers of errors right.
    front = parse_yaml("\n".join(["", *lines[1:end]]), _FrontMatter, file=file)
    sections = _sections(lines[end + 1 :], first_line=end + 2, file=file)
    if not sections:
        raise ContentError("the document has no text below its front matter", file=file, line=end + 1)
    return KnowledgeDocument(**front.model_dump(), sections=sections)


def load_knowledge(folder: Path) -> tuple[KnowledgeDocument, ...]:
    """Every `*.md` of a folder (not of folders in it), sorted by id.

    Raises:
        ContentError: the folder is missing or holds no document, a document is ill-formed, or two have one
            id. The problems of all documents stand in one error.
    """
    if not folder.is_dir():
        raise ContentError("there is no such folder of knowledge documents", file=folder)
    documents: dict[str, KnowledgeDocument] = {}
    files: dict[str, Path] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.md")):
        try:
            document = parse_document(read_text(path), file=path)
        except ContentError as error:
            problems.append(str(error))
            continue
        if document.id in documents:
            first = files[document.id].name
            problems.append(str(ContentError(f"{document.id!r} is already the id of {first}", file=path, key="id")))
            continue
        documents[document.id], files[document.id] = document, path
    if problems:
        raise ContentError("\n".join(problems))
    if not documents:
        raise ContentError("the folder holds no knowledge document (*.md)", file=folder)
    return tuple(documents[name] for name in sorted(documents))


def knowledge_digest(documents: Iterable[KnowledgeDocument] | Path) -> str:
    """SHA-256 over the documents' content, whatever their order, file names and line ends.

    Raises:
        ContentError: a folder was given and cannot be loaded.
    """
    loaded = load_knowledge(documents) if isinstance(documents, Path) else tuple(documents)
    return digest_of([document.model_dump(mode="json") for document in sorted(loaded, key=lambda d: d.id)])


def _sections(lines: list[str], *, first_line: int, file: Path | str) -> tuple[Section, ...]:
    found: list[Section] = []
    heading, body = "", list[str]()

    def close(line: int) -> None:
        text = "\n".join(body).strip()
        if text:
            found.append(Section(heading=heading, text=text))
        elif heading:
            raise ContentError(f"the section {heading!r} has no text", file=file, line=line)

    for number, line in enumerate(lines, start=first_line):
        match = _HEADING.match(line)
        if match is None:
            body.append(line.rstrip())
            continue
        if len(match[1]) != 2:
            raise ContentError(f"headings have two '#', as in '## {match[2]}'", file=file, line=number)
        close(number)
        heading, body = match[2], []
    close(first_line + len(lines) - 1)
    return tuple(found)
