"""Harborline's agent with a small triage model, and a caller who talks to it over whatever carries requests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.registry.strict import read_text

ROOT = Path(__file__).parents[1]
BUNDLES = ROOT / "registry" / "bundles" / "harborline"
INTENTS = {"card_block", "balance_inquiry", "human_request", "affirm", "deny", "greeting", "closing", "fee_question"}
DATE = "2026-03-02"
CONVERSATION = (
    "I lost my card, please block it. The card ends in 4821.",
    "My customer number is 48213907 and I was born on March 12, 1984.",
    "yes",
    "I want to talk to a human being please",
    "Are you there?",
)
TOOLS = {
    "verify_identity": {"verified": True},
    "block_card": {"blocked": True, "card_last4": "4821", "reference": "R-1"},
}


def write_harborline(folder: Path) -> Path:
    """Write a bundle with Harborline's prompt, knowledge and policy that is trained in a moment."""
    folder.mkdir(parents=True)
    rows = list(csv.DictReader(io.StringIO(read_text(BUNDLES / "training" / "utterances.csv"))))
    with (folder / "utterances.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows([row for row in rows if row["intent"] in INTENTS][::4])
    text = (BUNDLES / "champion.yaml").read_text()
    for old, new in {
        "prompts/champion.md": str(BUNDLES / "prompts" / "champion.md"),
        "../../../datasets": str(ROOT / "datasets"),
        "training/utterances.csv": "utterances.csv\n  char_ngrams: [3, 3]",
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "bundle.yaml").write_text(text)
    return folder / "bundle.yaml"


class Caller:
    """Sends the whole conversation each time, and carries out the tools that the agent asks for."""

    def __init__(self, ask: Callable[[dict[str, Any]], dict[str, Any]], shape: str = "input") -> None:
        self.ask = ask
        self.shape = shape
        self.items: list[dict[str, Any]] = []
        self.called: list[str] = []
        self.last: dict[str, Any] = {}

    def say(self, text: str) -> str:
        """What the agent answers, after all its tool calls."""
        self.items.append({"role": "user", "content": text})
        replies: list[str] = []
        while True:
            self.last = self.ask({self.shape: list(self.items), "custom_inputs": {"date": DATE}})
            replies += self._texts()
            calls = self._calls()
            self.items += self.last["output" if self.shape == "input" else "messages"]
            wanted = [call for call in calls if call[1] != "transfer_to_human"]
            if not wanted:
                return "\n".join(replies)
            self.items += [self._result(call_id, name) for call_id, name in wanted]

    def _texts(self) -> list[str]:
        if self.shape == "messages":
            return [m["content"] for m in self.last["messages"] if m["content"]]
        return [part["text"] for i in self.last["output"] if i["type"] == "message" for part in i["content"]]

    def _calls(self) -> list[tuple[str, str]]:
        if self.shape == "messages":
            made = [call for m in self.last["messages"] for call in m.get("tool_calls", ())]
            return [(call["id"], call["function"]["name"]) for call in made]
        return [(i["call_id"], i["name"]) for i in self.last["output"] if i["type"] == "function_call"]

    def _result(self, call_id: str, name: str) -> dict[str, Any]:
        self.called.append(name)
        result = json.dumps(TOOLS[name])
        if self.shape == "messages":
            return {"role": "tool", "tool_call_id": call_id, "name": name, "content": result}
        return {"type": "function_call_output", "call_id": call_id, "output": result}
