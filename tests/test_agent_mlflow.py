"""Models in MLflow as agents: every shape, what they do wrong, and what was changed behind a bundle's back."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from mlflow_agents import BROKEN, KINDS, register_agent
from mlflow_server import free_port, serving
from tiny_bundle import train, workspace

from assay.cli.serving import LOADER, _load_pyfunc
from assay.registry.digest import digest_of
from assay.registry.errors import AssayError, ContentError, IntegrityError, NotFoundError
from assay.registry.store import Store
from assay.registry.types.case import Case
from assay.registry.types.suite import ReplaySettings
from assay.registry.types.trajectory import Outcome, Trajectory
from assay.runner.agents.factory import build_agent, check_bundle_file
from assay.runner.journal import Journal
from assay.runner.replay import plan, replay

_BUNDLE = """
agent: support
adapter: {{kind: mlflow, settings: {settings}}}
model: {{kind: mlflow, uri: "{uri}"}}
tools:
  - {{name: get_balance, description: Balance of an account., arguments: {{account: current or savings}}}}
autonomy: {{intents: {{balance: {{autonomy: autonomous}}}}}}
{more}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(workspace(tmp_path_factory.mktemp("mlflow-agents") / "ws"))


@pytest.fixture(scope="module")
def client(store):
    import mlflow

    store.agents()
    return mlflow.MlflowClient(store.workspace.tracking_uri, store.workspace.tracking_uri)


