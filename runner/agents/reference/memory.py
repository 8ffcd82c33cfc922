"""What the agent remembers of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.runner.agents.reference.facts import Slots
from assay.runner.agents.reference.tasks import TASKS, TaskSpec, missing_slots

__all__ = ["Identity", "Memory", "Task"]


@dataclass
class Task:
    """A task under way. `awaiting_yes` is true between the read-back and the customer's answer."""

    intent: str
    slots: Slots
    request: str
    asked: dict[str, int] = field(default_factory=dict)
    awaiting_yes: bool = False
    unclear_answers: int = 0
    disclosed: bool = False

    @property
    def spec(self) -> TaskSpec:
        return TASKS[self.intent]

    def take(self, facts: Slots) -> bool:
        """Take over the facts that the task has a use for. Returns whether something changed."""
        fresh = {name: value for name, value in facts.items() if name in self.spec.arguments}
        changed = any(self.slots.get(name) != value for name, value in fresh.items())
        self.slots.update(fresh)
        return changed

    def unset(self) -> None:
        """Forget the details that were read back and found wrong, so that they are asked for again."""
        self.awaiting_yes = False
        self.slots = {name: value for name, value in self.slots.items() if name == "customer_number"}

    def missing(self) -> list[str]:
        return missing_slots(self.spec, self.slots)

    def arguments(self) -> Slots:
        """The tool's arguments, with what the customer left open taken as usual."""
        values = dict(self.spec.defaults) | self.slots
        return {name: values[name] for name in self.spec.arguments}


@dataclass
class Identity:
    """How far the customer's identity is known."""

    customer_number: str | None = None
    date_of_birth: str | None = None
    verified: bool = False
    requests: int = 0
    failures: int = 0
    tried: tuple[str, str] | None = None
    """The last pair that was refused."""

    def take(self, facts: Slots) -> None:
        """Take over what the customer says about who they are.

        Another customer number after a verification is another identity, which has to be verified itself.
        """
        number, birth = facts.get("customer_number"), facts.get("date_of_birth")
        if self.verified:
            if number is None or number == self.customer_number:
                return
            self.verified, self.date_of_birth = False, None
        self.customer_number = self.customer_number if number is None else str(number)
        self.date_of_birth = self.date_of_birth if birth is None else str(birth)

    def missing(self) -> list[str]:
        """What is still to be given; both, where the pair that was given was refused."""
        pairs = (("customer number", self.customer_number), ("date of birth", self.date_of_birth))
        if self.tried == (self.customer_number, self.date_of_birth):
            return [name for name, _ in pairs]
        return [name for name, value in pairs if value is None]


@dataclass
class Memory:
    """Everything the agent knows of one conversation so far."""

    identity: Identity = field(default_factory=Identity)
    task: Task | None = None
    intent: str | None = None
    """What the latest understood request was about."""
    subject: str | None = None
    """What the conversation is about, for the person who takes over: the latest request that was clear."""
    request: str = ""
    """The words of that request."""
    messages: list[str] = field(default_factory=list)
    given: Slots = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    """Tools that were called in vain, and how that ended."""
    done: str | None = None
    """The intent of the task that was carried out last."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """The result that was reported last."""
    set_aside: Task | None = None
    """The task that the customer declined or only asked about, until something else is begun."""
    offered_colleague: bool = False
    misunderstandings: int = 0
    calm: float = 1.0
    """Probability that nothing said so far is distress: 1 - p, multiplied over the messages."""
    handed_off: bool = False
    greeted: bool = False
