"""Run one transform: Arrow tables in, one table of the data contract out, joined by DuckDB.

DuckDB rather than dataframes, because there can be a thousand times more pairs of systems and users
than systems. DuckDB joins in parallel, spills to disk, and has the types of the contract.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_network

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling

from pipelines.schema.model import Table
from pipelines.sql import in_memory

# Times are ISO 8601. A clock's zero (in the years 1, 1601, 1970 and 1980) and its last year, 9999,
# mean "never".
# The pattern rejects words that DuckDB takes for a time, such as `infinity` and `today`.
_MACROS = r"""
CREATE MACRO text_of(value) AS nullif(value, '');
CREATE MACRO time_of(value) AS CASE
    WHEN regexp_matches(value, '^\s*\d{4}-')
        AND try_cast(value AS TIMESTAMPTZ) >= TIMESTAMPTZ '1981-01-01 00:00:00+00'
        AND try_cast(value AS TIMESTAMPTZ) < TIMESTAMPTZ '9999-01-01 00:00:00+00'
    THEN try_cast(value AS TIMESTAMPTZ)
END;
CREATE MACRO as_set(items) AS coalesce(list_sort(list_distinct(items)), []);
"""
# RFC 1918, RFC 4193 and RFC 6598. The library's `is_private` covers many more networks.
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_CGNAT = ip_network("100.64.0.0/10")
_PARSED_ADDRESS = "STRUCT(address TEXT, family INTEGER, scope TEXT)"


@dataclass(frozen=True)
class Transform:
    """Query that makes one table of the contract.

    Attributes:
        table: the table, without the columns `first_seen_at` and `last_seen_at`.
        inputs: tables that the query reads: raw tables as `jumpcloud.<endpoint>`, and tables of the
            contract.
        sql: the query, with the columns of the table; `$integration` is the integration's name.
            It may use `text_of`, `time_of`, `as_set` and `parse_address`, and DuckDB's functions.
        steps: statements that make tables for the query, one after the other. DuckDB keeps the
            parts of a single query in memory until its end.
    """

    table: Table
    inputs: tuple[str, ...]
    sql: str
    steps: str = ""

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
                "parse_address",
                parse_address,
                ["TEXT"],
                _PARSED_ADDRESS,
                null_handling=FunctionNullHandling.SPECIAL,
            )
            for number, name in enumerate(self.inputs):
                connection.register(f"frame_{number}", frames[name])
                connection.execute(f"CREATE VIEW {name} AS FROM frame_{number}")
            connection.execute(self.steps)
            columns = ", ".join(self.table.arrow_schema.names)
            query = f"SELECT {columns} FROM ({self.sql}) ORDER BY {', '.join(self.table.key)}"
            relation = connection.sql(query, params={"integration": integration})
            table: pa.Table = relation.to_arrow_table()
            connection.remove_function("parse_address")
            return table.cast(self.table.arrow_schema)


def parse_address(text: str | None) -> dict[str, str | int] | None:
    """Return the shortest form, family and scope of an address, or None if it reaches no device.

    The scope is `private`, `public`, `cgnat` or `other`. None is returned for loopback, link-local,
    unspecified and multicast addresses, and for text that is not an address.
    """
    text = text or ""
    try:
        address = IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None
    if address.is_loopback or address.is_link_local or "%" in text:
        return None
    if address.is_unspecified or address.is_multicast:
        return None
    if any(address in network for network in _PRIVATE):
        scope = "private"
    elif address in _CGNAT:
        scope = "cgnat"
    else:
        scope = "public" if address.is_global else "other"
    return {"address": str(address), "family": address.version, "scope": scope}
