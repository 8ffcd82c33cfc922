"""Promotion: the alias `champion` moves on a recorded PASS about exactly what is promoted, and on nothing else.

A PASS counts when all of this holds:

- the ledger's chain is whole;
- it is the newest decision about this bundle, dataset, suite and policy, each by digest as they are now (a later
  FAIL voids an earlier PASS, and an edited dataset voids both);
- no other run of the same bundle on the same dataset, suite and policy fell short (an agent with chance in it passes
  some day);
- its baseline is the bundle that is champion now, or nothing where there is no champion;
- the runs it rests on are still, in the store and in the ledger, what they were when it was decided.

The ledger is written first and the alias moved after. Should the second step not happen, promoting again
finishes it, since the ledger is what says who is champion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from assay.registry.errors import AssayError, IntegrityError, NotFoundError, RefusedError
from assay.registry.ledger import Evaluation, Ledger, Promotion, RecordedDecision
from assay.registry.store import Store, parse_bundle_ref
from assay.registry.store.refs import ALIASES
from assay.registry.types.bundle import BundleVersion
from assay.registry.types.decision import Decision, EvidenceRef, Verdict

__all__ = ["AliasState", "ReleaseStatus", "Requirements", "promote", "status"]


@dataclass(frozen=True)
class Requirements:
    """What a decision has to be about, as it is now: digests of the dataset, the suite and the gate policy."""

    dataset_digest: str
    suite: str
    suite_digest: str
    policy: str
    policy_digest: str


@dataclass(frozen=True)
class AliasState:
    """Where an alias points. `bundle` is None where what it points at is not what was registered: see `problem`."""

    alias: str
    version: int
    bundle: BundleVersion | None
    problem: str = ""


@dataclass(frozen=True)
class ReleaseStatus:
    """How an agent's release stands. `mismatches` says in words where the ledger and the store disagree."""

    agent: str
    candidate: AliasState | None
    champion: AliasState | None
    production: AliasState | None
    decisions: tuple[RecordedDecision, ...]
    last_promotion: Promotion | None
    mismatches: tuple[str, ...]


def promote(
    store: Store, ledger: Ledger, agent: str, ref: str, requirements: Requirements, by: str, now: str
) -> Promotion:
    """Make the bundle that `ref` names the champion of `agent`.

    Args:
        by: the person or pipeline that promotes.
        now: ISO 8601.

    Returns:
        The promotion as the ledger has it. Where the bundle was champion already it is the earlier one, whose
        `at` is not `now`; an alias that points elsewhere is then put back.

    Raises:
        RefusedError: something that a promotion rests on is missing; lists each with the command that supplies it.
        NotFoundError: there is no such bundle.
        IntegrityError: the bundle, the champion or the ledger is not what was recorded.
    """
    if parse_bundle_ref(ref).agent != agent:
        raise RefusedError(f"{ref} is not a bundle of {agent}")
    problems = ledger.verify()
    if problems:
        raise IntegrityError("the ledger cannot be relied on:\n" + "\n".join(f"- {problem}" for problem in problems))
    bundle = store.resolve(ref).version
    last = next(iter(ledger.promotions(agent)), None)
    if last is not None and last.bundle_digest == bundle.digest:
        _point_champion(store, agent, bundle)
        return last
    decision = _passing_decision(store, ledger, bundle, last, requirements)
    promotion = Promotion(
        agent=agent,
        bundle_digest=bundle.digest,
        bundle_version=bundle.version,
        previous_digest=last.bundle_digest if last else None,
        decision_digest=decision.digest,
        by=by,
        at=now,
    )
    ledger.record_promotion(promotion)
    _point_champion(store, agent, bundle)
    return promotion


def status(store: Store, ledger: Ledger, agent: str, decisions: int = 5) -> ReleaseStatus:
    """How the release of `agent` stands: its aliases, its newest decisions, and what does not fit together.

    Raises:
        NotFoundError: the agent has no registered bundle.
    """
    if not store.versions(agent):
        raise NotFoundError("agent", agent, store.agents(), where="the registry")
    # Every part is read here, not the manifest alone: an edited prompt of the champion is what a status is for.
    states = {alias: _alias_state(store, agent, alias, lambda ref: store.resolve(ref).version) for alias in ALIASES}
    problems = tuple(f"ledger: {problem}" for problem in ledger.verify())
    # Entries that were changed raise when they are read; the status has to show them, not die of them.
    recorded = () if problems else tuple(ledger.decisions(agent, decisions))
    last = None if problems else next(iter(ledger.promotions(agent)), None)
    moved = () if problems else tuple(_champion_mismatches(agent, states["champion"], last))
    broken = tuple(f"{s.alias}: {s.problem}" for s in states.values() if s is not None and s.problem)
    return ReleaseStatus(
        agent=agent,
        candidate=states["candidate"],
        champion=states["champion"],
        production=states["production"],
        decisions=recorded,
        last_promotion=last,
        mismatches=(*problems, *broken, *moved),
    )


