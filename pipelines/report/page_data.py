"""Read the data of the inventory page: tables as columns, with row numbers instead of ids."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import SCHEMA
from pipelines.schema.model import Column, Table
from pipelines.schema.tables import (
    APPLICATIONS,
    IPV4_ADDRESSES,
    SYSTEM_GROUPS,
    SYSTEMS,
    USER_GROUPS,
    USERS,
)
from pipelines.schema.timeline import EVENTS

# Values of all tables together: about 5 MB of HTML, which a browser opens in two seconds.
MAX_VALUES = 3_000_000

# The assets that have a page of their own.
SHOWN = (SYSTEMS, USERS, APPLICATIONS, SYSTEM_GROUPS, USER_GROUPS, IPV4_ADDRESSES)
# Lists that repeat a relationship, which the page draws.
_REPEATED = {"ipv4_addresses", "group_ids", "group_names", "system_group_ids", "system_ids"}

# Rows of the macro's form: one for each user group, and one with NULL for a direct binding.
_USER_GROUP_IDS = """unnest(CASE
    WHEN len(via_user_group_ids) = 0 THEN [NULL]
    WHEN direct THEN list_prepend(NULL, via_user_group_ids)
    ELSE via_user_group_ids
END) AS user_group_id"""


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Attributes:
        name: its name.
        sql: query of its rows, in order.
        source: table that has at most as many rows and is quick to count; empty if none.
        narrow: query of the names alone, for an asset table with too many fields.
        ends: asset tables without which the rows have no meaning.
        is_cut: True if the first rows are of use without the others.
    """

    name: str
    sql: str
    source: str = ""
    narrow: str = ""
    ends: tuple[Table, ...] = ()
    is_cut: bool = False


@dataclass
class PageData:
    """The tables of the page.

    Attributes:
        tables: columns by table, each as a list, or as distinct values and their numbers.
        omitted: number of rows that are left out, by table.
        narrowed: asset tables that have names without the other fields.
    """

    tables: dict[str, dict[str, object]] = field(default_factory=dict)
    omitted: dict[str, int] = field(default_factory=dict)
    narrowed: list[str] = field(default_factory=list)


def read_page_data(connection: duckdb.DuckDBPyConnection) -> PageData:
    """Return the rows of the page, the most important tables first until `MAX_VALUES`.

    Args:
        connection: a connection in UTC that uses the published file.
    """
    connection.execute(f"CREATE TEMP TABLE nodes AS {_nodes_sql()}")
    data, room = PageData(), MAX_VALUES
    for table in _page_tables():
        is_known = all(end.name not in data.omitted for end in table.ends)
        rows, omitted = _read(connection, table, table.sql, room if is_known else 0)
        if omitted and table.narrow:
            rows, omitted = _read(connection, table, table.narrow, room)
            data.narrowed += [] if omitted else [table.name]
        if omitted:
            data.omitted[table.name] = omitted
        room -= rows.num_rows * rows.num_columns
        data.tables[table.name] = {name: _encode(rows, name) for name in rows.column_names}
    return data


def _read(
    connection: duckdb.DuckDBPyConnection, table: PageTable, sql: str, room: int
) -> tuple[pa.Table, int]:
    """Return the rows that fit into the room, and the number of those that do not."""
    relation = connection.sql(sql)
    limit = room // len(relation.columns)
    if table.source:
        # Not even sorted if there are too many.
        ((found,),) = connection.sql(f"SELECT count(*) FROM {table.source}").fetchall()
        if found > limit:
            return relation.limit(0).to_arrow_table(), found
    rows = relation.limit(limit + 1).to_arrow_table()
    if rows.num_rows <= limit:
        return rows, 0
    ((found,),) = connection.sql(f"SELECT count(*) FROM ({sql})").fetchall()
    rows = rows.slice(0, limit if table.is_cut else 0)
    return rows, found - rows.num_rows


def _encode(rows: pa.Table, name: str) -> object:
    """Return a column as a list; texts as a dictionary of values and their numbers."""
    column = rows.column(name).combine_chunks()
    if not pa.types.is_string(column.type):
        return column.to_pylist()
    encoded = column.dictionary_encode()
    return {"values": encoded.dictionary.to_pylist(), "codes": encoded.indices.to_pylist()}


def _nodes_sql() -> str:
    """Return SQL with a number for each asset of `SHOWN`, in the order of names.

    A user group may be known only as a part of a path, because its list was not pulled.
    """
    parts = [
        f"SELECT '{t.name}' AS type, integration, {t.key[0]} AS id, {t.display_name('t')} AS name "
        f"FROM {t.name} t"
        for t in SHOWN
    ]
    paths = " UNION ALL ".join(
        f"SELECT integration, unnest(via_user_group_ids) AS id FROM {name}"
        for name in ("application_users", "system_group_users")
    )
    listed = "SELECT integration, user_group_id FROM user_groups"
    parts.append(
        f"SELECT DISTINCT 'user_groups', integration, id, id FROM ({paths}) "
        f"WHERE (integration, id) NOT IN ({listed})"
    )
    return f"""
SELECT *, (row_number() OVER (PARTITION BY type ORDER BY integration, name, id) - 1)::INTEGER AS n
FROM ({" UNION ALL ".join(parts)})
"""


