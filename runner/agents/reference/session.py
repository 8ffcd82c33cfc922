"""One conversation with the reference agent: a small state machine.

In each turn, in this order: does a person have to take over; is a task waiting for a fact, for the
customer's identity or for a yes; is there a new request; was nothing understood.
"""

from __future__ import annotations

from assay.registry.types.base import AutonomyLevel
from assay.runner.agents.base import ConversationContext, TurnChannel
from assay.runner.agents.reference.desk import (
    CASE_PREPARATION,
    EXECUTION,
    KNOWLEDGE,
    TRIAGE,
    Desk,
)
from assay.runner.agents.reference.equipment import Equipment
from assay.runner.agents.reference.execution import Execution
from assay.runner.agents.reference.facts import Slots, extract, without_identity
from assay.runner.agents.reference.handoff import HandoffNeededError, Situation, packet_for
from assay.runner.agents.reference.inquiries import goes_on, is_question
from assay.runner.agents.reference.judgement import (
    CLOSING,
    HUMAN_REQUEST,
    SMALL_TALK,
    Understanding,
    is_inquiry,
    understand,
)
from assay.runner.agents.reference.knowledge import Knowledge
from assay.runner.agents.reference.memory import Memory, Task
from assay.runner.agents.reference.recall import recalled
from assay.runner.agents.reference.replies import (
    asks,
    asks_about,
    finds_fault,
    is_evasive,
    is_fragment,
    is_greeting,
    is_noise,
    is_pause,
    yes_or_no,
)
from assay.runner.agents.reference.tasks import TASKS

__all__ = ["ReferenceSession"]

_SWITCH = 0.5
"""How clear a new request has to be before a task under way is left for it."""
_START = 0.45
"""How clear a message has to be before it is taken by itself, and not as going on from the one before."""


