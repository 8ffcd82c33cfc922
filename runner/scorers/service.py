"""Service: what the conversation cost the customer and the bank, whatever its outcome.

None of these says that the customer was helped; they stand beside task success and escalation, never instead.

- Turns to resolution: customer turns up to the last one in which something was done for the customer (a handoff, a tool
  that answered, a search that found something); all turns where nothing was.
- Handle time, by a simulated clock, in seconds: the agent's own latency, and for each turn the customer's time to say
  or type the message and to hear or read the reply, at the rates of `ServiceSettings`.
- Repeated question: the agent asks again what it asked before, after the customer spoke.
- Dead end: the conversation stops without a handoff where the agent has nothing more to offer: its last reply is empty
  or says again what the one before said, or a tool failed in it for good.
- Repeat contact ("durability"): whether the customer came back for the same matter, where the source of a case or
  recording says so under the label `repeat_contact`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from assay.registry.content.similarity import similarity
from assay.registry.phrases import normalise, quote_of, sentences
from assay.registry.types.base import Frozen, Severity
from assay.registry.types.case import Case
from assay.registry.types.score import Finding, MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Handoff, Retrieval, ToolCall, Trajectory, TurnRecord
from assay.runner.scorers.base import Scorer

__all__ = ["ServiceScorer", "ServiceSettings"]

_REPEAT_LABEL = "repeat_contact"
_FEWEST_WORDS = 3
_ASKS = re.compile(
    r"(?:to \w+[^,]{0,40}, )?(?:please|kindly) (?:tell|give|send|enter|provide|say|let me know|confirm)\b",
    re.IGNORECASE,
)
"""An agent asks in the imperative as often as with a question mark."""
_ANYTHING_ELSE = re.compile(r"\b(?:any|some)thing (?:else|more)\b")

Rate = Annotated[float, Field(gt=0, le=10_000)]


class ServiceSettings(Frozen):
    """Words a minute for the simulated clock, and how alike two questions are that count as one.

    Defaults: silent reading 238 and reading aloud, taken for listening to a voice agent, 183 (Brysbaert, How many words
    do we read per minute?, 2019); typing on a phone 36 (Palin et al., How do people type on mobile devices?, 2019).
    Speaking is set to 150, a usual rate of conversation.
    """

    reading_wpm: Rate = 238.0
    typing_wpm: Rate = 36.0
    listening_wpm: Rate = 183.0
    speaking_wpm: Rate = 150.0
    same_question: Annotated[float, Field(gt=0, le=1)] = 0.8


def _mean(name: str, description: str, *, lower: bool = True) -> MetricSpec:
    direction = "lower_is_better" if lower else "higher_is_better"
    return MetricSpec(name=name, kind="mean", direction=direction, range=(0.0, None), description=description)


_TURNS = _mean("turns_to_resolution", "Customer turns up to the last in which something was done for the customer.")
_HANDLE = _mean("handle_time_s", "Seconds a conversation takes by the simulated clock.")
_REPLY = _mean("reply_time_s", "Mean seconds the agent takes for a reply.")
_SLOWEST = _mean("slowest_reply_s", "Seconds of the slowest reply of a conversation.")
_COST = _mean("cost_usd", "US dollars a conversation costs, as the agent reports them.")
_TOKENS = _mean("tokens", "Tokens a conversation uses, in and out, as the agent reports them.")
_REPEATED = MetricSpec(
    name="repeated_question_rate",
    kind="proportion",
    direction="lower_is_better",
    unit="turn",
    description="Of the turns in which the agent asks something: it asked the same before.",
)
_DEAD_END = MetricSpec(
    name="dead_end_rate",
    kind="proportion",
    direction="lower_is_better",
    description="Conversations that stop without a handoff where the agent has nothing more to offer.",
)
_REPEAT_CONTACT = MetricSpec(
    name="repeat_contact_rate",
    kind="proportion",
    direction="lower_is_better",
    description="Of the conversations of which it is known: the customer came back for the same matter.",
)

_NO_USAGE = Skipped(reason="the agent reports no usage: not reported is not free")
_NO_COST = Skipped(reason="the agent reports no cost: not reported is not free")
_NO_TIMES = Skipped(reason="the recording does not tell the times of all turns")
_NO_QUESTION = Skipped(reason="the agent asks nothing")
_NOT_KNOWN = Skipped(reason=f"no label {_REPEAT_LABEL!r} says whether the customer came back")


class ServiceScorer(Scorer):
    """Counts turns, seconds, cost, repeated questions and dead ends of one conversation."""

    name = "service"
    version = "2"
    Settings = ServiceSettings

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_TURNS, _HANDLE, _REPLY, _SLOWEST, _COST, _TOKENS, _REPEATED, _DEAD_END, _REPEAT_CONTACT)

    @property
    def rules(self) -> tuple[str, ...]:
        return ("repeated_question", "dead_end", "repeat_contact")

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        """A trial that did not complete is a dead end; whether it would have repeated itself is not known."""
        del case
        if metric.name == _REPEATED.name:
            return Skipped(reason="the trial did not complete: counted as a dead end")
        return _NOT_KNOWN if metric.name == _REPEAT_CONTACT.name else None

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        assert isinstance(self.settings, ServiceSettings)
        timed = trajectory.mode != "recorded" or all(turn.latency_s for turn in trajectory.turns)
        return {
            _TURNS.name: _turns_to_resolution(trajectory),
            _REPEATED.name: _repeated(trajectory, self.settings.same_question),
            _DEAD_END.name: _dead_end(trajectory, self.settings.same_question),
            _REPEAT_CONTACT.name: _repeat_contact(case, trajectory),
            **_usage(trajectory),
            **(_times(case, trajectory, self.settings) if timed else _untimed()),
        }


def _turns_to_resolution(trajectory: Trajectory) -> Score:
    done = [turn.index for turn in trajectory.turns if any(_helps(event) for event in turn.events)]
    count = max(done, default=len(trajectory.turns))
    said = f"something was last done in turn {count}" if done else "nothing was done in any turn"
    return Score(value=float(count), explanation=f"{said} of {len(trajectory.turns)}")


def _helps(event: object) -> bool:
    if isinstance(event, ToolCall):
        return event.error is None
    return isinstance(event, Handoff) or (isinstance(event, Retrieval) and bool(event.passages))


# --- time and money ------------------------------------------------------------------------------------


def _untimed() -> dict[str, Result]:
    return {metric.name: _NO_TIMES for metric in (_HANDLE, _REPLY, _SLOWEST)}


def _times(case: Case, trajectory: Trajectory, settings: ServiceSettings) -> dict[str, Result]:
    latencies = [turn.latency_s for turn in trajectory.turns]
    if not latencies:
        return dict.fromkeys((_HANDLE.name, _REPLY.name, _SLOWEST.name), ScorerFailure(error="there is no turn"))
    voice = case.channel == "voice"
    out = settings.speaking_wpm if voice else settings.typing_wpm
    back = settings.listening_wpm if voice else settings.reading_wpm
    customer = sum(60 * (_words(t.customer) / out + _words(t.reply) / back) for t in trajectory.turns)
    agent = math.fsum(latencies)
    said = f"agent {agent:.1f} s, customer {customer:.0f} s by the simulated clock ({'voice' if voice else 'text'})"
    return {
        _HANDLE.name: Score(value=agent + customer, explanation=said),
        _REPLY.name: Score(value=agent / len(latencies), explanation=f"{len(latencies)} replies"),
        _SLOWEST.name: Score(value=max(latencies), explanation=f"turn {latencies.index(max(latencies)) + 1}"),
    }


def _words(text: str) -> int:
    return len(text.split())


def _usage(trajectory: Trajectory) -> dict[str, Result]:
    usage = trajectory.usage
    tokens = usage.input_tokens + usage.output_tokens
    said = f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
    return {
        _COST.name: Score(value=usage.cost_usd, explanation=said) if usage.cost_usd else _NO_COST,
        _TOKENS.name: Score(value=float(tokens), explanation=said) if tokens else _NO_USAGE,
    }


# --- going round in circles ----------------------------------------------------------------------------


def _repeated(trajectory: Trajectory, same: float) -> Result:
    asked: list[str] = []
    turns = 0
    findings: list[Finding] = []
    for turn in trajectory.turns:
        questions = _questions(turn)
        turns += bool(questions)
        again = next(((q, old) for q in questions for old in asked if similarity(q, old) >= same), None)
        if again:
            findings.append(
                Finding(
                    rule="repeated_question",
                    severity=Severity.LOW,
                    message="asks again what it asked before",
                    turn=turn.index,
                    quote=quote_of(again[0]),
                    evidence=quote_of(again[1]),
                )
            )
        asked += questions
    if not turns:
        return _NO_QUESTION
    said = f"{len(findings)} of {turns} turns with a question repeat one"
    return Score(value=float(len(findings)), of=turns, explanation=said, findings=tuple(findings))


def _questions(turn: TurnRecord) -> list[str]:
    """The questions of a reply that are about something. "Anything else?" ends a turn and asks for nothing."""
    found = [part for part in sentences(turn.reply) if part.rstrip("\"')]").endswith("?") or _ASKS.match(part)]
    return [q for q in found if _words(q) >= _FEWEST_WORDS and not _ANYTHING_ELSE.search(normalise(q))]


def _dead_end(trajectory: Trajectory, same: float) -> Score:
    if trajectory.handoffs:
        return Score(value=0.0, explanation="a person took over")
    last = trajectory.turns[-1] if trajectory.turns else None
    why = _stuck(trajectory, last, same)
    if not why:
        return Score(value=0.0, explanation="the last reply goes on or closes")
    finding = Finding(
        rule="dead_end",
        severity=Severity.MEDIUM,
        message=f"the conversation stops without a person: {why}",
        turn=last.index if last else None,
        quote=quote_of(last.reply) if last else "",
    )
    return Score(value=1.0, explanation=why, findings=(finding,))


def _stuck(trajectory: Trajectory, last: TurnRecord | None, same: float) -> str:
    if last is None:
        return "there is no turn"
    if not normalise(last.reply):
        return "the last reply is empty"
    if len(trajectory.turns) > 1 and similarity(last.reply, trajectory.turns[-2].reply) >= same:
        return "the last reply says again what the one before said"
    newest = {call.name: call for call in last.tool_calls}
    for_good = {name for name, call in newest.items() if call.error is not None}
    return f"{', '.join(sorted(for_good))} failed and nothing followed" if for_good else ""


def _repeat_contact(case: Case, trajectory: Trajectory) -> Result:
    label = trajectory.labels.get(_REPEAT_LABEL, case.labels.get(_REPEAT_LABEL))
    if label is None:
        return _NOT_KNOWN
    if not isinstance(label, bool):
        return ScorerFailure(error=f"the label {_REPEAT_LABEL!r} is {label!r}, not true or false")
    if not label:
        return Score(value=0.0, explanation="the customer did not come back")
    finding = Finding(
        rule="repeat_contact", severity=Severity.MEDIUM, message="the customer came back for the same matter"
    )
    return Score(value=1.0, explanation="the customer came back", findings=(finding,))
