"""Run one transform: Arrow tables in, one table of the data contract out, joined by DuckDB.

DuckDB rather than dataframes, because there can be a thousand times more pairs of systems and users
than systems. DuckDB joins in parallel, spills to disk, and has the types of the contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling

from pipelines.schema.model import Table
from pipelines.sql import in_memory

# JumpCloud's times are ISO 8601, and year 1 means "never" (docs/reference/jumpcloud-api.md,
# section 12). Python has no years beyond 9999.
_MACROS = """
CREATE MACRO text_of(value) AS nullif(value, '');
CREATE MACRO time_of(value) AS CASE
    WHEN try_cast(value AS TIMESTAMPTZ) >= TIMESTAMPTZ '0002-01-01 00:00:00+00'
        AND try_cast(value AS TIMESTAMPTZ) < TIMESTAMPTZ '10000-01-01 00:00:00+00'
        THEN try_cast(value AS TIMESTAMPTZ)
END;
CREATE MACRO as_set(items) AS coalesce(list_sort(list_distinct(items)), []);
"""
# RFC 1918 and RFC 6598. The library's `is_private` covers many more networks than RFC 1918.
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_CGNAT = IPv4Network("100.64.0.0/10")


@dataclass(frozen=True)
class Transform:
    """Query that makes one table of the contract.

    Attributes:
        table: the table, without the columns `first_seen_at` and `last_seen_at`.
        inputs: tables that the query reads: raw tables as `jumpcloud.<endpoint>`, and tables of the
            contract.
        sql: the query, with the columns of the table; `$integration` is the integration's name.
            It may use `text_of`, `time_of`, `as_set` and `ipv4_scope`, and DuckDB's functions.
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
        """Return the table, sorted by its key.

        Args:
            integration: name of the integration, for the first column.
            frames: the input tables by name.
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


def ipv4_scope(text: str | None) -> str | None:
    """Return `private`, `public`, `cgnat` or `other`, or None if a device cannot be reached by it.

    None is returned for loopback, link-local, unspecified and multicast addresses, and for text
    that is not an IPv4 address in dotted form.
    """
    try:
        address = IPv4Address(text or "")
    except AddressValueError:
        return None
    if address.is_loopback or address.is_link_local:
        return None
    if address.is_unspecified or address.is_multicast:
        return None
    if any(address in network for network in _PRIVATE):
        return "private"
    if address in _CGNAT:
        return "cgnat"
    return "public" if address.is_global else "other"
