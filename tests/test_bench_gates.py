"""The simulation that measures the gates: its figures are counted right, and the same seed gives the same ones."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).parent / "bench"
RELEASES = 200
NAMES = ("gates", "gates_settings", "gates_draws", "gates_evidence")


@pytest.fixture(scope="module")
def bench() -> tuple[ModuleType, ModuleType]:
    """Its modules import each other as siblings. They are taken out again: one folder up there is a `gates` too."""
    sys.path.insert(0, str(BENCH))
    try:
        return importlib.import_module("gates"), importlib.import_module("gates_settings")
    finally:
        sys.path.remove(str(BENCH))
        for name in NAMES:
            sys.modules.pop(name, None)


def find(settings: ModuleType, text: str):
    (found,) = [s for s in settings.settings() if text in s.name]
    return found


def promoted(bench: tuple[ModuleType, ModuleType], setting, truth_draw) -> tuple[int, int]:
    """How many of the releases that a draw makes are promoted, by our gate and by the naive one."""
    gates, _ = bench
    outcomes = truth_draw(np.random.default_rng(1), RELEASES)
    ours = sum(gates.judged(setting, drawn, {}, recheck=True).value == "PASS" for drawn in outcomes[:20])
    return ours, int(gates.naive(setting, outcomes).sum())


def test_a_row_has_its_fields_and_adds_up(bench: tuple[ModuleType, ModuleType]):
    gates, _ = bench
    name = "rate, at least .95: 200 cases; rate .95"
    row = gates.measure(name, RELEASES, 5)
    assert {"setting", "group", "evidence", "truth", "error", "alpha", "releases", "ours", "naive", "verdict"} <= set(
        row
    )
    assert (row["error"], row["alpha"], row["releases"]) == ("false promotion", 0.05, RELEASES)
    for side in ("ours", "naive"):
        assert row[side]["low"] <= row[side]["value"] <= row[side]["high"]
    assert row["ours"]["value"] < 0.1 < 0.4 < row["naive"]["value"]
    again = gates.measure(name, RELEASES, 5)
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in row.items() if k != "seconds"}


def test_a_better_truth_is_counted_as_missed_promotions(bench: tuple[ModuleType, ModuleType]):
    gates, _ = bench
    row = gates.measure("rate, at least .95: 200 cases; rate .99", RELEASES, 5)
    assert (row["error"], row["verdict"]) == ("missed promotion", "")
    assert row["ours"]["value"] < 0.15
    assert row["naive"]["value"] == 0


@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_far_from_the_limit_both_gates_are_right(bench: tuple[ModuleType, ModuleType], rate: float):
    _, settings = bench
    sizes = np.full(200, 4)
    setting = replace(find(settings, "200 conversations of 4, ICC .5; rate .95"), draw=settings.units(rate, sizes, 0.5))
    expected = (20, RELEASES) if rate == 1 else (0, 0)
    assert promoted(bench, setting, setting.draw) == expected


def test_a_comparison_is_judged_with_its_champion(bench: tuple[ModuleType, ModuleType]):
    _, settings = bench
    setting = find(settings, "not worse, margin .03: 400 cases, 3 % differ")
    assert promoted(bench, setting, settings.pairs(0.0, 0.2, 400)) == (0, 0)
    assert promoted(bench, setting, settings.pairs(0.2, 0.0, 400)) == (20, RELEASES)


def test_crashes_count_as_failures_unless_the_naive_gate_leaves_them_out(bench: tuple[ModuleType, ModuleType]):
    _, settings = bench
    crashing = settings.crashing(settings.units(1.0, np.ones(200, int)), 0.5)
    strict = find(settings, "200 cases, 2 % crash; rate")
    lenient = find(settings, "200 cases, 2 % crash, naive leaves")
    assert promoted(bench, strict, crashing) == (0, 0)
    assert promoted(bench, lenient, crashing) == (0, RELEASES)


def test_every_setting_stands_once_and_can_be_drawn(bench: tuple[ModuleType, ModuleType]):
    _, settings = bench
    found = settings.settings()
    assert len({s.name for s in found}) == len(found)
    for setting in found:
        drawn = setting.draw(np.random.default_rng(0), 2)
        assert drawn.shape[0] == 2
        assert drawn.shape[4:] == (len(setting.policy.checks), 2)


def test_too_many_false_promotions_are_told(bench: tuple[ModuleType, ModuleType]):
    gates, settings = bench
    setting = find(settings, "200 conversations of 4, ICC .5; rate .95")
    assert gates.tally(setting, 55, 500, 1000)["verdict"] == "holds"
    assert gates.tally(setting, 90, 500, 1000)["verdict"] == "exceeds"
    assert "exceeds" in gates.markdown([gates.tally(setting, 90, 500, 1000)])
