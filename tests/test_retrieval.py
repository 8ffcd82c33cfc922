"""Knowledge documents and the search over them."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.registry.errors import ContentError
from assay.registry.retrieval.documents import KnowledgeDocument, knowledge_digest, load_knowledge, parse_document
from assay.registry.retrieval.search import Retriever
from assay.registry.retrieval.text import sentences, tokens
from assay.registry.types.bundle import RetrievalConfig

TODAY = dt.date(2026, 3, 2)

FEES = """---
id: kb-fees
title: Wire fees
version: "2.0"
effective_from: 2026-01-01
audience: public
topics: [fees, wire]
---

## Domestic

A domestic wire costs $28.00.

It leaves on the same day.

## International

An international wire costs $45.00.
"""
OLD = (
    FEES.replace("kb-fees", "kb-fees-2025")
    .replace("$28.00", "$20.00")
    .replace("effective_from: 2026-01-01", "effective_from: 2025-01-01\neffective_to: 2025-12-31")
)
NEXT = FEES.replace("kb-fees", "kb-fees-2027").replace("$28.00", "$31.00").replace("2026-01-01", "2027-01-01")
INTERNAL = FEES.replace("kb-fees", "kb-guide").replace("audience: public", "audience: internal")
HOURS = """---
id: kb-hours
title: Opening hours
version: "1.0"
effective_from: 2025-01-01
audience: public
topics: [branch]
---
The branch opens at 9:00 a.m. Eastern Time. On Saturday it is closed.
"""


def documents(*texts: str) -> tuple[KnowledgeDocument, ...]:
    return tuple(parse_document(text, file="kb.md") for text in texts)


def found(config: RetrievalConfig, query: str = "domestic wire", date: dt.date = TODAY) -> list[str]:
    retriever = Retriever(documents(FEES, OLD, NEXT, INTERNAL, HOURS), config)
    return [passage.document for passage in retriever.search(query, date)]


def test_a_document_is_read_with_its_sections() -> None:
    (document,) = documents(FEES)
    assert document.id == "kb-fees"
    assert document.version == "2.0"
    assert document.effective_from == dt.date(2026, 1, 1)
    assert document.effective_to is None
    assert [section.heading for section in document.sections] == ["Domestic", "International"]
    assert document.sections[0].text == "A domestic wire costs $28.00.\n\nIt leaves on the same day."


def test_line_ends_and_byte_order_marks_do_not_change_a_document() -> None:
    plain, strange = documents(FEES, "\ufeff" + FEES.replace("\n", "\r\n"))
    assert plain == strange
    assert knowledge_digest([plain]) == knowledge_digest([strange])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("No front matter.", "between two lines '---'"),
        ("---\nid: kb-a\n", "not closed"),
        (FEES.replace("audience: public", "audience: everyone"), "audience"),
        (FEES.replace("audience", "audiense"), "Did you mean 'audience'?"),
        (FEES.replace("2026-01-01", "soon"), "effective_from"),
        (FEES.replace("effective_from: 2026-01-01\n", ""), "'effective_from' is required"),
        (FEES.replace("2026-01-01", "2026-01-01\neffective_to: 2025-01-01"), "'effective_to' is before"),
        (FEES.replace("title: Wire fees", "title: Wire fees\ntitle: Fees"), "stands twice"),
        (FEES.replace("id: kb-fees", "id: kb fees"), "id"),
        (FEES[: FEES.index("## Domestic")], "no text"),
        (FEES.replace("An international wire costs $45.00.", ""), "'International' has no text"),
        (FEES.replace("## Domestic", "# Domestic"), "two '#'"),
    ],
)
def test_ill_formed_documents_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ContentError) as error:
        parse_document(text, file="kb.md")
    assert problem in str(error.value)
    assert "kb.md" in str(error.value)


def test_errors_name_the_line_of_the_file() -> None:
    with pytest.raises(ContentError, match=r"kb\.md:6: audience"):
        parse_document(FEES.replace("audience: public", "audience: everyone"), file="kb.md")


def test_a_folder_is_loaded_in_the_order_of_the_ids(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(HOURS)
    (tmp_path / "b.md").write_text(FEES)
    (tmp_path / "notes.txt").write_text("not knowledge")
    assert [document.id for document in load_knowledge(tmp_path)] == ["kb-fees", "kb-hours"]
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    (renamed / "z.md").write_text(FEES)
    (renamed / "y.md").write_text(HOURS)
    assert knowledge_digest(tmp_path) == knowledge_digest(renamed)


def test_a_changed_word_changes_the_digest() -> None:
    assert knowledge_digest(documents(FEES)) != knowledge_digest(documents(FEES.replace("$28.00", "$29.00")))


def test_all_problems_of_a_folder_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(FEES)
    (tmp_path / "b.md").write_text(FEES)
    (tmp_path / "c.md").write_text("nothing")
    (tmp_path / "d.md").write_bytes(b"---\n\xff\xfe")
    with pytest.raises(ContentError) as error:
        load_knowledge(tmp_path)
    text = str(error.value)
    assert "b.md: id: 'kb-fees' is already the id of a.md" in text
    assert "c.md" in text
    assert "d.md: not UTF-8" in text


def test_missing_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="no such folder"):
        load_knowledge(tmp_path / "gone")
    with pytest.raises(ContentError, match="no knowledge document"):
        load_knowledge(tmp_path)


def test_only_public_documents_that_hold_on_the_day_are_found() -> None:
    assert set(found(RetrievalConfig(top_k=50))) == {"kb-fees"}


def test_superseded_and_internal_documents_are_found_on_request() -> None:
    assert "kb-fees-2025" in found(RetrievalConfig(top_k=50, include_superseded=True))
    assert "kb-guide" in found(RetrievalConfig(top_k=50, include_internal=True))


def test_a_document_that_does_not_hold_yet_is_never_found() -> None:
    everything = RetrievalConfig(top_k=50, include_superseded=True, include_internal=True)
    assert "kb-fees-2027" not in found(everything)
    assert "kb-fees-2027" in found(everything, date=dt.date(2027, 1, 1))


def test_a_document_holds_on_its_last_day() -> None:
    assert "kb-fees-2025" in found(RetrievalConfig(top_k=50), date=dt.date(2025, 12, 31))
    assert "kb-fees-2025" not in found(RetrievalConfig(top_k=50), date=dt.date(2026, 1, 1))


def test_chunking_decides_how_much_a_passage_holds() -> None:
    texts = {}
    for chunking in ("document", "section", "paragraph"):
        retriever = Retriever(documents(FEES, HOURS), RetrievalConfig(chunking=chunking, top_k=1))
        texts[chunking] = retriever.search("domestic wire", TODAY)[0].text
    assert "$45.00" in texts["document"]
    assert "$45.00" not in texts["section"]
    assert "same day" in texts["section"]
    assert "same day" not in texts["paragraph"]


def test_top_k_and_min_score_cut_the_list() -> None:
    everything = Retriever(documents(FEES, HOURS), RetrievalConfig(top_k=50))
    passages = everything.search("international wire", TODAY)
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    assert len(passages) > 1
    assert (
        Retriever(documents(FEES, HOURS), RetrievalConfig(top_k=1)).search("wire", TODAY)
        == everything.search("wire", TODAY)[:1]
    )
    strict = Retriever(documents(FEES, HOURS), RetrievalConfig(top_k=50, min_score=passages[0].score))
    assert strict.search("international wire", TODAY) == passages[:1]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "zzz qqq", "???", "\u0000"])
def test_a_query_without_known_words_finds_nothing(query: str) -> None:
    assert Retriever(documents(FEES, HOURS), RetrievalConfig(include_internal=True)).search(query, TODAY) == ()


def test_a_knowledge_base_with_nothing_to_search_is_refused() -> None:
    with pytest.raises(ContentError, match="no document that may be searched"):
        Retriever(documents(INTERNAL), RetrievalConfig())


def test_the_search_is_deterministic_and_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    config = RetrievalConfig(top_k=10)
    one = Retriever(documents(FEES, OLD, HOURS), config)
    other = Retriever(documents(HOURS, OLD, FEES), config)
    for query in ("wire", "open on saturday", "what does a wire cost"):
        assert one.search(query, TODAY) == other.search(query, TODAY)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_sentences_are_kept_whole_around_clock_times() -> None:
    (document,) = documents(HOURS)
    assert sentences(document.text) == [
        "The branch opens at 9:00 a.m. Eastern Time.",
        "On Saturday it is closed.",
    ]
    assert sentences("Open until 5:00 p.m. On Sunday it is closed.") == [
        "Open until 5:00 p.m.",
        "On Sunday it is closed.",
    ]
    assert sentences("## Heading\nOne. Two costs $3.00.\n\n- Three.") == ["One.", "Two costs $3.00.", "Three."]


def test_words_are_compared_by_their_stems() -> None:
    assert tokens("Charged fees") == tokens("a charge, a fee")
    assert tokens("abroad") == tokens("foreign") == tokens("overseas")
    assert tokens("The and of") == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_searched_for(query: str) -> None:
    for passage in _ALL.search(query, TODAY):
        assert passage.score > 0


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_document_or_a_content_error(text: str) -> None:
    for candidate in (text, f"---\n{text}\n---\nBody", FEES + text):
        with contextlib.suppress(ContentError):
            assert parse_document(candidate, file="kb.md").sections


_ALL = Retriever(documents(FEES, OLD, HOURS), RetrievalConfig(top_k=5))
