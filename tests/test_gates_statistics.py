"""Bounds: reference values from other software, and what has to hold for every input."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.gates.paired import continuity, effective_counts, linearised_difference, tango_bounds, tango_z
from assay.gates.quantiles import fair_coin, normal_quantile
from assay.gates.statistics import (
    cases_needed,
    clopper_pearson,
    clustered_mean,
    design_effect,
    effective_n,
    full_design_effect,
    guarded_mean,
    ratio_variance,
    wilson,
)

Pair = tuple[tuple[float, int], tuple[float, int]]


def test_one_sided_bounds_of_192_of_200():
    assert wilson(192, 200, 0.05)[0] == pytest.approx(0.930403, abs=5e-7)
    assert clopper_pearson(192, 200, 0.05)[0] == pytest.approx(0.928986, abs=5e-7)


def test_no_event_in_300_leaves_a_rate_of_one_percent():
    assert clopper_pearson(0, 300, 0.05)[1] == pytest.approx(0.009936, abs=5e-7)


@pytest.mark.parametrize(("n", "rate"), [(299, 0.01), (598, 0.005), (2995, 0.001)])
def test_cases_without_an_event_that_show_a_small_rate(n: int, rate: float):
    assert clopper_pearson(0, n, 0.05)[1] <= rate < clopper_pearson(0, n - 1, 0.05)[1]


def test_exact_bounds_are_those_of_scipy_and_wilson_those_of_statsmodels():
    from scipy.stats import binomtest
    from statsmodels.stats.proportion import proportion_confint

    for events, n in ((0, 7), (3, 7), (7, 7), (41, 48), (118, 120)):
        exact = binomtest(events, n).proportion_ci(0.9, "exact")
        assert clopper_pearson(events, n, 0.05) == pytest.approx((exact.low, exact.high))
        assert wilson(events, n, 0.05) == pytest.approx(proportion_confint(events, n, 0.1, "wilson"))


def test_cluster_standard_error_is_that_of_statsmodels():
    successes = (4, 4, 4, 3, 4, 2, 4, 4, 0, 4)
    assert math.sqrt(ratio_variance((s, 4) for s in successes)) == pytest.approx(0.105738, abs=5e-7)


def test_tango_interval_is_that_of_contingencytables():
    assert tango_bounds(6, 16, 161, 0.025) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_tango_without_margin_is_mcnemar():
    assert tango_z(9, 2, 50, 0.0) == pytest.approx(7 / math.sqrt(11))
    assert tango_z(0, 0, 50, 0.0) == 0.0


@given(st.integers(5, 200), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.02, 0.05, 0.1]))
def test_tango_interval_and_test_agree(n: int, share: float, split: float, margin: float):
    differing = int(n * share)
    gained = int(differing * split)
    low, _ = tango_bounds(gained, differing - gained, n, 0.05)
    shown = tango_z(gained, differing - gained, n, -margin) > normal_quantile(0.95)
    assert shown == (low > -margin) or low == pytest.approx(-margin, abs=1e-9)


@given(st.integers(2, 200), st.data(), st.sampled_from([0.0, 0.02, 0.05, 0.2]))
def test_tango_falls_with_every_case_lost_and_every_gain_given_up(n: int, data: st.DataObject, margin: float):
    gained = data.draw(st.integers(0, n - 1))
    lost = data.draw(st.integers(0, n - 1 - gained))
    here = tango_z(gained, lost, n, -margin)
    assert tango_z(gained, lost + 1, n, -margin) < here or margin == gained == lost == 0
    assert gained == 0 or tango_z(gained - 1, lost, n, -margin) < here


def test_impossible_counts_are_refused():
    for events, n in ((1, 0), (5, 4), (-1, 4), (math.nan, 4)):
        with pytest.raises(ValueError, match="not a proportion"):
            clopper_pearson(events, n, 0.05)
    with pytest.raises(ValueError, match="cannot be"):
        tango_z(3, 3, 5, 0.0)


@given(st.integers(1, 300), st.data())
def test_exact_bounds_enclose_the_rate_and_move_with_it(n: int, data: st.DataObject):
    events = data.draw(st.integers(0, n))
    low, high = clopper_pearson(events, n, 0.05)
    assert 0 <= low <= events / n <= high <= 1
    if events < n:
        more = clopper_pearson(events + 1, n, 0.05)
        assert more[0] > low
        assert more[1] >= high


# --- clustered units

CLUSTERS = st.lists(
    st.integers(1, 6).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))), min_size=2, max_size=160
)


def bound(clusters: list[tuple[int, int]], adverse: int = 1) -> tuple[float, float]:
    n = effective_n(clusters, design_effect(clusters, adverse), 0.05)  # type: ignore[arg-type]
    return clopper_pearson(sum(v for v, _ in clusters) / sum(k for _, k in clusters) * n, n, 0.05)


def test_one_unit_a_conversation_is_the_exact_bound():
    for m in (40, 150):
        clusters = [(1, 1)] * 5 + [(0, 1)] * (m - 5)
        assert bound(clusters) == pytest.approx(clopper_pearson(5, m, 0.05))


def test_few_conversations_count_as_one_unit_each():
    clusters = [(1, 4)] * 3 + [(0, 4)] * 47
    assert design_effect(clusters, 1) == full_design_effect([4] * 50) == 4
    assert 45 < effective_n(clusters, 4, 0.05) <= 50


def test_independent_failures_in_many_conversations_are_recognised():
    spread = [(1, 4)] * 60 + [(0, 4)] * 240
    together = [(4, 4)] * 15 + [(0, 4)] * 285
    assert design_effect(spread, 1) < 1.5 < 3.5 < design_effect(together, 1) <= 4
    assert bound(spread)[1] < bound(together)[1]


def test_the_design_effect_is_full_where_everything_passed():
    assert design_effect([(0, 5)] * 100, 1) == pytest.approx(5)
    assert design_effect([(5, 5)] * 100, 0) == pytest.approx(5)


def test_the_first_failure_never_improves_a_bound():
    """The plain estimate of the design effect makes .009 of .030 here."""
    clean = [(0, 5)] * 100
    assert bound([(1, 5), *clean[1:]])[1] > bound(clean)[1]


@given(CLUSTERS, st.data())
def test_one_more_failing_unit_never_improves_a_bound(clusters: list[tuple[int, int]], data: st.DataObject):
    i = data.draw(st.integers(0, len(clusters) - 1))
    value, of = clusters[i]
    if value < of:
        worse = [*clusters[:i], (value + 1, of), *clusters[i + 1 :]]
        assert bound(worse)[1] >= bound(clusters)[1] - 1e-12
        mirrored = [[(k - v, k) for v, k in given] for given in (clusters, worse)]
        assert bound(mirrored[1], 0)[0] <= bound(mirrored[0], 0)[0] + 1e-12


@given(CLUSTERS)
def test_clustering_is_between_independence_and_full_agreement(clusters: list[tuple[int, int]]):
    sizes = [of for _, of in clusters]
    assert 1 <= design_effect(clusters, 1) <= full_design_effect(sizes)
    assert 0 < effective_n(clusters, design_effect(clusters, 1), 0.05) <= sum(sizes)


def test_nothing_is_said_about_the_spread_of_one_conversation():
    for statistic in (lambda: effective_n([(3, 4)], 4, 0.05), lambda: clustered_mean([(3, 4)], 0.05)):
        with pytest.raises(ValueError, match="at least two"):
            statistic()


def test_bounds_of_a_mean_are_those_of_students_t():
    from scipy import stats

    values = [0.2, 0.9, 0.7, 1.0, 0.4, 0.6]
    expected = stats.t.interval(0.9, 5, loc=sum(values) / 6, scale=stats.sem(values))
    assert clustered_mean([(v, 1) for v in values], 0.05) == pytest.approx(expected)


def test_a_mean_of_equal_numbers_is_not_certain():
    assert guarded_mean([(1.0, 1)] * 30, 0.0, 0.05)[0] < 0.92
    assert guarded_mean([(1.0, 1)] * 30, 1.0, 0.05) == (1.0, 1.0)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=60))
def test_a_guarded_mean_is_guarded_on_the_worse_side_only(values: list[float]):
    clusters = [(value, 1) for value in values]
    low, high = clustered_mean(clusters, 0.05)
    guarded = guarded_mean(clusters, 100.5, 0.05)
    assert guarded[0] == low
    assert guarded[1] >= high
    assert guarded_mean(clusters, -0.5, 0.05)[1] == high


def test_a_mean_of_skewed_numbers_errs_in_no_more_than_alpha():
    import numpy as np

    rows = np.random.default_rng(3).lognormal(-0.32, 0.8, (4000, 100)).tolist()
    passed = [0, 0]
    for row in rows:
        clusters = [(value, 1) for value in row]
        passed[0] += clustered_mean(clusters, 0.05)[1] <= 1
        passed[1] += guarded_mean(clusters, max(row), 0.05)[1] <= 1
    assert passed[1] / len(rows) < 0.055 < 0.075 < passed[0] / len(rows)


# --- paired differences of clustered units


def test_agreement_on_few_cases_is_no_evidence_of_equality():
    same = ((2.0, 3), (2.0, 3))
    assert linearised_difference([same] * 40, 0.05).bounds(0.05)[0] < -0.05
    assert linearised_difference([same] * 80, 0.05).bounds(0.05)[0] > -0.05


def test_a_linearised_difference_of_single_units_is_the_paired_t():
    pairs = [((1.0, 1), (0.0, 1))] * 12 + [((0.0, 1), (1.0, 1))] * 9 + [((1.0, 1), (1.0, 1))] * 79
    found = linearised_difference(pairs, 0.0)
    mean = 3 / 100
    assert found.difference == pytest.approx(mean)
    assert found.error == pytest.approx(math.sqrt((21 / 100 - mean**2) / 99))


@pytest.mark.parametrize(
    "statistic", [lambda pairs: linearised_difference(pairs, 0.05), lambda p: effective_counts(p, 0.05)]
)
def test_a_side_without_units_is_refused(statistic: Callable[[list[Pair]], object]):
    with pytest.raises(ValueError, match="both sides"):
        statistic([((1.0, 1), (0.0, 0))] * 5)


def test_conversations_whose_units_go_together_are_worth_one_pair_each():
    lost = [((0.0, 4), (4.0, 4))] * 6
    pairs = [*lost, *[((4.0, 4), (0.0, 4))] * 3, *[((4.0, 4), (4.0, 4))] * 191]
    gained, given_up, n = effective_counts(pairs, 0.05)
    assert 190 < n <= 200
    assert (gained / n, given_up / n) == pytest.approx((3 / 200, 6 / 200))


def test_losses_that_do_not_go_together_are_worth_more_pairs():
    spread = [((3.0, 4), (4.0, 4))] * 24 + [((4.0, 4), (4.0, 4))] * 176
    together = [((0.0, 4), (4.0, 4))] * 6 + [((4.0, 4), (4.0, 4))] * 194
    assert effective_counts(spread, 0.05)[2] > 1.5 * effective_counts(together, 0.05)[2]


def test_agreement_on_conversations_of_uneven_size_is_worth_few_pairs():
    """In 40 of 400 conversations there are 20 units, in the others two: these 40 carry most of the weight."""
    pairs = [((20.0, 20), (20.0, 20))] * 40 + [((2.0, 2), (2.0, 2))] * 360
    assert effective_counts(pairs, 0.05)[2] < 1520**2 / (40 * 20**2 + 360 * 2**2)


PAIRS = st.lists(
    st.integers(1, 6).flatmap(lambda of: st.tuples(st.integers(0, of), st.integers(0, of), st.just(of))),
    min_size=2,
    max_size=80,
)


@given(PAIRS, st.integers(0, 2))
def test_effective_counts_keep_the_difference_and_never_exceed_the_units(rows: list[tuple[int, int, int]], more: int):
    pairs = [((float(new), of), (float(old), of)) for new, old, of in rows]
    pairs[0] = (pairs[0][0], (pairs[0][1][0], pairs[0][1][1] + more))
    gained, lost, n = effective_counts(pairs, 0.05)
    units = [sum(pair[side][1] for pair in pairs) for side in (0, 1)]
    rates = [math.fsum(pair[side][0] for pair in pairs) / units[side] for side in (0, 1)]
    assert 0 < n <= sum(units) / 2
    assert 0 <= gained <= n
    assert 0 <= lost <= n
    assert (gained - lost) / n == pytest.approx(rates[0] - rates[1], abs=1e-9)


# --- how often a comparison errs


@pytest.mark.parametrize("required", [-0.1, -0.05, -0.03, -0.02, 0.0, 0.02, 0.05])
@pytest.mark.parametrize("n", [58, 93, 121, 200, 225, 300])
def test_tango_with_its_correction_errs_in_no_more_than_alpha(required: float, n: int):
    """The sum of the probabilities of all outcomes that would pass, with the truth at the limit."""
    sizes = [exact_size(n, gain, gain - required, required) for gain in (0, 0.002, 0.01, 0.03, 0.05, 0.08, 0.2)]
    assert max(sizes) <= 0.05


def exact_size(n: int, gain: float, loss: float, required: float) -> float:
    from scipy.stats import binom

    if loss < 0:
        return 0.0
    shown = normal_quantile(0.95)
    total = 0.0
    for gained in range(n + 1):
        outer = float(binom.pmf(gained, n, gain))
        if outer < 1e-9:
            continue
        # The statistic falls with each case lost: the passing outcomes are the first few.
        low, high = -1, n - gained
        while low < high:
            middle = (low + high + 1) // 2
            passes = tango_z(gained, middle, n, required, continuity(required)) > shown
            low, high = (middle, high) if passes else (low, middle - 1)
        if low >= 0:
            total += outer * float(binom.cdf(low, n - gained, loss / (1 - gain)))
    return total


@pytest.mark.parametrize(("m", "long"), [(200, 20), (400, 20), (150, 4)])
def test_a_comparison_of_uneven_conversations_errs_in_no_more_than_alpha(m: int, long: int):
    """Whole conversations gained and lost, one in ten of them long. The paired t errs in up to .20 of these."""
    import numpy as np

    rng = np.random.default_rng(7)
    sizes = np.where(np.arange(m) % 10 == 0, long, 2)
    fates = rng.choice([1, -1, 0], p=[0.02, 0.05, 0.93], size=(2000, m))
    passed = 0
    for row in (fates * sizes).tolist():
        pairs: list[Pair] = [
            ((float(of + min(net, 0)), of), (float(of - max(net, 0)), of))
            for net, of in zip(row, sizes.tolist(), strict=True)
        ]
        passed += tango_z(*effective_counts(pairs, 0.05), -0.03, continuity(-0.03)) > normal_quantile(0.95)
    assert passed / 2000 < 0.06


# --- how many more cases


@given(st.integers(20, 200), st.integers(0, 10), st.sampled_from([0.8, 0.9, 0.95]))
def test_the_number_of_cases_needed_is_the_smallest(n: int, misses: int, limit: float):
    rate = 1 - misses / n

    def shown(scale: float) -> bool:
        return clopper_pearson(rate * n * scale, n * scale, 0.05)[0] >= limit

    needed = cases_needed(n, shown)
    if needed is None:  # a rate a hair above the limit takes more than a million cases to show
        assert rate <= limit or not shown(500_000 / n)
    else:
        assert shown(needed / n)
        assert needed == n or not shown((needed - 1) / n)


def test_mcnemars_exact_test_is_the_sign_test_of_those_that_differ():
    assert 2 * fair_coin(16, 22) == pytest.approx(0.052479, abs=5e-7)