_SURE = 0.6
"""How clear another request has to be so that a question about what was just done is not taken for one."""
_HINT, _LEAD = 0.05, 0.4
"""How likely a task has to be, by itself and among those that fit, for an unclear message that brings details along."""
_WEAK = 0.2
"""Below this the leading guess says nothing against what the conversation is plainly going on with."""
_FEW_WORDS = 8
_NOTHING = Understanding("other", 0.0, (), None)


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
        expecting = self._execution.expecting(memory.task) if memory.task else []
        correcting = memory.task.slots if memory.task and memory.task.awaiting_yes else {}
        facts = extract(customer, self._context.date, expecting, correcting)
        kept = {name: value for name, value in facts.items() if name not in _CASUAL or _useful(name, memory, expecting)}
        memory.given.update(kept)
        memory.identity.take(facts)
        return facts

    async def _decide(self, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        memory = self._memory
        offered, memory.offered_colleague = memory.offered_colleague, False
        if is_noise(customer):
            self._not_a_request(customer, _NOTHING, desk)
            return
        open_task = memory.task or self._resumable(seen, facts)
        if open_task is not None and self._execution.over_limit(open_task, facts):
            memory.subject = open_task.intent
            raise HandoffNeededError(Situation.OVER_LIMIT)
        if self._stands(seen, customer, facts):
            self._escalate(seen, customer)
        if offered and seen.intent == "affirm" and yes_or_no(customer) == "yes":
            raise HandoffNeededError(Situation.HUMAN_REQUEST)
        if memory.task is not None:
            await self._continue(memory.task, customer, seen, facts, desk)
        elif not await self._followed_up(customer, seen, facts, desk):
            await self._begin(customer, self._reconsidered(customer, seen, facts), facts, desk)

    def _stands(self, seen: Understanding, customer: str, facts: Slots) -> bool:
        """Whether a person has to take over. A weak guess does not outweigh what the message plainly goes on with."""
        if seen.escalate is None or isinstance(seen.escalate, Situation):
            return seen.escalate is not None
        task = self._memory.task
        if task is not None and set(facts) & set(task.spec.slots) & _PLAIN:
            return seen.confidence >= _SURE
        return seen.confidence >= _WEAK or not (task is not None or self._elliptic(customer, facts))

    def _escalate(self, seen: Understanding, customer: str) -> None:
        """Hand over. Asking for a person, or being in distress, does not change what the conversation is about."""
        memory, why = self._memory, seen.escalate
        assert why is not None
        if not isinstance(why, Situation):
            memory.subject, memory.request = why, customer
        elif self._clear_request(seen) and (memory.subject is None or self._clearly_new(seen)):
            memory.subject, memory.request = seen.intent, customer
        raise HandoffNeededError(why)

    async def _continue(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """Go on with a task under way, unless the customer wants something else now."""
        answered = self._answers(task, facts)
        if task.awaiting_yes:
            await self._confirmed(task, customer, seen, facts, desk)
        elif answered:
            task.take(facts)
            await self._execution.advance(task, desk)
        elif is_pause(customer):
            self._execution.remind(task, desk)
        elif self._new_request(seen, task) and not (is_fragment(customer) or self._evades(customer)):
            await self._turn_to(task, customer, seen, facts, desk)
        elif seen.intent in {CLOSING, "deny"} and seen.confidence >= _SWITCH:
            self._execution.drop(task, desk)
        elif asks(customer) and not self._evades(customer) and self._knowledge.answered(customer, task.request, desk):
            self._execution.remind(task, desk)
        else:
            task.take(facts)
            await self._execution.advance(task, desk)

    async def _turn_to(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """Serve another request in between; a question leaves the task where it was.

        What is no question, or one that the knowledge base does not settle, leaves the task's own question open.
        """
        if not is_inquiry(seen.intent, self._with.policy):
            await self._begin(customer, seen, facts, desk)
        elif asks(customer) and self._knowledge.answered(customer, task.request, desk):
            self._execution.remind(task, desk)
        elif task.awaiting_yes:
            self._execution.ask_again(task, desk)
        else:
            await self._execution.advance(task, desk)

    def _answers(self, task: Task, facts: Slots) -> bool:
        """Whether the message gives something the task was waiting for."""
        wanted = set(task.missing())
        if self._with.needs_verification(task.spec.tool) and not self._memory.identity.verified:
            wanted |= {"customer_number", "date_of_birth"}
        return bool(wanted & set(facts))

    def _evades(self, customer: str) -> bool:
        """Whether what was asked for cannot or will not be told, by whatever name the message calls it."""
        return is_evasive(customer) and not asks_about(customer)

    def _new_request(self, seen: Understanding, task: Task) -> bool:
        return self._clear_request(seen) and seen.intent != task.intent and seen.confidence >= _SWITCH

    def _clear_request(self, seen: Understanding) -> bool:
        known = seen.intent in self._with.policy.intents and seen.intent not in SMALL_TALK
        return known and seen.confidence >= self._with.policy.min_confidence

    def _changes(self, intent: str) -> bool:
        """Whether the intent is a task that changes something, so that it is read back first."""
        return intent in TASKS and self._with.policy.intents[intent].autonomy is AutonomyLevel.CONFIRM

    def _clearly_new(self, seen: Understanding) -> bool:
        """Whether the message is clear enough to change what the conversation is about."""
        return seen.intent != HUMAN_REQUEST and seen.confidence >= _SWITCH

    async def _confirmed(self, task: Task, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> None:
        """The customer's answer to a read-back: a correction, a no, a yes, something else, or unclear."""
        answer = yes_or_no(customer)
        if task.take(facts):
            task.awaiting_yes = False
            await self._execution.advance(task, desk)
        elif is_pause(customer):
            self._execution.remind(task, desk)
        elif answer == "no" and finds_fault(customer) and len(task.spec.slots) > 1:
            task.unset()
            await self._execution.advance(task, desk)
        elif answer == "no":
            self._execution.drop(task, desk)
            if self._new_request(seen, task):
                await self._begin(customer, seen, facts, desk)
        elif answer == "yes":
            await self._execution.carry_out(task, desk)
            if seen.also and seen.also != task.intent:
                await self._begin(customer, Understanding(seen.also, 1.0, (), None), facts, desk)
        elif self._new_request(seen, task):
            await self._turn_to(task, customer, seen, facts, desk)
        elif asks(customer) and self._knowledge.answered(customer, task.request, desk):
            self._execution.remind(task, desk)
        else:
            self._execution.ask_again(task, desk)

    async def _followed_up(self, customer: str, seen: Understanding, facts: Slots, desk: Desk) -> bool:
        """Serve what goes on from a task that was carried out or declined; False where the message does not."""
        memory = self._memory
        other_write = self._changes(seen.intent) and seen.intent != memory.done and seen.confidence >= _SURE
        answer = recalled(customer, memory.told) if memory.told and asks(customer) and not other_write else None
        if answer is not None:
            memory.misunderstandings = 0
            desk.say(self._with.prompt.render("result", text=answer), EXECUTION)
            return True
        if self._elliptic(customer, facts) and memory.done is not None:
            await self._start(memory.done, customer, facts, desk)
            return True
        again = self._resumable(seen, facts)
        if again is not None:
            await self._start(again.intent, customer, again.slots | facts, desk)
            return True
        return False

    def _resumable(self, seen: Understanding, facts: Slots) -> Task | None:
        """The task that was set aside, where the message gives something for it and is no other request."""
        aside = self._memory.set_aside
        if aside is None or not set(facts) & set(aside.spec.slots) or self._new_request(seen, aside):
            return None
        return aside

    def _elliptic(self, customer: str, facts: Slots) -> bool:
        """Whether a few words ask for the task before with another choice: "ok and the savings?"."""
        done = self._memory.done
        if done is None or self._memory.task is not None or len(customer.split()) > _FEW_WORDS:
            return False
        return any(
            facts.get(name, self._memory.told.get(name)) != self._memory.told.get(name)
            for name, _ in TASKS[done].defaults
        )

    async def _start(self, intent: str, customer: str, facts: Slots, desk: Desk) -> None:
        """Begin a task."""
        memory = self._memory
        memory.misunderstandings = 0
        memory.intent = memory.subject = intent
        memory.request, memory.set_aside = customer, None
        memory.task = Task(intent, {}, customer)
        memory.task.take(facts)
        await self._execution.advance(memory.task, desk)

    def _reconsidered(self, customer: str, seen: Understanding, facts: Slots) -> Understanding:
        """What an unclear message asks for, given the details that it brings along.

        Nobody tells their customer number to learn the opening hours: it is one of the tasks, and the message
        before may say which. The same holds for a day with a time of day.
        """
        tasks = self._fitting(facts)
        level = _START if seen.intent in TASKS else _SURE if asks(customer) else 1.0
        if not tasks or seen.confidence >= level:
            return seen
        before = self._memory.messages[-2:-1]
        texts = [
            without_identity(text, self._context.date)
            for text in (customer, *(f"{earlier} {customer}" for earlier in before))
        ]
        readings = [self._with.model.read(text)[0].intents for text in texts]
        chances = {
            name: max(reading.get(name, 0.0) for reading in readings) * (1 + len(set(facts) & _telling(name)))
            for name in tasks
        }
        likely = max(chances, key=lambda name: chances[name])
        clear = chances[likely] >= _HINT and chances[likely] >= _LEAD * sum(chances.values())
        return Understanding(likely, _START, seen.signals, None) if clear else seen

    def _fitting(self, facts: Slots) -> list[str]:
        """The tasks that somebody may have in mind who gives these details unasked."""
        if {"customer_number", "date_of_birth"} & set(facts):
            return [name for name, spec in TASKS.items() if self._with.needs_verification(spec.tool)]
        if {"date", "time"} <= set(facts):
            return [name for name, spec in TASKS.items() if {"date", "time"} <= set(spec.slots)]
        return []

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
            memory.subject = memory.subject or seen.intent
        elif clear and seen.intent in TASKS and self._asked_about(customer, seen.intent, facts, desk):
            return
        elif clear and seen.intent in TASKS:
            await self._start(seen.intent, customer, facts, desk)
        elif {"customer_number", "date_of_birth"} & set(facts):
            desk.say(self._with.prompt.render("slot_request", question="Thank you. What can I do for you?"), TRIAGE)
        else:
            self._not_a_request(customer, seen, desk)

    def _asked_about(self, customer: str, intent: str, facts: Slots, desk: Desk) -> bool:
        """Answer what is asked about a change ("do you charge for that?") before anybody wants it made."""
        spec, memory = TASKS[intent], self._memory
        if not self._changes(intent) or set(facts) & {*spec.arguments, "date_of_birth"} or not asks_about(customer):
            return False
        if not self._knowledge.answered(customer, memory.request, desk):
            return False
        memory.intent = memory.subject = intent
        memory.set_aside = Task(intent, {}, customer)
        return True

    async def _went_on(self, customer: str, facts: Slots, desk: Desk) -> bool:
        """Serve what only makes sense after the request before, such as "and on my savings?"."""
        memory = self._memory
        if memory.intent in TASKS and {name for name, _ in TASKS[memory.intent].defaults} & set(facts):
            await self._start(memory.intent, customer, facts, desk)
            return True
        return self._knowledge.answered(customer, memory.request, desk)

    def _not_a_request(self, customer: str, seen: Understanding, desk: Desk) -> None:
        """Small talk is answered; anything else was not understood, which may happen once in a row."""
        memory, prompt = self._memory, self._with.prompt
        polite = seen.intent == CLOSING or (seen.intent in {"affirm", "deny"} and bool(memory.request))
        if is_greeting(customer) or is_pause(customer):
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
        if memory.subject is None or self._clearly_new(seen):
            memory.subject = seen.intent
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

_PLAIN = frozenset({"card_last4", "new_address", "reference", "branch"})
"""Facts that nobody names but to answer: a message that gives one to a task that needs it goes on with the task."""


def _telling(intent: str) -> set[str]:
    """The details that speak for this task when they are given unasked."""
    return {*TASKS[intent].slots} - {"customer_number"} - _CASUAL


def _useful(name: str, memory: Memory, expecting: list[str]) -> bool:
    return name in expecting or (memory.task is not None and name in memory.task.spec.arguments)
