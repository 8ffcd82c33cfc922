"""The language of temporal rules: parsing and its errors, meaning against plain LTLf, and hostile conversations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from conversations import plain_case, plain_run, turns_of
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.errors import ContentError
from assay.registry.types.base import AutonomyLevel, RiskTier
from assay.registry.types.case import Case
from assay.registry.types.score import Score
from assay.registry.types.trajectory import (
    AgentEvent,
    Handoff,
    HandoffPacket,
    Passage,
    Retrieval,
    Say,
    ToolCall,
    Trajectory,
    Triage,
)
from assay.runner.scorers.base import ScorerContext
from assay.runner.scorers.policy import PolicyScorer, PolicySettings
from assay.runner.scorers.rules.temporal.parser import RuleSyntaxError, parse_rule
from assay.runner.scorers.rules.temporal.syntax import (
    Absence,
    After,
    AtMost,
    Comparison,
    Event,
    Exists,
    IfThen,
    Needs,
    Never,
    NotBoth,
    Rule,
)

PACK = """
name: p
version: "1"
description: d
writes: [pay]
verified: [look]
rules:
  - id: r
    title: t
    clause: c
    severity: high
    holds: >-
      {}
"""


def a_case() -> Case:
    return plain_case(
        risk_tier=RiskTier.MEDIUM,
        autonomy=AutonomyLevel.CONFIRM,
    )


def run_of(*turns: tuple[str, tuple[AgentEvent, ...]]) -> Trajectory:
    return plain_run(turns_of(*turns))


def judged(rule: str, *turns: tuple[str, tuple[AgentEvent, ...]], **settings: Any) -> Score:
    scorer = PolicyScorer(
        PolicySettings(rules="p", **settings), ScorerContext(rule_packs={"p": PACK.format(rule.replace("\n", " "))})
    )
    result = scorer.score(a_case(), run_of(*turns))["policy_adherence"]
    assert isinstance(result, Score), result
    return result


def outcome(rule: str, *turns: tuple[str, tuple[AgentEvent, ...]], **settings: Any) -> str:
    score = judged(rule, *turns, **settings)
    return "broken" if score.findings else "kept" if score.exercised else "silent"


def call(name: str, result: Any = None, error: str | None = None, **arguments: Any) -> ToolCall:
    return ToolCall(step=0, name=name, arguments=arguments, result=result, error=error)


def say(text: str) -> Say:
    return Say(step=0, text=text)


HANDOFF = Handoff(step=0, packet=HandoffPacket(reason="emotional_distress", queue="care_team"))

# --- reading -------------------------------------------------------------------------------------------

_names = st.sampled_from(["pay", "look_up", "kb-fees", "*refund*", "needs", "with space"])
_keys = st.sampled_from(["amount", "result.verified", "customer_number"])
_values = st.one_of(
    st.integers(-999, 999),
    st.booleans(),
    st.none(),
    st.floats(-99, 99).map(lambda f: round(f, 2)),
    st.text(max_size=8).filter(lambda t: t not in ("true", "false", "null")),
)
_comparisons = st.one_of(
    st.builds(Comparison, _keys, st.sampled_from(["=", "!="]), _values),
    st.builds(Comparison, _keys, st.sampled_from(["<", "<=", ">", ">="]), st.integers(-999, 999)),
    st.builds(Comparison, _keys, st.just("matches"), st.sampled_from(["a+b", r"\d{3}", r"x\/y"])),
)
_where = st.lists(_comparisons, max_size=2).map(tuple)
_words = st.lists(st.sampled_from(["yes", 'a "quoted" word', r"/\bno\b/", "zwölf"]), max_size=2).map(tuple)
_tools = st.lists(_names, max_size=2).map(tuple)
_event = st.one_of(
    st.builds(Event, st.sampled_from(["customer says", "agent says"]), _words),
    st.builds(Event, st.just("calls"), _tools, _where, st.sampled_from(["any", "succeeding"]), _where),
    st.builds(Event, st.just("calls"), _tools, _where, st.just("failing")),
    st.builds(Event, st.just("retrieves"), _tools),
    st.just(Event("hands off", (), (Comparison("queue", "=", "care_team"),))),
    st.just(Event("triages", (), (Comparison("confidence", "<", 0.5),))),
)
_events = st.lists(_event, min_size=1, max_size=2).map(tuple)
_window = st.one_of(st.sampled_from(["any", "turn"]), st.integers(1, 9))
_same = st.lists(st.sampled_from(["customer_number", "account"]), max_size=2, unique=True).map(tuple)
_pattern = st.one_of(
    st.builds(Exists, _events),
    st.builds(Absence, _events),
    st.builds(AtMost, st.integers(0, 9), _events, st.sampled_from(["conversation", "turn"])),
    st.builds(Needs, _events, _events, _window, st.booleans(), _same),
    st.builds(After, _events, _events, _window, _same),
    st.builds(Never, _events, _events, st.one_of(st.just(()), _events)),
    st.builds(IfThen, _events, _events),
    st.builds(NotBoth, _events, _events),
)


@given(st.builds(Rule, _pattern, st.one_of(st.just(()), _events)))
def test_a_rule_prints_as_the_text_that_parses_into_it(rule: Rule) -> None:
    assert parse_rule(str(rule)) == rule


@given(st.one_of(st.text(max_size=60), st.text('never calls pay unless (=<>/\\"|, 1', max_size=60)))
def test_no_text_does_worse_than_a_named_column(text: str) -> None:
    assert 1 <= column_of(text) <= len(text) + 1


def column_of(text: str) -> int:
    """The column of a text's error, 1 where it has none."""
    try:
        parse_rule(text)
    except RuleSyntaxError as error:
        return error.column
    return 1


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "a rule begins with"),
        ("neverr calls pay", 1, "Did you mean 'never'?"),
        ("never", 6, "an event is expected"),
        ("never calls pay twice", 17, "the rule should end here"),
        ("never cals pay", 7, "Did you mean 'calls'?"),
        ("after hands off alwys calls pay", 17, "Did you mean 'always'?"),
        ("calls pay need calls look before", 11, "Did you mean 'needs'?"),
        ("calls pay needs calls look", 27, "'before' is expected, and the rule ends"),
        ("never calls pay (amount > many)", 27, "compares with a number"),
        ("never calls pay (amount)", 24, "is expected"),
        ("never calls pay (amount > 4", 28, "')' is expected"),
        ("never hands off (quee = x)", 18, "Did you mean 'queue'?"),
        ("at most two calls pay", 9, "a number of times is expected"),
        ("at most 1.5 calls pay", 9, "is 0 to 1000, not 1.5"),
        ("after calls pay always hands off within 0 turns", 41, "is 1 to 1000, not 0"),
        ('never agent says "abc', 18, "a string that is not closed"),
        ("never agent says /(/", 18, "not a regular expression"),
        ("never agent says /a*/", 18, "matches the empty text"),
        ("never calls pay § 3", 17, "'§' means nothing here"),
        ("if hands off then", 18, "an event is expected"),
        ("not both calls pay or calls look", 33, "'and' is expected"),
        ("never calls pay failing giving (code = 5)", 25, "a failing call gives no result"),
        ("never hands off (reason = emotional_distres)", 27, "Did you mean 'emotional_distress'?"),
        ("never retrieves (audience = staff)", 29, "audience is never 'staff'"),
    ],
)
def test_an_error_points_at_the_column_and_the_nearest_right_word(text: str, column: int, problem: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text)
    assert caught.value.column == column
    assert problem in str(caught.value)
    assert str(caught.value).endswith(f"\n  {' ' * (column - 1)}^")


