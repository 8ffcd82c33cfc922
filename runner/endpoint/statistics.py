"""What an endpoint was asked, and what it took."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Statistics"]


@dataclass
class Statistics:
    """Counts of one endpoint. `waited_s` is waiting for our own limits, Retry-After and back-off, over all calls."""

    calls: int = 0
    answered: int = 0
    attempts: int = 0
    throttled: int = 0
    """Attempts that were answered by 429."""
    failed: int = 0
    """Attempts that gave nothing usable, 429 aside."""
    waited_s: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    without_usage: int = 0
    """Answers that do not say how many tokens they took: tokens and cost are without them."""
    cost_usd: float = 0.0

    @property
    def retries(self) -> int:
        """Attempts beyond the first of each call."""
        return max(0, self.attempts - self.calls)
