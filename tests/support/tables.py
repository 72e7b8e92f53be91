"""An inventory in memory, built from partial rows of the published tables."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import duckdb

from pipelines.config.thresholds import Thresholds
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import THRESHOLDS
from pipelines.publish.database import schema_statements
from pipelines.schema.model import Column
from pipelines.schema.tables import TABLES
from tests.support.publisher import FIRST_DAY, Rows

Row = dict[str, object]
ALL_TABLES = TABLES | {THRESHOLDS.name: THRESHOLDS}


def day(number: int) -> datetime:
    """Return the start of the pull on a day; the first one is 1."""
    return FIRST_DAY + timedelta(days=number - 1)


@contextmanager
def inventory(**tables: Rows) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an inventory with these tables.

    Columns that a row omits are empty lists or NULL, except `integration` ("acme") and
    `first_seen_at` (day 1).
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for statement in schema_statements():
            if not statement.startswith("COMMENT"):
                connection.execute(statement)
        for name, rows in tables.items():
            for row in rows:
                insert(connection, name, row)
        yield connection


def record_findings(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `finding_history` of an inventory with what its tables have, opened on day 1."""
    connection.execute("DELETE FROM finding_history")
    for finding in FINDINGS:
        connection.execute(
            "INSERT INTO finding_history BY NAME "
            f"SELECT '{finding.name}' AS finding, '{finding.severity}' AS severity, f.*, "
            f"{finding.detail} AS detail, ? AS opened_at, i.last_snapshot_id "
            f"FROM ({finding.sql}) f JOIN integrations i USING (integration)",
            [day(1)],
        )


def query_inventory(sql: str, **tables: Rows) -> Rows:
    """Return the rows of a query over an inventory with these tables."""
    with inventory(**tables) as connection:
        result: Rows = connection.sql(sql).to_arrow_table().to_pylist()
        return result


def insert(connection: duckdb.DuckDBPyConnection, name: str, row: Row) -> None:
    """Insert a partial row into a table."""
    table = ALL_TABLES[name]
    columns = table.published_columns
    assert row.keys() <= {column.name for column in columns}, row
    values = [column_value(column, row) for column in columns]
    places = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table.qualified_name} VALUES ({places})", values)


def column_value(column: Column, row: Row) -> object:
    """Return the value to insert, with JSON as text."""
    defaults: Row = {"integration": "acme", "first_seen_at": day(1), "column_name": ""}
    value = row.get(column.name, [] if column.type == "TEXT[]" else defaults.get(column.name))
    return json.dumps(value) if column.type == "JSON" and value is not None else value


def find(name: str, **tables: Rows) -> Rows:
    """Return the rows of a finding in the integration "acme", with the evidence parsed.

    All rows of "acme" are also inserted as "beta", which must have the same findings: a query that
    mixes integrations returns more.
    """
    for table, given in tables.items():
        copies = [row | {"integration": "beta"} for row in given if "integration" not in row]
        tables[table] = [*given, *copies]
    (finding,) = (one for one in FINDINGS if one.name == name)
    order = "integration, asset_type, asset_id, evidence::TEXT"
    query = f"SELECT '{finding.severity}' AS severity, * FROM ({finding.sql}) ORDER BY {order}"
    rows = query_inventory(query, **tables)
    acme = [row for row in rows if row["integration"] == "acme"]
    assert rows == acme + [row | {"integration": "beta"} for row in acme]
    return [row | {"evidence": json.loads(str(row["evidence"]))} for row in acme]


def found(
    severity: str,
    asset_type: str,
    asset_id: str,
    evidence: Mapping[str, object],
    name: str = "",
) -> Row:
    """Return a row that a finding's query finds; without a name, the asset's id is its name."""
    return {
        "integration": "acme",
        "severity": severity,
        "asset_type": asset_type,
        "asset_id": asset_id,
        "asset_name": name or asset_id,
        "evidence": evidence,
    }


def added(number: int, asset_type: str, asset_id: str, **new_value: object) -> Row:
    """Return the change of a row that was added on a day."""
    return change(number, asset_type, asset_id) | {"change": "added", "new_value": new_value}


def removed(number: int, asset_type: str, asset_id: str, **old_value: object) -> Row:
    """Return the change of a row that was removed on a day."""
    return change(number, asset_type, asset_id) | {"change": "removed", "old_value": old_value}


def changed(
    number: int, asset_type: str, asset_id: str, column: str, old: object, new: object
) -> Row:
    """Return the change of a column on a day."""
    values = {"column_name": column, "change": "changed", "old_value": old, "new_value": new}
    return change(number, asset_type, asset_id) | values


def change(number: int, asset_type: str, asset_id: str) -> Row:
    """Return the columns that all changes of a day have in common."""
    row: Row = {"snapshot_id": f"s{number}", "observed_at": day(number)}
    return row | {"asset_type": asset_type, "asset_id": asset_id}


def read(*endpoints: str) -> Rows:
    """Return the rows of `completeness` for endpoints that the latest pull read."""
    return [{"endpoint": endpoint} for endpoint in endpoints]


def pull(number: int, *endpoints: str, **rows: int) -> Row:
    """Return the row of `snapshots` for a pull on a day, with its endpoints and row counts."""
    return {
        "snapshot_id": f"s{number}",
        "started_at": day(number),
        "rows": rows,
        "completeness": [{"endpoint": endpoint} for endpoint in endpoints],
    }


def latest(number: int) -> Rows:
    """Return the rows of `integrations` with the latest pull on a day."""
    return [{"last_snapshot_id": f"s{number}"}]


def thresholds(**changed: int) -> Rows:
    """Return the thresholds of the integration, with some that are not the default."""
    return [Thresholds(**changed).model_dump()]


def unrelated(number: int, asset_type: str, asset_id: str) -> Rows:
    """Return changes on a day that must not affect a finding about the row.

    They are changes of another column, and of rows with the same id in another table or
    integration.
    """
    values = [(False, True), (True, False), (0, 1), (1, 0), (["a"], []), ("ACTIVATED", "SUSPENDED")]
    return [
        *(changed(number, asset_type, asset_id, "other", old, new) for old, new in values),
        changed(number, asset_type, asset_id, "other", "old", None),
        added(number, "other", asset_id),
        added(number, asset_type, asset_id) | {"integration": "zeta"},
    ]
