"""Settings of an HTTP agent: where it is, what is sent along, how much it may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, model_validator

from assay.registry.errors import ContentError
from assay.registry.strict import validation_problems
from assay.registry.types.base import Frozen
from assay.registry.types.bundle import Adapter
from assay.runner.agents.settings import read_adapter_settings
from assay.runner.endpoint.settings import EndpointSettings, Retries

__all__ = ["HttpSettings", "endpoint_settings", "read_http_settings", "shown_url"]

Positive = Annotated[float, Field(gt=0)]
_KEY = "adapter.settings"


class HttpSettings(Frozen):
    """One of `url` and `url_env` says where turns are posted to. Secrets come from the environment, by name."""

    url: str | None = None
    url_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Variable that holds the URL, where it differs from place to place."""
    headers: dict[str, str] = {}
    """Sent with each request, e.g. `Authorization: Bearer ${TOKEN}`. `${NAME}` is taken from the environment."""
    attempt_timeout_s: Positive | None = None
    """How long one attempt may take. Where it is not given: half of what is left of the turn."""
    max_in_flight: Annotated[int, Field(ge=1, le=1024)] = 64
    """Requests at once, at most. A service that answers 429 gets fewer for a while."""
    requests_per_minute: Positive | None = None
    use_proxy: bool = False
    """Go through the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name."""
    retries: Retries = Retries()

    @model_validator(mode="after")
    def _one_place(self) -> HttpSettings:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("one of 'url' and 'url_env' has to say where the agent is")
        try:
            self.endpoint("http://localhost" if self.url is None else self.url)
        except ValidationError as error:
            raise ValueError(_told(error)) from None
        return self

    def endpoint(self, url: str, share: float = 1.0) -> EndpointSettings:
        """The same, of the endpoint at `url`, with this part of the limits. Raises ValidationError."""
        per_minute = self.requests_per_minute
        return EndpointSettings(
            base_url=url,
            api_key_env=None,
            headers=self.headers,
            max_in_flight=max(1, int(self.max_in_flight * share)),
            requests_per_minute=None if per_minute is None else per_minute * share,
            attempt_timeout_s=self.attempt_timeout_s,
            use_proxy=self.use_proxy,
            retries=self.retries,
        )


def read_http_settings(adapter: Adapter, file: Path | None = None) -> HttpSettings:
    """The settings of an HTTP agent. Raises ContentError, with `file` where it is given."""
    return read_adapter_settings(adapter, HttpSettings, file)


def endpoint_settings(
    settings: HttpSettings, environ: Mapping[str, str], share: float = 1.0
) -> tuple[str, EndpointSettings]:
    """The URL, and the endpoint's settings with this part of the limits.

    Raises:
        ContentError: the variable that holds the URL is not set, or holds none.
    """
    if settings.url is not None:
        return settings.url, settings.endpoint(settings.url, share)
    name = settings.url_env or ""
    url = environ.get(name, "").strip()
    if not url:
        raise ContentError(f"the environment variable {name} is not set", key=f"{_KEY}.url_env")
    try:
        return url, settings.endpoint(url, share)
    except ValidationError as error:
        why = _told(error).removeprefix("url: ")
        raise ContentError(f"the environment variable {name}: {why}", key=f"{_KEY}.url_env") from None


def shown_url(url: str) -> str:
    """The URL without user info, query and fragment, as it may stand in an error."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _told(error: ValidationError) -> str:
    """The first problem, without what was given, which may hold a password."""
    key, text = validation_problems(error, EndpointSettings)[0]
    return f"{'url' if key == 'base_url' else key}: {text.partition(' (given')[0]}"
