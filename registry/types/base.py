"""Ground rules that every domain type shares."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

__all__ = [
    "NAME_PATTERN",
    "AutonomyLevel",
    "Digest",
    "EscalationReason",
    "Frozen",
    "JsonValue",
    "Name",
    "RiskTier",
    "Severity",
]


class Frozen(BaseModel):
    """Immutable, and strict at the edge: unknown keys and non-finite numbers are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_bytes="base64")


NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=120)]
"""An identifier that is safe in a file name, a URL and a YAML key."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 in lower-case hexadecimal."""


class RiskTier(StrEnum):
    """How much harm a wrong answer can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class AutonomyLevel(StrEnum):
    """What the agent may do alone for an intent."""

    AUTONOMOUS = "autonomous"
    CONFIRM = "confirm"
    HUMAN = "human"


class EscalationReason(StrEnum):
    """Why a conversation has to be handed to a person."""

    LOW_CONFIDENCE = "low_confidence"
    INCOMPLETE_INFORMATION = "incomplete_information"
    WORKFLOW_EXCEPTION = "workflow_exception"
    EMOTIONAL_DISTRESS = "emotional_distress"
    POLICY_AMBIGUITY = "policy_ambiguity"
    BOUNDARY_TRANSACTION = "boundary_transaction"
    PROTECTED_DATA = "protected_data"
    INTERPRETATION_REQUIRED = "interpretation_required"
    MATERIAL_IMPACT = "material_impact"
    CUSTOMER_REQUEST = "customer_request"


class Severity(StrEnum):
    """How bad a finding is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
