"""The data card of an imported tau-bench dataset: where it is from, what was derived, what it cannot tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assay.registry.types.case import Case, DatasetInfo
from assay.registry.types.trajectory import Trajectory
from assay.runner.importers.tau_cases import ACCEPTED_REASONS, DATE

__all__ = ["data_card"]

_CARD = """# {name}

{cases} airline tasks of tau-bench with {recordings} recorded conversations of `{agent}`.

| | |
| --- | --- |
| source | a file of `historical_trajectories/` in sierra-research/tau-bench, MIT licence (arXiv 2406.12045) |
| version | `{version}`, from the digest of the cases |
| conversations | {recordings}, of which {incomplete} end before the agent has answered |
| missing trials | {missing} |
| language, channel | English, chat |
| people | none: the benchmark's authors invented them; a language model plays the customer |
| made by | `assay import tau-bench` |

## What a case is

- **One turn.** In every trial the simulated customer words things differently, so no scripted text can stand for all
  of them. The case's only turn holds the task's instruction: what the customer wants and how they behave. What was
  really said is in `recordings.jsonl`. Scorers compare over the whole conversation.
- **Date**: {date}, the current time by the airline's policy.
- **Derived, not given.** The benchmark says which actions its own solution takes (the gold actions) and nothing about
  intent, risk, autonomy or escalation. These follow from the gold actions:

| attribute | from the gold actions |
| --- | --- |
| intent | `transfer` where they hand the customer over; else what the first write does; `no_change` without a write |
| tags | what each of the writes does |
| risk tier | high: a handover, a cancellation or a certificate; medium: any other write; low: no write |
| autonomy | human: a handover; confirm: a write; autonomous: neither |
| escalation required | exactly where they hand the customer over |
| expected tool calls | the writes, with all their arguments |
| forbidden tools | all other writes |

| | cases |
| --- | --- |
{counts}

`labels` keeps the names of the gold actions, the user id and the outputs that the benchmark looks for.

## What the recordings are

One trajectory for each task and trial, `mode: recorded`. The `step` of an event is the index of its message in the
source. A call of `transfer_to_human_agents` is a tool call and a handoff, whose packet has a summary and nothing else.
`labels.reward` is 1 where the benchmark counts the trial as solved. The bundle digest covers everything that was
recorded: an edited, added or dropped recording is refused.

## What it cannot tell

- **When** a handover is due: the source does not say, and a case of one turn cannot. `by_turn` is 1 for the format's
  sake; timeliness is not to be read from these recordings.
- **Why**: the source's only rule is that the request is beyond what the agent can do, and the recorded agent names no
  reason. Every reason that fits the published tasks is accepted, so the accuracy of reasons is not to be read from
  these recordings: {reasons}.
- Whether a gold handover is right: a few are debatable, and some tasks without one end with a customer who asks for a
  person.
- Latency, tokens and cost: not recorded.
"""


def data_card(
    info: DatasetInfo, cases: Sequence[Case], trajectories: Sequence[Trajectory], missing: Sequence[str]
) -> str:
    """Markdown; the same for the same data."""
    return _CARD.format(
        name=info.name,
        version=info.version,
        agent=trajectories[0].agent,
        cases=len(cases),
        recordings=len(trajectories),
        incomplete=sum(trajectory.error is not None for trajectory in trajectories),
        missing=_listed(missing),
        date=DATE.isoformat(),
        counts="\n".join(_counts(cases)),
        reasons=", ".join(f"`{reason.value}`" for reason in ACCEPTED_REASONS),
    )


def _listed(missing: Sequence[str], limit: int = 20) -> str:
    more = f" and {len(missing) - limit} more" if len(missing) > limit else ""
    return (", ".join(missing[:limit]) + more) or "none"


def _counts(cases: Sequence[Case]) -> list[str]:
    rows: list[str] = []
    for attribute in ("intent", "risk_tier", "autonomy", "escalation"):
        found = Counter(value for case in cases for value in case.attributes()[attribute])
        rows += [f"| {attribute} = {value} | {count} |" for value, count in sorted(found.items())]
    return rows
