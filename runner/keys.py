"""What makes two trials the same trial, so that nothing runs twice."""

from __future__ import annotations

from assay.registry.digest import digest_of
from assay.registry.types.suite import ReplaySettings

__all__ = ["trajectory_key", "trial_seed"]


def trajectory_key(bundle_digest: str, case_digest: str, settings: ReplaySettings, trial: int) -> str:
    """Digest of all that a trajectory depends on."""
    return digest_of(
        {"bundle": bundle_digest, "case": case_digest, "settings": settings.model_dump(mode="json"), "trial": trial}
    )


def trial_seed(settings: ReplaySettings, case_digest: str, trial: int) -> int:
    """A 32-bit seed that differs from case to case and trial to trial, and never from run to run."""
    return int(digest_of({"seed": settings.seed, "case": case_digest, "trial": trial})[:8], 16)
