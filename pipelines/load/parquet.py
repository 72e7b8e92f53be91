"""Parquet files as DuckDB reads them."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.load.quoting import quoted


def parquet(files: Sequence[Path]) -> str:
    """SQL of the rows of files of one table, in the files' order.

    A column that a file does not have is NULL: files of an earlier version have fewer.
    """
    paths = ", ".join(map(quoted, map(str, files)))
    # A folder named column=value is no column of the table.
    return f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"
