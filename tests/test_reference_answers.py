"""How the reference agent finds and chooses what it quotes."""

from __future__ import annotations

import datetime as dt

import pytest

from assay.registry.retrieval.documents import KnowledgeDocument, parse_document
from assay.registry.retrieval.search import Retriever
from assay.registry.retrieval.text import related, tokens, within_reach
from assay.registry.types.bundle import RetrievalConfig
from assay.runner.agents.reference.answers import questions_of
from assay.runner.agents.reference.inquiries import Before, LookUp, look_up

TODAY = dt.date(2026, 3, 2)

LIBRARY = {
    "kb-card": (
        "The library card",
        "## Price\nA library card costs $4.00 a year. It is sent by mail.\n\n"
        "## Lost cards\nA lost library card is replaced for $2.00. The old card is then blocked.",
    ),
    "kb-card-junior": ("The junior library card", "## Price\nA junior library card costs $1.00 a year."),
    "kb-reading-room": (
        "Reading room",
        "## Opening hours\nThe reading room opens at 10:00 a.m. and closes at 6:00 p.m.\n\n"
        "## Seats\nThe reading room has 40 seats. A seat can be reserved for three hours.",
    ),
    "kb-loans": (
        "Borrowing books",
        "## How long\nA book can be borrowed for 21 days. A borrowed book can be renewed twice.\n\n"
        "## Late books\nA late book costs $0.20 for each day.",
    ),
    "kb-printing": ("Printing and copies", "## Printers\nThe printer is in the basement. A printed page costs $0.10."),
}


def document(name: str, title: str, body: str) -> KnowledgeDocument:
    front = f'---\nid: {name}\ntitle: {title}\nversion: "1.0"\neffective_from: 2025-01-01\naudience: public\n---\n\n'
    return parse_document(f"{front}{body}\n", file=f"{name}.md")


RETRIEVER = Retriever([document(name, *rest) for name, rest in LIBRARY.items()], RetrievalConfig(top_k=4))


def asked(message: str, before: Before | None = None, min_overlap: float = 0.5) -> LookUp:
    return look_up(message, before or Before(), RETRIEVER, TODAY, min_overlap=min_overlap)


def reply(message: str, before: Before | None = None) -> str:
    answer = asked(message, before).answer
    return answer.text if answer else ""


@pytest.mark.parametrize(
    ("word", "other", "same"),
    [
        ("libary", "library", True),
        ("recieve", "receive", True),
        ("renew", "renewal", True),
        ("cat", "car", False),
        ("2026", "2025", False),
        ("garden", "library", False),
    ],
)
def test_forms_and_slips_of_the_pen_are_within_reach(word: str, other: str, same: bool) -> None:
    assert bool(within_reach(word, other)) is same


def test_a_known_word_is_not_taken_for_a_mistyped_one() -> None:
    assert within_reach("later", "laser")
    assert not within_reach("later", "laser", forms_only=True)


def test_contractions_and_single_letters_carry_no_meaning() -> None:
    assert tokens("You've got a book w it, they're late") == tokens("book late")


def test_papers_are_documents_and_paper_is_not() -> None:
    assert tokens("papers") == tokens("documents")
    assert tokens("paper") != tokens("documents")


def test_related_words_are_related_both_ways() -> None:
    assert related("atm")["cash"] == related("cash")["atm"]


def test_a_search_finds_mistyped_words_for_less_than_the_right_ones() -> None:
    right, wrong = (RETRIEVER.search(query, TODAY)[0] for query in ("printer", "prnter"))
    assert right.document == wrong.document == "kb-printing"
    assert wrong.score < right.score


def test_a_word_finds_what_is_related_to_it_for_less() -> None:
    (document, score), *_ = [(p.document, p.score) for p in RETRIEVER.search("stolen", TODAY)]
    assert document == "kb-card"
    assert score < RETRIEVER.search("lost", TODAY)[0].score


def test_swapped_letters_of_empty_words_are_left_out() -> None:
    assert [term.word for term in RETRIEVER.terms("taht prnter")] == ["prnter"]


def test_a_title_that_says_more_than_was_asked_is_passed_over() -> None:
    assert "$4.00" in reply("What does a library card cost?")
    assert "$1.00" in reply("What does a junior library card cost?")


def test_a_typing_mistake_does_not_hide_the_answer() -> None:
    assert "21 days" in reply("how long can a book be borowed")


def test_the_kind_of_thing_asked_for_decides_between_sections() -> None:
    assert "10:00 a.m." in reply("From what time is the reading room there?")


def test_each_question_of_a_message_is_answered() -> None:
    text = reply("Hi! For how long can a book be borrowed? And what does a late book cost?")
    assert "21 days" in text
    assert "$0.20" in text


def test_the_rest_of_the_message_tells_what_a_terse_question_is_about() -> None:
    assert "basement" in reply("I need a printer for my thesis. Where is it?")


def test_a_question_that_goes_on_stays_with_the_document_of_the_last_answer() -> None:
    before = Before("When does the reading room open?", "", "kb-reading-room", "Reading room")
    assert "40 seats" in reply("And how many seats does it have?", before)


def test_a_new_topic_leaves_the_document_of_the_last_answer() -> None:
    before = Before("When does the reading room open?", "", "kb-reading-room", "Reading room")
    assert "$0.10" in reply("What does a printed page cost?", before)


@pytest.mark.parametrize("question", ["Do you sell sandwiches at lunchtime?", "Is there a swimming pool?"])
def test_what_no_document_has_is_not_answered(question: str) -> None:
    assert asked(question).answer is None


def test_a_higher_overlap_answers_less() -> None:
    question = "Can the printer do enormous glossy posters?"
    assert asked(question, min_overlap=0.0).answer is not None
    assert asked(question, min_overlap=0.9).answer is None


def test_a_question_begins_where_the_asking_begins() -> None:
    assert questions_of("My bike is red and can I park it here") == ("can I park it here",)
    assert questions_of("I paid already. Where is my book?") == ("Where is my book?",)
    assert questions_of("I paid already.") == ()


def test_an_indirect_question_is_a_question_beside_a_direct_one() -> None:
    text = reply("I should like to know how long a book can be borrowed. And what does a late book cost?")
    assert "21 days" in text
    assert "$0.20" in text
