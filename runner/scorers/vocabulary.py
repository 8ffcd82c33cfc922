"""The names that a dataset and a bundle know, so that a rule about a misspelt one is refused before anything runs.

A rule about an argument that no call has can never be broken: it would pass whatever the agent does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from assay.registry.errors import nearest
from assay.registry.fixtures import rendered
from assay.registry.types.base import Frozen, JsonValue
from assay.registry.types.bundle import BundleManifest
from assay.registry.types.case import Dataset

__all__ = ["Vocabulary", "key_problem", "vocabulary_of"]


class Vocabulary(Frozen):
    """Names by kind. Where there are none of a kind, nothing is known of it and nothing is refused."""

    arguments: dict[str, tuple[str, ...]] = {}
    """Tool to its arguments; `customer.id` is a field of an argument that is an object."""
    results: dict[str, tuple[str, ...]] = {}
    """Tool to the keys of what it returns."""
    intents: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


def vocabulary_of(dataset: Dataset, manifest: BundleManifest | None) -> Vocabulary:
    """What the dataset declares, its cases use, and the bundle's manifest declares."""
    arguments: dict[str, dict[str, None]] = {}
    results: dict[str, dict[str, None]] = {}
    for case in dataset.cases:
        for fixture in case.tools:
            _add(arguments, fixture.name, fixture.arguments)
            _add(results, fixture.name, rendered(fixture.result, case.state, {}))
        for call in (call for turn in case.turns for call in turn.expect.tool_calls):
            _add(arguments, call.name, call.arguments)
    intents, queues = set(dataset.info.intents), set(dataset.info.queues)
    if manifest is not None:
        for tool in manifest.tools:
            _add(arguments, tool.name, dict[str, JsonValue](tool.arguments))
        policies = manifest.autonomy.intents
        intents |= set(policies)
        queues |= (
            {manifest.autonomy.default_queue, *(p.queue for p in policies.values() if p.queue)} if queues else set()
        )
    return Vocabulary(
        arguments={tool: tuple(names) for tool, names in arguments.items()},
        results={tool: tuple(names) for tool, names in results.items()},
        intents=tuple(sorted(intents)),
        queues=tuple(sorted(queues)),
    )


def key_problem(key: str, tools: Iterable[str], known: Mapping[str, tuple[str, ...]], *, exact: bool) -> str:
    """What is wrong with a key that is compared in calls of some tools; empty where nothing is.

    Args:
        key: an argument, or a key of a result, which may reach into objects.
        tools: those whose calls are meant. Of one that nothing is known of, any key may be right.
        known: tool to its keys.
        exact: the tools are named one by one. A pattern or a class may mean tools that are not here, so that there
            only what looks misspelt is refused.
    """
    named = list(tools)
    if not named or (exact and not all(known.get(tool) for tool in named)):
        return ""
    names = {name for tool in named for name in known.get(tool, ())}
    if not names or _reached(key, names):
        return ""
    hint = nearest(key, names)
    if not exact and not hint.startswith(" Did"):
        return ""
    of = f"{named[0]!r} has" if len(named) == 1 else "these tools have"
    return f"{of} no {key!r}, by the dataset's cases and the bundle.{hint}"


def _reached(key: str, names: set[str]) -> bool:
    """Whether a dotted key leads somewhere: it is known, or reaches into a known key of whose fields none is."""
    parts = key.split(".")
    heads = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    longest = next((head for head in heads if head in names), None)
    return longest == key or (longest is not None and not any(name.startswith(f"{longest}.") for name in names))


def _add(to: dict[str, dict[str, None]], tool: str, value: JsonValue) -> None:
    if isinstance(value, dict):
        to.setdefault(tool, {}).update(dict.fromkeys(_keys(value)))


def _keys(value: dict[str, JsonValue]) -> Iterator[str]:
    for key, item in value.items():
        yield key
        if isinstance(item, dict):
            yield from (f"{key}.{inner}" for inner in _keys(item))
