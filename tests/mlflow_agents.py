"""One contact-center agent in all the shapes that MLflow has, as the files that MLflow stores and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["BROKEN", "KINDS", "register_agent"]

_COMMON = '''
import json, os, sys, time
from mlflow.models import set_model


def decide(texts, results, told):
    """Text, call and handoff for a conversation: what the customer said last, and results of tools since."""
    last = texts[-1]
    if "balance" in last and not results:
        return "One moment.", ("get_balance", {"account": "current"}), None
    if "balance" in last:
        found = results[-1]
        return (f"It is {found['balance']}." if "balance" in found else "I cannot see it."), None, None
    if "person" in last:
        return "A colleague takes over.", None, {"reason": "customer_request", "summary": "wants a person"}
    return f"You said {len(texts)} things, {last!r} last, on {told}.", None, None


def chat(messages):
    texts, results = [], []
    for m in messages:
        if m["role"] == "user":
            texts.append(m["content"])
            results = []
        elif m["role"] == "tool":
            results.append(json.loads(m["content"]))
    return texts, results


def calls(call, handoff, count):
    made = [call] if call else []
    made += [("transfer_to_human", handoff)] if handoff else []
    return [{"id": f"c{count}-{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(args)}}
            for n, (name, args) in enumerate(made)]
'''

_RESPONSES = """
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentResponse


class Agent(ResponsesAgent):
    def predict(self, request):
        texts, results = [], []
        for item in (i.model_dump() for i in request.input):
            if item.get("role") == "user":
                texts.append(item["content"])
                results = []
            elif item["type"] == "function_call_output" and "handed" not in item["output"]:
                results.append(json.loads(item["output"]))
        told = (request.custom_inputs or {}).get("date")
        text, call, handoff = decide(texts, results, told)
        output = [self.create_text_output_item(text, f"m{len(request.input)}")]
        for made in calls(call, handoff, len(request.input)):
            name, arguments = made["function"]["name"], made["function"]["arguments"]
            output.append(self.create_function_call_item(made["id"], made["id"], name, arguments))
        return ResponsesAgentResponse(output=output)
"""

_CHAT_AGENT = """
from mlflow.pyfunc import ChatAgent
from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse


class Agent(ChatAgent):
    def predict(self, messages, context=None, custom_inputs=None):
        plain = [m.model_dump() for m in messages if m.role != "tool" or "handed" not in m.content]
        text, call, handoff = decide(*chat(plain), (custom_inputs or {}).get("date"))
        message = ChatAgentMessage(role="assistant", id=str(len(messages)), content=text,
                                   tool_calls=calls(call, handoff, len(messages)) or None)
        usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
        return ChatAgentResponse(messages=[message], usage=usage)
"""

_CHAT_MODEL = """
from mlflow.pyfunc import ChatModel
from mlflow.types.llm import ChatChoice, ChatCompletionResponse, ChatMessage


class Agent(ChatModel):
    def predict(self, context, messages, params=None):
        plain = [m.to_dict() for m in messages if m.role != "tool" or "handed" not in m.content]
        text, call, handoff = decide(*chat(plain), None)
        message = {"role": "assistant", "content": text}
        if made := calls(call, handoff, len(messages)):
            message["tool_calls"] = made
        choice = ChatChoice.from_dict({"index": 0, "message": message, "finish_reason": "stop"})
        return ChatCompletionResponse(choices=[choice], model="m")
"""

_PYFUNC = """
from mlflow.pyfunc import PythonModel


class Agent(PythonModel):
    def predict(self, context, model_input, params=None):
        messages = [m for m in model_input["messages"] if m["role"] != "tool" or "handed" not in m["content"]]
        text, call, handoff = decide(*chat(messages), None)
        return {"role": "assistant", "content": text, "tool_calls": calls(call, handoff, len(messages))}
"""

_TYPED = """
import pydantic
from typing import Any
from mlflow.pyfunc import PythonModel


class Request(pydantic.BaseModel):
    messages: list[dict[str, Any]]


class Agent(PythonModel):
    def predict(self, model_input: list[Request]) -> list[dict[str, Any]]:
        messages = [m for m in model_input[0].messages if m["role"] != "tool" or "handed" not in m["content"]]
        text, call, handoff = decide(*chat(messages), None)
        return [{"content": text, "tool_calls": calls(call, handoff, len(messages))}]
"""

_END = "\nset_model(Agent())\n"
KINDS = {
    "responses": _RESPONSES,
    "chat_agent": _CHAT_AGENT,
    "chat_model": _CHAT_MODEL,
    "pyfunc": _PYFUNC,
    "typed": _TYPED,
}

_BROKEN = """
from mlflow.pyfunc import PythonModel


class Agent(PythonModel):
    def predict(self, context, model_input, params=None):
        last = model_input["messages"][-1]["content"]
        {body}
"""
BROKEN = _BROKEN.format(
    body="""
        if last == "raise": raise ValueError("no such account")
        if last == "exit": sys.exit(3)
        if last == "hang": time.sleep(3600)
        answers = {
            "none": None, "number": 7, "list": ["a", "b"], "empty": {}, "object": object(),
            "nan": {"content": float("nan")},
            "error": {"error": {"message": "quota"}}, "role": {"messages": [{"role": "user", "content": "hi"}]},
            "arguments": {"content": "", "tool_calls": [{"id": "1", "function": {"name": "x", "arguments": "{"}}]},
            "again": {"content": "", "tool_calls": [{"id": str(len(model_input["messages"])), "function":
                      {"name": "get_balance", "arguments": "{}"}}]},
            "silent": "", "item": {"output": [{"type": "computer_call", "id": "1"}]},
        }
        if model_input["messages"][-1]["role"] == "tool": last = "again"
        return answers.get(last, "fine")
"""
)


def register_agent(client: Any, folder: Path, name: str, code: str, requirements: tuple[str, ...] = ("mlflow",)) -> str:
    """Save and register a model; its address with the number of its version."""
    import mlflow.pyfunc

    folder.mkdir(parents=True)
    (folder / "agent.py").write_text(_COMMON + code + _END)
    mlflow.pyfunc.save_model(
        str(folder / "model"), python_model=str(folder / "agent.py"), pip_requirements=list(requirements)
    )
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, source=(folder / "model").as_uri(), await_creation_for=0)
    return f"models:/{name}/{version.version}"
