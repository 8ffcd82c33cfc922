"""A decision as JUnit XML, so that a CI server shows each check.

The first test case is the verdict, so that nothing short of PASS is green even where every single check
passed. INCONCLUSIVE is a failure: servers show skipped tests as green. Checks that only advise are skipped
where they do not pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree

from assay.gates.reports.text import visible
from assay.registry.types.decision import CheckResult, Decision, Verdict

__all__ = ["to_junit"]

_TAGS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "failure", Verdict.ERROR: "error"}


def to_junit(decision: Decision) -> str:
    """One test suite, with an XML declaration and a line end."""
    cases = [_verdict_case(decision), *(_check_case(check, decision) for check in decision.checks)]
    attributes = {
        "name": f"assay.{decision.agent}",
        "timestamp": visible(decision.decided_at),
        "tests": str(len(cases)),
        **{name: str(count) for name, count in _counts(cases)},
    }
    root = ElementTree.Element("testsuites")
    ElementTree.SubElement(root, "testsuite", attributes).extend(cases)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _counts(cases: list[ElementTree.Element]) -> Iterator[tuple[str, int]]:
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        yield attribute, sum(case.find(tag) is not None for case in cases)


def _verdict_case(decision: Decision) -> ElementTree.Element:
    return _case("verdict", decision.agent, _TAGS.get(decision.verdict), decision.verdict, decision.summary)


def _check_case(check: CheckResult, decision: Decision) -> ElementTree.Element:
    tag = _TAGS.get(check.verdict)
    if (tag and not check.blocking) or not check.applicable:
        tag = "skipped"
    return _case(check.check, decision.agent, tag, check.verdict, f"{check.reason} Required: {check.limit}.")


def _case(name: str, agent: str, tag: str | None, verdict: Verdict, message: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", {"classname": f"assay.{agent}", "name": name})
    if tag:
        attributes = {"message": visible(message)}
        if tag != "skipped":
            attributes["type"] = verdict.value
        ElementTree.SubElement(case, tag, attributes)
    else:
        ElementTree.SubElement(case, "system-out").text = visible(message)
    return case