@pytest.fixture(scope="module")
def addresses(client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    kinds = {**KINDS, "broken": BROKEN}
    return {kind: register_agent(client, folder / kind, f"{kind}-agent", code) for kind, code in kinds.items()}


def write(folder: Path, uri: str, settings: str = "{}", more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.yaml").write_text(_BUNDLE.format(uri=uri, settings=settings, more=more))
    return folder / "bundle.yaml"


def agent_of(store: Store, folder: Path, uri: str, settings: str = "{}"):
    file = write(folder, uri, settings)
    check_bundle_file(file)
    version = store.register(file, train).version
    return build_agent(store.resolve(f"support/{version.version}"), folder)


def case(name: str, *turns: str, **more) -> Case:
    return Case.model_validate(
        {
            "id": name,
            "intent": "balance",
            "risk_tier": "low",
            "autonomy": "autonomous",
            "date": "2026-03-02",
            "turns": [{"customer": text} for text in turns],
            "tools": [{"name": "get_balance", "arguments": {"account": "current"}, "result": {"balance": 12}}],
            "expect": {"escalation": {"required": False}},
            **more,
        }
    )


def run(agent, tmp_path: Path, *cases: Case, timeout_s: float = 20.0) -> dict[str, Trajectory]:
    settings = ReplaySettings(turn_timeout_s=timeout_s)
    trials = plan(cases, {c.id: digest_of(c) for c in cases}, "b" * 64, settings, 1)

    async def collect():
        journal = Journal(tmp_path / "journal")
        done = replay(
            agent,
            trials,
            agent_name="support",
            bundle_digest="b" * 64,
            settings=settings,
            journal=journal,
        )
        return {item.trial.case.id: item.trajectory async for item in done}

    return asyncio.run(collect())


# --- every shape ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_conversation_with_a_tool_and_a_handoff(store, addresses, tmp_path, kind):
    agent = agent_of(store, tmp_path, addresses[kind])
    turns = ("Hello", "What is my balance?", "Thanks", "A person please", "Are you there?")
    done = run(agent, tmp_path, case("one", *turns))["one"]
    assert (done.outcome, done.error) == (Outcome.COMPLETED, None)
    told = "2026-03-02" if kind in {"responses", "chat_agent"} else None
    assert [turn.reply for turn in done.turns] == [
        f"You said 1 things, 'Hello' last, on {told}.",
        "One moment.\nIt is 12.",
        f"You said 3 things, 'Thanks' last, on {told}.",
        "A colleague takes over.",
        f"You said 5 things, 'Are you there?' last, on {told}.",
    ]
    (call,) = [call for turn in done.turns for call in turn.tool_calls]
    assert (call.name, call.arguments, call.result) == ("get_balance", {"account": "current"}, {"balance": 12})
    ((index, packet),) = done.handoffs
    assert (index, packet.reason, packet.summary) == (4, "customer_request", "wants a person")
    assert done.usage.input_tokens == (30 if kind == "chat_agent" else 0)


def test_a_failed_tool_is_told_to_the_model(store, addresses, tmp_path):
    agent = agent_of(store, tmp_path, addresses["responses"])
    broken = [{"name": "get_balance", "error": "timeout"}]
    done = run(agent, tmp_path, case("one", "What is my balance?", tools=broken))["one"]
    assert done.turns[0].reply == "One moment.\nI cannot see it."


def test_conversations_do_not_mix(store, addresses, tmp_path):
    agent = agent_of(store, tmp_path, addresses["chat_agent"], "{max_concurrency: 3}")
    cases = [case(f"c{n}", f"I am {n}", "What is my balance?") for n in range(20)]
    done = run(agent, tmp_path, *cases)
    assert {key: t.turns[0].reply.split("'")[1] for key, t in done.items()} == {f"c{n}": f"I am {n}" for n in range(20)}
    assert {t.turns[1].reply for t in done.values()} == {"One moment.\nIt is 12."}


def test_asking_it_leaves_no_traces_in_the_store(store, client, addresses, tmp_path):
    import mlflow

    run(agent_of(store, tmp_path, addresses["responses"]), tmp_path, case("one", "Hello"))
    mlflow.flush_trace_async_logging()
    assert client.search_traces(locations=["0"], max_results=1) == []


def test_a_bundle_on_a_model_is_a_model_itself(store, addresses, tmp_path):
    """The champion can be loaded and served whatever it is made of, without the model's own version."""
    store.register(write(tmp_path, addresses["responses"]), train, loader=LOADER)
    number = store.aliases("support")["candidate"]
    source = store._connection.client.get_model_version_download_uri("support", str(number))
    folder = Path(shutil.copytree(source.removeprefix("file://"), tmp_path / "copy"))
    model = _load_pyfunc(str(folder))
    asked = {"messages": [{"role": "user", "content": "What is my balance?"}]}
    (said, wanted) = model.predict(asked)["messages"]
    assert (said["content"], wanted["tool_calls"][0]["function"]["name"]) == ("One moment.", "get_balance")
    file = next((folder / "parts" / "model").glob("*.py"))
    file.write_text(file.read_text() + "\n")
    with pytest.raises(IntegrityError, match=r"the file agent.py of the MLflow model models:/responses-agent/1"):
        _load_pyfunc(str(folder))


# --- what it does wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("raise", "ValueError: no such account"),
        ("exit", "SystemExit: 3"),
        ("none", "the model answered with NoneType"),
        ("number", "the model answered with int"),
        ("list", "the model answered with a list of 2"),
        ("empty", "neither 'output', 'messages', 'choices' nor 'content', but no keys"),
        ("object", "something of the type object that is no JSON"),
        ("nan", "no JSON"),
        ("error", "the model reports an error"),
        ("role", "role 'user' cannot come from the agent"),
        ("arguments", "the call of 'x': the arguments are"),
        ("again", "asked for tool calls 50 times"),
        ("item", "type 'computer_call' cannot be recorded"),
    ],
)
def test_nonsense_counts_against_the_agent_and_says_what_it_was(broken, tmp_path, says, expected):
    done = run(broken, tmp_path, case("one", says), case("two", "well"))
    assert done["one"].outcome is Outcome.AGENT_ERROR
    assert expected in str(done["one"].error)
    assert done["two"].outcome is Outcome.COMPLETED


@pytest.fixture
def broken(store, addresses, tmp_path):
    return agent_of(store, tmp_path, addresses["broken"])


def test_silence_is_no_reply(broken, tmp_path):
    assert run(broken, tmp_path, case("one", "silent"))["one"].outcome is Outcome.NO_REPLY


