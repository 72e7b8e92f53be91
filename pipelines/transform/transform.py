"""Runs one transform: Arrow tables in, one table of the data contract out, joined by DuckDB.

DuckDB rather than dataframes in Python, because pairs of systems and users can be a thousand times
their number: it works in parallel, spills to disk, and its types are those of the contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling

from pipelines.schema.model import Table
from pipelines.sql import in_memory
from pipelines.transform.ipv4 import ipv4_scope

# JumpCloud's times are ISO 8601; "never" is year 1 (fact sheet, section 12).
_MACROS = """
CREATE MACRO text_of(value) AS nullif(value, '');
CREATE MACRO time_of(value) AS CASE
    WHEN date_part('year', try_cast(value AS TIMESTAMPTZ)) > 1 THEN try_cast(value AS TIMESTAMPTZ)
END;
CREATE MACRO as_set(items) AS coalesce(list_sort(list_distinct(items)), []);
"""


@dataclass(frozen=True)
class Transform:
    """How one table of the contract comes from others.

    Attributes:
        table: the table it gives, without first and last sight.
        inputs: raw endpoint tables read, as `jumpcloud.<endpoint>`, and tables of the contract.
        sql: the query; `$integration` is the integration's name, the columns are the table's.
    """

    table: Table
    inputs: tuple[str, ...]
    sql: str

    def run(
        self,
        integration: str,
        frames: Mapping[str, pa.Table],
        outer: duckdb.DuckDBPyConnection | None = None,
    ) -> pa.Table:
        """The table, its rows in the order of its key.

        Args:
            integration: name of the integration, the first column.
            frames: the inputs by name.
            outer: a connection from `in_memory`, to share its memory.
        """
        with in_memory(outer) as connection:
            connection.execute(f"CREATE SCHEMA jumpcloud; {_MACROS}")
            connection.create_function(
                "ipv4_scope", ipv4_scope, null_handling=FunctionNullHandling.SPECIAL
            )
            for number, name in enumerate(self.inputs):
                connection.register(f"frame_{number}", frames[name])
                connection.execute(f"CREATE VIEW {name} AS FROM frame_{number}")
            columns = ", ".join(self.table.arrow_schema.names)
            query = f"SELECT {columns} FROM ({self.sql}) ORDER BY {', '.join(self.table.key)}"
            relation = connection.sql(query, params={"integration": integration})
            table: pa.Table = relation.to_arrow_table()
            connection.remove_function("ipv4_scope")
            return table.cast(self.table.arrow_schema)
