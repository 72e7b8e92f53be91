"""Print how readers see the folders of a history without an option: `read_plainly.py SAME MIXED`.

All files of the history in the folder `SAME` have the same columns. In `MIXED`, an older snapshot
has no column `policies_total`. Each line is a row of a table of docs/reference/readers.md.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial

import dask.dataframe as dd
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from datafusion import SessionContext

SYSTEMS = "data/history/systems"
FOLDERS = ["integration", "snapshot"]


def _duckdb(root: str) -> pa.Table:
    query = f"FROM read_parquet('{root}/{SYSTEMS}/*/*/*.parquet', hive_partitioning = true)"
    return duckdb.sql(query).to_arrow_table()


def _datafusion(root: str) -> pa.Table:
    context = SessionContext()
    location = f"LOCATION '{root}/{SYSTEMS}/'"
    context.sql(f"CREATE EXTERNAL TABLE systems STORED AS PARQUET {location}")
    return context.sql("FROM systems SELECT *").to_arrow_table()


def _pandas(read: Callable[[str], pd.DataFrame], root: str) -> pa.Table:
    return pa.Table.from_pandas(read(f"{root}/{SYSTEMS}"))


READERS: dict[str, Callable[[str], pa.Table]] = {
    "DuckDB `read_parquet`": _duckdb,
    'pyarrow `ds.dataset(..., partitioning="hive")`': lambda root: ds.dataset(
        f"{root}/{SYSTEMS}", partitioning="hive"
    ).to_table(),
    "pyarrow `pq.read_table`": lambda root: pq.read_table(f"{root}/{SYSTEMS}"),
    "pandas `read_parquet`": partial(_pandas, pd.read_parquet),
    "polars `scan_parquet`": lambda root: pl.scan_parquet(f"{root}/{SYSTEMS}").collect().to_arrow(),
    "dask `read_parquet`": partial(_pandas, lambda path: dd.read_parquet(path).compute()),
    "DataFusion `CREATE EXTERNAL TABLE`": _datafusion,
}


def _reason(error: Exception) -> str:
    """Return the first words of an error, or of the one that caused it."""
    return f"refused: `{str(error.__cause__ or error).partition(' outside')[0]}`"


def _type_name(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        return f"category of {_type_name(type_.value_type)}"
    return str(type_).removeprefix("large_").replace("string_view", "string")


def _folders(read: Callable[[str], pa.Table], root: str) -> list[str]:
    """Return the values of the integration, and the types of both folders."""
    try:
        table = read(root)
    except (ValueError, pl.exceptions.PolarsError) as error:
        return [_reason(error), "", ""]
    values = sorted({f"`{value}`" for value in table["integration"].to_pylist()})
    return [", ".join(values), *(_type_name(table[name].type) for name in FOLDERS)]


def _later_column(read: Callable[[str], pa.Table], root: str) -> str:
    try:
        names = read(root).column_names
    except (ValueError, pl.exceptions.PolarsError) as error:
        return _reason(error)
    return "there" if "policies_total" in names else "dropped"


def main() -> None:
    """Print a row for each reader."""
    warnings.simplefilter("ignore")
    same, mixed = sys.argv[1:]
    for name, read in READERS.items():
        cells = [name, *_folders(read, same), _later_column(read, mixed)]
        print(f"| {' | '.join(cells)} |")  # noqa: T201


if __name__ == "__main__":
    main()