def _passing_decision(
    store: Store, ledger: Ledger, bundle: BundleVersion, last: Promotion | None, requirements: Requirements
) -> RecordedDecision:
    champion = _alias_state(store, bundle.name, "champion", store.bundle)
    missing = _champion_mismatches(bundle.name, champion, last)
    found = ledger.find_decision(
        bundle.name,
        bundle_digest=bundle.digest,
        dataset_digest=requirements.dataset_digest,
        suite_digest=requirements.suite_digest,
        policy_digest=requirements.policy_digest,
    )
    if found is None:
        missing.append(_no_decision(ledger, bundle, requirements))
    else:
        missing += _decision_problems(store, ledger, bundle, last, found.decision)
        missing += _tried_before(ledger, found.decision)
        missing += _other_outcomes(store, ledger, found.decision)
    if missing or found is None:
        lines = "\n".join(f"- {line}" for line in missing)
        raise RefusedError(f"{bundle.label} cannot be promoted:\n{lines}")
    return found


def _tried_before(ledger: Ledger, passing: Decision) -> list[str]:
    """Other runs of the same bundle, suite and policy that fell short: repeating until one passes is no evidence."""

    def same(decision: Decision) -> bool:
        of = (decision.dataset_digest, decision.suite_digest, decision.policy_digest)
        return decision.candidate.bundle_digest == passing.candidate.bundle_digest and of == (
            passing.dataset_digest,
            passing.suite_digest,
            passing.policy_digest,
        )

    if passing.verdict is not Verdict.PASS:
        return []
    others = [
        decision
        for decision in (recorded.decision for recorded in ledger.decisions(passing.agent))
        if same(decision)
        and decision.candidate.run_digest != passing.candidate.run_digest
        and decision.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    ]
    if not others:
        return []
    return [
        f"another run of the same bundle on the same suite is {others[0].verdict} ({others[0].decided_at}), so the "
        "PASS may be luck. More evidence counts, another try does not: raise 'trials' in the suite, then evaluate "
        "and gate again"
    ]


def _other_outcomes(store: Store, ledger: Ledger, passing: Decision) -> list[str]:
    """Other runs of the same plan in which the same trials went otherwise, and that nobody judged to pass as well.

    A run that was cut short, or scored again, holds the same trajectories and is no other outcome.
    """
    if passing.verdict is not Verdict.PASS:
        return []
    passed = {
        recorded.decision.candidate.run_digest
        for recorded in ledger.decisions(passing.agent)
        if recorded.decision.verdict is Verdict.PASS and recorded.decision.policy_digest == passing.policy_digest
    }
    for other in ledger.evaluations(passing.agent):
        same = (other.bundle_digest, other.dataset_digest, other.suite_digest) == (
            passing.candidate.bundle_digest,
            passing.dataset_digest,
            passing.suite_digest,
        )
        if same and other.run_digest not in passed and (problem := _otherwise(store, passing, other)):
            return [problem]
    return []


def _otherwise(store: Store, passing: Decision, other: Evaluation) -> str:
    """What speaks against a pass in another run that nobody judged to pass, or nothing."""
    name = f"another run of the same bundle on the same suite ({other.run_id[:8]}, {other.created_at})"
    try:
        ours, theirs = (_trajectories(store, run_id) for run_id in (passing.candidate.run_id, other.run_id))
    except AssayError as error:
        return f"{name} cannot be read, so that nobody can tell whether it went otherwise: {error}"
    differing = sum(ours.get(trial, digest) != digest for trial, digest in theirs.items())
    if not differing:
        return ""
    trials = "1 trial" if differing == 1 else f"{differing} trials"
    return (
        f"in {name} {trials} went otherwise, and it was not judged to pass: choosing the better run is no evidence. "
        f"Judge it as well: `assay gate {other.run_id[:8]} --policy {passing.policy}`"
    )


