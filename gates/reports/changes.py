"""What changed between the champion's bundle and the candidate's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.gates.reports.text import shorten, visible
from assay.registry.bundle_diff import BundleDiff

__all__ = ["ChangesView", "changes_view"]

_LINE_LIMIT = 1_000
_KINDS = {"+": "added", "-": "removed", "@": "place"}
_ABSENT = "not set"


@dataclass(frozen=True)
class ChangesView:
    """`prompt` lines come with their kind: `added`, `removed`, `place` or `same`; `facts` are (what, how)."""

    old: str
    new: str
    prompt: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]
    same: bool

    @property
    def nothing_to_show(self) -> bool:
        return not (self.prompt or self.settings or self.facts)


def changes_view(diff: BundleDiff) -> ChangesView:
    """The difference in plain text."""
    return ChangesView(
        old=visible(diff.old),
        new=visible(diff.new),
        prompt=tuple((_kind(line), visible(shorten(line, _LINE_LIMIT))) for line in diff.prompt),
        settings=tuple((visible(s.key), _value(s.old), _value(s.new)) for s in diff.settings),
        facts=tuple(_facts(diff)),
        same=diff.same,
    )


def _facts(diff: BundleDiff) -> Iterator[tuple[str, str]]:
    documents = (
        ("added", diff.documents_added),
        ("removed", diff.documents_removed),
        ("changed", diff.documents_changed),
    )
    for what, names in documents:
        if names:
            yield f"Knowledge {what}", visible(", ".join(names))
    if diff.documents_edited and not any(names for _, names in documents):
        yield "Knowledge", "files differ in more than the text of documents, such as dates or audience"
    if diff.model_source_changed:
        yield "Model", "trained from other utterances or with another configuration"
    elif diff.model_changed:
        yield "Model", "other bytes from the same training material"


def _value(value: str | None) -> str:
    return _ABSENT if value is None else visible(shorten(value, _LINE_LIMIT))


def _kind(line: str) -> str:
    if line.startswith(("+++ ", "--- ")):
        return "place"
    return _KINDS.get(line[:1], "same")