def _page_tables() -> Iterator[PageTable]:
    """Yield the tables of the page, the most important first."""
    for table in SHOWN:
        names = [column for column in table.published_columns if column.name in table.labels]
        yield PageTable(
            table.name,
            _asset_sql(table, table.published_columns),
            source=table.name,
            narrow=_asset_sql(table, names),
        )
    for name, query, ends in _EDGES:
        yield PageTable(name, query, source=name, ends=ends)
    yield PageTable("findings", _findings_sql())
    yield PageTable(
        "local_accounts", _LOCAL_ACCOUNTS, source="system_local_accounts", ends=(SYSTEMS,)
    )
    yield PageTable("events", _EVENTS, is_cut=True)


def _asset_sql(table: Table, columns: Sequence[Column]) -> str:
    """Return SQL of the rows of an asset table, in the order of their numbers."""
    values = []
    for column in columns:
        if column.name in {"integration", table.key[0], *_REPEATED}:
            continue
        value = f"t.{column.name}"
        if column.type == "TIMESTAMPTZ":
            value = f"epoch({value})::BIGINT"
        elif column.type == "TEXT[]":
            value = f"array_to_string({value}, ', ')"
        elif column.type == "JSON":
            value = f"{value}::TEXT"
        values.append(f"{value} AS {column.name}")
    (key,) = table.key
    return f"""
SELECT {", ".join(("n.integration", f"n.id AS {key}", *values))}
FROM nodes n LEFT JOIN {table.name} t ON t.integration = n.integration AND t.{key} = n.id
WHERE n.type = '{table.name}' ORDER BY n.n
"""


def _edges(
    name: str, *ends: Table, source: str = "", columns: Sequence[str] = ()
) -> tuple[str, str, tuple[Table, ...]]:
    """Return the name of a relationship, its SQL with numbers of assets, and the assets."""
    numbers = [f"n{place}.n AS {table.key[0]}" for place, table in enumerate(ends)]
    joins = "".join(
        # The user group of a path, if there is one.
        f" {'LEFT ' if source and table is USER_GROUPS else ''}JOIN nodes n{place} "
        f"ON n{place}.type = '{table.name}' AND n{place}.integration = e.integration "
        f"AND n{place}.id = e.{table.key[0]}"
        for place, table in enumerate(ends)
    )
    values = [*numbers, *(f"e.{column}" for column in columns)]
    order = ", ".join(str(place + 1) for place in range(len(ends)))
    sql = f"SELECT {', '.join(values)} FROM {source or name} e{joins} ORDER BY {order}"
    return name, sql, ends


def _paths(name: str) -> str:
    return f"(SELECT *, {_USER_GROUP_IDS} FROM {name})"


_SUDO = ("sudo", "sudo_without_password")
_EDGES = (
    _edges("system_group_members", SYSTEM_GROUPS, SYSTEMS),
    _edges(
        "system_group_users",
        SYSTEM_GROUPS,
        USERS,
        USER_GROUPS,
        source=_paths("system_group_users"),
        columns=_SUDO,
    ),
    _edges(
        "application_users", APPLICATIONS, USERS, USER_GROUPS, source=_paths("application_users")
    ),
    _edges("user_group_members", USER_GROUPS, USERS),
    _edges("user_system_bindings", USERS, SYSTEMS, columns=_SUDO),
    _edges("user_group_system_bindings", USER_GROUPS, SYSTEMS, columns=_SUDO),
    _edges("system_ipv4_addresses", SYSTEMS, IPV4_ADDRESSES, columns=("interface",)),
)
_LOCAL_ACCOUNTS = """
SELECT n.n AS system_id, a.username
FROM system_local_accounts a JOIN nodes n
    ON n.type = 'systems' AND n.integration = a.integration AND n.id = a.system_id
ORDER BY 1, 2
"""
_EVENTS = f"""
SELECT e.asset_type, n.n AS asset_id, epoch(e.after_at)::BIGINT AS after_at,
    epoch(e.before_at)::BIGINT AS before_at, e.event, e.object_type, o.n AS object_id,
    e.object_name, e.column_name, e.old_value, e.new_value, e.sudo
FROM ({EVENTS}) e
JOIN nodes n ON n.type = e.asset_type AND n.integration = e.integration AND n.id = e.asset_id
LEFT JOIN nodes o
    ON o.type = e.object_type AND o.integration = e.integration AND o.id = e.object_id
WHERE e.event <> 'last_seen'
ORDER BY e.before_at DESC, 1, 2, e.event, e.object_type, e.object_name, e.column_name
"""


def _findings_sql() -> str:
    rows = " UNION ALL ".join(
        f"SELECT {number} AS number, integration, asset_type, asset_id, asset_name, "
        f"evidence::TEXT AS evidence, since FROM {SCHEMA}.{finding.name}"
        for number, finding in enumerate(FINDINGS)
    )
    return f"""
SELECT f.number AS finding, f.integration, f.asset_type, n.n AS asset_id, f.asset_name, f.evidence,
    epoch(f.since)::BIGINT AS since
FROM ({rows}) f LEFT JOIN nodes n
    ON n.type = f.asset_type AND n.integration = f.integration AND n.id = f.asset_id
ORDER BY 1, 2, 3, 5, 6, f.asset_id
"""