def _trajectories(store: Store, run_id: str) -> dict[tuple[str, int], str]:
    """By case and trial, the digest of what happened in a stored run."""
    run, _ = store.load_run(run_id)
    return {(unit.case_id, unit.trial): unit.trajectory for unit in run.planned if unit.trajectory is not None}


def _no_decision(ledger: Ledger, bundle: BundleVersion, requirements: Requirements) -> str:
    """Why there is no decision to rest on: none at all, or what has changed since the newest one."""
    again = f"Run `assay eval {bundle.name}/{bundle.version}`, then `assay gate {bundle.name}/{bundle.version}`"
    about = [d for d in ledger.decisions(bundle.name) if d.decision.candidate.bundle_digest == bundle.digest]
    if not about:
        return f"there is no decision about {bundle.label}. {again}"
    newest = about[0].decision
    changed = [
        text
        for text, then, now in (
            (f"the dataset {newest.dataset}", newest.dataset_digest, requirements.dataset_digest),
            (f"the suite {requirements.suite} or its scorers", newest.suite_digest, requirements.suite_digest),
            (f"the gate policy {requirements.policy}", newest.policy_digest, requirements.policy_digest),
        )
        if then != now
    ]
    return f"{' and '.join(changed)} changed since the decision of {newest.decided_at}. {again}"


def _decision_problems(
    store: Store, ledger: Ledger, bundle: BundleVersion, last: Promotion | None, decision: Decision
) -> list[str]:
    problems: list[str] = []
    gate = f"`assay gate {bundle.name}/{bundle.version}`"
    if decision.verdict is not Verdict.PASS:
        problems.append(
            f"the newest decision about it ({decision.decided_at}) is {decision.verdict}: {decision.summary} "
            f"Only PASS promotes; once it is mended, run `assay check` on the bundle's file"
        )
    baseline = decision.baseline.bundle_digest if decision.baseline else None
    champion = last.bundle_digest if last else None
    if baseline != champion:
        compared = decision.baseline.bundle_label if decision.baseline else "no champion"
        now = last.label if last else "nothing"
        problems.append(f"it was compared with {compared}, but the champion is now {now}. Run {gate}")
    for ref in (decision.candidate, decision.baseline):
        if ref is not None:
            problems += _run_problems(store, ledger, ref)
    return problems


def _run_problems(store: Store, ledger: Ledger, ref: EvidenceRef) -> list[str]:
    what = f"run {ref.run_id} of {ref.bundle_label}"
    again = f"Run `assay eval {ref.bundle_label.replace(' v', '/')}` and gate again"
    recorded = ledger.evaluation_digest(ref.run_id)
    if recorded is None:
        return [f"{what} is not in the ledger. {again}"]
    if recorded != ref.run_digest:
        return [f"{what} was judged with other content than it was stored with. {again}"]
    try:
        run, digest = store.load_run(ref.run_id)
        store.load_trajectories(ref.run_id)
    except (NotFoundError, IntegrityError) as error:
        return [f"{what} cannot be read: {error} {again}"]
    if digest != recorded or run.bundle_digest != ref.bundle_digest:
        return [f"{what} was changed after it was stored. {again}"]
    return []


def _champion_mismatches(agent: str, champion: AliasState | None, last: Promotion | None) -> list[str]:
    """Whether the alias `champion` points at what was last promoted."""
    if last is None and champion is None:
        return []
    if last is None:
        assert champion is not None
        return [
            f"the alias champion points at {agent} v{champion.version}, which was never promoted. "
            "Remove the alias in MLflow"
        ]
    back = f"`assay promote {agent}/{last.bundle_version}` puts it back"
    if champion is None:
        return [f"{last.label} was promoted, but the alias champion is gone. {back}"]
    if champion.bundle is None:
        return [f"the champion {agent} v{champion.version} is not what was registered: {champion.problem}"]
    if champion.bundle.digest != last.bundle_digest:
        return [f"{last.label} was promoted, but the alias champion points at {champion.bundle.label}. {back}"]
    return []


def _alias_state(store: Store, agent: str, alias: str, read: Callable[[str], BundleVersion]) -> AliasState | None:
    version = store.aliases(agent).get(alias)
    if version is None:
        return None
    try:
        return AliasState(alias, version, read(f"{agent}/{version}"))
    except (IntegrityError, NotFoundError) as error:
        return AliasState(alias, version, None, str(error))


def _point_champion(store: Store, agent: str, bundle: BundleVersion) -> None:
    if store.aliases(agent).get("champion") != bundle.version:
        store.set_alias(agent, "champion", bundle.version)
