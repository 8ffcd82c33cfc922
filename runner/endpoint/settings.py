"""Which endpoint, with which key and within which limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import SplitResult, urlsplit, urlunsplit

from pydantic import Field, field_validator

from assay.registry.errors import ContentError
from assay.registry.types.base import Frozen
from assay.runner.endpoint.secrets import Secrets, fill_in

__all__ = ["EndpointSettings", "Retries", "Target", "target_of"]

_VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
_HEADER_NAME = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|password", re.IGNORECASE)
_OWN_HEADERS = frozenset(
    {"content-type", "content-length", "host", "transfer-encoding", "connection", "idempotency-key"}
)

Positive = Annotated[float, Field(gt=0)]


class Retries(Frozen):
    """How patient a call is. Seconds throughout."""

    max_attempts: Annotated[int, Field(ge=1)] = 8
    """Attempts that may fail in one call. Being told to slow down (429) is no failure; failing to connect is another
    matter, see `dead_after_s`."""
    first_wait_s: Positive = 0.5
    longest_wait_s: Positive = 8.0
    """The n-th wait is drawn evenly from 0 to `first_wait_s` times 2 to the n, at most this ("full jitter")."""
    patience_s: Positive = 300.0
    """What a call waits in all between its attempts, for Retry-After and for back-off."""
    dead_after_s: Positive = 60.0
    """An endpoint that has given nothing usable for so long gets three attempts from each further call, no more; one
    that never gave anything, after 10 s already."""


class EndpointSettings(Frozen):
    """An OpenAI-compatible endpoint. Values come from here, or by name from the environment; keys only from there."""

    base_url: str | None = None
    """What `/chat/completions` is put behind, e.g. `http://localhost:8000/v1`. From `base_url_env` where not given."""
    base_url_env: Annotated[str, Field(pattern=_VARIABLE_NAME)] = "OPENAI_BASE_URL"
    api_key_env: Annotated[str, Field(pattern=_VARIABLE_NAME)] | None = "OPENAI_API_KEY"
    """Variable that holds the bearer token; null for an endpoint that needs none. A server on this machine can do
    without as long as the variable is not named here."""
    headers: dict[str, str] = {}
    """Sent with each request. `${NAME}` is taken from the environment."""
    max_in_flight: Annotated[int, Field(ge=1, le=1024)] = 64
    """Requests at once, at most. An endpoint that answers 429 gets fewer for a while."""
    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    attempt_timeout_s: Positive | None = None
    """How long one attempt may take. Where it is not given: half of what is left of the turn."""
    use_proxy: bool = False
    """Go through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name."""
    retries: Retries = Retries()

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        if value is not None:
            _checked_url(value)
        return value

    @field_validator("headers")
    @classmethod
    def _headers_can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        for name, content in value.items():
            if not _HEADER_NAME.match(name):
                raise ValueError(f"{name!r} is no name of a header")
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"the header {name!r} is not for you to set")
            if any(character in content for character in "\r\n\0"):
                raise ValueError(f"the header {name!r} has more than one line")
            if _SECRET_HEADER.search(name) and "${" not in content:
                raise ValueError(f"the header {name!r} takes its value from the environment: write ${{NAME}}")
        return value


@dataclass(frozen=True, repr=False)
class Target:
    """Where requests go, with what. It is not to be printed, so it has no repr of its content."""

    url: str
    models_url: str
    shown: str
    """The URL as it may be shown: without user info and query."""
    headers: Mapping[str, str]
    key_variable: str | None
    """The variable that the key came from; None where none was sent."""
    secrets: Secrets


def target_of(settings: EndpointSettings, environ: Mapping[str, str], *, key: str = "adapter.settings") -> Target:
    """The endpoint with what the environment says.

    Raises:
        ContentError: a variable is not set or its value cannot be used; names the variable, never its value.
    """
    url = _url(settings, environ, key)
    headers: dict[str, str] = {}
    secret: list[str] = []
    variable = None
    own = any(name.lower() == "authorization" for name in settings.headers)
    if not own and (token := _token(settings, environ, url, key)):
        variable = settings.api_key_env
        headers["Authorization"] = f"Bearer {token}"
        secret.append(token)
    for name, content in settings.headers.items():
        headers[name], values = fill_in(content, environ, key=f"{key}.headers.{name}")
        secret += values
        if values and _SECRET_HEADER.search(name):
            variable = variable or content[content.index("${") + 2 : content.index("}")]
    for name, content in headers.items():
        if not content.isascii() or not content.isprintable():
            raise ContentError(f"the value of the header {name!r} has characters that no header can have", key=key)
    return Target(
        url=_below(url, "chat/completions"),
        models_url=_below(url, "models"),
        shown=_shown(url, "chat/completions"),
        headers=headers,
        key_variable=variable,
        secrets=Secrets(secret),
    )


def _token(settings: EndpointSettings, environ: Mapping[str, str], url: SplitResult, key: str) -> str:
    """The bearer token; empty where none is needed. Raises ContentError where it is missing."""
    variable, asked_for = settings.api_key_env, "api_key_env" in settings.model_fields_set
    if variable is None or (not asked_for and any(_SECRET_HEADER.search(name) for name in settings.headers)):
        return ""  # an endpoint that is given another key is not shown this one
    token = environ.get(variable, "").strip()
    if token or (not asked_for and _is_local(url)):
        return token
    raise ContentError(
        f"the environment variable {variable} is not set: it should hold the key for {_shown(url)}. "
        "An endpoint that needs no key has 'api_key_env: null'",
        key=f"{key}.api_key_env",
    )


def _url(settings: EndpointSettings, environ: Mapping[str, str], key: str) -> SplitResult:
    if settings.base_url is not None:
        return _checked_url(settings.base_url)
    variable = settings.base_url_env
    value = environ.get(variable, "").strip()
    if not value:
        raise ContentError(
            f"neither 'base_url' nor the environment variable {variable} says where the endpoint is",
            key=f"{key}.base_url",
        )
    try:
        return _checked_url(value)
    except ValueError as error:
        raise ContentError(f"the environment variable {variable}: {error}", key=f"{key}.base_url_env") from None


def _checked_url(value: str) -> SplitResult:
    """The parts of a URL. Raises ValueError, without the URL, which may hold a password."""
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError:
        raise ValueError("it is no URL") from None
    if url.scheme not in {"http", "https"} or not host:
        raise ValueError("a URL with http:// or https:// and a host is expected")
    if url.username is not None or url.password is not None:
        raise ValueError("a URL here holds no user and no password: they belong in the environment, see 'headers'")
    if any(character.isspace() for character in value):
        raise ValueError("there is white space in the URL")
    return url


def _below(url: SplitResult, name: str) -> str:
    path = url.path.rstrip("/").removesuffix("/chat/completions")
    return urlunsplit((url.scheme, url.netloc, f"{path}/{name}", url.query, ""))


def _shown(url: SplitResult, name: str = "") -> str:
    return _below(url._replace(query=""), name).rstrip("/")


def _is_local(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
