"""What differs between two bundles, without a store."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from assay.registry.bundle_diff import SettingChange, diff_bundles
from assay.registry.digest import digest_bytes, digest_of
from assay.registry.types.bundle import ArtifactVersion, BundleManifest, BundleVersion

MANIFEST: dict[str, Any] = {
    "agent": "tiny",
    "adapter": {"settings": {"style": {"tone": "warm"}}},
    "retrieval": {"top_k": 3},
    "model": {},
    "model_source_digest": "a" * 64,
    "model_digest": "b" * 64,
    "tools": [{"name": "get_fee", "description": "A fee"}, {"name": "get_rate", "description": "A rate"}],
    "roles": [{"name": "execution", "tools": ["get_fee", "get_rate"]}],
    "autonomy": {"limits": {"refund": 40}, "intents": {"fee": {"autonomy": "autonomous"}}},
}


@dataclass
class FakeBundle:
    version: BundleVersion
    prompt: str
    documents: dict[str, str] = field(default_factory=dict)


def bundle(
    number: int = 1, prompt: str = "one\ntwo\n", documents: dict[str, str] | None = None, **changes
) -> FakeBundle:
    documents = {"kb-1": "text"} if documents is None else documents
    manifest = BundleManifest.model_validate(
        {
            **MANIFEST,
            "prompt_digest": digest_bytes(prompt.encode()),
            "knowledge_digest": digest_of(documents),
            **changes,
        }
    )
    part = ArtifactVersion(name="part", version=1, digest="c" * 64)
    version = BundleVersion(
        name="tiny",
        version=number,
        digest=digest_of(manifest),
        manifest=manifest,
        prompt=part,
        retrieval=part,
        model=part,
    )
    return FakeBundle(version, prompt, documents)


def test_the_same_content_has_no_differences():
    found = diff_bundles(bundle(1), bundle(2))
    assert found.same
    assert (found.old, found.new) == ("tiny v1", "tiny v2")
    assert (found.prompt, found.settings, found.documents_edited, found.model_changed) == ((), (), False, False)


def test_an_edited_prompt_is_a_unified_diff():
    found = diff_bundles(bundle(1), bundle(2, prompt="one\n2\n"))
    assert found.prompt == ("--- tiny v1", "+++ tiny v2", "@@ -1,2 +1,2 @@", " one", "-two", "+2")
    assert not found.same


def test_a_prompt_that_differs_in_its_line_ends_only_shows():
    assert len(diff_bundles(bundle(prompt="one\n"), bundle(prompt="one\r\n")).prompt) == 5
    assert len(diff_bundles(bundle(prompt="one\n"), bundle(prompt="one")).prompt) == 5


def test_settings_have_dotted_keys_with_old_and_new():
    new = bundle(
        2,
        retrieval={"top_k": 5},
        adapter={"settings": {"style": {"tone": "cool"}}},
        tools=[{"name": "get_fee", "description": "A fee", "writes": True}],
        roles=[{"name": "execution", "tools": ["get_fee"]}],
        autonomy={"intents": {"fee": {"autonomy": "human", "queue": "general"}}},
    )
    assert diff_bundles(bundle(1), new).settings == (
        SettingChange("adapter.settings.style.tone", "warm", "cool"),
        SettingChange("autonomy.intents.fee.autonomy", "autonomous", "human"),
        SettingChange("autonomy.intents.fee.queue", None, "general"),
        SettingChange("autonomy.limits.refund", "40.0", None),
        SettingChange("retrieval.top_k", "3", "5"),
        SettingChange("roles.execution.tools", "get_fee, get_rate", "get_fee"),
        SettingChange("tools.get_fee.writes", "False", "True"),
        SettingChange("tools.get_rate.description", "A rate", None),
        SettingChange("tools.get_rate.needs_verification", "False", None),
        SettingChange("tools.get_rate.writes", "False", None),
    )


def test_documents_added_removed_and_changed():
    old = bundle(documents={"kb-1": "a", "kb-2": "b", "kb-3": "c"})
    found = diff_bundles(old, bundle(documents={"kb-2": "b", "kb-3": "C", "kb-4": "d"}))
    assert (found.documents_added, found.documents_removed, found.documents_changed) == (
        ("kb-4",),
        ("kb-1",),
        ("kb-3",),
    )
    assert found.documents_edited


def test_front_matter_alone_is_an_edit_too():
    found = diff_bundles(bundle(), bundle(knowledge_digest="d" * 64))
    assert found.documents_edited
    assert (found.documents_added, found.documents_removed, found.documents_changed) == ((), (), ())
    assert not found.same


def test_the_model_and_what_it_was_trained_from():
    found = diff_bundles(bundle(), bundle(model_source_digest="d" * 64, model_digest="e" * 64))
    assert found.model_source_changed
    assert found.model_changed


def test_an_order_that_changes_the_digest_is_not_the_same():
    found = diff_bundles(bundle(), bundle(tools=list(reversed(MANIFEST["tools"]))))
    assert found.settings == ()
    assert not found.same


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_prompt_diff_is_empty_exactly_for_equal_prompts(old, new):
    assert bool(diff_bundles(_with_prompt(old), _with_prompt(new)).prompt) == (old != new)


def _with_prompt(text: str) -> FakeBundle:
    made = bundle(prompt_digest=digest_of(text))
    made.prompt = text
    return made


def test_it_needs_no_mlflow():
    code = (
        "import sys; import assay.registry.bundle_diff; assert not {'mlflow', 'sqlmodel', 'pandas'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
