"""Strategies that make any golden conversation, for the tests of formats."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from assay.registry.types.base import AutonomyLevel, EscalationReason, RiskTier
from assay.registry.types.case import Case

TEXT = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15),
    st.sampled_from(
        [
            "a | b",
            "two\nlines",
            "two\r\nlines",
            " edge ",
            "[x]",
            "{",
            '""',
            '"""',
            '"',
            "=1+1",
            "'=x",
            "-5",
            "|",
            "a,b;c",
        ]
    ),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,8}", fullmatch=True)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=2)
REASON = st.sampled_from([reason.value for reason in EscalationReason])
PHRASES = st.lists(TEXT, min_size=1, max_size=2)
REQUIREMENTS = st.lists(st.fixed_dictionaries({"any_of": PHRASES}), max_size=2)


def names(most: int = 2) -> st.SearchStrategy[list[str]]:
    return st.lists(NAMES, max_size=most)


TURNS = st.fixed_dictionaries(
    {
        "customer": TEXT,
        "golden_reply": st.none() | st.just("") | TEXT,
        "expect": st.fixed_dictionaries(
            {
                "must_say": REQUIREMENTS,
                "must_not_say": st.lists(st.just("") | TEXT, max_size=2),
                "supporting_documents": names(),
                "tool_calls": st.lists(
                    st.fixed_dictionaries({"name": NAMES, "arguments": st.just({}) | OBJECTS}), max_size=2
                ),
                "forbidden_tools": names(),
            }
        ),
    }
)


@st.composite
def fixtures(draw) -> dict[str, Any]:
    made = {
        "name": draw(NAMES),
        "arguments": draw(OBJECTS),
        "latency_s": draw(st.sampled_from([0, 0.5])),
        "times": draw(st.none() | st.integers(1, 3)),
    }
    if draw(st.booleans()):
        return {**made, "error": draw(st.just("") | TEXT)}
    return {**made, "result": draw(JSON.filter(lambda value: value is not None))}


@st.composite
def plain_cases(draw, case_id: str) -> dict[str, Any]:
    turns = draw(st.lists(TURNS, min_size=1, max_size=3))
    required = draw(st.booleans())
    escalation: dict[str, Any] = {"required": required}
    handoff = None
    if required:
        escalation["reasons"] = draw(st.lists(REASON, min_size=1, max_size=2))
        escalation["by_turn"] = draw(st.integers(1, len(turns)))
        escalation["queue"] = draw(st.none() | NAMES)
        handoff = draw(
            st.none()
            | st.fixed_dictionaries(
                {
                    "intent": st.none() | NAMES,
                    "must_mention": REQUIREMENTS,
                    "prior_actions": names(),
                    "documents": names(),
                }
            )
        )
    else:
        escalation["near_miss_of"] = draw(st.lists(REASON, max_size=2))
    customer = st.fixed_dictionaries(
        {
            "name": st.just("") | TEXT,
            "customer_number": st.none() | TEXT,
            "personal_data": st.lists(st.fixed_dictionaries({"kind": st.just("email"), "value": TEXT}), max_size=1),
        }
    )
    return {
        "id": case_id,
        "intent": draw(NAMES),
        "risk_tier": draw(st.sampled_from([tier.value for tier in RiskTier])),
        "autonomy": draw(st.sampled_from([level.value for level in AutonomyLevel])),
        "channel": draw(st.sampled_from(["chat", "email", "voice"])),
        "language": draw(st.sampled_from(["en", "de-AT"])),
        "tags": draw(names()),
        "date": draw(st.dates()).isoformat(),
        "customer": draw(st.none() | customer),
        "turns": turns,
        "tools": draw(st.lists(fixtures(), max_size=2)),
        "expect": {
            "escalation": escalation,
            "handoff": handoff,
            "must_not_say": draw(st.lists(st.just("") | TEXT, max_size=2)),
        },
        "labels": draw(OBJECTS),
    }


@st.composite
def case_lists(draw) -> list[Case]:
    ids = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    return [Case.model_validate(draw(plain_cases(case_id))) for case_id in ids]
