"""Simulated customers: what they say to what, and which of their failures are told from the agent's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from simulations import SHEET, WHO, customer, did, handed, say, simulated, talk, turn, turns_of

from assay.registry.content import check_suite, load_dataset, load_suite
from assay.registry.content.simulation_labels import simulation_mistakes
from assay.registry.errors import ContentError
from assay.registry.types.case import Case
from assay.registry.types.simulation import Simulation
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import TurnRecord
from assay.runner.customers.base import SimulatorError
from assay.runner.customers.factory import customers_for
from assay.runner.customers.guard import GuardedCustomer
from assay.runner.scorers.person import asks_for_a_person

ROOT = Path(__file__).parents[1]
FACTS = SHEET["facts"]
MANNERS = ("plain", "polite", "terse", "chatty", "anxious", "upset")


def facts(**more: Any) -> dict[str, Any]:
    return {"facts": {**FACTS, **more}}


# What the customer says


def test_a_customer_tells_what_is_asked_confirms_and_leaves_when_served() -> None:
    replies = [
        WHO,
        "I would block your card ending in 4821. Shall I go ahead? Please answer yes or no.",
        [did("block_card"), say("Your card is blocked. Is there anything else I can do for you?")],
        "Goodbye.",
    ]
    said = talk(simulated(), replies)
    assert said[0] == "Please block my card ending 4821."
    assert "48213907" in said[1]
    assert "March 12, 1984" in said[1]
    assert "yes" in said[2].lower()
    assert "thank" in said[3].lower()
    assert len(said) == 4


def test_the_same_seed_says_the_same_and_seeds_differ() -> None:
    case = simulated(
        opening=["Block {card_last4}, please.", "Card {card_last4} is gone, block it.", "Stop {card_last4}."]
    )
    replies = [WHO, "Shall I go ahead?", "Sorry?", "Sorry?", "Sorry?", [handed()]]
    assert talk(case, replies, seed=3) == talk(case, replies, seed=3)
    assert len({tuple(talk(case, replies, seed=seed)) for seed in range(12)}) > 6


@pytest.mark.parametrize("manner", MANNERS)
def test_every_manner_gets_through_every_situation(manner: str) -> None:
    case = simulated(persona={"manner": manner, "patience": 4}, **facts(amount={"value": "$12", "late": 1}))
    replies = [
        WHO, "What is the amount?", "What is the amount?", "One moment, please.", "What is your password?", "Why?",
        "I can't do that.", "Would you like me to connect you with a colleague?", "Sorry?", "Sorry?", "Sorry?",
    ]  # fmt: skip
    for seed in range(4):
        said = talk(case, replies, seed=seed)
        assert all(line.strip() for line in said)
        assert "heron" not in " ".join(said)
        assert "{" not in " ".join(said)


def test_nothing_is_told_that_was_not_asked_for_and_secrets_never() -> None:
    said = talk(simulated(), ["What is your password?", "What is your date of birth?", [handed()]])
    assert "heron" not in " ".join(said)
    assert "1984" not in said[1]
    assert "1984" in said[2]
    assert "48213907" not in " ".join(said)


def test_a_mention_is_no_question() -> None:
    said = talk(simulated(), ["I will never ask for your date of birth by phone. How are you today?", [handed()]])
    assert "1984" not in " ".join(said)


@pytest.mark.parametrize(
    ("question", "name", "value"),
    [
        ("When were you born?", "date_of_birth", "March 3, 1970"),
        ("May I have your customer ID?", "customer_number", "11112222"),
        ("What are the last four digits of the card?", "card_last4", "9911"),
        ("How much was the fee?", "amount", "$35"),
        ("On which day would you like the appointment?", "date", "May 5"),
        ("Could you tell me your full name?", "name", "Ada Quill"),
        ("What is the new address, with street, city and ZIP code?", "address", "4 Rose Lane, Salem"),
        ("Which account is it?", "account", "savings"),
        ("Which merchant made the charge?", "merchant", "Ironclad Fitness"),
        ("Which branch would you like?", "branch", "Northgate"),
        ("Which month's statement do you need?", "month", "March 2026"),
        ("Please let me know the reference.", "reference", "APT-50021"),
        ("I still need your phone number.", "phone", "202-555-0111"),
    ],
)
def test_usual_questions_are_understood_without_a_word_in_the_case(question: str, name: str, value: str) -> None:
    case = simulated(facts={name: {"value": value}}, opening=["Hello, I need help."])
    assert value in talk(case, [question, [handed()]])[1]


def test_own_words_for_a_question_replace_the_usual_ones() -> None:
    case = simulated(facts={"pet": {"value": "a heron", "asked_by": ["/which (?:bird|animal)/"]}}, opening=["Hello."])
    assert "heron" in talk(case, ["Which bird is it?", [handed()]])[1]
    assert "heron" not in talk(case, ["Is it a bird?", [handed()]])[1]


def test_a_customer_puts_a_question_off_and_answers_it_later() -> None:
    said = talk(simulated(**facts(customer_number={"value": "48213907", "late": 1})), [WHO, WHO, [handed()]])
    assert "48213907" not in said[1]
    assert "48213907" in said[2]


def test_a_customer_puts_right_what_they_said_before_anything_else() -> None:
    wrong = facts(customer_number={"value": "48213907", "mistaken": "48219307"})
    replies = [WHO, "I would block it. Shall I go ahead?", "I would block it. Shall I go ahead?", [handed()]]
    said = talk(simulated(**wrong), replies)
    assert "48219307" in said[1]
    assert "48213907" in said[2]
    assert not said[2].lower().startswith("yes")
    assert "yes" in said[3].lower()


@pytest.mark.parametrize(("reaction", "word"), [("no", "no"), ("unsure", "?")])
def test_reactions_to_a_confirmation(reaction: str, word: str) -> None:
    said = talk(simulated(reactions={"confirm": reaction}), ["I would block it. Shall I go ahead?", [handed()]])
    assert word in said[1].lower()


def test_reactions_to_a_refusal() -> None:
    accepts = talk(simulated(), ["I'm sorry, I can't do that.", "Goodbye."])
    assert len(accepts) == 2
    insists = talk(simulated(reactions={"refused": "insists"}), ["I'm sorry, I can't do that."] * 2)
    assert "I want my card blocked." in insists[1]
    asks = talk(simulated(reactions={"refused": "asks_for_a_person"}), ["I'm sorry, I can't do that.", [handed()]])
    assert any(word in asks[1] for word in ("person", "human"))


def test_reactions_to_the_offer_of_a_person() -> None:
    offer = "Would you like me to connect you with a colleague?"
    assert talk(simulated(), [offer, [handed()]])[1].lower().startswith("yes")
    assert talk(simulated(reactions={"offered_a_person": "declines"}), [offer, [handed()]])[1].lower().startswith("no")


def test_patience_ends_with_a_person_or_with_leaving() -> None:
    persona = {"patience": 2}
    asks = talk(simulated(persona=persona), ["Pardon?"])
    assert any(word in asks[2] for word in ("person", "human"))
    assert len(asks) == 5  # two useless turns, two demands, and they leave
    leaves = talk(simulated(persona={**persona, "out_of_patience": "leaves"}), ["Pardon?"])
    assert len(leaves) == 3
    assert not any(word in leaves[2] for word in ("person", "human"))


def test_a_handoff_ends_it_and_so_do_the_turns() -> None:
    assert len(talk(simulated(), [[say("A colleague takes over."), handed()]])) == 1
    assert len(talk(simulated(persona={"patience": 10}), ["Pardon?"], max_turns=4)) == 4
    assert len(talk(simulated(persona={"patience": 10}, max_turns=3), ["Pardon?"])) == 3


def test_follow_ups_come_one_by_one_once_the_goal_is_reached() -> None:
    case = simulated(
        goal={"wants": "I want the wire fee.", "reached_when": {"said": {"any_of": ["$28"]}}},
        follow_ups=["And abroad?", "And incoming?"],
    )
    said = talk(case, ["Pardon?", "It is $28.00.", "It is $45.00.", "It is free.", "Goodbye."])
    assert said[2:4] == ["And abroad?", "And incoming?"]
    assert len(said) == 5


def test_a_failed_call_reaches_no_goal() -> None:
    replies = [[did("block_card", error="down"), say("Sorry.")], [did("block_card"), say("Done.")], "Goodbye."]
    assert len(talk(simulated(), replies)) == 3


def test_remarks_come_at_their_turn() -> None:
    case = simulated(remarks=[{"at_turn": 2, "say": "I can't stop crying, sorry."}])
    assert talk(case, [WHO, WHO, [handed()]])[1] == "I can't stop crying, sorry."


def test_a_customer_does_not_say_the_same_thing_for_ever() -> None:
    said = talk(simulated(persona={"manner": "upset", "patience": 6}), ["Pardon?"])
    assert len(set(said)) == len(said)


def test_an_agent_that_asks_the_same_for_ever_tries_their_patience() -> None:
    """It is the agent that goes in circles, so the customer must not be taken for a simulator that does."""
    for manner in MANNERS:
        case = simulated(
            persona={"manner": manner, "patience": 6}, **facts(customer_number={"value": "48213907", "late": 2})
        )
        for reply in (
            "Shall I go ahead?",
            WHO,
            "Pardon?",
            "One moment, please.",
            "Which colour?",
            "Your password please?",
        ):
            said = talk(case, [reply])
            assert 7 <= len(said) <= 12, (manner, reply)
            assert len(set(said)) == len(said)


def test_a_demand_for_a_person_is_known_as_one_in_every_manner() -> None:
    for manner in MANNERS:
        for seed in range(20):
            persona = {"manner": manner, "patience": 1}
            assert asks_for_a_person(talk(simulated(persona=persona), ["Pardon?", [handed()]], seed=seed)[1])


# What a simulator may not do


class Saying:
    """A simulator that says these lines, the last one for ever."""

    def __init__(self, *lines: str | None) -> None:
        self._lines = lines

    async def next(self, turns: Any) -> str | None:
        return self._lines[min(len(turns), len(self._lines) - 1)]


def failure(case: Case, lines: list[str | None], replies: list[Any], max_turns: int = 20) -> tuple[int, str]:
    """(turn, why) of the failure that ends a conversation."""
    guarded = GuardedCustomer(Saying(*lines), case, max_turns)

    async def converse() -> tuple[int, str]:
        turns: list[TurnRecord] = []
        while True:
            try:
                said = await guarded.next(tuple(turns))
            except SimulatorError as error:
                return len(turns) + 1, str(error)
            assert said is not None, "the conversation ended well"
            turns.append(turn(len(turns) + 1, said, replies[min(len(turns), len(replies) - 1)]))

    return asyncio.run(converse())


OPEN = "Please block my card ending 4821."
FAILURES = [
    (["  "], ["Hello."], 1, "it said nothing"),
    ([None], ["Hello."], 1, "it ended the conversation before it said anything"),
    ([OPEN, "​"], ["Hello."], 2, "it said nothing"),
    (["x " * 1500], ["Hello."], 1, "3,000 characters"),
    ([OPEN, "My password is Blue  Heron 77."], ["What is your password?"], 2, "'password', which it must never tell"),
    ([OPEN, "It ends in 3907."], ["Hello."], 2, "it told a part of 'customer_number' before anybody asked"),
    ([f"{OPEN} I'm customer 4821-3907."], ["Hello."], 1, "'customer_number' before anybody asked"),
    ([OPEN, "I was born 03/12/1984."], ["How can I help you?"], 2, "'date_of_birth' before anybody asked"),
    ([OPEN, "12 March 1984"], ["Hello."], 2, "'date_of_birth' before anybody asked"),
    ([OPEN, "You charged me $35 for nothing."], ["Hello."], 2, "it used '$35', which stands neither"),
    ([OPEN, "It happened on March 9."], ["Hello."], 2, "it used '03-09'"),
    ([OPEN, "My account is 99887766."], ["Which account?"], 2, "it used '99887766'"),
    ([OPEN, "Write to me@example.com."], ["Hello."], 2, "it used 'me@example.com'"),
    ([OPEN, "How can I help you today?"], ["Hello."], 2, "it spoke as the agent"),
    ([OPEN, "As an AI language model I cannot do that."], ["Hello."], 2, "it spoke as the agent"),
    ([OPEN, "Agent: I will check."], ["Hello."], 2, "it spoke as the agent"),
    ([OPEN, "Please give me your customer number."], ["Hello."], 2, "it spoke as the agent"),
    ([OPEN, "I keep telling you the same."], ["Pardon?"], 4, "it said the same thing 3 times"),
    ([OPEN, "Yes."], ["Sure?"], 6, "it said the same thing 5 times"),
    ([OPEN, "Hello?", "Are you there?", "Still?", "And now?"], [[handed()]], 5, "person took over in turn 1"),
    ([OPEN, "Thanks.", "Fine.", "And you?", "Well."], [[did("block_card"), say("Done.")]], 5, "was reached in turn 1"),
    ([OPEN, "The password ends in heron, 4477."], ["Hello."], 2, "it used '4477'"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "replies", "at", "why"), FAILURES)
def test_failures_of_a_simulator_are_told_as_such(lines: Any, replies: Any, at: int, why: str) -> None:
    turn_number, problem = failure(simulated(), lines, replies)
    assert why in problem
    assert turn_number == at


def test_the_agents_words_repeated_as_ones_own() -> None:
    long = "The replacement of a blocked card reaches you by mail within seven to ten days."
    assert "as its own" in failure(simulated(), [OPEN, f"Well. {long}"], [long])[1]


ALLOWED = [
    ([OPEN, "48 21 39 07, born 3/12/84."], [WHO]),
    ([OPEN, "Is it the card ending 4821?"], ["Hello."]),
    (
        [OPEN, "So $75.50 on March 9, reference BLK-20418?"],
        ["It is $75.50 from March 9, 2026 on, see BLK-20418."],
    ),
    ([OPEN, "You know my number, 48213907."], ["Your number is 48213907."]),
    ([OPEN, "I called twice in 2019, 3 times since."], ["Hello."]),
    ([OPEN, "I won't tell you my password."], ["What is your password?"]),
    ([OPEN, "Today is March 2, isn't it?"], ["Hello."]),
    ([OPEN, "Can I talk to your assistant's boss?"], ["Hello."]),
]


@pytest.mark.parametrize(("lines", "replies"), ALLOWED)
def test_what_a_customer_may_say_is_let_through(lines: list[str], replies: Any) -> None:
    guarded = GuardedCustomer(Saying(*lines, None), simulated(), 20)
    assert [t.customer for t in turns_of(guarded, replies)] == lines


def test_the_embedded_customers_of_harborline_never_break_a_rule_whatever_an_agent_answers() -> None:
    awkward = [
        "Pardon?", "I can't do that.", "Shall I go ahead?", WHO, "What is your name, address, phone number and e-mail?",
        "One moment please.", "Would you like me to connect you with a colleague?", "Is there anything else I can do?",
        "How much? When? Which branch? Which account? Which merchant?", "I have noted that.",
        "Your number is 99887766 and your balance is $5,000.00.",
    ]  # fmt: skip
    for number, case in enumerate(load_dataset(ROOT / "datasets" / "harborline-simulated").cases):
        for seed in range(3):
            said = talk(case, lambda _, n, s=seed + number: awkward[(n * (s % 4 + 1) + s) % len(awkward)], seed=seed)
            assert 1 <= len(said) <= 20


# What a case may say of its customer

WRONG = [
    ({"opening": ["Card {card}."]}, "opening.0: no fact is called 'card'"),
    ({"opening": ["I am {customer_number}."]}, "'customer_number' is told when_asked"),
    ({"facts": {"shoe": {"value": "44"}}, "opening": ["Hi"]}, "facts.shoe: what asks for it? Add 'asked_by'"),
    ({"due": {"told": "password"}}, "due.told: no fact 'password' is ever told"),
    ({"due": {}}, "give exactly one of 'opening', 'told', 'says' and 'asks_for_a_person'"),
    ({"goal": {"wants": "x", "reached_when": {}}}, "give exactly one of 'called', 'said' and 'handed_off'"),
    ({"remarks": [{"at_turn": 2, "say": "a"}, {"at_turn": 2, "say": "b"}]}, "two of them are for the same turn"),
    ({"remarks": [{"at_turn": 9, "say": "a"}], "max_turns": 5}, "one is for a turn after 'max_turns'"),
    ({"facts": {"name": {"value": "A", "say": "me"}}, "opening": ["Hi"]}, "'say' has to have {value} in it"),
    ({"facts": {"pin": {"value": "1", "reveal": "never", "late": 1, "asked_by": ["x"]}}, "opening": ["Hi"]}, "never"),
    ({"facts": {"pin": {"value": "1", "asked_by": ["/(/"]}}, "opening": ["Hi"]}, "/(/ is no regular expression"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_a_sheet_that_cannot_be_played_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Simulation.model_validate({**SHEET, **changed})
    assert message in str(caught.value)


MISTAKES = [
    ({"opening": ["My card {card_last4}, password Blue Heron 77."]}, "opening.0 tells 'password'"),
    ({"goal": {**SHEET["goal"], "wants": "Block it, I'm 48213907."}}, "goal.wants tells 'customer_number'"),
    ({"goal": {"wants": "x", "reached_when": {"handed_off": True}}}, "its goal is a handoff"),
    ({"due": {"opening": True}}, "'due' says when an escalation is due, and the case requires none"),
    ({"expect": {"forbidden_tools": ["block_card"]}}, "block_card is expected and forbidden"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "message"), MISTAKES)
def test_the_data_check_finds_a_sheet_that_gives_itself_away(changed: dict[str, Any], message: str) -> None:
    assert any(message in found for found in simulation_mistakes(simulated(**changed)))


def test_a_good_sheet_has_no_mistakes() -> None:
    assert list(simulation_mistakes(simulated())) == []


def test_a_case_without_a_simulation_cannot_be_simulated() -> None:
    suite = load_suite(ROOT / "evalsuites" / "simulated.yaml")
    dataset = load_dataset(ROOT / "datasets" / "harborline-simulated")
    check_suite(suite, dataset)
    bare = dataset.model_copy(update={"cases": (dataset.cases[4].model_copy(update={"simulation": None}),)})
    with pytest.raises(
        ContentError, match=r"needs a 'simulation' in every case, and there is none in: sim-application"
    ):
        check_suite(suite, bare)


def test_other_modes_say_the_turns_of_the_case() -> None:
    speaks = customers_for(ReplaySettings(mode="scripted"))
    case = simulated()
    assert type(speaks(trial_of(case))).__name__ == "ScriptedCustomer"
    assert type(customer(case)).__name__ == "GuardedCustomer"


def trial_of(case: Case) -> Any:
    from assay.registry.digest import digest_of
    from assay.runner.conversation import Trial

    return Trial(case, digest_of(case), 0, "0" * 64)


def test_the_example_of_the_documentation_can_be_played() -> None:
    page = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    case = Case.model_validate(json.loads(page.split("```json\n")[1].split("```")[0]))
    assert list(simulation_mistakes(case)) == []
    said = talk(case, [WHO, "Shall I go ahead?", [did("block_card"), say("It is blocked.")], "Goodbye."])
    assert len(said) == 4