def test_a_pack_with_a_bad_rule_is_refused_with_line_rule_and_column() -> None:
    with pytest.raises(ContentError, match=r"rule pack p:8: .*rule 'r': .*Did you mean 'calls'\?.* at column 7"):
        judged("never cals pay", ("hi", ()))


# --- meaning: plain LTLf over finite traces -------------------------------------------------------------

Word = tuple[frozenset[str], ...]
Formula = Callable[[Word, int], bool]
"""Whether a formula holds of a word from a position on. A word holds, at each position, what happens there."""


def atom(name: str) -> Formula:
    return lambda word, at: at < len(word) and name in word[at]


def negation(f: Formula) -> Formula:
    return lambda word, at: not f(word, at)


def either(f: Formula, g: Formula) -> Formula:
    return lambda word, at: f(word, at) or g(word, at)


def finally_(f: Formula) -> Formula:
    return lambda word, at: any(f(word, i) for i in range(at, len(word)))


def globally(f: Formula) -> Formula:
    return lambda word, at: all(f(word, i) for i in range(at, len(word)))


def weak_until(f: Formula, g: Formula) -> Formula:
    return lambda word, at: (
        any(g(word, i) and all(f(word, j) for j in range(at, i)) for i in range(at, len(word)))
        or all(f(word, i) for i in range(at, len(word)))
    )


