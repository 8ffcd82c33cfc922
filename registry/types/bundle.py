"""Bundles: the file a user writes, the manifest that is promoted, and a registered version of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from assay.registry.types.base import AutonomyLevel, Digest, Frozen, JsonValue, Name


class ToolSpec(Frozen):
    """A tool the agent may call. `writes` tells whether it changes something for the customer.

    `needs_verification`: the customer's identity has to be verified before it is called.
    """

    name: Name
    description: str
    writes: bool = False
    needs_verification: bool = False
    arguments: dict[str, str] = {}
    """Argument name to what it means."""


class Role(Frozen):
    """A part the agent plays, with the tools it may call and the data it may touch."""

    name: Name
    description: str = ""
    tools: tuple[Name, ...] = ()
    data: tuple[Name, ...] = ()
    may_search: bool = False
    may_hand_off: bool = False


class IntentPolicy(Frozen):
    """What the agent may do alone for one intent, and where it hands the rest."""

    autonomy: AutonomyLevel
    queue: Name | None = None
    reason: str | None = None
    """Why the intent goes to a person, for `human`: an escalation reason."""


class AutonomyPolicy(Frozen):
    """`min_confidence`: below it, the agent asks again and then hands off. `limits`: amounts in US dollars above
    which a tool call is a boundary transaction, by tool.
    """

    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.4
    max_verification_attempts: Annotated[int, Field(ge=1)] = 2
    default_queue: Name = "general"
    limits: dict[Name, float] = {}
    intents: dict[Name, IntentPolicy]


AdapterKind = Literal["embedded", "openai", "http", "callable", "mlflow"]


class Adapter(Frozen):
    """Which kind of agent the bundle runs, with the adapter's settings. All of it is part of the bundle's digest."""

    kind: AdapterKind = "embedded"
    settings: dict[str, JsonValue] = {}


class RetrievalConfig(Frozen):
    """How the agent searches its knowledge."""

    chunking: Literal["document", "section", "paragraph"] = "section"
    top_k: Annotated[int, Field(ge=1, le=50)] = 3
    min_score: Annotated[float, Field(ge=0)] = 0.0
    include_internal: bool = False
    include_superseded: bool = False
    k1: Annotated[float, Field(gt=0)] = 1.5
    b: Annotated[float, Field(ge=0, le=1)] = 0.75


class TriageConfig(Frozen):
    """How the embedded agent's triage model is trained: all that goes in, so that equal configs give equal models."""

    kind: Literal["triage"] = "triage"
    regularisation: Annotated[float, Field(gt=0)] = 10.0
    """Inverse strength of the L2 penalty (scikit-learn's C)."""
    char_ngrams: tuple[int, int] = (2, 4)
    word_ngrams: tuple[int, int] = (1, 2)
    seed: int = 0


class ChatConfig(Frozen):
    """A language model behind an OpenAI-compatible endpoint: what is asked of it, and what it costs.

    What is not set is left to the endpoint. `parameters` go into the body of each request as they are.
    """

    kind: Literal["chat"]
    name: Annotated[str, Field(min_length=1)]
    """What the endpoint calls the model."""
    temperature: Annotated[float, Field(ge=0)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    parameters: dict[str, JsonValue] = {}
    input_usd_per_million: Annotated[float, Field(ge=0)] = 0.0
    """Price of a million tokens of input, in US dollars."""
    output_usd_per_million: Annotated[float, Field(ge=0)] = 0.0


class ExternalConfig(Frozen):
    """A model that lies behind somebody else's endpoint: its owner declares what it is, and nobody can check."""

    kind: Literal["external"]
    name: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]


class CodeConfig(Frozen):
    """An agent's own source: a file or folder relative to the bundle file, stored in MLflow and digested by content."""

    kind: Literal["code"]
    path: Annotated[str, Field(min_length=1)]


MLFLOW_URI_PATTERN = r"^models:/[^/@]+/[1-9][0-9]*$"


class MlflowConfig(Frozen):
    """A model that is registered in MLflow, pinned by number."""

    kind: Literal["mlflow"]
    uri: Annotated[str, Field(pattern=MLFLOW_URI_PATTERN)]


def _with_kind(value: Any) -> Any:
    """A model whose kind is not said is a triage model."""
    if not isinstance(value, dict):
        return value
    model = cast("dict[str, Any]", value)
    return model if "kind" in model else {"kind": "triage", **model}


