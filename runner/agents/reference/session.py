"""One conversation with the reference agent: a small state machine.

In each turn, in this order: does a person have to take over; is a task waiting for a fact, for the
customer's identity or for a yes; is there a new request; was nothing understood.
"""

from __future__ import annotations

from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.agents.reference.desk import (
    CASE_PREPARATION,
    KNOWLEDGE,
    TRIAGE,
    Desk,
)
from assay.runner.agents.reference.equipment import Equipment
from assay.runner.agents.reference.execution import Execution
from assay.runner.agents.reference.facts import Slots, extract
from assay.runner.agents.reference.handoff import HandoffNeededError, Situation, packet_for
from assay.runner.agents.reference.inquiries import goes_on, is_question
from assay.runner.agents.reference.judgement import CLOSING, SMALL_TALK, Understanding, is_inquiry, understand
from assay.runner.agents.reference.knowledge import Knowledge
from assay.runner.agents.reference.memory import Memory, Task
from assay.runner.agents.reference.replies import is_greeting, yes_or_no
from assay.runner.agents.reference.tasks import TASKS

__all__ = ["ReferenceSession"]

_SWITCH = 0.5
"""How clear a new request has to be before a task under way is left for it."""
_START = 0.45
"""How clear a message has to be before it is taken by itself, and not as going on from the one before."""