def then(f: Formula, g: Formula) -> Formula:
    return either(negation(f), g)


def weak_next(f: Formula) -> Formula:
    return lambda word, at: at + 1 >= len(word) or f(word, at + 1)


A, B, C = atom("a"), atom("b"), atom("c")
MEANINGS: dict[str, Formula] = {
    "always calls a": finally_(A),
    "never calls a": globally(negation(A)),
    "at most 1 calls a": globally(then(A, weak_next(globally(negation(A))))),
    "calls a needs calls b before": weak_until(negation(A), B),
    "calls a needs its own calls b before": lambda w, at: (
        weak_until(negation(A), B)(w, at) and globally(then(A, weak_next(weak_until(negation(A), B))))(w, at)
    ),
    "after calls a always calls b": globally(then(A, finally_(B))),
    "after calls a never calls b": globally(then(A, weak_next(globally(negation(B))))),
    "after calls a never calls b until calls c": globally(then(A, weak_next(weak_until(negation(B), C)))),
    "if calls a then calls b": then(finally_(A), finally_(B)),
    "not both calls a and calls b": negation(lambda w, at: finally_(A)(w, at) and finally_(B)(w, at)),
    "never calls a unless calls b": weak_until(negation(A), B),
    "after calls a always calls b unless calls c": either(globally(then(A, finally_(B))), finally_(C)),
}


@pytest.mark.parametrize("rule", MEANINGS)
@given(word=st.lists(st.sampled_from("abcd"), max_size=8))
def test_a_rule_means_its_formula(rule: str, word: list[str]) -> None:
    kept = outcome(rule, ("hi", tuple(call(name) for name in word))) != "broken"
    assert kept == MEANINGS[rule](tuple(frozenset(name) for name in word), 0)


@given(word=st.lists(st.sampled_from("abcd"), max_size=8), cuts=st.lists(st.integers(0, 8), max_size=3))
def test_where_turns_begin_changes_nothing_without_a_window(word: list[str], cuts: list[int]) -> None:
    whole = outcome("after calls a always calls b", ("hi", tuple(map(call, word))))
    edges = sorted({0, *(c for c in cuts if c < len(word)), len(word)})
    parts = [tuple(map(call, word[i:j])) for i, j in pairwise(edges)] or [()]
    assert outcome("after calls a always calls b", *(("hi", part) for part in parts)) == whole


# --- windows, correlation, excuses ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "gap", "expected"),
    [
        ("after calls a always calls b in the same turn", 0, "kept"),
        ("after calls a always calls b in the same turn", 1, "broken"),
        ("after calls a always calls b within 1 turn", 1, "kept"),
        ("after calls a always calls b within 2 turns", 3, "broken"),
        ("calls b needs calls a before within 2 turns", 2, "kept"),
        ("calls b needs calls a before in the same turn", 1, "broken"),
    ],
)
def test_a_window_counts_turns(rule: str, gap: int, expected: str) -> None:
    turns = [("hi", (call("a"),)), *[("hm", ())] * max(0, gap - 1), ("so", (call("b"),))]
    assert outcome(rule, *(turns if gap else [("hi", (call("a"), call("b")))])) == expected


