"""Pull a simulated organization, and publish its tables below a folder."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.config.settings import VOLATILE_COLUMNS
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.extract.pull import Pull
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.schema.tables import INVENTORY_TABLES, TABLES
from pipelines.simulator import Server
from pipelines.sql import in_memory
from pipelines.transform import TRANSFORMS

FIRST_DAY = datetime(2024, 1, 30, 8, tzinfo=UTC)
BASE_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
# Sorted: DuckDB stores the columns of an EXCLUDE in any order.
VIEW_TOKENS = r"""
SELECT schema_name, view_name, list_sort(regexp_extract_all(sql, '\w+|[^\w\s]'))::TEXT AS tokens
FROM duckdb_views() WHERE NOT internal ORDER BY ALL
"""
MACROS = """
SELECT schema_name, function_name, parameters, macro_definition
FROM duckdb_functions() WHERE NOT internal ORDER BY ALL
"""
Rows = list[dict[str, object]]
Contents = dict[str, list[tuple[object, ...]]]


@dataclass
class Pulled:
    """A pull of a simulated organization, and the tables transformed from it when needed."""

    server: Server
    pull: Pull
    transform: Callable[[], dict[str, pa.Table]]

    @property
    def tables(self) -> dict[str, pa.Table]:
        """Return the tables of the inventory."""
        return self.transform()

    def rows(self, table: str) -> Rows:
        """Return the rows of a table in the form of the simulator's oracle."""
        return as_truth(self.tables[table].to_pylist())

    def moved_to(self, started_at: datetime) -> "Pulled":
        """Return the same tables as a pull that started at another time and took a minute."""
        finished_at = started_at + timedelta(minutes=1)
        pull = replace(self.pull, started_at=started_at, finished_at=finished_at)
        return replace(self, pull=pull)


def transform_all(pull: Pull) -> dict[str, pa.Table]:
    """Return the tables of the inventory that a pull gives."""
    frames = {f"jumpcloud.{name}": table for name, table in pull.tables.items()}
    frames["jumpcloud.completeness"] = pull.completeness
    frames["jumpcloud.access_differences"] = pull.differences
    with in_memory() as connection:
        for name, transform in TRANSFORMS.items():
            frames[name] = transform.run("acme", frames, connection)
    return {name: frames[name] for name in TRANSFORMS}


def on_day(number: int, pulled: Pulled) -> Pulled:
    """Return the same tables as a pull that many days after `FIRST_DAY`."""
    return pulled.moved_to(FIRST_DAY + timedelta(days=number))


def as_truth(rows: Rows) -> Rows:
    """Return rows without the columns that the simulator cannot know, and with parsed JSON."""
    unknown = {"integration", "first_seen_at", "last_seen_at"}
    rows = [{name: row[name] for name in row if name not in unknown} for row in rows]
    for row in rows:
        for name in ("attributes", "member_query", "member_exemptions"):
            if isinstance(row.get(name), str):
                row[name] = json.loads(str(row[name]))
    return rows


@dataclass
class Publisher:
    """A publisher of pulls below a folder, like the Dagster assets."""

    home: Path

    @property
    def history(self) -> SnapshotStore:
        """Return the snapshot store below the folder."""
        return SnapshotStore(self.home / "history")

    @property
    def file(self) -> Path:
        """Return the path of the published file."""
        return self.home / "inventory.duckdb"

    def publish(
        self,
        pulled: Pulled,
        name: str = "acme",
        volatile_columns: Collection[str] = VOLATILE_COLUMNS,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> Manifest:
        """Commit a snapshot and update the file."""
        manifest = self.commit(pulled, name, volatile_columns, thresholds)
        update_duckdb_file(self.history, self.file)
        return manifest

    def commit(
        self,
        pulled: Pulled,
        name: str = "acme",
        volatile_columns: Collection[str] = VOLATILE_COLUMNS,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> Manifest:
        """Commit a snapshot, and leave the file as it is."""
        facts = IntegrationFacts(
            name=name, type="jumpcloud", scope="cloud", description="", region="us", enabled=True
        )
        tables = {t.name: _renamed(pulled.tables[t.name], name) for t in INVENTORY_TABLES}
        organization = {"organization_id": None, "organization_name": None}
        pull_facts = PullFacts.model_validate(pulled.pull.facts().to_pylist()[0] | organization)
        pulled_tables = PulledTables(pull_facts, pulled.pull.completeness, tables.__getitem__)
        return commit_snapshot(
            self.history, facts, pulled_tables, "run-1", volatile_columns, thresholds
        )

    def rows(self, query: str) -> Rows:
        """Return the result of a query on the published file."""
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows: Rows = connection.sql(query).to_arrow_table().to_pylist()
            return rows

    def table(self, name: str) -> Rows:
        """Return a table or view in the form of the simulator's oracle."""
        return as_truth(self.sorted_rows(name))

    def sorted_rows(self, name: str) -> Rows:
        """Return the rows of a table or view, those of one integration as the oracle sorts them."""
        order = ", ".join(TABLES[name].key) if name in TABLES else "ALL"
        return self.rows(f"FROM {name} ORDER BY {order}")


def _renamed(table: pa.Table, integration: str) -> pa.Table:
    return table.set_column(0, "integration", pa.array([integration] * table.num_rows, pa.string()))


def tables_in(file: Path) -> Contents:
    """Return the rows of all tables of a file, and the SQL of its views and macros.

    Views and macros are not queried: on equal tables, equal SQL gives equal rows.
    """
    with duckdb.connect(file, read_only=True) as connection:
        found = connection.sql(BASE_TABLES).fetchall()
        names = [name if schema == "main" else f"{schema}.{name}" for schema, name in found]
        queries = {name: f"FROM {name} ORDER BY ALL" for name in names}
        queries |= {"views": VIEW_TOKENS, "macros": MACROS}
        return {name: connection.sql(query).fetchall() for name, query in queries.items()}


def published_content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of the published file and of all files of the history, by path."""
    files = [folder / "inventory.duckdb", *sorted((folder / "history").rglob("*.*"))]
    return {str(path): path.read_bytes() for path in files if path.is_file()}
