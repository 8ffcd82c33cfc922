"""What an endpoint did not do."""

from __future__ import annotations

from assay.registry.errors import AssayError

__all__ = ["AnswerError", "AttemptError", "EndpointError"]


class EndpointError(AssayError):
    """The endpoint gave no usable answer, after all that was worth trying.

    Its text names the endpoint without user info and query, and holds no key: it may stand in a trajectory.
    """

    def __init__(
        self, endpoint: str, problem: str, *, attempts: int = 1, seconds: float = 0.0, status: int | None = None
    ) -> None:
        self.endpoint, self.attempts, self.seconds, self.status = endpoint, attempts, seconds, status
        super().__init__(f"{endpoint} {problem}")


class AnswerError(Exception):
    """What came back is no chat completion, or not a whole one."""


class AttemptError(Exception):
    """One attempt at a call failed. Inside this package only: callers see `EndpointError`.

    `retry`: another attempt may do better. `throttled`: the endpoint asks for fewer requests. `after`: seconds that it
    wants to be left alone. `says`: its own words.
    """

    def __init__(
        self,
        what: str,
        *,
        status: int | None = None,
        says: str = "",
        retry: bool = True,
        throttled: bool = False,
        unreachable: bool = False,
        after: float | None = None,
    ) -> None:
        self.what, self.status, self.says, self.retry = what, status, says, retry
        self.throttled, self.unreachable, self.after = throttled, unreachable, after
        super().__init__(what)

    def __str__(self) -> str:
        return f"{self.what}{f'. It says: {self.says}' if self.says else ''}"
