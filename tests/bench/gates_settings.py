"""The settings under which releases are simulated: what is true, what is drawn, and the policy that judges it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from gates_draws import (
    Draw,
    crashing,
    even_spread,
    joined,
    lognormal,
    long_tenth,
    metrics,
    paired_units,
    pairs,
    trials,
    units,
)

from assay.gates.policy import GatePolicy
from assay.registry.types.score import MetricSpec

LIMIT = 0.95
MARGIN = 0.03


@dataclass(frozen=True)
class Setting:
    """`bad` says that the truth is at the limit or beyond it: each promotion is then a false one."""

    group: str
    evidence: str
    truth: str
    bad: bool
    policy: GatePolicy
    metrics: tuple[MetricSpec, ...]
    draw: Draw
    slice_cases: int = 0
    naive_drops_crashes: bool = False
    slow: bool = False
    theory: float | None = None
    """Share promoted as it follows from a formula, where there is one."""

    @property
    def name(self) -> str:
        return f"{self.group}: {self.evidence}; {self.truth}"


def settings() -> list[Setting]:
    """All of them. A new kind of check gets a function below, and its line here."""
    return [
        *_limits(),
        *_slices(),
        *_turns(),
        *_uneven_turns(),
        *_trials(),
        *_zero_tolerance(),
        *_several_checks(),
        *_crashes(),
        *_comparisons(),
        *_compared_turns(),
        *_means(),
        *_quantiles(),
        *_repeats(),
    ]


# --- rates against a limit


def _limits() -> Iterator[Setting]:
    for n in (50, 100, 200, 500):
        for truth in (0.95, 0.949, 0.97, 0.99):
            yield _rate("rate, at least .95", f"{n} cases", truth, units(truth, np.ones(n, int)))
    for rate in (0.05, 0.051, 0.02, 0.01):
        check = {"kind": "limit", "at_most": 0.05}
        shown = f"rate {_short(rate)}"
        draw = units(rate, np.ones(200, int))
        yield _setting("rate, at most .05", "200 cases", shown, rate >= 0.05, [check], draw, higher=False)


def _slices() -> Iterator[Setting]:
    def draw(truth: float) -> Draw:
        return joined(units(truth, np.ones(60, int)), units(0.99, np.ones(340, int)))

    for truth in (0.9, 0.899, 0.97, 0.99):
        check = {"kind": "limit", "at_least": 0.9, "slice": "risk_tier=critical"}
        words = (f"rate {_short(truth)}", truth <= 0.9)
        yield _setting("slice, at least .90", "60 of 400 cases", *words, [check], draw(truth), slice_cases=60)


def _turns() -> Iterator[Setting]:
    for m, icc, truths in (
        *((60, icc, (0.95,)) for icc in (0.2, 0.8)),
        *((100, icc, (0.95, 0.995)) for icc in (0.0, 0.2, 0.5, 0.8)),
        *((200, icc, (0.95, 0.98, 0.995)) for icc in (0.0, 0.2, 0.8)),
        (200, 0.5, (0.95, 0.949, 0.98, 0.995)),
    ):
        for truth in truths:
            evidence = f"{m} conversations of 4, ICC {_short(icc)}"
            yield _rate("turns, at least .95", evidence, truth, units(truth, np.full(m, 4), icc))


def _uneven_turns() -> Iterator[Setting]:
    for words, sizes in (("1 to 20 turns", even_spread), ("2 turns, every tenth 20", long_tenth)):
        for m, icc, truth in ((60, 0.8, 0.95), (100, 0.5, 0.95), (200, 0.2, 0.95), (200, 0.8, 0.95), (200, 0.5, 0.99)):
            evidence = f"{m} conversations of {words}, ICC {_short(icc)}"
            yield _rate("turns, at least .95", evidence, truth, units(truth, sizes(m), icc))


def _trials() -> Iterator[Setting]:
    for m, icc, truth in (
        (100, 0.4, 0.95),
        (100, 0.8, 0.95),
        (200, 0.4, 0.95),
        (200, 0.4, 0.99),
    ):
        evidence = f"{m} cases, 4 trials, ICC {_short(icc)}"
        yield _rate("trials, at least .95", evidence, truth, trials(truth, np.ones(m, int), 4, icc))


def _zero_tolerance() -> Iterator[Setting]:
    for rate in (0.01, 0.011, 0.001, 0.0002):
        yield _setting(
            "no event in 300",
            "300 cases",
            f"rate {_short(rate)}",
            rate >= 0.01,
            [{"kind": "zero_tolerance", "min_n": 300}],
            units(rate, np.ones(300, int)),
            higher=False,
            theory=(1 - rate) ** 300,
        )


def _several_checks() -> Iterator[Setting]:
    check = {"kind": "limit", "at_least": LIMIT}
    for truths in ([0.95] * 6, [0.95] + [1.0] * 5, [0.99] * 6):
        words = "all " + _short(truths[0]) if len(set(truths)) == 1 else "one .95, the others perfect"
        draw = metrics(*(units(truth, np.ones(200, int)) for truth in truths))
        yield _setting("6 checks, at least .95", "200 cases", words, truths[0] <= LIMIT, [check] * 6, draw)


def _crashes() -> Iterator[Setting]:
    """Two in a hundred trials do not complete. The truth counts them as failures."""
    single, turns = (np.ones(200, int), "200 cases, 2 % crash"), (np.full(200, 4), "200 conversations of 4, 2 % crash")
    for (sizes, evidence), icc, drops in ((single, 0.0, False), (single, 0.0, True), (turns, 0.5, False)):
        draw = crashing(units(LIMIT / 0.98, sizes, icc), 0.02)
        evidence += ", naive leaves them out" if drops else f", ICC {_short(icc)}" if icc else ""
        check = {"kind": "limit", "at_least": LIMIT}
        words = (f"rate {_short(LIMIT)}", True)
        yield _setting("crashes, at least .95", evidence, *words, [check], draw, naive_drops_crashes=drops)


# --- comparisons with the champion


def _comparisons() -> Iterator[Setting]:
    for n, gain, loss in (
        *((400, gain, gain + MARGIN) for gain in (0.0, 0.01, 0.03, 0.08)),
        *((400, *rates) for rates in ((0.01, 0.041), (0.02, 0.02), (0.03, 0.01))),
        (1000, 0.01, 0.04),
    ):
        evidence = f"{n} cases, {100 * (gain + loss):.3g} % differ"
        words = (f"difference {_signed(gain - loss)}", gain - loss <= -MARGIN + 1e-9)
        check = {"kind": "non_inferiority", "margin": MARGIN}
        yield _setting("not worse, margin .03", evidence, *words, [check], pairs(gain, loss, n))
    for by, gain, loss in ((0.0, 0.05, 0.05), (0.0, 0.07, 0.02), (0.02, 0.04, 0.02)):
        evidence, words = f"400 cases, {100 * (gain + loss):.3g} % differ", f"difference {_signed(gain - loss)}"
        check = {"kind": "superiority", "by": by}
        group = f"better by more than {_short(by)}"
        yield _setting(group, evidence, words, gain - loss <= by + 1e-9, [check], pairs(gain, loss, 400))


def _compared_turns() -> Iterator[Setting]:
    for words, sizes, designs in (
        ("1 to 20 turns", even_spread, ((100, 0.5, 0.05), (200, 0.2, 0.05), (200, 0.8, 0.05), (200, 0.5, 0.02))),
        (
            "2 turns, every tenth 20",
            long_tenth,
            ((100, 0.5, 0.05), (200, 0.8, 0.05), (400, 0.8, 0.05), (400, 0.5, 0.02)),
        ),
    ):
        for m, icc, loss in designs:
            evidence = f"{m} conversations of {words}, ICC {_short(icc)}"
            check = {"kind": "non_inferiority", "margin": MARGIN}
            shown = (f"difference {_signed(0.02 - loss)}", loss > 0.02)
            draw = paired_units(0.02, loss, sizes(m), icc)
            yield _setting("not worse in turns, margin .03", evidence, *shown, [check], draw)


# --- means


def _means() -> Iterator[Setting]:
    cases = ((100, 0.5, "clustered_t"), (100, 0.4, "clustered_t"), (200, 0.5, "clustered_t"), (100, 0.5, "bca"))
    for n, mean, interval in cases:
        evidence, words = f"{n} cases, lognormal (sigma .8), {interval}", (f"mean {_short(mean)}", mean >= 0.5)
        check = {"kind": "mean", "at_most": 0.5, "interval": interval}
        draw = lognormal(mean, 0.8, n)
        yield _setting(
            "mean, at most .5", evidence, *words, [check], draw, higher=False, of_kind="mean", slow=interval == "bca"
        )


def _quantiles() -> Iterator[Setting]:
    slowest_twentieth = 1.6449
    for n, within in ((100, 0.95), (200, 0.95), (200, 0.99), (400, 0.949)):
        reached = {0.95: slowest_twentieth, 0.99: 2.3263, 0.949: 1.6352}[within]
        limit = math.exp(0.8 * reached - 0.8**2 / 2)
        evidence, words = f"{n} cases, lognormal (sigma .8)", (f"{_short(within)} within", within <= LIMIT)
        check = {"kind": "quantile", "quantile": 0.95, "at_most": limit}
        draw = lognormal(1.0, 0.8, n)
        yield _setting("95th percentile", evidence, *words, [check], draw, higher=False, of_kind="mean")


def _repeats() -> Iterator[Setting]:
    for cases, k, easier in ((100, 4, 0.0), (200, 4, 0.0), (200, 2, 0.0), (200, 1, 0.0), (200, 2, 0.08)):
        truth = _all_of(k, 0.9, 0.3)
        evidence = f"{cases} cases of 4 trials, ICC .3"
        words = (f"pass^{k} {_short(round(truth, 4))}, limit {_short(round(truth - easier, 4))}", not easier)
        check = {"kind": "pass_k", "k": k, "at_least": truth - easier}
        yield _setting("pass^k", evidence, *words, [check], trials(0.9, np.ones(cases, int), 4, 0.3))


def _all_of(k: int, mean: float, icc: float) -> float:
    """The mean of rate^k for rates of a beta distribution."""
    weight = (1 - icc) / icc
    return math.prod((mean * weight + i) / (weight + i) for i in range(k))


# --- how a setting is put together


def _rate(group: str, evidence: str, truth: float, draw: Draw) -> Setting:
    check = {"kind": "limit", "at_least": LIMIT}
    return _setting(group, evidence, f"rate {_short(truth)}", truth <= LIMIT, [check], draw)


def _setting(
    group: str,
    evidence: str,
    truth: str,
    bad: bool,
    checks: Sequence[dict[str, object]],
    draw: Draw,
    higher: bool = True,
    of_kind: str = "proportion",
    **more: object,
) -> Setting:
    """The n-th check is of the metric m<n>."""
    direction = "higher_is_better" if higher else "lower_is_better"
    named = [{"name": f"check-{i}", "metric": f"m{i}", **check} for i, check in enumerate(checks)]
    policy = GatePolicy.model_validate_json(json.dumps({"name": "gate", "checks": named}))
    specs = tuple(
        MetricSpec.model_validate({"name": f"m{i}", "kind": of_kind, "direction": direction, "description": "m"})
        for i in range(len(checks))
    )
    return Setting(group, evidence, truth, bad, policy, specs, draw, **more)  # type: ignore[arg-type]


def _short(value: float) -> str:
    return f"{value:.4f}".rstrip("0").replace("0.", ".", 1) if value else "0"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'}{_short(abs(value))}" if abs(value) > 1e-9 else "0"
