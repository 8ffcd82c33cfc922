"""Acting on a turn, within the roles that the bundle declares.

A role may only do what the bundle lets it do. What it may not do is not done in another name: the
conversation goes to a person instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.registry.errors import ContentError
from assay.registry.types.bundle import BundleManifest, Role
from assay.registry.types.trajectory import HandoffPacket, Passage
from assay.runner.agents.base import TurnChannel
from assay.runner.agents.reference.facts import Slots
from assay.runner.agents.reference.handoff import HandoffNeededError, Situation

__all__ = ["CASE_PREPARATION", "EXECUTION", "KNOWLEDGE", "TRIAGE", "Desk", "Roles"]

TRIAGE, KNOWLEDGE, EXECUTION, CASE_PREPARATION = "triage", "knowledge", "execution", "case_preparation"


class Roles:
    """What the bundle's roles may do.

    Raises:
        ContentError: no role of the bundle may hand off, so that nobody could ever take over.
    """

    def __init__(self, manifest: BundleManifest) -> None:
        self._roles: dict[str, Role] = {role.name: role for role in manifest.roles}
        able = [name for name in (CASE_PREPARATION, TRIAGE) if name in self._roles and self._roles[name].may_hand_off]
        if not able:
            raise ContentError(
                f"the bundle needs a role {CASE_PREPARATION!r} or {TRIAGE!r} with 'may_hand_off: true'", key="roles"
            )
        self.handing_off = able[0]

    def may_call(self, role: str, tool: str) -> bool:
        return role in self._roles and tool in self._roles[role].tools

    def may_search(self, role: str) -> bool:
        return role in self._roles and self._roles[role].may_search


class Desk:
    """One turn: gathers the reply, and acts on the channel under the right role."""

    def __init__(self, turn: TurnChannel, roles: Roles) -> None:
        self._turn = turn
        self._roles = roles
        self._parts: list[str] = []
        self._speaker = TRIAGE
        self._packet: HandoffPacket | None = None

    def triage(self, intent: str, confidence: float, signals: tuple[str, ...]) -> None:
        """Record what the request was taken to be."""
        self._turn.triage(intent, confidence, signals=signals, role=TRIAGE)

    def say(self, text: str, role: str) -> None:
        """Add a part to the reply; the role that speaks last is the reply's."""
        if text:
            self._parts.append(text)
            self._speaker = role

    def found(self, query: str, passages: tuple[Passage, ...]) -> None:
        """Record a search."""
        self._turn.retrieved(query, passages, role=KNOWLEDGE)

    async def call(self, tool: str, arguments: Slots) -> Mapping[str, Any]:
        """Call a tool as the execution role, with one silent retry.

        Raises:
            HandoffNeededError: the role may not call it, it failed twice, or its result is not a mapping.
        """
        if not self._roles.may_call(EXECUTION, tool):
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, f"{tool} is not a tool of the role {EXECUTION!r}")
        answer = await self._turn.tool(tool, dict(arguments), role=EXECUTION)
        if answer.error is not None:
            answer = await self._turn.tool(tool, dict(arguments), role=EXECUTION)
        if answer.error is not None:
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, f"{tool} failed twice")
        if not isinstance(answer.result, dict):
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, f"{tool} gave no usable result")
        return answer.result

    def hand_off(self, packet: HandoffPacket) -> None:
        """Step aside at the end of the turn, after the reply."""
        self._packet = packet

    def close(self) -> None:
        """Say the reply in one message, then hand off if that was decided."""
        self._turn.say(" ".join(self._parts), role=self._speaker)
        if self._packet is not None:
            self._turn.hand_off(self._packet, role=self._roles.handing_off)
