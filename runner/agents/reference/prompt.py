"""The prompt artifact: Markdown whose `## name` sections are what the agent is told to say.

Placeholders are Jinja, rendered in a sandbox. What the prompt does not have, the agent does not do: without
`identity_verification` it asks for no identity, without a disclosure it makes none. Every other section is
needed, and a prompt without it is refused when it is loaded.
"""

from __future__ import annotations

import re

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

from assay.registry.errors import ContentError, nearest

__all__ = ["OPTIONAL_SECTIONS", "SECTIONS", "Prompt"]

SECTIONS: dict[str, frozenset[str]] = {
    "greeting": frozenset(),
    "ai_disclosure": frozenset(),
    "identity_verification": frozenset({"missing", "again"}),
    "answer": frozenset({"quote", "title"}),
    "unanswered": frozenset(),
    "clarification": frozenset(),
    "slot_request": frozenset({"question"}),
    "confirmation": frozenset({"details"}),
    "result": frozenset({"text"}),
    "declined": frozenset(),
    "disclosure_fees": frozenset(),
    "disclosure_dispute": frozenset(),
    "disclosure_card_block": frozenset(),
    "handoff_customer": frozenset({"reason", "queue"}),
    "handoff_summary": frozenset({"intent", "reason", "request", "facts", "actions"}),
    "after_handoff": frozenset(),
    "closing": frozenset(),
}
"""Every section there is, with the placeholders that may stand in it."""

OPTIONAL_SECTIONS = frozenset(
    {"ai_disclosure", "identity_verification", "disclosure_fees", "disclosure_dispute", "disclosure_card_block"}
)

_HEADING = re.compile(r"^## +(\S+)\s*$", re.MULTILINE)


class Prompt:
    """The sections of a prompt, ready to be rendered.

    Raises:
        ContentError: a section is missing, unknown or stands twice, a placeholder is unknown, or a section is
            not valid Jinja.
    """

    def __init__(self, text: str) -> None:
        parts = _HEADING.split(text.replace("\r\n", "\n"))
        bodies: dict[str, str] = {}
        for name, body in zip(parts[1::2], parts[2::2], strict=True):
            if name not in SECTIONS:
                raise ContentError(f"unknown prompt section {name!r}.{nearest(name, SECTIONS)}")
            if name in bodies:
                raise ContentError(f"the prompt section {name!r} stands twice")
            bodies[name] = body.strip()
        missing = [name for name in SECTIONS if not bodies.get(name) and name not in OPTIONAL_SECTIONS]
        if missing:
            raise ContentError(f"the prompt has no section {', '.join(map(repr, missing))}")
        environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        # Chance would give the same bundle another verdict each time.
        del environment.filters["random"], environment.globals["lipsum"]
        self._templates = {name: _template(environment, name, body) for name, body in bodies.items() if body}

    def has(self, section: str) -> bool:
        """Whether the prompt has the section."""
        return section in self._templates

    def render(self, section: str, **values: object) -> str:
        """The text of a section, on one line; empty for an optional section that the prompt does not have.

        Raises:
            ContentError: the section's Jinja fails on these values.
        """
        if section not in self._templates:
            return ""
        try:
            return " ".join(self._templates[section].render(**values).split())
        except TemplateError as error:
            raise ContentError(f"the prompt section {section!r} cannot be rendered: {error}") from None


def _template(environment: SandboxedEnvironment, name: str, body: str) -> Template:
    try:
        parsed = environment.parse(body)
        used = meta.find_undeclared_variables(parsed)
        template = environment.from_string(body)
    except TemplateError as error:
        raise ContentError(f"the prompt section {name!r} is not valid Jinja: {error.message}") from None
    if parsed.find(nodes.For) is not None:
        raise ContentError(
            f"the prompt section {name!r} has a loop: a section is words and conditions, nothing that runs on"
        )
    unknown = sorted(used - SECTIONS[name])
    if unknown:
        hint = nearest(unknown[0], SECTIONS[name]) or " It has no placeholders."
        raise ContentError(f"the prompt section {name!r} uses the unknown placeholder {unknown[0]!r}.{hint}")
    return template
