"""Reading what a bundle says of its agent's adapter, the same for every kind of agent."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from assay.registry.errors import ContentError
from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import Adapter

__all__ = ["read_adapter_settings"]

_KEY = "adapter.settings"
S = TypeVar("S", bound=Frozen)


def read_adapter_settings(adapter: Adapter, model: type[S], file: Path | None = None) -> S:
    """The adapter's settings as `model`. Raises ContentError, with every problem in its text and `file` where given."""
    try:
        return model.model_validate(adapter.settings)
    except ValidationError as error:
        lines = [
            ContentError(text, file=file, key=f"{_KEY}.{key}" if key else _KEY)
            for key, text in validation_problems(error, model)
        ]
        raise ContentError("\n".join(map(str, lines))) from None
