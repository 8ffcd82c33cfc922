"""The retrieval config as an MLflow model: `mlflow.pyfunc.load_model(...).predict(["query"])` returns passages.

MLflow stores this file beside the knowledge and runs it when the model is loaded.
"""

import datetime as dt
from pathlib import Path

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from assay.registry.retrieval.documents import load_knowledge
from assay.registry.retrieval.search import Retriever
from assay.registry.store.contents import StoredRetrieval
from assay.registry.types.trajectory import Passage


class RetrieverModel(PythonModel):
    """Searches the knowledge that is stored with it, as it holds today.

    `mlflow.pyfunc.load_model(uri, model_config={"date": "2026-03-02"})` searches it as it held on that day.
    """

    def load_context(self, context: PythonModelContext) -> None:
        text = Path(context.artifacts["retrieval"]).read_bytes()
        documents = load_knowledge(Path(context.artifacts["knowledge"]))
        self._retriever = Retriever(documents, StoredRetrieval.model_validate_json(text).config)
        given = (context.model_config or {}).get("date")
        self._date = dt.date.fromisoformat(given) if given else dt.datetime.now(dt.UTC).date()

    def predict(  # pyright: ignore[reportIncompatibleMethodOverride] - MLflow allows leaving the context out
        self, model_input: list[str]
    ) -> list[list[Passage]]:
        """For each query, its passages, best first."""
        return [list(self._retriever.search(query, self._date)) for query in model_input]


set_model(RetrieverModel())