ModelConfig = Annotated[
    TriageConfig | ChatConfig | ExternalConfig | CodeConfig | MlflowConfig,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
"""The model of a bundle, by kind."""

MODEL_OF: dict[AdapterKind, str] = {
    "embedded": "triage",
    "openai": "chat",
    "http": "external",
    "callable": "code",
    "mlflow": "mlflow",
}
"""The kind of model that each kind of agent runs on."""


class _RetrievalSource(RetrievalConfig):
    knowledge: str
    """Folder of Markdown documents, relative to the bundle file."""


class TriageSource(TriageConfig):
    """A triage model as a bundle file names it."""

    utterances: str
    """CSV file of labelled utterances, relative to the bundle file."""


_ModelSource = Annotated[
    TriageSource | ChatConfig | ExternalConfig | CodeConfig | MlflowConfig,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]


class _PromptSource(Frozen):
    file: str


class BundleSource(Frozen):
    """`bundle.yaml` as a user writes it; paths are relative to that file.

    An agent that has its prompt or its knowledge inside leaves `prompt` or `retrieval` out.
    """

    schema_version: Literal[1] = 1
    agent: Name
    description: str = ""
    adapter: Adapter = Adapter()
    prompt: _PromptSource | None = None
    retrieval: _RetrievalSource | None = None
    model: _ModelSource
    tools: tuple[ToolSpec, ...] = ()
    roles: tuple[Role, ...] = ()
    autonomy: AutonomyPolicy

    @model_validator(mode="after")
    def _references_exist(self) -> BundleSource:
        _check_parts(self.adapter.kind, self.model.kind, self.prompt is not None, self.retrieval is not None)
        check_references(self.tools, self.roles)
        declared = {tool.name for tool in self.tools}
        for tool in self.autonomy.limits:
            if tool not in declared:
                raise ValueError(f"autonomy.limits names the tool {tool!r}, which is not declared under 'tools'")
        return self


class BundleManifest(Frozen):
    """The content of a bundle, by digest. Its own digest is the bundle's identity.

    No version numbers stand in it: equal content has one digest in every store.
    """

    schema_version: Literal[1] = 1
    agent: Name
    description: str = ""
    adapter: Adapter
    prompt_digest: Digest | None
    """None where the agent has its prompt inside."""
    retrieval: RetrievalConfig | None
    knowledge_digest: Digest | None
    model: ModelConfig
    model_source_digest: Digest
    """Over what the model is made from: the configuration, and the utterances or the source files."""
    model_digest: Digest
    """Over the model's bytes as they are stored."""
    tools: tuple[ToolSpec, ...]
    roles: tuple[Role, ...]
    autonomy: AutonomyPolicy


class ArtifactVersion(Frozen):
    """Where one artifact lies in MLflow, and the digest of what was stored there."""

    name: str
    version: int
    digest: Digest


class BundleVersion(Frozen):
    """A registered bundle: its manifest, digest, and where its parts lie in MLflow."""

    name: Name
    version: int
    digest: Digest
    manifest: BundleManifest
    prompt: ArtifactVersion | None
    retrieval: ArtifactVersion | None
    model: ArtifactVersion

    @property
    def parts(self) -> dict[str, ArtifactVersion]:
        """The parts that the bundle has, by what they are."""
        return named_parts(self.prompt, self.retrieval, self.model)

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.name} v{self.version}"


def named_parts(
    prompt: ArtifactVersion | None, retrieval: ArtifactVersion | None, model: ArtifactVersion
) -> dict[str, ArtifactVersion]:
    """The parts that are there, by what they are."""
    parts = {"prompt": prompt, "retrieval": retrieval, "model": model}
    return {kind: part for kind, part in parts.items() if part is not None}


def _check_parts(adapter: AdapterKind, model: str, prompt: bool, retrieval: bool) -> None:
    if model != MODEL_OF[adapter]:
        raise ValueError(f"an agent of kind {adapter!r} runs on a model of kind {MODEL_OF[adapter]!r}, not {model!r}")
    if adapter in {"embedded", "openai"} and not prompt:
        raise ValueError(f"an agent of kind {adapter!r} needs the key 'prompt'")
    if adapter == "embedded" and not retrieval:
        raise ValueError("an agent of kind 'embedded' needs the key 'retrieval'")


def check_references(tools: tuple[ToolSpec, ...], roles: tuple[Role, ...]) -> None:
    """Raises ValueError where a tool or role stands twice or a role names a tool that is not declared."""
    names = [tool.name for tool in tools]
    for kind, all_names in (("tool", names), ("role", [role.name for role in roles])):
        twice = sorted({name for name in all_names if all_names.count(name) > 1})
        if twice:
            raise ValueError(f"{kind} {twice[0]!r} is declared twice")
    for role in roles:
        for tool in role.tools:
            if tool not in names:
                raise ValueError(f"role {role.name!r} names the tool {tool!r}, which is not declared under 'tools'")