def test_a_model_that_hangs_ends_by_its_deadline_and_the_others_go_on(store, addresses, tmp_path):
    agent = agent_of(store, tmp_path, addresses["broken"], "{max_concurrency: 1}")
    cases = [case("stuck", "hang"), *(case(f"c{n}", "well") for n in range(5))]
    done = run(agent, tmp_path, *cases, timeout_s=0.5)
    assert done.pop("stuck").outcome is Outcome.TIMEOUT
    assert {t.outcome for t in done.values()} == {Outcome.COMPLETED}


# --- what cannot be run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("models:/responses-agent/9", r"no MLflow model named 'models:/responses-agent/9'.*models:/responses-agent/1"),
        ("models:/respones-agent/1", "no MLflow model named"),
    ],
)
def test_a_model_that_is_not_there(store, addresses, tmp_path, uri, expected):
    with pytest.raises(NotFoundError, match=expected):
        store.register(write(tmp_path, uri), train)


def test_a_model_with_the_name_of_the_agent(tmp_path):
    with pytest.raises(ContentError, match=r"model.uri: the bundles of 'support' are registered under this name"):
        check_bundle_file(write(tmp_path, "models:/support/1"))


@pytest.mark.parametrize("uri", ["models:/a@champion", "models:/a/Production", "models:/a/latest", "runs:/1/m", "a"])
def test_a_model_that_is_not_pinned_by_number(tmp_path, uri):
    with pytest.raises(ContentError, match=r"pinned by number, as models:/NAME/VERSION"):
        check_bundle_file(write(tmp_path, uri))


