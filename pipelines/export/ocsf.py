"""Export the inventory as events of the Open Cybersecurity Schema Framework (OCSF).

The classes are Device Inventory Info (5001), User Inventory Info (5003) and Compliance Finding
(2003), without profiles. Columns without an attribute in the schema are in `unmapped`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.config.exports import OcsfVersion
from pipelines.errors import InventoryError
from pipelines.export.ocsf_classes import LATEST, MACROS, OCSF_CLASSES
from pipelines.export.query_results import Relation, write_result

_BATCH_ROWS = 2_000
_UNMAPPED = """map_from_entries(list_filter(
    map_entries(json_transform(unmapped::JSON, '"MAP(VARCHAR, VARCHAR)"')),
    lambda entry: entry.value IS NOT NULL
))"""
_DEFAULT = ("systems", "users")


def write_events(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[str],
    integration: str | None,
    path: Path,
    version: OcsfVersion = LATEST,
) -> None:
    """Write an event for each system, user or finding, one per line.

    Args:
        connection: a connection to the inventory, in UTC.
        tables: `systems`, `users`, `findings` or several; the first two if empty.
        integration: the integration to select; None for all.
        path: the file.
        version: version of the schema.

    Raises:
        InventoryError: a table has no events.
        OSError: the file cannot be written.
    """
    unknown = set(tables) - set(OCSF_CLASSES)
    if unknown:
        raise InventoryError(
            f"there are no OCSF events for {', '.join(sorted(unknown))}; "
            f"there are for: {', '.join(OCSF_CLASSES)}"
        )
    with path.open("w", encoding="utf-8") as file:
        for table in dict.fromkeys(tables) or _DEFAULT:
            rows = select_events(connection, table, integration, version)
            for batch in rows.to_arrow_reader(_BATCH_ROWS):
                for event in batch.to_pylist():
                    line = json.dumps(without_empty(event), ensure_ascii=False)
                    file.write(f"{line}\n")


def write_parquet_events(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    integration: str,
    path: Path,
    version: OcsfVersion,
) -> None:
    """Write the events of one class as Parquet, with a nested column for each object.

    All files of a version have the same columns. Unknown values are NULL, and `unmapped` is a map
    of texts, as in Amazon Security Lake.

    Args:
        connection: a connection to the inventory, in UTC.
        table: `systems`, `users` or `findings`.
        integration: the integration to select.
        path: the file.
        version: version of the schema.

    Raises:
        OSError: the file cannot be written.
    """
    rows = select_events(connection, table, integration, version)
    write_result(connection, rows.project(f"* REPLACE ({_UNMAPPED} AS unmapped)"), "parquet", path)


def select_events(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    integration: str | None,
    version: OcsfVersion = LATEST,
) -> Relation:
    """Return the events of a class as rows with a column for each attribute."""
    connection.execute(f"{MACROS} SET VARIABLE ocsf_version = '{version}.0'")
    query = OCSF_CLASSES[table].query(version)
    return connection.sql(query, params={"integration": integration})


def without_empty(value: object) -> object:
    """Return a value without its unknown and empty parts, as OCSF has no null."""
    if isinstance(value, list):
        return [without_empty(item) for item in value]
    if not isinstance(value, dict):
        return value
    items = ((name, without_empty(item)) for name, item in value.items())
    return {name: item for name, item in items if item not in (None, "", [], {})}
