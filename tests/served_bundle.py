"""Harborline's agent with a triage model of a few hundred utterances, so that it is trained in a moment."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from assay.registry.strict import read_text

BUNDLES = Path(__file__).parents[1] / "registry" / "bundles" / "harborline"
INTENTS = {"card_block", "balance_inquiry", "human_request", "affirm", "deny", "greeting", "closing", "fee_question"}


def write_harborline(folder: Path, **replaced: str) -> Path:
    """Write a bundle with Harborline's prompt, knowledge and policy; `replaced` is text of the YAML and other text."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = list(csv.DictReader(io.StringIO(read_text(BUNDLES / "training" / "utterances.csv"))))
    kept = [row for row in rows if row["intent"] in INTENTS][::4]
    with (folder / "utterances.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    text = (BUNDLES / "champion.yaml").read_text()
    for old, new in {
        "prompts/champion.md": str(BUNDLES / "prompts" / "champion.md"),
        "../../../datasets": str(Path(__file__).parents[1] / "datasets"),
        "training/utterances.csv": "utterances.csv\n  char_ngrams: [3, 3]",
        **replaced,
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "bundle.yaml").write_text(text)
    return folder / "bundle.yaml"
