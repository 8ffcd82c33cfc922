"""Conversations that an application traced into MLflow, read as plain records.

One trace is one thing the customer said. The traces of one session (metadata `mlflow.trace.session`) are one
conversation, in the order of their time; a trace without a session is a conversation of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.registry.errors import AssayError, NotFoundError
from assay.registry.store.connection import Connection, absent, without_secrets
from assay.registry.workspace import Workspace, WorkspaceConfig

if TYPE_CHECKING:
    from mlflow.entities import Span, Trace

__all__ = ["RecordedCall", "RecordedSession", "RecordedTurn", "read_sessions", "recorded_turn", "workspace_at"]

_SESSION = "mlflow.trace.session"
_PAGE = 200


@dataclass(frozen=True)
class RecordedCall:
    """A tool call as its span shows it. `error` is set where the call failed."""

    name: str
    inputs: Any
    outputs: Any
    error: str | None


@dataclass(frozen=True)
class RecordedTurn:
    """One trace: what its root span took and gave, the calls in between, and what people noted on it.

    `notes` are its tags and metadata that are not MLflow's own; `expectations` its expectation assessments.
    """

    trace_id: str
    started_ms: int
    inputs: Any
    outputs: Any
    failed: bool
    calls: tuple[RecordedCall, ...]
    notes: Mapping[str, str]
    expectations: Mapping[str, Any]


@dataclass(frozen=True)
class RecordedSession:
    """The turns of one conversation, in order. `session` is None for a trace that names none."""

    session: str | None
    turns: tuple[RecordedTurn, ...]


def workspace_at(tracking_uri: str) -> Workspace:
    """Something to open an MLflow store with that is not that of a workspace.

    Raises:
        AssayError: the address is of a sqlite file that does not exist; opening it would make one.
    """
    workspace = Workspace(Path.cwd(), WorkspaceConfig(tracking_uri=tracking_uri), {})
    prefix = "sqlite:///"
    if workspace.tracking_uri.startswith(prefix):
        path = Path(workspace.tracking_uri.removeprefix(prefix).split("?")[0])
        if not path.is_file():
            raise AssayError(f"there is no MLflow database {path}")
    return workspace


def read_sessions(
    workspace: Workspace, experiment: str, *, calls_named: Collection[str] = ()
) -> tuple[RecordedSession, ...]:
    """Every conversation of an experiment, by the time of its first trace.

    Args:
        workspace: where the store is.
        experiment: its name or id.
        calls_named: spans of these names are calls too, whatever their type.

    Raises:
        NotFoundError: there is no such experiment.
        AssayError: the store cannot be opened.
    """
    connection = Connection(workspace)
    number = _experiment(connection, experiment)
    sessions: dict[tuple[str, str], list[RecordedTurn]] = {}
    for trace in sorted(_traces(connection, number), key=_began):
        session = (trace.info.trace_metadata or {}).get(_SESSION)
        key = ("session", session) if session else ("trace", trace.info.trace_id)
        sessions.setdefault(key, []).append(recorded_turn(trace, calls_named))
    return tuple(
        RecordedSession(name if kind == "session" else None, tuple(turns)) for (kind, name), turns in sessions.items()
    )


def _experiment(connection: Connection, experiment: str) -> str:
    found = connection.client.get_experiment_by_name(experiment)
    if found is None and experiment.isdigit():
        with absent():
            found = connection.client.get_experiment(experiment)
    if found is None or found.lifecycle_stage != "active":
        names = [e.name for e in connection.client.search_experiments()]
        raise NotFoundError("experiment", experiment, names, where=without_secrets(connection.uri))
    return found.experiment_id


def _traces(connection: Connection, experiment: str) -> Iterator[Trace]:
    token: str | None = None
    while True:
        page = connection.client.search_traces(
            locations=[experiment], max_results=_PAGE, order_by=["timestamp_ms ASC"], page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def _began(trace: Trace) -> tuple[int, str]:
    """By the nanosecond where there are spans: two turns may share a millisecond."""
    starts = [span.start_time_ns for span in trace.data.spans if span.parent_id is None]
    return (min(starts, default=int(trace.info.request_time) * 1_000_000), trace.info.trace_id)


def recorded_turn(trace: Trace, calls_named: Collection[str] = ()) -> RecordedTurn:
    """A trace as a plain record. Spans named in `calls_named` are calls, whatever their type."""
    spans = list(trace.data.spans)
    root = next((span for span in spans if span.parent_id is None), None)
    noted = {**(trace.info.trace_metadata or {}), **(trace.info.tags or {})}
    assessments = [a for a in trace.info.assessments or [] if a.expectation is not None]
    return RecordedTurn(
        trace_id=trace.info.trace_id,
        started_ms=int(trace.info.request_time),
        inputs=root.inputs if root else None,
        outputs=root.outputs if root else None,
        failed=str(getattr(trace.info.state, "value", trace.info.state)) != "OK",
        calls=tuple(_call(span) for span in _calls(spans, calls_named)),
        notes={key: str(value) for key, value in noted.items() if not key.startswith("mlflow.")},
        expectations={a.name: a.expectation.value for a in assessments if a.expectation is not None},
    )


def _calls(spans: list[Span], calls_named: Collection[str]) -> list[Span]:
    """Spans that are the agent's calls, in order. A tool within a tool is how the outer one works."""
    by_id = {span.span_id: span for span in spans}
    tools = {span.span_id for span in spans if span.span_type == "TOOL" or span.name in calls_named}

    def inside(span: Span) -> bool:
        parent = by_id.get(span.parent_id) if span.parent_id else None
        return parent is not None and (parent.span_id in tools or inside(parent))

    outer = [span for span in spans if span.span_id in tools and span.parent_id is not None and not inside(span)]
    return sorted(outer, key=lambda span: span.start_time_ns)


def _call(span: Span) -> RecordedCall:
    failed = str(getattr(span.status.status_code, "value", span.status.status_code)) == "ERROR"
    return RecordedCall(
        name=span.name,
        inputs=span.inputs,
        outputs=span.outputs,
        error=(span.status.description or "the tool failed") if failed else None,
    )
