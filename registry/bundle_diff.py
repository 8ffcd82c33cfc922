"""What differs between two bundles, for people to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from assay.registry.types.bundle import BundleManifest, BundleVersion

__all__ = ["BundleDiff", "SettingChange", "diff_bundles"]

_CONTEXT = 3


class ComparableBundle(Protocol):
    """What is compared of a bundle; `assay.registry.store.ResolvedBundle` has it."""

    @property
    def version(self) -> BundleVersion: ...
    @property
    def prompt(self) -> str: ...
    @property
    def documents(self) -> Mapping[str, str]:
        """Knowledge document id to its text."""
        ...


@dataclass(frozen=True)
class SettingChange:
    """A setting, by its dotted key. `old` or `new` is None where the setting is not there."""

    key: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class BundleDiff:
    """Differences from bundle `old` to bundle `new`; each part is empty or False where there is none.

    `same` is whether the bundles have one digest; two that differ only in the order of tools are not the same.
    `prompt` holds lines of a unified diff. `documents_edited` tells that knowledge files differ in more than
    the text of documents, e.g. in their dates.
    """

    old: str
    new: str
    same: bool
    prompt: tuple[str, ...]
    settings: tuple[SettingChange, ...]
    documents_added: tuple[str, ...]
    documents_removed: tuple[str, ...]
    documents_changed: tuple[str, ...]
    documents_edited: bool
    model_source_changed: bool
    model_changed: bool


def diff_bundles(old: ComparableBundle, new: ComparableBundle) -> BundleDiff:
    """All differences in what the two bundles' digests cover."""
    before, after = old.version.manifest, new.version.manifest
    both = old.documents.keys() & new.documents.keys()
    return BundleDiff(
        old=old.version.label,
        new=new.version.label,
        same=old.version.digest == new.version.digest,
        prompt=_prompt(old, new),
        settings=tuple(_changes(_settings(before), _settings(after))),
        documents_added=tuple(sorted(new.documents.keys() - both)),
        documents_removed=tuple(sorted(old.documents.keys() - both)),
        documents_changed=tuple(sorted(name for name in both if old.documents[name] != new.documents[name])),
        documents_edited=before.knowledge_digest != after.knowledge_digest,
        model_source_changed=before.model_source_digest != after.model_source_digest,
        model_changed=before.model_digest != after.model_digest,
    )


def _prompt(old: ComparableBundle, new: ComparableBundle) -> tuple[str, ...]:
    if old.version.manifest.prompt_digest == new.version.manifest.prompt_digest:
        return ()
    # Ends are kept while comparing, so that a bundle whose only change is its line ends still shows one.
    before, after = old.prompt.splitlines(keepends=True), new.prompt.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, old.version.label, new.version.label, n=_CONTEXT)
    return tuple(line.rstrip("\n") for line in lines)


def _settings(manifest: BundleManifest) -> dict[str, str]:
    """Every setting of a manifest by its dotted key; tools and roles by their names instead of their places."""
    data = manifest.model_dump(mode="json", include={"description", "adapter", "retrieval", "model", "autonomy"})
    data["tools"] = {tool.name: tool.model_dump(mode="json", exclude={"name"}) for tool in manifest.tools}
    data["roles"] = {role.name: role.model_dump(mode="json", exclude={"name"}) for role in manifest.roles}
    return dict(_flat("", data))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list):
        yield prefix, ", ".join(map(str, value))
    elif value is not None and value != {}:
        yield prefix, str(value)


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[SettingChange]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield SettingChange(key, old.get(key), new.get(key))