@pytest.mark.parametrize(
    ("settings", "more", "expected"),
    [
        ("{handof_tool: x}", "", "handoff_tool"),
        ("{max_concurrency: 0}", "", "adapter.settings.max_concurrency"),
        ("{handoff_tool: get_balance}", "", "'get_balance' is the tool by which the agent hands off"),
        ("{}", "retrieval: {knowledge: kb}", "has its knowledge inside"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, settings, more, expected):
    with pytest.raises(ContentError, match=expected):
        check_bundle_file(write(tmp_path, "models:/a/1", settings, more))


def test_a_model_that_takes_no_conversation(store, client, tmp_path):
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types.schema import ColSpec, Schema

    (tmp_path / "agent.py").write_text(_NUMBERS)
    signature = ModelSignature(inputs=Schema([ColSpec("double", "age"), ColSpec("double", "income")]))
    model = str(tmp_path / "model")
    save_model(model, python_model=str(tmp_path / "agent.py"), signature=signature, pip_requirements=["mlflow"])
    client.create_registered_model("scores")
    client.create_model_version("scores", source=(tmp_path / "model").as_uri(), await_creation_for=0)
    with pytest.raises(ContentError, match="models:/scores/1 takes age, income; an agent takes a conversation"):
        agent_of(store, tmp_path, "models:/scores/1")


_NUMBERS = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Scores(PythonModel):
    def predict(self, context, model_input, params=None):
        return [0.5]


set_model(Scores())
"""


def test_packages_that_are_not_installed_are_named(store, client, tmp_path):
    needs = ("mlflow", "nowhere-to-be-found==2.1")
    uri = register_agent(client, tmp_path / "model", "needy-agent", KINDS["pyfunc"], needs)
    source = Path(client.get_model_version("needy-agent", "1").source.removeprefix("file://"))
    code = source / "agent.py"
    code.write_text("import nowhere_to_be_found\n" + code.read_text())
    with pytest.raises(AssayError, match=r"packages that are not installed here: nowhere-to-be-found==2.1\."):
        agent_of(store, tmp_path, uri)


@pytest.mark.parametrize("how", ["edited", "added", "removed", "gone"])
def test_a_model_that_was_changed_after_registration_is_refused_by_name(store, client, tmp_path, how):
    name = f"changed-{how}"
    uri = register_agent(client, tmp_path / "model", name, KINDS["pyfunc"])
    file = write(tmp_path, uri)
    number = store.register(file, train).version.version
    source = Path(client.get_model_version(name, "1").source.removeprefix("file://"))
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "agent.pyc").write_bytes(b"what Python leaves behind")
    store.resolve(f"support/{number}")
    if how == "edited":
        (source / "agent.py").write_text((source / "agent.py").read_text() + "\n")
    elif how == "added":
        (source / "extra.py").write_text("")
    elif how == "removed":
        (source / "requirements.txt").unlink()
    else:
        client.delete_model_version(name, "1")
    wanted = {"edited": "agent.py", "added": "extra.py", "removed": "requirements.txt"}.get(how, "")
    with pytest.raises((IntegrityError, NotFoundError), match=f"{wanted}.*models:/{name}/1"):
        store.resolve(f"support/{number}")
    if how != "gone":
        # What is there now is another bundle; the old one stays what it was.
        again = store.register(file, train)
        assert again.created
        assert store.resolve("support@candidate").version == again.version


# --- behind a server --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(store, addresses, tmp_path_factory):
    """`mlflow models serve` of the ResponsesAgent."""
    folder = tmp_path_factory.mktemp("serving")
    with serving(store, addresses["responses"], folder) as address:
        yield address


def test_a_served_model_converses_as_a_loaded_one(store, addresses, server, tmp_path, monkeypatch):
    monkeypatch.setenv("SUPPORT_URL", server)
    agent = agent_of(store, tmp_path, addresses["responses"], "{url_env: SUPPORT_URL}")
    done = run(agent, tmp_path, case("one", "Hello", "What is my balance?", "A person please"))["one"]
    assert (done.outcome, done.error) == (Outcome.COMPLETED, None)
    assert [turn.reply for turn in done.turns] == [
        "You said 1 things, 'Hello' last, on 2026-03-02.",
        "One moment.\nIt is 12.",
        "A colleague takes over.",
    ]
    assert [packet.reason for _, packet in done.handoffs] == ["customer_request"]


def test_what_a_served_model_does_wrong_is_told_without_the_request(store, addresses, server, tmp_path):
    """This one breaks where the result of a tool is a number."""
    agent = agent_of(store, tmp_path, addresses["responses"], f"{{url: '{server}/invocations'}}")
    tools = [{"name": "get_balance", "result": 5}]
    done = run(agent, tmp_path, case("one", "What is my balance?", tools=tools), case("two", "Hello"))
    assert done["one"].outcome is Outcome.AGENT_ERROR
    assert "the model failed or does not take such a request (HTTP 400)" in str(done["one"].error)
    assert "What is my balance" not in str(done["one"].error)
    assert done["two"].outcome is Outcome.COMPLETED


def test_a_server_that_is_not_there(store, addresses, tmp_path):
    quick = "retries: {max_attempts: 2, first_wait_s: 0.01, dead_after_s: 0.05}"
    agent = agent_of(store, tmp_path, addresses["pyfunc"], f"{{url: 'http://127.0.0.1:{free_port()}', {quick}}}")
    done = run(agent, tmp_path, case("one", "Hello"))["one"]
    assert done.outcome is Outcome.ENDPOINT_ERROR
    assert "/invocations gave no usable answer" in str(done.error)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{headers: {A: b}}", "'headers' is for a model behind a server"),
        ("{url: 'ftp://x'}", "http://"),
        ("{url: 'http://x', url_env: X}", "one of 'url' and 'url_env'"),
        ("{url: 'http://x', headers: {Authorization: Bearer 123}}", "takes its value from the environment"),
    ],
)
def test_settings_of_a_server_that_do_not_fit(tmp_path, settings, expected):
    with pytest.raises(ContentError, match=expected):
        check_bundle_file(write(tmp_path, "models:/a/1", settings))


def test_a_variable_that_is_not_set_is_named(store, addresses, tmp_path):
    with pytest.raises(ContentError, match="the environment variable NO_SUCH_URL is not set"):
        agent_of(store, tmp_path, addresses["pyfunc"], "{url_env: NO_SUCH_URL}")
