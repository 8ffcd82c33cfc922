"""Bundles: the file a user writes, the manifest that is promoted, and a registered version of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class Adapter(Frozen):
    """Which kind of agent the bundle runs, with the adapter's settings."""

    kind: Literal["embedded"] = "embedded"
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


class ModelConfig(Frozen):
    """How the triage model is trained. Everything that goes into it, so that equal configs give equal models."""

    kind: Literal["triage"] = "triage"
    regularisation: Annotated[float, Field(gt=0)] = 10.0
    """Inverse strength of the L2 penalty (scikit-learn's C)."""
    char_ngrams: tuple[int, int] = (2, 4)
    word_ngrams: tuple[int, int] = (1, 2)
    seed: int = 0


class _RetrievalSource(RetrievalConfig):
    knowledge: str
    """Folder of Markdown documents, relative to the bundle file."""


class _ModelSource(ModelConfig):
    utterances: str
    """CSV file of labelled utterances, relative to the bundle file."""


class _PromptSource(Frozen):
    file: str


class BundleSource(Frozen):
    """`bundle.yaml` as a user writes it; paths are relative to that file."""

    schema_version: Literal[1] = 1
    agent: Name
    description: str = ""
    adapter: Adapter = Adapter()
    prompt: _PromptSource
    retrieval: _RetrievalSource
    model: _ModelSource
    tools: tuple[ToolSpec, ...] = ()
    roles: tuple[Role, ...] = ()
    autonomy: AutonomyPolicy

    @model_validator(mode="after")
    def _references_exist(self) -> BundleSource:
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
    prompt_digest: Digest
    retrieval: RetrievalConfig
    knowledge_digest: Digest
    model: ModelConfig
    model_source_digest: Digest
    """Over what the model was trained from: the utterances and the configuration."""
    model_digest: Digest
    """Over the trained model's bytes as they are stored."""
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
    prompt: ArtifactVersion
    retrieval: ArtifactVersion
    model: ArtifactVersion

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.name} v{self.version}"


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
