"""The ledger: the append-only, hash-chained record of evaluations, decisions and promotions.

Importing this package does not import sqlmodel; opening a ledger does.
"""

from __future__ import annotations

from assay.registry.ledger.ledger import Ledger
from assay.registry.ledger.records import Entry, Evaluation, Promotion, RecordedDecision

__all__ = ["Entry", "Evaluation", "Ledger", "Promotion", "RecordedDecision"]
