"""Print the types that programs make of a published file: `read_published.py FILE READER ...`.

Each line is a row of a table of docs/reference/readers.md.
"""

import sys
import warnings
from collections.abc import Callable

import duckdb
import ibis
import pandas as pd
import polars as pl

QUERY = """
SELECT s.hostname, s.user_count, s.active, s.group_ids, g.member_query, s.created_at
FROM systems s CROSS JOIN user_groups g ORDER BY s.hostname
"""


def _open(file: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(file, read_only=True)
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    return connection


def _ibis(file: str) -> object:
    connection = ibis.duckdb.connect(file, read_only=True)
    return connection.table("systems").cross_join(connection.table("user_groups"))


READERS: dict[str, Callable[[str], object]] = {
    "DuckDB `.df()`": lambda file: _open(file).sql(QUERY).df(),
    "DuckDB `.pl()`": lambda file: _open(file).sql(QUERY).pl(),
    "DuckDB `.to_arrow_table()`": lambda file: _open(file).sql(QUERY).to_arrow_table(),
    "`pandas.read_sql`": lambda file: pd.read_sql(QUERY, _open(file)),
    "`polars.read_database`": lambda file: pl.read_database(QUERY, _open(file)),
    "ibis `.to_pyarrow()`": lambda file: _ibis(file).to_pyarrow(),
    "ibis `.execute()`": lambda file: _ibis(file).execute(),
}


def _types(found: object) -> list[str]:
    """Return the types of the columns of `QUERY`."""
    names = ("hostname", "user_count", "active", "group_ids", "member_query", "created_at")
    if hasattr(found, "dtypes"):
        return [str(found[name].dtype) for name in names]
    return [str(found[name].type) for name in names]


def main() -> None:
    """Print a row for each reader."""
    warnings.simplefilter("ignore")  # pandas warns of DuckDB's connections
    for name in sys.argv[2:]:
        cells = [name, *(f"`{type_}`" for type_ in _types(READERS[name](sys.argv[1])))]
        print(f"| {' | '.join(cells)} |")  # noqa: T201


if __name__ == "__main__":
    main()
