"""The MLflow store: prompts, retrieval configs, models, bundles, aliases and runs.

MLflow's version numbers and tags can be changed by anyone with write access. Nothing here trusts them for
identity: what is resolved is compared with the digests that the bundle's manifest carries, and the bundle's
own digest is what decisions and promotions in the ledger name.

Importing this package does not import MLflow; opening a store does.
"""

from __future__ import annotations

from assay.registry.store.refs import BundleRef, parse_bundle_ref
from assay.registry.store.resolve import ResolvedBundle
from assay.registry.store.runs import RunSummary
from assay.registry.store.store import Registration, Store, VersionSummary

__all__ = ["BundleRef", "Registration", "ResolvedBundle", "RunSummary", "Store", "VersionSummary", "parse_bundle_ref"]