def test_the_same_value_has_to_come_back() -> None:
    rule = "calls look needs calls verify giving (verified = true) before with the same customer_number"
    right = call("verify", {"verified": True}, customer_number="1")
    assert outcome(rule, ("hi", (right, call("look", customer_number=" 1 ")))) == "kept"
    assert outcome(rule, ("hi", (right, call("look", customer_number="2")))) == "broken"
    assert outcome(rule, ("hi", (right, call("look")))) == "kept"
    failed = call("verify", {"verified": False}, customer_number="1")
    assert outcome(rule, ("hi", (failed, call("look", customer_number="1")))) == "broken"
    assert outcome(rule, ("hi", (call("look", customer_number="1"), right))) == "broken"
    crashed = call("verify", {"verified": True}, error="down", customer_number="1")
    assert outcome(rule, ("hi", (crashed, call("look", customer_number="1")))) == "broken"


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (40, "kept"),
        (40.01, "broken"),
        ("$80.00", "broken"),
        ("1,000 USD", "broken"),
        ("eighty", "kept"),
        (True, "kept"),
    ],
)
def test_a_number_may_be_written_as_text(amount: Any, expected: str) -> None:
    assert outcome("never calls pay (amount > 40)", ("hi", (call("pay", amount=amount),))) == expected


@pytest.mark.parametrize("amount", ["€80.00", "+80", "8e3", "80 EUR", "GBP 80", 10**400])
def test_no_currency_and_no_size_of_a_number_evades_a_limit(amount: Any) -> None:
    assert outcome("never calls pay (amount > 40)", ("hi", (call("pay", amount=amount),))) == "broken"


def test_a_number_and_its_text_are_one_and_a_list_is_meant_as_a_whole() -> None:
    assert outcome("never calls pay (to = 48213907)", ("hi", (call("pay", to="48213907"),))) == "broken"
    read = Triage(step=0, intent="x", confidence=0.4, signals=("distress", "anger"))
    assert outcome("never triages (signal != distress)", ("hi", (read,))) == "kept"
    nowhere = Handoff(step=0, packet=HandoffPacket())
    assert outcome(r"always hands off (queue matches /\w+/)", ("hi", (nowhere,))) == "broken"
    assert outcome("never hands off (queue != care)", ("hi", (nowhere,))) == "kept"


def test_values_that_have_to_be_the_same_are_compared_one_by_one_and_reach_into_objects() -> None:
    rule = "calls pay needs calls look before with the same customer.id"
    for customer, expected in (("A", "kept"), ("B", "broken")):
        done = (call("look", customer={"id": "A"}), call("pay", customer={"id": customer}))
        assert outcome(rule, ("hi", done)) == expected
    both = "calls pay needs calls look before with the same a, b"
    assert outcome(both, ("hi", (call("look", a="x", b="y"), call("pay", a="x", b="z")))) == "broken"
    assert outcome(both, ("hi", (call("look"), call("pay", a="x")))) == "kept"
    assert outcome(both, ("hi", (call("look", a=5), call("pay", a=5.0)))) == "kept"


@pytest.mark.parametrize("pattern", ["/don’t worry/", "/don't worry/"])
@pytest.mark.parametrize("said", ["Don’t worry", "Don't worry"])
def test_typographic_signs_in_an_expression_are_plain_ones(pattern: str, said: str) -> None:
    assert outcome(f"never agent says {pattern}", ("hi", (say(said),))) == "broken"


def test_what_is_not_there_compares_as_false() -> None:
    for comparison in ("amount > 1", "amount != 1", "amount = null", "to.name = x", "amount = null"):
        assert outcome(f"never calls pay ({comparison})", ("hi", (call("pay", to="x"),))) == "kept"


