"""A report's view as one HTML file.

The page may do nothing but show itself: its content security policy allows the one script and the one style
sheet that are embedded (by their hashes) and forbids every request, every form and every inline handler.
Conversations are embedded as JSON and reach the page through `textContent` only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from assay.gates.reports.figures import label
from assay.gates.reports.slices import THIN_BELOW
from assay.gates.reports.status import Status
from assay.gates.reports.view import ReportView, verdict_view
from assay.registry.types.decision import Verdict

__all__ = ["Charts", "embedded_json", "to_html"]

_STATUS_TONES = {
    Status.FAILED.value: "fail",
    Status.ERRORED.value: "error",
    Status.MISSING.value: "error",
    Status.UNMEASURED.value: "inconclusive",
    Status.PASSED.value: "pass",
}


@dataclass(frozen=True)
class Charts:
    """Inline SVG, each empty where there is nothing to draw."""

    checks: str
    differences: str
    risk: str


def to_html(view: ReportView, charts: Charts) -> str:
    """The page."""
    style, script = _resource("report.css"), _resource("report.js")
    page = _environment().get_template("report.html.j2")
    return page.render(
        view=view,
        charts={name: Markup(svg) for name, svg in vars(charts).items()},  # noqa: S704 - made by svg.inline_svg
        csp=_policy(style, script),
        style=Markup(style),  # noqa: S704 - a file of this package
        script=Markup(script),  # noqa: S704 - a file of this package
        data=Markup(_data(view)),  # noqa: S704 - embedded_json escapes
        status_options=_status_options(view),
        slice_options=_slice_options(view),
        champion_options=_champion_options(view),
        signs={verdict.value.lower(): verdict_view(verdict).sign for verdict in Verdict} | {"none": "–"},
        status_tones=_STATUS_TONES,
        thin_below=THIN_BELOW,
    )


def embedded_json(value: object) -> str:
    """JSON that may stand inside a `script` element: no `<`, `>`, `&`, U+2028 or U+2029 is left in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(view: ReportView) -> str:
    conversations = [
        {
            "id": conversation.case_id,
            "status": conversation.status.value,
            "champion": conversation.champion,
            "slices": conversation.slices,
            "checks": conversation.blocks,
            **conversation.body,
        }
        for conversation in view.conversations
    ]
    return embedded_json({"passages": view.passages, "conversations": conversations})


def _status_options(view: ReportView) -> list[tuple[str, str, int]]:
    """Each result that occurs, in the order of the page, with how often it does."""
    counts = Counter(conversation.status for conversation in view.conversations)
    options = [(status.value, status.words, counts[status]) for status in Status if counts[status]]
    others = counts.total() - counts[Status.PASSED]
    return [("not-passed", "Everything that does not pass", others), *options] if others else options


def _slice_options(view: ReportView) -> list[tuple[str, list[tuple[str, str]]]]:
    """Each slice that occurs as (attribute, [(slice, value)])."""
    names = sorted({name for conversation in view.conversations for name in conversation.slices})
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        attribute, _, value = name.partition("=")
        groups.setdefault(label(attribute), []).append((name, label(value)))
    return list(groups.items())


def _champion_options(view: ReportView) -> list[tuple[str, str]]:
    occurring = {conversation.champion for conversation in view.conversations}
    words = {"regressed": "passes where the candidate does not", "improved": "fails where the candidate passes"}
    return [(value, text) for value, text in words.items() if value in occurring]


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _resource(name: str) -> str:
    return files("assay.gates.reports").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
