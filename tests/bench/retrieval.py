"""The reference retriever on knowledge and tasks of others: 698 bank documents, 49 tasks with the documents they need.

A task's ground truth is the list of documents that solve it, a dozen at times, while its text is the customer's
instructions: the first message of a conversation says less. So two queries are measured, the whole instructions and
their first 40 words, each beside plain BM25 over the same text (bm25s with its own tokeniser), in the same run.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from assay.registry.retrieval.documents import KnowledgeDocument, Section
from assay.registry.retrieval.search import Retriever
from assay.registry.types.bundle import RetrievalConfig
from assay.runner.scorers.retrieval import ndcg, precision, recall, reciprocal_rank

DEPTH = 10
TODAY = dt.date(2026, 3, 2)


def rows() -> list[dict[str, object]]:
    """One row for each query and retriever; none, with a word on why, where the data is absent."""
    folder = os.environ.get("ASSAY_EXTERNAL_DATA", "")
    documents, tasks = Path(folder, "tau2_banking_documents.jsonl.gz"), Path(folder, "tau2_banking_tasks_dev.json.gz")
    if not folder or not documents.is_file() or not tasks.is_file():
        print("retrieval: skipped, the folder in ASSAY_EXTERNAL_DATA has no tau2_banking files")
        return []
    knowledge = [_document(json.loads(line)) for line in gzip.decompress(documents.read_bytes()).splitlines()]
    needs = [
        (task["user_scenario"]["instructions"], [_name(d) for d in task["required_documents"]])
        for task in json.loads(gzip.decompress(tasks.read_bytes()))
        if task["required_documents"]
    ]
    ours, plain = _reference(knowledge), _plain(knowledge)
    found: list[dict[str, object]] = []
    for what, cut in (("whole instructions", lambda text: text), ("first 40 words", _beginning)):
        queries = [(cut(text), wanted) for text, wanted in needs]
        for name, search in (("reference retriever", ours), ("plain BM25 (bm25s)", plain)):
            found.append({"query": what, "retriever": name, **_measured(search, queries)})
    return found


def _measured(search: Callable[[str], list[str]], queries: Sequence[tuple[str, list[str]]]) -> dict[str, object]:
    began = time.perf_counter()
    answers = [(search(query), wanted) for query, wanted in queries]
    seconds = time.perf_counter() - began
    found, of = (sum(column) for column in zip(*(recall(r, w, DEPTH) for r, w in answers), strict=True))
    return {
        "tasks": len(answers),
        f"recall_at_{DEPTH}": round(found / of, 3),
        f"precision_at_{DEPTH}": round(
            statistics.mean(a / b for a, b in (precision(r, w, DEPTH) for r, w in answers)), 3
        ),
        "mrr": round(statistics.mean(reciprocal_rank(r, w) for r, w in answers), 3),
        f"ndcg_at_{DEPTH}": round(statistics.mean(ndcg(r, w, DEPTH) for r, w in answers), 3),
        "ms_per_search": round(1000 * seconds / len(answers), 2),
    }


def _reference(knowledge: list[KnowledgeDocument]) -> Callable[[str], list[str]]:
    retriever = Retriever(knowledge, RetrievalConfig(chunking="document", top_k=DEPTH, include_internal=True))
    return lambda query: list(dict.fromkeys(passage.document for passage in retriever.search(query, TODAY)))


def _plain(knowledge: list[KnowledgeDocument]) -> Callable[[str], list[str]]:
    import bm25s

    index = bm25s.BM25()
    index.index(bm25s.tokenize([f"{d.title} {d.text}" for d in knowledge], show_progress=False), show_progress=False)

    def search(query: str) -> list[str]:
        numbers, _ = index.retrieve(bm25s.tokenize(query, show_progress=False), k=DEPTH, show_progress=False)
        return [knowledge[int(n)].id for n in numbers[0]]

    return search


def _document(given: dict[str, str]) -> KnowledgeDocument:
    return KnowledgeDocument(
        id=_name(given["id"]),
        title=given["title"],
        version="1",
        effective_from=TODAY,
        audience="public",
        sections=(Section(heading="", text=given["content"]),),
    )


def _name(text: str) -> str:
    return re.sub(r"[^\w.-]", "-", text)


def _beginning(text: str) -> str:
    return " ".join(text.split()[:40])


if __name__ == "__main__":
    for row in rows():
        print(json.dumps(row))