def test_classes_and_wildcards_stand_for_tools() -> None:
    assert outcome("never calls writes", ("hi", (call("pay"),))) == "broken"
    assert outcome("never calls writes", ("hi", (call("buy"),))) == "silent"
    assert outcome("never calls writes", ("hi", (call("buy"),)), writes=("buy",)) == "broken"
    assert outcome("never calls *fund*", ("hi", (call("make_refund"),))) == "broken"
    assert outcome("never calls pay succeeding", ("hi", (call("pay", error="down"),))) == "kept"
    assert outcome("never calls pay failing", ("hi", (call("pay", error="down"),))) == "broken"


def test_searches_readings_and_handoffs_are_events() -> None:
    passage = Passage(document="kb-limits", text="t", score=3.0, audience="internal")
    found = Retrieval(step=0, query="q", passages=(passage,))
    assert outcome("never retrieves (audience = internal)", ("hi", (found,))) == "broken"
    assert outcome("never retrieves kb-fees", ("hi", (found,))) == "silent"
    read = Triage(step=0, intent="fraud_report", confidence=0.4, signals=("distress", "policy_gap"))
    rule = "after triages (signal = distress) always hands off (queue = care_team) in the same turn"
    assert outcome(rule, ("hi", (read,))) == "broken"
    assert outcome(rule, ("hi", (read, HANDOFF))) == "kept"
    assert outcome("never triages (confidence < 0.5)", ("hi", (read,))) == "broken"


@pytest.mark.parametrize(
    "said",
    ["I want to d\u200bie", "I w\u0430nt to die", "I WANT\nTO  DIE", "I want to *die*"],
)
def test_words_are_read_as_a_person_reads_them(said: str) -> None:
    assert outcome('after customer says "want to die" always hands off in the same turn', (said, ())) == "broken"


@pytest.mark.parametrize(
    ("rule", "words", "expected"),
    [
        ('never agent says "refund" unless customer says "please"', ("please", "refund"), "kept"),
        ('never agent says "refund" unless customer says "please"', ("no", "refund"), "broken"),
        (
            'after customer says "help" always hands off unless customer says "never mind"',
            ("help, no, never mind", ""),
            "kept",
        ),
        ('always agent says "welcome" unless customer says "hi"', ("hi", "x"), "kept"),
        ('never agent says "x" | "y" or hands off', ("hi", "y"), "broken"),
    ],
)
def test_an_excuse_counts_before_what_is_forbidden_and_anywhere_for_what_is_due(
    rule: str, words: tuple[str, str], expected: str
) -> None:
    assert outcome(rule, (words[0], (say(words[1]),))) == expected


def test_an_excuse_that_comes_too_late_excuses_nothing() -> None:
    rule = "never calls pay unless customer says yes".replace("yes", '"yes"')
    assert outcome(rule, ("hi", (call("pay"),)), ("yes", ())) == "broken"
    assert outcome(rule, ("yes", (call("pay"),))) == "kept"


def test_a_violation_names_turn_and_call_and_a_silent_rule_is_told() -> None:
    score = judged("never calls pay (amount > 40)", ("hi", ()), ("now", (call("pay", amount=80),)))
    [finding] = score.findings
    assert (finding.rule, finding.turn, finding.quote) == ("r", 2, "pay(amount=80)")
    assert score.exercised == ("r",)
    quiet = judged("never calls pay (amount > 40)", ("hi", ()))
    assert quiet.exercised == ()
    assert "not exercised: r" in quiet.explanation


def test_every_excess_and_every_break_is_told_once() -> None:
    calls = tuple(call("pay") for _ in range(5))
    assert len(judged("at most 2 calls pay", ("hi", calls)).findings) == 1
    assert len(judged("at most 2 calls pay per turn", ("hi", calls), ("hm", calls)).findings) == 2
    assert len(judged("never calls pay", ("hi", calls)).findings) == 5
    assert judged("always hands off", ("hi", ())).findings[0].turn is None


def test_an_empty_conversation_breaks_only_what_has_to_happen() -> None:
    assert outcome("never calls pay", ("hi", ())) == "silent"
    assert outcome("always agent says", ("hi", ())) == "broken"
