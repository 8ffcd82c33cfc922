"""Policy adherence: the rules of a pack, each checked deterministically against the trajectory.

Rules that a conversation gave nothing to say are named in the explanation as "not exercised": adherence to
them was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from assay.registry.digest import digest_of
from assay.registry.errors import ContentError, NotFoundError, nearest
from assay.registry.types.base import Frozen, Name, Severity
from assay.registry.types.case import Case
from assay.registry.types.score import Finding, MetricSpec, Result, Score, ScorerFailure, Skipped
from assay.registry.types.trajectory import Trajectory
from assay.runner.scorers.base import Scorer, ScorerContext
from assay.runner.scorers.rules.evaluate import check_all, view_of
from assay.runner.scorers.rules.model import Rule, RulePack, parse_pack, tools_named
from assay.runner.scorers.rules.names import unknown_names
from assay.runner.scorers.rules.view import Checked

__all__ = ["PolicyScorer", "exercised"]

_ADHERENCE = MetricSpec(
    name="policy_adherence",
    kind="proportion",
    direction="higher_is_better",
    description="Conversations without any violation of a rule of the pack.",
)
_CRITICAL = MetricSpec(
    name="critical_violation_rate",
    kind="proportion",
    direction="lower_is_better",
    description="Conversations with a violation of a rule of severity critical.",
)
_NO_CRITICAL_RULE = Skipped(reason="the rule pack has no rule of severity critical")


class PolicySettings(Frozen):
    """`rules`: the name of a rule pack, which is a YAML file of the workspace's rules folder.

    `writes`, `verified`: tools that change something, and that need a verified identity, beside those that the pack and
    the bundle's manifest declare. A pack that is meant for any agent declares none itself.
    """

    rules: Name
    writes: tuple[Name, ...] = ()
    verified: tuple[Name, ...] = ()


class PolicyScorer(Scorer):
    """Checks every rule of a pack.

    Raises:
        NotFoundError: there is no such pack; names the nearest.
        ContentError: the pack is ill-formed, or names a tool, an argument, a key of a result, an intent or a queue that
            neither the dataset nor the bundle knows.
    """

    name = "policy"
    version = "4"
    Settings = PolicySettings

    def __init__(self, settings: Frozen, context: ScorerContext) -> None:
        super().__init__(settings, context)
        given = PolicySettings.model_validate(settings.model_dump())
        wanted = given.rules
        if wanted not in context.rule_packs:
            raise NotFoundError("rule pack", wanted, context.rule_packs, where="scorer 'policy' (setting 'rules')")
        pack = parse_pack(context.rule_packs[wanted], file=f"rule pack {wanted}")
        more = {"writes": (*pack.writes, *given.writes), "verified": (*pack.verified, *given.verified)}
        self.pack: RulePack = pack.model_copy(update=more)
        problems = [
            (where, f"no tool named {tool!r} in the dataset.{nearest(tool, context.tools)}")
            for where, tool in (tools_named(self.pack) if context.tools else ())
            if tool not in context.tools
        ]
        problems += unknown_names(self.pack, context.vocabulary, self._classes)
        if problems:
            told = [str(ContentError(problem, file=f"rule pack {wanted}", key=where)) for where, problem in problems]
            raise ContentError("\n".join(told))

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        return (_ADHERENCE, _CRITICAL)

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self.pack.rules)

    @property
    def identity(self) -> dict[str, object]:
        """Adds the pack's digest and, for rules about quoting them, the knowledge documents."""
        extra: dict[str, object] = {"pack": self.pack.digest}
        if any(rule.never_quotes for rule in self.pack.rules):
            known = [self.context.documents, sorted(self.context.internal_documents)]
            extra["documents"] = digest_of(known)
        return {**super().identity, **extra}

    def applies(self, metric: MetricSpec, case: Case) -> Skipped | None:
        del case
        return _NO_CRITICAL_RULE if metric.name == _CRITICAL.name and not self._critical else None

    def score(self, case: Case, trajectory: Trajectory) -> Mapping[str, Result]:
        if self._unknown_tools:
            return {metric.name: ScorerFailure(error=self._unknown_tools) for metric in self.metrics}
        view = view_of(case, trajectory, self.pack, self.context)
        outcomes = check_all(self.pack.rules, view)
        explanation = _explanation(outcomes)
        findings = _findings(outcomes)
        grave = tuple(finding for finding in findings if finding.severity is Severity.CRITICAL)
        occasions = tuple(rule.id for rule, outcome in outcomes if outcome.exercised)
        critical: Result = Score(value=float(bool(grave)), explanation=explanation, findings=grave)
        return {
            _ADHERENCE.name: Score(
                value=float(not findings), explanation=explanation, findings=findings, exercised=occasions
            ),
            _CRITICAL.name: critical if self._critical else _NO_CRITICAL_RULE,
        }

    @property
    def _classes(self) -> dict[str, frozenset[str]]:
        """The tools that `writes` and `verified` stand for."""
        declared = self.context.manifest.tools if self.context.manifest else ()
        return {
            "writes": frozenset({*self.pack.writes, *(tool.name for tool in declared if tool.writes)}),
            "verified": frozenset({*self.pack.verified, *(tool.name for tool in declared if tool.needs_verification)}),
        }

    @property
    def _critical(self) -> bool:
        return any(rule.severity is Severity.CRITICAL for rule in self.pack.rules)

    @cached_property
    def _unknown_tools(self) -> str:
        """What keeps rules about `writes` or `verified` tools from meaning anything; empty where nothing does."""
        if self.context.manifest is not None:
            return ""
        stated = {rule.id: _tool_classes(rule) for rule in self.pack.rules}
        for kind, declared in (("writes", self.pack.writes), ("verified", self.pack.verified)):
            using = sorted(rule for rule, kinds in stated.items() if kind in kinds)
            if using and not declared:
                return (
                    f"rule {using[0]!r} is about tools of kind {kind!r}, and neither a bundle manifest nor the pack's "
                    f"key {kind!r} says which they are"
                )
        return ""


def exercised(rule: Rule, case: Case, trajectory: Trajectory, *, pack: RulePack, context: ScorerContext) -> bool:
    """Whether the conversation gave a rule of the pack anything to say."""
    ((_, outcome),) = check_all((rule,), view_of(case, trajectory, pack, context))
    return outcome.exercised


def _tool_classes(rule: Rule) -> set[str]:
    """`writes` and `verified`, as far as the rule speaks of them."""
    condition = rule.condition
    given = condition.model_dump() if isinstance(condition, Frozen) else {}
    trigger = given.get("when") if isinstance(given.get("when"), dict) else {}
    spoken = [name for event in rule.temporal.events() for name in event.names] if rule.temporal else []
    values = [
        *(name for name in spoken if name in ("writes", "verified")),
        given.get("tools"),
        given.get("data_of"),
        given.get("forbids"),
        (trigger or {}).get("called"),
    ]
    return {value for value in values if isinstance(value, str)}


def _findings(outcomes: list[tuple[Rule, Checked]]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule=rule.id,
            severity=rule.severity,
            message=f"{rule.title}: {violation.message}",
            turn=violation.turn,
            clause=rule.clause,
            quote=violation.quote,
            evidence=violation.evidence,
        )
        for rule, outcome in outcomes
        for violation in outcome.violations
    )


def _explanation(outcomes: list[tuple[Rule, Checked]]) -> str:
    spoke = [rule.id for rule, outcome in outcomes if outcome.exercised]
    silent = [rule.id for rule, outcome in outcomes if not outcome.exercised]
    return f"exercised: {', '.join(spoke) or 'none'}; not exercised: {', '.join(silent) or 'none'}"
