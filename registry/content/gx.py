"""What a check looked at, as files: the table, and the suites and checkpoint in Great Expectations' own format."""

from __future__ import annotations

from pathlib import Path

from assay.registry.content.checks import DatasetCheck, tables_of, wanted_by
from assay.registry.content.datasets import EXPECTATIONS_NAME
from assay.registry.content.validation import GX_FOLDER, gx_files
from assay.registry.files import write_file, write_text

__all__ = ["write_gx_files", "write_table"]


def write_gx_files(check: DatasetCheck, *, overwrite: bool = False) -> list[Path]:
    """Write the suites and the checkpoint into the folder `great_expectations` of the dataset's folder.

    They say the same as `expectations.yaml` and the rules that every dataset keeps, for teams that run Great
    Expectations themselves; a check rests on `expectations.yaml` alone. Returns the files that were not so already.

    Raises:
        ContentError: a file says something else, and `overwrite` is not set.
    """
    reader, tables = tables_of(check)
    written: list[Path] = []
    for name, text in gx_files(wanted_by(check, reader), tables, check.folder / EXPECTATIONS_NAME).items():
        path = check.folder / GX_FOLDER / name
        if write_text(path, text, overwrite=overwrite):
            written.append(path)
    return written


def write_table(check: DatasetCheck, file: Path, *, overwrite: bool = False) -> None:
    """Write the table of cases as CSV: the columns that a dataset's own expectations can name."""
    import pandas as pd

    _, tables = tables_of(check)
    table = pd.DataFrame(tables["cases"].columns)
    write_file(file, lambda path: table.to_csv(path, index=False), overwrite=overwrite)
