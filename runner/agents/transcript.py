"""What was said in a conversation so far, for agents that are told it anew each turn."""

from __future__ import annotations

from collections.abc import Iterable

from assay.runner.agents.base import ConversationContext
from assay.runner.agents.contract import Message, ToolAnswer, TurnRequest

__all__ = ["Transcript"]


class Transcript:
    """The messages of one conversation; begins with its golden history, where it has one."""

    def __init__(self, context: ConversationContext) -> None:
        self._context = context
        self._messages: list[Message] = []
        self._turn = 0
        for past in context.history:
            self.add(past.customer, (past.reply,))

    def request(
        self, message: str, answers: tuple[ToolAnswer, ...] = (), *, conversation: str | None = None
    ) -> TurnRequest:
        """What the agent is told about the turn that begins with `message`; `conversation` is another id for it."""
        context = self._context
        return TurnRequest(
            conversation=conversation or context.conversation,
            turn=self._turn + 1,
            message=message,
            history=tuple(self._messages),
            channel=context.channel,
            language=context.language,
            date=context.date,
            seed=context.seed,
            tool_results=answers,
        )

    def add(self, message: str, replies: Iterable[str]) -> None:
        """The turn is over: what the customer said and read. A reply without words is no message."""
        self._turn += 1
        self._messages.append(Message(role="user", content=message))
        text = "\n".join(reply for reply in replies if reply.strip())
        if text:
            self._messages.append(Message(role="assistant", content=text))
