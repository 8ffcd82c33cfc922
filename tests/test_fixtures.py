"""Tool fixtures: matchers, state, references and changes, through the back office of a case."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from assay.registry.content import DatasetCheck, check_dataset, load_dataset
from assay.registry.content.checks import tables_of
from assay.registry.digest import digest_of
from assay.registry.errors import ContentError
from assay.registry.types.case import Case, ToolFixture
from assay.registry.types.datacheck import DataExpectations
from assay.runner.agents.base import ToolResult
from assay.runner.exporters.redaction import redacted
from assay.runner.fixtures import FixtureBackend
from assay.runner.importers.golden import Call, fixtures_of

ROOT = Path(__file__).parents[1]
STATE = {
    "account": {"balance": 120.1, "open": True, "owner": None},
    "card": {"status": "active", "limits": {"day": 500}},
}


def plain(*tools: dict[str, Any], state: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "one",
        "intent": "card_block",
        "risk_tier": "low",
        "autonomy": "autonomous",
        "date": "2026-03-02",
        "turns": [{"customer": "Hello"}],
        "tools": list(tools),
        "expect": {"escalation": {"required": False}},
        **({"state": state} if state is not None else {}),
        **more,
    }


def backend(*tools: dict[str, Any], state: dict[str, Any] | None = STATE) -> FixtureBackend:
    return FixtureBackend.of(Case.model_validate(plain(*tools, state=state)))


def call(office: FixtureBackend, name: str, **arguments: Any) -> ToolResult:
    return asyncio.run(office.call(name, arguments))[0]


BLOCK = (
    {"name": "block", "when": {"card.status": "blocked"}, "error": "card already blocked"},
    {"name": "block", "sets": {"card.status": "blocked"}, "result": {"status": "${state.card.status}"}},
    {"name": "status", "result": {"status": "${state.card.status}", "text": "The card is ${state.card.status}."}},
)


def test_a_write_changes_what_later_reads_see() -> None:
    office = backend(*BLOCK)
    assert call(office, "status").result == {"status": "active", "text": "The card is active."}
    assert call(office, "block").result == {"status": "blocked"}
    assert call(office, "status").result == {"status": "blocked", "text": "The card is blocked."}
    assert call(office, "block").error == "card already blocked"


def test_a_back_office_without_the_state_that_its_fixtures_need_is_a_mistake_at_once() -> None:
    case = Case.model_validate(plain(*BLOCK, state=STATE))
    for fixture in case.tools:
        with pytest.raises(ValueError, match=r"FixtureBackend\.of\(case\)"):
            FixtureBackend((fixture,))


def test_each_conversation_begins_with_the_state_of_the_case() -> None:
    case = Case.model_validate(plain(*BLOCK, state=STATE))
    call(FixtureBackend.of(case), "block")
    assert call(FixtureBackend.of(case), "status").result["status"] == "active"  # type: ignore[index]
    assert case.state["card"]["status"] == "active"


def test_changes_are_computed_from_the_state_before_and_results_from_the_state_after() -> None:
    office = backend(
        {
            "name": "refund",
            "sets": {"account.balance": {"$add": "${arguments.amount}"}, "card.limits.day": "${state.account.balance}"},
            "result": {"balance": "${state.account.balance}", "day": "${state.card.limits.day}"},
        }
    )
    assert call(office, "refund", amount=0.2).result == {"balance": 120.3, "day": 120.1}


@pytest.mark.parametrize(("change", "balance"), [({"$add": 0.2}, 120.3), ({"$subtract": 20.1}, 100.0), (7, 7)])
def test_sums_are_of_money(change: Any, balance: float) -> None:
    office = backend(
        {"name": "pay", "sets": {"account.balance": change}, "result": {"balance": "${state.account.balance}"}}
    )
    assert call(office, "pay").result == {"balance": balance}


def test_an_amount_that_is_none_is_an_error_of_the_tool_and_changes_nothing() -> None:
    office = backend(
        {"name": "pay", "sets": {"account.balance": {"$add": "${arguments.amount}"}}, "result": {"done": True}},
        {"name": "name", "sets": {"card.status": "${arguments.status}"}, "result": {"done": True}},
        {"name": "read", "result": {"balance": "${state.account.balance}", "status": "${state.card.status}"}},
    )
    assert call(office, "pay", amount="forty").error == "invalid argument amount: a number is expected"
    assert call(office, "name", status=4).error == "invalid argument status"
    assert call(office, "read").result == {"balance": 120.1, "status": "active"}


def test_a_change_that_no_argument_is_to_blame_for_names_what_it_sets() -> None:
    office = FixtureBackend(
        tuple(
            ToolFixture.model_validate({"result": {"done": True}, **tool})
            for tool in (
                {"name": "note", "sets": {"card.note": "${arguments.note}"}},
                {"name": "use", "sets": {"card.status": "${state.card.note}"}},
                {"name": "sum", "sets": {"card.fee": {"$add": "${state.card.note}"}}},
                {"name": "more", "sets": {"card.note": {"$add": "${arguments.amount}"}}},
            )
        ),
        {"card": {"status": "active", "fee": 1, "note": None}},
    )
    call(office, "note", note=4)
    assert call(office, "use").error == "cannot set card.status: 4 is no text"
    call(office, "note", note=None)
    assert call(office, "sum").error == "cannot set card.fee: null is no number"
    assert call(office, "more", amount=2).error == "cannot set card.note: null is no number"


def test_a_fixture_that_uses_an_argument_answers_only_calls_that_have_it() -> None:
    office = backend({"name": "pay", "result": {"paid": "${arguments.amount}"}}, state=None)
    assert call(office, "pay", amount=[4]).result == {"paid": [4]}
    assert "no fixture" in str(call(office, "pay").error)


def test_what_an_agent_does_to_a_result_changes_nothing() -> None:
    case = Case.model_validate(
        plain({"name": "read", "result": {"list": [1], "limits": "${state.card.limits}"}}, state=STATE)
    )
    office = FixtureBackend.of(case)
    result = call(office, "read").result
    result["list"].append(2)  # type: ignore[index, union-attr]
    result["limits"]["day"] = 9  # type: ignore[index]
    assert call(office, "read").result == {"list": [1], "limits": {"day": 500}}


MATCHED = [
    ({"$any": True}, [None, 1, "x", {}], []),
    ({"$one_of": ["Current", 2]}, ["current ", 2], ["savings", True, "2"]),
    ({"$range": {"at_least": 1, "at_most": 40}}, [1, 40.0], [0.99, 41, "20", True, None]),
    ({"$range": {"at_least": 1}}, [1e9], [0]),
    ({"$regex": r"apt-\d{5}"}, ["APT-12345", " apt-12345 "], ["APT-123456", 12345]),
    ({"$equals": {"$gt": 5}}, [{"$gt": 5}], [5, {"$gt": 6}]),
    ({"gt": 5}, [{"gt": 5}], [5]),
    ("4 Rose Lane", ["4 rose  lane"], ["5 Rose Lane"]),
]


@pytest.mark.parametrize(("wanted", "yes", "no"), MATCHED)
def test_matchers(wanted: Any, yes: list[Any], no: list[Any]) -> None:
    for value in yes:
        assert call(backend({"name": "t", "arguments": {"a": wanted}, "result": 1}), "t", a=value).result == 1, value
    for value in no:
        assert call(backend({"name": "t", "arguments": {"a": wanted}, "result": 1}), "t", a=value).error, value
    assert call(backend({"name": "t", "arguments": {"a": wanted}, "result": 1}), "t").error


def test_a_call_that_nothing_answers_tells_the_agent_nothing_and_people_what_differs() -> None:
    office = backend(
        {"name": "refund", "arguments": {"amount": {"$range": {"at_most": 40}}, "card": "1234"}, "result": 1},
        {"name": "refund", "arguments": {"amount": 5, "card": "9999", "reason": "x"}, "result": 1},
    )
    answer = call(office, "refund", amount=50, card="1234")
    assert answer.error == "no answer: the case has no fixture for this call of refund"
    why = office.why_unanswered("refund", {"amount": 50, "card": "1234"})
    assert why == 'tools.0 is the nearest; argument \'amount\': wanted {"$range": {"at_most": 40}}, given: 50'
    assert office.why_unanswered("steal", {}) == "no fixture is called steal"


def test_calls_at_once_do_not_corrupt_the_state() -> None:
    pay = {
        "name": "pay",
        "latency_s": 0.002,
        "sets": {"account.balance": {"$subtract": 1}},
        "result": {"balance": "${state.account.balance}"},
    }
    last = {"name": "last", "when": {"account.balance": 0}, "result": "empty"}
    office = backend(pay, last, state={"account": {"balance": 50}})

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(office.call("pay", {}) for _ in range(50)))

    balances = [answer.result["balance"] for answer, _, _ in asyncio.run(all_at_once())]
    assert sorted(balances) == list(range(50))
    assert call(office, "last").result == "empty"


def test_a_call_that_is_cancelled_has_still_happened() -> None:
    office = backend(
        {"name": "pay", "latency_s": 60, "sets": {"account.balance": 0}, "result": 1},
        {"name": "read", "result": {"balance": "${state.account.balance}"}},
    )

    async def gone() -> None:
        async with asyncio.timeout(0.01):
            await office.call("pay", {})

    with pytest.raises(TimeoutError):
        asyncio.run(gone())
    assert call(office, "read").result == {"balance": 0}


WRONG = [
    (
        {"when": {"card.state": "x"}},
        "tools.0.when.card.state: the state has no 'card.state'. Did you mean 'card.status'?",
    ),
    ({"when": {"card.status": 4}}, "the state has text there, which is never a number"),
    ({"when": {"card.status": {"$range": {"at_least": 1}}}}, "'$range' compares numbers, and the state has text there"),
    ({"when": {"account.balance": {"$regex": "1"}}}, "'$regex' compares text, and the state has a number there"),
    ({"when": {"account.open": {"$one_of": [True, 1]}}}, "true or false there, which is never a number"),
    ({"sets": {"card.status": {"$add": 1}}}, "'$add' changes a number, and the state has text there"),
    ({"sets": {"account.balance": {"$ad": 1}}}, "unknown change '$ad'. Did you mean '$add'?"),
    ({"sets": {"account.balance": {"$add": "1"}}}, "'$add' takes a number, or a reference to one, not text"),
    ({"sets": {"account.balance": "${state.card.status}"}}, "a number there, which may not become text"),
    ({"sets": {"account.open": 1}}, "tools.0.sets.account.open: the state has true or false there"),
    ({"sets": {"Account": 1}}, "is no path of the state; a path is entity.field"),
    ({"result": {"x": ["${state.acount.balance}"]}}, "tools.0.result.x.0: the state has no 'acount.balance'."),
    ({"result": "${sate.account.balance}"}, "${sate.account.balance} leads nowhere; write ${state.PATH}"),
    ({"arguments": {"a": {"$oneof": [1]}}}, "a: unknown matcher '$oneof'. Did you mean '$one_of'?"),
    ({"arguments": {"a": {"$any": True, "b": 1}}}, "a matcher is an object with exactly one key"),
    ({"arguments": {"a": {"$any": False}}}, "'$any' is true"),
    ({"arguments": {"a": {"$one_of": []}}}, "'$one_of' is a list of at least one value"),
    ({"arguments": {"a": {"$range": {"min": 1}}}}, "'$range' has 'at_least', 'at_most' or both"),
    ({"arguments": {"a": {"$range": {"at_least": 2, "at_most": 1}}}}, "'$range' is empty: 2 is above 1"),
    ({"arguments": {"a": {"$range": {"at_least": "1"}}}}, "the limits of '$range' are numbers"),
    ({"arguments": {"a": {"$regex": "("}}}, "'$regex' is no regular expression"),
]


def dataset(folder: Path, *cases: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.yaml").write_text(
        "name: d\nversion: '1'\ndescription: d\nlicence: x\nintents: [card_block]\ntools: [t, u]\nqueues: [general]\n"
    )
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    return folder


@pytest.mark.parametrize(("fixture", "message"), WRONG)
def test_a_mistake_names_case_fixture_and_key(tmp_path: Path, fixture: dict[str, Any], message: str) -> None:
    tool = {"name": "t", "result": 1, **fixture}
    with pytest.raises(ContentError) as caught:
        load_dataset(dataset(tmp_path, plain(tool, state=STATE)))
    assert message in str(caught.value)
    assert "cases.jsonl:1: case 'one', tools.0" in str(caught.value)


def test_without_a_state_nothing_can_be_read_from_it_and_other_text_is_text() -> None:
    with pytest.raises(ValueError, match="declares no 'state'"):
        Case.model_validate(plain({"name": "t", "result": "${state.card.status}"}))
    office = backend({"name": "t", "result": "${HOME} $${state.card.status} $${x}"}, state=None)
    assert call(office, "t").result == "${HOME} ${state.card.status} $${x}"


WANTED = DataExpectations.model_validate({"min_cases": 1, "min_customer_turns": 1, "min_intents": 1})


def report(folder: Path) -> list[str]:
    """What the data check says of the fixtures of a dataset; the table that Great Expectations is given."""
    _, tables = tables_of(DatasetCheck(folder, WANTED))
    details = tables["cases"].details
    return [text for (column, _), text in details.items() if column in ("idle_fixtures", "unanswered_calls")]


IDLE = [
    (
        ({"name": "t", "result": 1}, {"name": "t", "arguments": {"a": 1}, "result": 2}),
        "tools.1 (t) never answers: tools.0",
    ),
    (({"name": "t", "result": 1}, {"name": "t", "when": {"card.status": "active"}, "result": 2}), "tools.1 (t)"),
    (
        ({"name": "t", "when": {"card.status": "gone"}, "result": 1},),
        'tools.0 (t) never answers: card.status is only ever "active"',
    ),
    (
        (
            {"name": "t", "when": {"card.status": "lost"}, "result": 1},
            {"name": "u", "sets": {"card.status": "gone"}, "result": 1},
        ),
        'card.status is only ever "active", "gone"',
    ),
]
IN_USE = [
    ({"name": "t", "result": 1, "times": 1}, {"name": "t", "result": 2}),
    ({"name": "t", "when": {"card.status": "active"}, "result": 1}, {"name": "t", "result": 2}),
    (
        {"name": "t", "when": {"card.status": "gone"}, "result": 1},
        {"name": "u", "sets": {"card.status": "gone"}, "result": 1},
    ),
    (
        {"name": "t", "when": {"account.balance": 0}, "result": 1},
        {"name": "u", "sets": {"account.balance": {"$subtract": 1}}, "result": 1},
    ),
    ({"name": "t", "arguments": {"a": 1}, "result": 1}, {"name": "t", "arguments": {"a": 2}, "result": 2}),
    ({"name": "t", "result": "${arguments.a}"}, {"name": "t", "result": 2}),
]


@pytest.mark.parametrize(("tools", "message"), IDLE)
def test_the_data_check_finds_a_fixture_that_never_answers(tmp_path: Path, tools: Any, message: str) -> None:
    found = report(dataset(tmp_path, plain(*tools, state=STATE)))
    assert len(found) == 1
    assert message in found[0]


def test_a_dataset_with_an_idle_fixture_fails_its_check(tmp_path: Path) -> None:
    found, _ = check_dataset(DatasetCheck(dataset(tmp_path, plain(*IDLE[0][0])), WANTED))
    failed = next(e for e in found.expectations if e.name == "fixtures-in-use")
    assert not failed.success
    assert failed.severity == "critical"
    assert "one (line 1: tools.1 (t) never answers" in failed.message


@pytest.mark.parametrize("tools", IN_USE)
def test_the_data_check_leaves_fixtures_alone_that_can_answer(tmp_path: Path, tools: Any) -> None:
    assert report(dataset(tmp_path, plain(*tools, state=STATE))) == []


def test_the_data_check_knows_matchers_and_names_the_nearest_fixture(tmp_path: Path) -> None:
    expects = {"tool_calls": [{"name": "t", "arguments": {"a": 41}}]}
    tool = {"name": "t", "arguments": {"a": {"$range": {"at_most": 40}}}, "result": 1}
    found = report(dataset(tmp_path, plain(tool, turns=[{"customer": "Hello", "expect": expects}])))
    assert "turn 1: no fixture answers t: tools.0 is the nearest; argument 'a'" in found[0]
    tool["arguments"] = {"a": {"$range": {"at_most": 50}}}
    assert report(dataset(tmp_path, plain(tool, turns=[{"customer": "Hello", "expect": expects}]))) == []


def test_a_case_without_state_has_the_digest_that_it_had() -> None:
    case = Case.model_validate(plain({"name": "t", "arguments": {"a": 1}, "result": {"b": 2}}))
    assert digest_of(case) == "e107a2cc00eb3c7c82db12ff0e08493821d5be044034ac4cd0d49d4b3279a51f"
    assert (
        digest_of(load_dataset(ROOT / "datasets" / "harborline").case_digests)
        == "a46be62987a1bae0d5775dde6537b94116ce6d326cd438836c775e9d48ae17d7"
    )


def test_a_state_counts_towards_the_digest() -> None:
    one, two = (Case.model_validate(plain(state={"card": {"status": status}})) for status in ("active", "blocked"))
    assert len({digest_of(one), digest_of(two), digest_of(Case.model_validate(plain()))}) == 3


def test_calls_that_look_like_matchers_are_imported_as_they_are() -> None:
    arguments = {"filter": {"$gt": 5}}
    made = fixtures_of([Call("t", arguments, result={"text": "costs ${state.tax} $1"})])
    office = backend(*made, state=None)  # type: ignore[arg-type]
    assert call(office, "t", **arguments).result == {"text": "costs ${state.tax} $1"}


def test_redaction_reaches_the_state(tmp_path: Path) -> None:
    tool = {"name": "t", "when": {"c.mail": "ann@example.com"}, "sets": {"c.mail": "eve@example.com"}, "result": 1}
    case = plain(tool, state={"c": {"mail": "ann@example.com"}})
    text = redacted(load_dataset(dataset(tmp_path, case))).cases[0].model_dump_json()
    assert "ann@" not in text
    assert "eve@" not in text


def test_the_example_of_the_documentation_does_what_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "fixtures.md").read_text(encoding="utf-8")
    example = json.loads(page.split("```json\n")[1].split("```")[0])
    office = FixtureBackend.of(Case.model_validate(example))
    assert call(office, "block_card", card_last4="4821").error == "the card system is busy"
    assert call(office, "block_card", card_last4="4821").result == {"blocked": True, "reference": "BLK-4821"}
    assert call(office, "block_card", card_last4="4821").error == "the card is blocked already"
    assert call(office, "get_card_status").result == {"last4": "4821", "status": "blocked"}
    assert call(office, "refund_fee", amount=12.5).result == {"refunded": 12.5, "balance": 1262.9}
    assert call(office, "refund_fee", amount=50).result == {"refunded": False, "reason": "over the limit"}