class ReferenceSession:
    """One conversation; keeps its own memory."""

    def __init__(self, equipment: Equipment, context: ConversationContext) -> None:
        self._with = equipment
        self._context = context
        self._memory = Memory()
        self._execution = Execution(equipment, self._memory)
        self._knowledge = Knowledge(equipment, self._memory, context.date)

    async def respond(self, customer: str, turn: TurnChannel) -> None:
        """Answer one customer turn."""
        desk, memory = Desk(turn, self._with.roles), self._memory
        memory.messages.append(customer)
        self._knowledge.begin_turn()
        if memory.handed_off:
            desk.say(self._with.prompt.render("after_handoff"), CASE_PREPARATION)
            desk.close()
            return
        if not memory.greeted:
            memory.greeted = True
            desk.say(self._with.prompt.render("greeting"), TRIAGE)
            desk.say(self._with.prompt.render("ai_disclosure"), TRIAGE)
        understanding = understand(customer, memory, self._with.model, self._with.policy)
        desk.triage(understanding.intent, understanding.confidence, understanding.signals)
        facts = self._remember(customer)
        try:
            await self._decide(customer, understanding, facts, desk)
        except HandoffNeededError as needed:
            self._hand_off(needed.why, desk)
        desk.close()

    def _remember(self, customer: str) -> Slots:
        """The facts of the message; identity is kept for the whole conversation."""
        memory = self._memory
        expecting = memory.task.missing() if memory.task else []
        facts = extract(customer, self._context.date, expecting)
        kept = {name: value for name, value in facts.items() if name not in _CASUAL or _useful(name, memory, expecting)}
        memory.given.update(kept)
        memory.identity.take(facts)
        return facts

    async def _decide(self, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        memory = self._memory
        offered, memory.offered_colleague = memory.offered_colleague, False
        if seen.escalate is not None:
            if not isinstance(seen.escalate, Situation) or self._clear_request(seen):
                memory.intent, memory.request = seen.intent, customer
            raise HandoffNeededError(seen.escalate)
        if offered and seen.intent == "affirm" and yes_or_no(customer) == "yes":
            raise HandoffNeededError(Situation.HUMAN_REQUEST)
        if memory.task is not None:
            await self._continue(memory.task, customer, seen, facts, desk)
        else:
            await self._begin(customer, seen, facts, desk)

    async def _continue(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """Go on with a task under way, unless the customer wants something else now."""
        answered = self._answers(task, facts)
        if task.awaiting_yes:
            await self._confirmed(task, customer, seen, facts, desk)
        elif answered:
            task.take(facts)
            await self._execution.advance(task, desk)
        elif self._new_request(seen, task):
            await self._turn_to(task, customer, seen, facts, desk)
        elif seen.intent in {CLOSING, "deny"} and seen.confidence >= _SWITCH:
            self._execution.drop(desk)
        elif is_question(customer) and self._knowledge.answered(customer, task.request, desk):
            return
        else:
            task.take(facts)
            await self._execution.advance(task, desk)

    async def _turn_to(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """Serve another request in between; a question leaves the task where it was."""
        if not is_inquiry(seen.intent, self._with.policy):
            await self._begin(customer, seen, facts, desk)
            return
        self._inquire(customer, seen, desk)
        if task.awaiting_yes:
            self._execution.read_back(task, desk)

    def _answers(self, task: Task, facts: Slots) -> bool:
        """Whether the message gives something the task was waiting for."""
        wanted = set(task.missing())
        if self._with.needs_verification(task.spec.tool) and not self._memory.identity.verified:
            wanted |= {"customer_number", "date_of_birth"}
        return bool(wanted & set(facts))

    def _new_request(self, seen: Understanding, task: Task) -> bool:
        return self._clear_request(seen) and seen.intent != task.intent and seen.confidence >= _SWITCH

    def _clear_request(self, seen: Understanding) -> bool:
        known = seen.intent in self._with.policy.intents and seen.intent not in SMALL_TALK
        return known and seen.confidence >= self._with.policy.min_confidence

    async def _confirmed(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """The customer's answer to a read-back: a correction, a no, a yes, something else, or unclear."""
        answer = yes_or_no(customer)
        if task.take(facts):
            task.awaiting_yes = False
            await self._execution.advance(task, desk)
        elif answer == "no":
            self._execution.drop(desk)
            if self._new_request(seen, task):
                await self._begin(customer, seen, facts, desk)
        elif answer == "yes":
            await self._execution.carry_out(task, desk)
            if seen.also and seen.also != task.intent:
                await self._begin(customer, Understanding(seen.also, 1.0, (), None), facts, desk)
        elif self._new_request(seen, task):
            await self._turn_to(task, customer, seen, facts, desk)
        elif is_question(customer) and self._knowledge.answered(customer, task.request, desk):
            self._execution.read_back(task, desk)
        else:
            self._execution.ask_again(task, desk)

    async def _begin(self, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """Serve a new request, or find that there is none."""
        memory = self._memory
        clear = self._clear_request(seen)
        about_done = seen.intent == memory.done and is_question(customer) and not facts
        useful = seen.intent in TASKS and bool(set(facts) & set(TASKS[seen.intent].arguments))
        vague = not clear or (seen.confidence < _START and not useful) or about_done
        if seen.intent in SMALL_TALK - {"other", "details"} and seen.confidence >= _START:
            self._not_a_request(customer, seen, desk)
            return
        if vague and memory.request and goes_on(customer) and await self._went_on(customer, facts, desk):
            return
        if clear and is_inquiry(seen.intent, self._with.policy):
            self._inquire(customer, seen, desk)
        elif vague and is_question(customer) and self._knowledge.answered(customer, memory.request, desk):
            memory.intent = memory.intent or seen.intent
        elif clear and seen.intent in TASKS:
            memory.misunderstandings = 0
            memory.intent, memory.request = seen.intent, customer
            memory.task = Task(seen.intent, {}, customer)
            memory.task.take(facts)
            await self._execution.advance(memory.task, desk)
        else:
            self._not_a_request(customer, seen, desk)

    async def _went_on(self, customer: str, facts: Slots, desk: Desk) -> bool:
        """Serve what only makes sense after the request before, such as "and on my savings?"."""
        memory = self._memory
        if memory.intent in TASKS:
            task = Task(memory.intent, {}, customer)
            if {name for name, _ in task.spec.defaults} & set(facts):
                memory.task = task
                task.take(facts)
                await self._execution.advance(task, desk)
                return True
        return self._knowledge.answered(customer, memory.request, desk)

    def _not_a_request(self, customer: str, seen: Understanding, desk: Desk) -> None:
        """Small talk is answered; anything else was not understood, which may happen once in a row."""
        memory, prompt = self._memory, self._with.prompt
        polite = seen.intent == CLOSING or (seen.intent in {"affirm", "deny"} and bool(memory.request))
        if is_greeting(customer):
            desk.say(prompt.render("slot_request", question="How can I help you today?"), TRIAGE)
        elif polite and seen.confidence >= self._with.policy.min_confidence:
            memory.misunderstandings = 0
            desk.say(prompt.render("closing"), TRIAGE)
        elif memory.misunderstandings >= 1:
            raise HandoffNeededError(Situation.NOT_UNDERSTOOD)
        else:
            memory.misunderstandings += 1
            desk.say(prompt.render("clarification"), TRIAGE)

    def _inquire(self, question: str, seen: Understanding, desk: Desk) -> None:
        """Answer a question that is clearly one for the knowledge base, or say that it has nothing."""
        memory = self._memory
        memory.intent = seen.intent
        if not self._knowledge.available:
            raise HandoffNeededError(Situation.TOOL_UNUSABLE, "no role may search")
        found = self._knowledge.look_up(question, memory.request, desk)
        if found.found_nothing and not is_question(question):
            self._not_a_request(question, seen, desk)
            return
        memory.misunderstandings = 0
        memory.request = question if not goes_on(question) else f"{memory.request} {question}"
        if found.answer is None:
            memory.offered_colleague = True
            desk.say(self._with.prompt.render("unanswered"), KNOWLEDGE)
        else:
            self._knowledge.quote(found.answer, desk)

    def _hand_off(self, why: Situation | str, desk: Desk) -> None:
        """Look up what bears on the request, tell the customer, and pass everything on."""
        memory, shared = self._memory, self._with
        memory.handed_off = True
        memory.task = None
        self._knowledge.gather(memory.request or memory.messages[-1], desk)
        packet = packet_for(why, memory, shared.prompt, shared.policy, shared.settings)
        desk.say(shared.prompt.render("handoff_customer", reason=packet.reason, queue=packet.queue), CASE_PREPARATION)
        desk.hand_off(packet)


_CASUAL = frozenset({"topic", "date", "time", "merchant", "month", "account"})
"""Facts that any sentence may seem to hold; they are passed on only when a task has a use for them."""


def _useful(name: str, memory: Memory, expecting: list[str]) -> bool:
    return name in expecting or (memory.task is not None and name in memory.task.spec.arguments)
