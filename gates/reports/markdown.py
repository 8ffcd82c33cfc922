"""A report for a pull request: the verdict, the checks, what blocks, which conversations fail.

It quotes no conversation, so there is nothing to redact. All text is escaped: it can start no heading, table
cell, link, mention or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from assay.gates.reports.checks import NOT_APPLICABLE, CheckView, check_view
from assay.gates.reports.status import CaseStatus, Status, case_statuses
from assay.gates.reports.text import shorten, visible
from assay.gates.reports.view import data_flaws, data_quality, provenance, verdict_view
from assay.registry.types.decision import Decision
from assay.registry.types.run import EvalRun

__all__ = ["escape", "to_markdown"]

_SPECIAL = re.compile(r"[\\`*_\[\]#|~$&<>@]|://|www\.")
# Bare addresses and mentions become links without any markup.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;", "://": "&#58;//", "www.": "www&#46;"}
_EMOJI = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "❔", "ERROR": "⚠️", NOT_APPLICABLE: "➖"}
_TEXT_LIMIT = 600


def escape(text: str) -> str:
    """`text` on one line, such that Markdown shows it as it stands."""
    line = " ".join(visible(shorten(text, _TEXT_LIMIT)).split())
    escaped = _SPECIAL.sub(lambda match: _ENTITIES.get(match.group(), f"\\{match.group()}"), line)
    # What would open a list at the start of a line.
    return re.sub(r"^(\d*)([-+]|[.)](?=\s|$))", r"\1\\\2", escaped)


def to_markdown(decision: Decision, run: EvalRun, *, limit: int, title: str) -> str:
    """The whole summary, ending with a line end."""
    verdict = verdict_view(decision.verdict)
    checks = [check_view(check, run) for check in decision.checks]
    parts = [
        f"## {_EMOJI[verdict.word]} {verdict.word}: {escape(title)}",
        f"**{verdict.word}.** {verdict.meaning}",
        escape(decision.summary),
        _section("What blocks", [_blocker(c) for c in checks if c.blocking and c.is_open]),
        _section("Not measured", [f"- {escape(line)}" for line in decision.not_measured]),
        _section("Data quality", [f"- {escape(note.text)}" for note in (data_quality(run), *data_flaws(run))]),
        _section("Checks", _check_table(checks), nothing="There are no checks."),
        _failing(case_statuses(run, decision), limit),
        _section("Rests on", _provenance(decision, run)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(heading: str, lines: list[str], *, nothing: str = "") -> str:
    return "\n".join([f"### {heading}", "", *(lines or [nothing])]) if lines or nothing else ""


def _blocker(check: CheckView) -> str:
    return f"- **{escape(check.check)}** ({check.verdict}, {check.weight}): {escape(check.reason)}"


def _check_table(checks: list[CheckView]) -> list[str]:
    if not checks:
        return []
    head = ["| Check | Slice | Value | Interval | n | Champion | Requirement | Verdict |", f"|{' --- |' * 8}"]
    return head + [f"| {' | '.join(_check_cells(check))} |" for check in checks]


def _check_cells(check: CheckView) -> Iterable[str]:
    verdict = f"{_EMOJI[check.verdict]} {check.verdict}"
    yield escape(check.check)
    yield escape(check.slice) or "all"
    yield escape(check.value)
    yield escape(check.difference or check.interval) or "none"
    yield escape(", ".join(filter(None, (check.n, check.shortfalls))))
    yield escape(check.champion)
    yield escape(check.requirement)
    yield verdict if check.blocking else f"{verdict} (advisory)"


def _failing(statuses: tuple[CaseStatus, ...], limit: int) -> str:
    failing = [status for status in statuses if status.status is not Status.PASSED]
    if not failing:
        return "" if statuses else "### Conversations\n\nNo conversation was planned."
    lines = [_case_line(status) for status in failing[:limit]]
    if len(failing) > limit:
        lines.append(f"- and {len(failing) - limit:,} more")
    return _section(f"Failing conversations ({len(failing):,} of {len(statuses):,})", lines)


def _case_line(case: CaseStatus) -> str:
    facts = [value for key in ("intent", "risk_tier") for value in case.attributes.get(key, ())]
    rules = dict.fromkeys(
        f"{v.finding.rule} (turn {v.finding.turn})" if v.finding.turn else v.finding.rule for v in case.violations
    )
    reasons = [*rules] or [*case.failing]
    why = f": {escape(', '.join(reasons))}" if reasons else ""
    return f"- `{case.case_id}` {case.status.words.lower()} ({escape(', '.join(facts))}){why}"


def _provenance(decision: Decision, run: EvalRun) -> list[str]:
    rows = ["| What | Value |", "| --- | --- |"]
    for group, facts in provenance(decision, run):
        for fact in facts:
            value = f"`{fact.value}`" if fact.digest else escape(fact.value)
            rows.append(f"| {escape(group)}: {escape(fact.name)} | {value} |")
    return rows
