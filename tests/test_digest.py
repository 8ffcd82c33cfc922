from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.registry.digest import canonical_json, digest_of, digest_tree
from assay.registry.types.suite import Suite

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(), values, min_size=1))
def test_digest_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    reordered = dict(reversed(list(value.items())))
    assert digest_of(value) == digest_of(reordered)


@given(values)
def test_digest_survives_a_round_trip_through_json(value: object) -> None:
    assert digest_of(json.loads(canonical_json(value))) == digest_of(value)


@given(st.dictionaries(st.text(), values, min_size=1), st.text(), values)
def test_digest_sees_every_change(value: dict[str, object], key: str, other: object) -> None:
    changed = {**value, key: other}
    same = canonical_json(changed) == canonical_json(value)
    assert (digest_of(changed) == digest_of(value)) is same


def test_whole_floats_and_integers_are_one_number_but_booleans_are_not() -> None:
    assert digest_of({"a": 1.0}) == digest_of({"a": 1})
    assert digest_of({"a": True}) != digest_of({"a": 1})
    assert digest_of({"a": "1"}) != digest_of({"a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {1: 2}}, {"a": object()}, b"bytes"])
def test_what_json_cannot_hold_has_no_digest(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kind of error is the contract here
        digest_of(value)


def test_a_lone_surrogate_has_a_digest() -> None:
    assert len(digest_of("\ud800")) == 64


def test_a_model_and_its_json_have_one_digest() -> None:
    suite = Suite.model_validate({"name": "s", "dataset": "d", "scorers": [{"name": "escalation"}]})
    assert digest_of(suite) == digest_of(json.loads(suite.model_dump_json()))


def test_tree_digest_names_files_with_forward_slashes(tmp_path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.md").write_text("x")
    (tmp_path / "c.txt").write_text("y")
    assert list(digest_tree(tmp_path, "**/*.md")) == ["a/b.md"]
