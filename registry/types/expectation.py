"""What can be expected of words and of tool calls: shared by a case, its turns and its simulation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from assay.registry.types.base import Frozen, JsonValue, Name

__all__ = ["ExpectedCall", "TextExpectation"]


class TextExpectation(Frozen):
    """Satisfied when at least one of the phrases stands in the text.

    Phrases are compared case-insensitively, with white space and typographic quotes normalised.
    """

    any_of: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class ExpectedCall(Frozen):
    """A tool call that has to happen. `arguments` is the subset of arguments that must match."""

    name: Name
    arguments: dict[str, JsonValue] = {}
