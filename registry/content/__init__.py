"""Content from disk: datasets, suites, rule packs, their schemas, and the datasets' own checks."""

from assay.registry.content.checks import DatasetCheck, check_dataset, load_expectations
from assay.registry.content.datasets import load_dataset
from assay.registry.content.json_schema import schemas, write_schemas
from assay.registry.content.suites import check_suite, load_rule_packs, load_suite

__all__ = [
    "DatasetCheck",
    "check_dataset",
    "check_suite",
    "load_dataset",
    "load_expectations",
    "load_rule_packs",
    "load_suite",
    "schemas",
    "write_schemas",
]
