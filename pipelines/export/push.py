"""Send what an integration published to other programs, after each publication."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from pipelines.config.exports import CsvExport, OcsfExport
from pipelines.errors import NOT_PUBLISHED, PUBLISH, InventoryError
from pipelines.export.cmdb import select_imports
from pipelines.export.ocsf import write_parquet_events
from pipelines.export.tables import write_table
from pipelines.storage.destination import Destination
from pipelines.temporary import temporary_folder

# A custom source of Security Lake has one class, and a name of at most 20 letters.
_SOURCES = {
    "systems": "jumpcloud-devices",
    "users": "jumpcloud-users",
    "findings": "jumpcloud-findings",
}


@dataclass(frozen=True)
class PushedFile:
    """A file at its destination.

    Attributes:
        name: class or type of object that it contains.
        place: its path or address.
        rows: number of its rows.
    """

    name: str
    place: str
    rows: int


def push(
    connection: duckdb.DuckDBPyConnection, integration: str, setting: str, export: CsvExport
) -> list[PushedFile]:
    """Send what a setting asks for.

    Args:
        connection: a connection to the published file, in UTC.
        integration: its name.
        setting: name of the setting, such as `export_ocsf`.
        export: the setting.

    Raises:
        InventoryError: nothing was published, or the destination cannot be written.
    """
    try:
        if isinstance(export, OcsfExport):
            return push_events(connection, integration, export)
        program = setting.removeprefix("export_").replace("_", "-")
        return push_imports(connection, integration, program, export)
    except InventoryError as error:
        raise InventoryError(f"{setting}: {error}") from None


def push_events(
    connection: duckdb.DuckDBPyConnection, integration: str, export: OcsfExport
) -> list[PushedFile]:
    """Send the OCSF events of an integration to a data lake, in the layout of Security Lake.

    A file has one class, and the name of the snapshot: the same snapshot replaces its own files.
    The parameters and errors are those of `push`.
    """
    snapshot, day = _latest_snapshot(connection, integration)
    account = export.account_id or f"external_{integration}"
    partition = f"region={export.region}/accountId={account}/eventDay={day}"

    def write(folder: Path) -> Iterator[tuple[str, str, int]]:
        for table, source in _SOURCES.items():
            path = folder / table
            write_parquet_events(connection, table, integration, path, export.ocsf_version)
            key = f"{source}/{partition}/{integration}-{snapshot}.parquet"
            yield table, key, pq.read_metadata(path).num_rows

    return _push(write, export.to)


def push_imports(
    connection: duckdb.DuckDBPyConnection, integration: str, program: str, export: CsvExport
) -> list[PushedFile]:
    """Send the CSV files of an import of Jira Assets or ServiceNow, which replace the last ones.

    The parameters and errors are those of `push`; `program` is `jira-assets` or `servicenow`.
    """
    _latest_snapshot(connection, integration)

    def write(folder: Path) -> Iterator[tuple[str, str, int]]:
        for name, rows in select_imports(connection, program, (), integration).items():
            write_table(connection, rows, "csv", folder / name)
            yield name, f"{program}/{integration}/{name}.csv", len(rows)

    return _push(write, export.to)


def _push(write: Callable[[Path], Iterator[tuple[str, str, int]]], to: str) -> list[PushedFile]:
    """Write all files, then send them: a file that cannot be made sends none."""
    destination = Destination(to)
    with temporary_folder() as folder:
        written = list(write(folder))
        return [
            PushedFile(name, destination.put(key, folder / name), rows)
            for name, key, rows in written
        ]


def _latest_snapshot(connection: duckdb.DuckDBPyConnection, integration: str) -> tuple[str, str]:
    """Return the id of the published snapshot, and its day in UTC as `YYYYMMDD`."""
    found = connection.execute(
        """
SELECT i.last_snapshot_id, strftime(s.started_at, '%Y%m%d')
FROM integrations i JOIN snapshots s
    ON s.integration = i.integration AND s.snapshot_id = i.last_snapshot_id
WHERE i.integration = $integration""",
        {"integration": integration},
    ).fetchone()
    if found is None:
        raise InventoryError(f"{integration}: {NOT_PUBLISHED}. {PUBLISH}")
    return found
