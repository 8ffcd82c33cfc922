"""Carrying tasks out: limits, identity, missing facts, read-back, the call and its report."""

from __future__ import annotations

from assay.registry.types.base import AutonomyLevel
from assay.runner.agents.reference.desk import EXECUTION, Desk
from assay.runner.agents.reference.equipment import Equipment
from assay.runner.agents.reference.facts import Slots
from assay.runner.agents.reference.handoff import HandoffNeededError, Situation
from assay.runner.agents.reference.memory import Memory, Task
from assay.runner.agents.reference.tasks import question_for

__all__ = ["Execution"]

_MAX_REQUESTS = 2
"""How often a fact, an identity or a yes is asked for before a person takes over."""
_FREE_TEXT = frozenset({"merchant", "new_address"})
"""Facts that are taken word for word, so that any answer would do for them."""


class Execution:
    """The part of the agent that works with tools.

    Every method may raise HandoffNeededError where a person has to take over.
    """

    def __init__(self, equipment: Equipment, memory: Memory) -> None:
        self._with = equipment
        self._memory = memory

    async def advance(self, task: Task, desk: Desk) -> None:
        """Take a task as far as it goes: limits, identity, missing facts, read-back, the call."""
        if self.over_limit(task, task.slots):
            raise HandoffNeededError(Situation.OVER_LIMIT)
        if self._with.needs_verification(task.spec.tool) and not await self._verified(task, desk):
            return
        number = self._memory.identity.customer_number
        if number and "customer_number" in task.spec.slots:
            # Never the number a message happens to name: only the one whose identity was established.
            task.slots["customer_number"] = number
        missing = task.missing()
        if missing:
            self._request(task, missing, desk)
        elif self._with.policy.intents[task.intent].autonomy is AutonomyLevel.CONFIRM:
            self.read_back(task, desk)
        else:
            await self.carry_out(task, desk)

    async def carry_out(self, task: Task, desk: Desk) -> None:
        """Call the tool and report its result; a result that cannot be reported is no success."""
        spec, memory = task.spec, self._memory
        try:
            result = await desk.call(spec.tool, task.arguments())
        except HandoffNeededError as failed:
            memory.attempts.append(f"{spec.tool} failed")
            raise failed from None
        if spec.done is not None and result.get(spec.done) is not True:
            # The colleague has to know that it was tried, and that it did not happen.
            memory.actions.append(f"{spec.tool}: not carried out")
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, f"{spec.tool} did not do it")
        try:
            text = spec.report(result)
        except KeyError as key:
            memory.attempts.append(f"{spec.tool} gave no usable result")
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, f"the result of {spec.tool} has no {key}") from None
        memory.actions.append(spec.tool)
        memory.done, memory.told = task.intent, result
        memory.task = memory.set_aside = None
        self._disclose(task, desk)
        desk.say(self._with.prompt.render("result", text=text), EXECUTION)

    def read_back(self, task: Task, desk: Desk) -> None:
        """Word the details and ask for an explicit yes."""
        details = task.spec.read_back(task.arguments())
        self._disclose(task, desk)
        desk.say(self._with.prompt.render("confirmation", details=details), EXECUTION)
        task.awaiting_yes = True

    def ask_again(self, task: Task, desk: Desk) -> None:
        """Read back once more after an answer that was neither yes nor no."""
        task.unclear_answers += 1
        if task.unclear_answers >= _MAX_REQUESTS:
            raise HandoffNeededError(Situation.FACT_MISSING)
        self.read_back(task, desk)

    def remind(self, task: Task, desk: Desk) -> None:
        """Say once more what the task waits for, without counting it: the customer did not refuse to tell."""
        if task.awaiting_yes:
            self.read_back(task, desk)
        elif self._waits_for_identity(task):
            self._ask_identity(desk)
        elif task.missing():
            desk.say(self._with.prompt.render("slot_request", question=question_for(task.missing())), EXECUTION)

    def expecting(self, task: Task) -> list[str]:
        """The facts for which a bare answer will do: while the identity is asked for, no name of anything else."""
        return [name for name in task.missing() if name not in _FREE_TEXT or not self._waits_for_identity(task)]

    def drop(self, task: Task, desk: Desk) -> None:
        """Give the task up, having changed nothing."""
        self._memory.task, self._memory.set_aside = None, task
        desk.say(self._with.prompt.render("declined"), EXECUTION)

    def over_limit(self, task: Task, facts: Slots) -> bool:
        """Whether these facts name more than the agent may handle in this task."""
        limit = self._with.policy.limits.get(task.spec.tool)
        amount = facts.get("amount")
        return limit is not None and isinstance(amount, int | float) and amount > limit

    async def _verified(self, task: Task, desk: Desk) -> bool:
        """Whether the identity is verified; if not, the turn has been used to get there."""
        identity, prompt = self._memory.identity, self._with.prompt
        if identity.verified:
            return True
        if not identity.missing():
            claimed_number, claimed_birth = str(identity.customer_number), str(identity.date_of_birth)
            claimed: Slots = {"customer_number": claimed_number, "date_of_birth": claimed_birth}
            result = await desk.call("verify_identity", claimed)
            if result.get("verified") is True:
                self._memory.actions.append("verify_identity")
                identity.verified = True
                return True
            self._memory.actions.append("verify_identity: not verified")
            identity.failures += 1
            identity.tried = (claimed_number, claimed_birth)
            if identity.failures >= self._with.policy.max_verification_attempts:
                raise HandoffNeededError(Situation.IDENTITY_FAILED)
            desk.say(prompt.render("identity_verification", missing=_named(identity.missing()), again=True), EXECUTION)
            return False
        if identity.requests >= _MAX_REQUESTS:
            raise HandoffNeededError(Situation.IDENTITY_MISSING)
        identity.requests += 1
        self._ask_identity(desk)
        return False

    def _waits_for_identity(self, task: Task) -> bool:
        return self._with.needs_verification(task.spec.tool) and not self._memory.identity.verified

    def _ask_identity(self, desk: Desk) -> None:
        missing = _named(self._memory.identity.missing())
        desk.say(self._with.prompt.render("identity_verification", missing=missing, again=False), EXECUTION)

    def _request(self, task: Task, missing: list[str], desk: Desk) -> None:
        """Ask for what is missing; the first of it counts."""
        asked = task.asked.get(missing[0], 0)
        if asked >= _MAX_REQUESTS:
            raise HandoffNeededError(Situation.FACT_MISSING)
        task.asked[missing[0]] = asked + 1
        desk.say(self._with.prompt.render("slot_request", question=question_for(missing)), EXECUTION)

    def _disclose(self, task: Task, desk: Desk) -> None:
        if task.spec.disclosure and not task.disclosed:
            task.disclosed = True
            desk.say(self._with.prompt.render(task.spec.disclosure), EXECUTION)


def _named(missing: list[str]) -> str:
    return " and ".join(missing)
