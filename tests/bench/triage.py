"""The triage models of the shipped bundles on messages that none of them was trained or tuned on."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.gates.statistics import wilson
from assay.registry.store.contents import read_bundle
from assay.registry.types.base import AutonomyLevel
from assay.registry.types.bundle import AutonomyPolicy
from assay.runner.agents.reference.judgement import understand
from assay.runner.agents.reference.memory import Memory
from assay.runner.agents.reference.triage import NO_SIGNAL, TriageModel, train_triage

BUNDLES = Path(__file__).parents[2] / "registry" / "bundles" / "harborline"
HELD_OUT = BUNDLES / "held-out" / "messages.csv"

Message = tuple[str, str, str]


def rows() -> list[dict[str, Any]]:
    """For each bundle: recall and false escalations by single message, with 95 % intervals."""
    found: list[dict[str, Any]] = []
    for name in ("champion", "poor-model", "improved"):
        bundle = read_bundle(BUNDLES / f"{name}.yaml")
        model = TriageModel(train_triage(bundle.model, bundle.utterances))
        found.append({"bundle": name, **measured(model, bundle.source.autonomy, messages())})
    return found


def messages() -> list[Message]:
    """The held-out messages as (text, intent, signal)."""
    with HELD_OUT.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["intent"], row["signal"]) for row in csv.DictReader(file)]


def measured(model: TriageModel, policy: AutonomyPolicy, given: Sequence[Message]) -> dict[str, Any]:
    """How often a message that needs a person is escalated, and one that does not, each as a first message."""
    human = {name for name, known in policy.intents.items() if known.autonomy is AutonomyLevel.HUMAN}
    counts = {True: [0, 0], False: [0, 0]}
    for text, intent, signal in given:
        needed = intent in human or signal != NO_SIGNAL
        counts[needed][0] += understand(text, Memory(), model, policy).escalate is not None
        counts[needed][1] += 1
    return {
        name: {"value": round(k / n, 3), "n": n, "interval": [round(x, 3) for x in wilson(k, n, 0.025)]}
        for name, (k, n) in (("recall", counts[True]), ("false_escalations", counts[False]))
    }


if __name__ == "__main__":
    for row in rows():
        print(row)
