"""A dataset as tables: what the data checks look at, one row for each case and one for each knowledge document.

Rows hold numbers and names, never the text of a case, so that a table of many cases stays small.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assay.registry import slices
from assay.registry.content.datasets import DatasetReader, ReadCase, read_case_at
from assay.registry.content.labels import MISTAKES, real_looking
from assay.registry.content.similarity import Fingerprints, HeldTexts, NearestTexts, as_words, similarity
from assay.registry.content.simulation_labels import lines_of
from assay.registry.types.base import EscalationReason
from assay.registry.types.case import Case
from assay.registry.types.datacheck import DataExpectations

__all__ = ["Cell", "Table", "case_table", "document_table", "slice_column", "text_table"]

Cell = str | int | float | bool

_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+|\n+")
_RECORDINGS = "recordings.jsonl"
"""Recorded conversations beside the cases (the recorded agent of `runner` reads them): the back office has answered
already, so where no case has a fixture none is missing."""
_WORDS = 5
"""Turns of fewer words ("yes, go ahead") are said by everybody; that a model was trained on them tells nothing."""

_HELD, _HELD_WORDS = 0.95, 8
"""A longer text that stands in a conversation as good as whole was put there. Shorter ones, or most of one, come
together by chance from what customers say of one matter."""


@dataclass
class Table:
    """Columns of equal length, and for each row that breaks something, what: by (column, case id)."""

    columns: dict[str, list[Cell]] = field(default_factory=dict)
    details: dict[tuple[str, str], str] = field(default_factory=dict)

    def append(self, row: Mapping[str, Cell]) -> None:
        """Add a row; every row has the same columns."""
        for name, cell in row.items():
            self.columns.setdefault(name, []).append(cell)

    def __len__(self) -> int:
        return max((len(column) for column in self.columns.values()), default=0)


def slice_column(text: str) -> str:
    """The column that tells whether a case is in a slice."""
    return f"slice: {text}"


def case_table(
    reader: DatasetReader,
    wanted: DataExpectations,
    training: Iterable[tuple[str, str]] = (),
    others: Sequence[DatasetReader] = (),
) -> Table:
    """One row for each case of a dataset, in order. Columns named after mistakes count them: 0 in good data.

    Args:
        reader: the dataset.
        wanted: what it promises.
        training: (where it stands, utterance) of every text that a model is trained on.
        others: datasets whose cases must not stand here again.

    Raises:
        ContentError: a case of the dataset, or of another one, is ill-formed.
    """
    table = Table()
    terms = {text: slices.check_attributes(text) for text in wanted.slices}
    alike = _Alike(reader, wanted.max_similarity, others)
    trained = _Trained(wanted.max_similarity, training)
    for read in reader.cases():
        row, details = _row(read, reader, wanted)
        attributes = read.case.attributes()
        row |= {slice_column(text): int(slices.matches(found, attributes)) for text, found in terms.items()}
        alike.add(read)
        row["training_overlap"], details["training_overlap"] = trained.find(read.case)
        table.append(row)
        table.details |= {(column, read.case.id): text for column, text in details.items() if text}
    alike.mark(table)
    _compare_levels(table)
    if (reader.folder / _RECORDINGS).is_file() and not any(table.columns["fixtures"]):
        table.columns["unanswered_calls"] = [0] * len(table)
    return table


def document_table(reader: DatasetReader) -> Table:
    """One row for each knowledge document."""
    table = Table()
    for document in reader.knowledge.values():
        table.append(
            {
                "id": document.id,
                "audience": document.audience,
                "expires": int(document.effective_to is not None),
                "sections": len(document.sections),
            }
        )
    return table


def text_table(reader: DatasetReader) -> Table:
    """One row for each text beside the cases: the knowledge documents and the approved wording."""
    table = Table()
    texts = {document.id: f"{document.title}\n{document.text}" for document in reader.knowledge.values()}
    if reader.wording:
        texts[str(reader.info.wording)] = reader.wording
    for name, text in texts.items():
        found = "; ".join(dict.fromkeys(real_looking(text, published=True)))
        table.append({"id": name, "personal_data": int(bool(found))})
        if found:
            table.details["personal_data", name] = found
    return table


def _row(read: ReadCase, reader: DatasetReader, wanted: DataExpectations) -> tuple[dict[str, Cell], dict[str, str]]:
    case = read.case
    escalation = case.expect.escalation
    mistakes = {name: list(find(case, reader.knowledge)) for name, find in MISTAKES.items()}
    row: dict[str, Cell] = {
        "id": case.id,
        "line": read.line,
        "intent": case.intent,
        "risk_tier": case.risk_tier.value,
        "autonomy": case.autonomy.value,
        "channel": case.channel,
        "language": case.language,
        "customer_turns": len(case.turns),
        "escalates": int(escalation.required),
        "escalation_reasons": len(escalation.reasons),
        "needs_documents": int(_needs_documents(case, wanted)),
        "documents": sum(len(turn.expect.supporting_documents) for turn in case.turns),
        "expectations": _expectations(case),
        "fixtures": len(case.tools),
        **{f"reason_{reason.value}": int(reason in escalation.reasons) for reason in EscalationReason},
        **{name: len(found) for name, found in mistakes.items()},
    }
    if wanted.long_conversations:
        row["long_conversation"] = int(len(case.turns) >= wanted.long_conversations.customer_turns)
    return row, {name: "; ".join(found) for name, found in mistakes.items() if found}


def _needs_documents(case: Case, wanted: DataExpectations) -> bool:
    return (
        case.intent in wanted.knowledge_intents
        and not case.expect.escalation.required
        and wanted.unanswerable_tag not in case.tags
    )


def _expectations(case: Case) -> int:
    """How many things a case asks of an agent besides whether to escalate."""
    per_turn = sum(
        len(e.must_say) + len(e.must_not_say) + len(e.tool_calls) + len(e.forbidden_tools)
        for e in (turn.expect for turn in case.turns)
    )
    simulated = case.simulation.expect if case.simulation else None
    if simulated is not None:
        per_turn += len(simulated.tool_calls) + len(simulated.forbidden_tools) + len(simulated.must_say)
    return per_turn + len(case.expect.must_not_say) + int(case.expect.handoff is not None)


def _compare_levels(table: Table) -> None:
    """An intent has one autonomy level; the rows with the rarer one of two are marked."""
    pairs = list(zip(table.columns.get("intent", []), table.columns.get("autonomy", []), strict=True))
    counts = Counter(pairs)
    usual: dict[Cell, Cell] = {}
    for intent, level in sorted(counts, key=lambda pair: (counts[pair], str(pair))):
        usual[intent] = level
    table.columns["other_level"] = [int(level != usual[intent]) for intent, level in pairs]
    for case_id, (intent, level) in zip(table.columns.get("id", []), pairs, strict=True):
        if level != usual[intent]:
            table.details["other_level", str(case_id)] = f"{level}, but {intent} is {usual[intent]} elsewhere"


class _Alike:
    """Finds the earlier case, of this dataset or of another one, that a case nearly repeats.

    Remembers a fingerprint of each case and where it stands; the few that may be alike are read again.
    """

    def __init__(self, reader: DatasetReader, least: float, others: Sequence[DatasetReader]) -> None:
        self._least = least
        self._fingerprints = Fingerprints()
        self._places: list[tuple[str, Path, int]] = []
        for other in others:
            for read in other.cases():
                self.add(read, other.path, f"{other.info.name}/{read.case.id}")
        self._first = len(self._places)
        self._path = reader.path

    def add(self, read: ReadCase, path: Path | None = None, name: str = "") -> None:
        self._fingerprints.append(_said(read.case))
        self._places.append((name or read.case.id, path or self._path, read.offset))

    def mark(self, table: Table) -> None:
        """Fill the column `near_duplicates`, now that every case was added."""
        cells: list[Cell] = [0] * len(table)
        for later, earlier in self._fingerprints.candidates(self._least):
            if later < self._first or cells[later - self._first]:
                continue
            found = similarity(self._text(later), self._text(earlier))
            if found >= self._least:
                cells[later - self._first] = 1
                detail = f"{found:.0%} like {self._places[earlier][0]}"
                table.details["near_duplicates", self._places[later][0]] = detail
        table.columns["near_duplicates"] = cells

    def _text(self, place: int) -> str:
        _, path, offset = self._places[place]
        return _said(read_case_at(path, offset))


class _Trained:
    """Finds what a model was trained on in a case: a turn like it, or all of it in a turn or over several."""

    def __init__(self, least: float, training: Iterable[tuple[str, str]]) -> None:
        told = [(where, text) for where, text in training if _words(text) >= _WORDS]
        self._places = [where for where, _ in told]
        self._near = NearestTexts(least, lambda name: told[int(name)][1])
        for number, (_, text) in enumerate(told):
            self._near.nearest(text, add_as=str(number))
        self._held = HeldTexts((text if _words(text) >= _HELD_WORDS else "" for _, text in told), max(least, _HELD))

    def find(self, case: Case) -> tuple[int, str]:
        if not self._places:
            return 0, ""
        texts = [(f"turn {n}", turn.customer) for n, turn in enumerate(case.turns, start=1)]
        texts += lines_of(case.simulation) if case.simulation else ()
        found = [f"{where} {told}" for where, text in texts if (told := self._like(text))]
        held = None if found else self._held.find(_said(case))
        if held is not None:
            found.append(f"holds {held[1]:.0%} of {self._places[held[0]]}")
        return len(found), "; ".join(found)

    def _like(self, said: str) -> str:
        # A turn may greet first, or say two things: its sentences are looked at as well as the whole.
        for text in dict.fromkeys((said, *_SENTENCE_END.split(said))):
            near = self._near.nearest(text) if _words(text) >= _WORDS else None
            if near is not None:
                return f"is {near[1]:.0%} like {self._places[int(near[0])]}"
        return ""


def _words(text: str) -> int:
    return sum(word[0].isalpha() for word in as_words(text).split())


def _said(case: Case) -> str:
    return "\n".join(turn.customer for turn in case.turns)
