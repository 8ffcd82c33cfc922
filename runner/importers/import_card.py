"""The data card of an imported dataset: what it was made from, what is in it, what a person has still to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assay.registry.types.case import Case, DatasetInfo

__all__ = ["data_card"]

_CARD = """# {name}

{cases} golden conversations with {turns} customer turns.

| | |
| --- | --- |
| source | {source} |
| version | `{version}`, from the digest of the cases |
| licence | {licence} |
| made by | `{command}` |

## What is in it

| | cases |
| --- | --- |
{counts}

## To know before use
{remarks}
- Whether the text holds personal data of real people was not checked.
- `expectations.yaml` declares the coverage that a dataset promises; a gate whose policy requires data checks reads
  ERROR without one.
"""


def data_card(info: DatasetInfo, cases: Sequence[Case], *, source: str, command: str, remarks: Sequence[str]) -> str:
    """Markdown; the same for the same data."""
    return _CARD.format(
        name=info.name,
        version=info.version,
        licence=_cell(info.licence),
        cases=len(cases),
        turns=sum(len(case.turns) for case in cases),
        source=_cell(source),
        command=command,
        counts="\n".join(_counts(cases)),
        remarks="".join(f"\n- {remark}." for remark in remarks),
    )


def _counts(cases: Sequence[Case]) -> list[str]:
    rows: list[str] = []
    for attribute in ("intent", "risk_tier", "autonomy", "channel", "language", "escalation", "escalation_reason"):
        found = Counter(value for case in cases for value in case.attributes()[attribute])
        rows += [f"| {attribute} = {value} | {count} |" for value, count in sorted(found.items())]
    return rows


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
