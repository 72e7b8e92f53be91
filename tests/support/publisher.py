"""Pull a simulated organization, and publish its tables below a folder."""

import json
from collections.abc import Collection
from dataclasses import dataclass
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

FIRST_DAY = datetime(2024, 1, 30, 8, tzinfo=UTC)
BASE_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
# The columns of an EXCLUDE come in any order.
VIEW_WORDS = r"""
SELECT schema_name, view_name, list_sort(regexp_extract_all(sql, '\w+|[^\w\s]'))::TEXT AS words
FROM duckdb_views() WHERE NOT internal ORDER BY ALL
"""
MACROS = """
SELECT schema_name, function_name, parameters, macro_definition
FROM duckdb_functions() WHERE NOT internal ORDER BY ALL
"""
Rows = list[dict[str, object]]


@dataclass
class Pulled:
    """A pull of a simulated organization, and the tables made of it."""

    server: Server
    pull: Pull
    tables: dict[str, pa.Table]

    def rows(self, table: str) -> Rows:
        """The rows of a table as the simulator's truth has them."""
        return as_truth(self.tables[table].to_pylist())


def on_day(number: int, pulled: Pulled) -> Pulled:
    """As if it had been pulled that many days after `FIRST_DAY`."""
    object.__setattr__(pulled.pull, "started_at", FIRST_DAY + timedelta(days=number))
    object.__setattr__(pulled.pull, "finished_at", FIRST_DAY + timedelta(days=number, minutes=1))
    return pulled


def as_truth(rows: Rows) -> Rows:
    """Rows without what the simulator cannot know; JSON parsed."""
    unknown = {"integration", "first_seen_at", "last_seen_at"}
    rows = [{name: row[name] for name in row if name not in unknown} for row in rows]
    for row in rows:
        if isinstance(row.get("attributes"), str):
            row["attributes"] = json.loads(str(row["attributes"]))
    return rows


@dataclass
class Publisher:
    """Publishes pulls below a folder, as the Dagster assets do."""

    home: Path

    @property
    def history(self) -> SnapshotStore:
        """The history below the folder."""
        return SnapshotStore(self.home / "history")

    @property
    def file(self) -> Path:
        """The published file."""
        return self.home / "inventory.duckdb"

    def publish(
        self,
        pulled: Pulled,
        name: str = "acme",
        volatile_columns: Collection[str] = VOLATILE_COLUMNS,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> Manifest:
        """Commit a snapshot and build the file."""
        facts = IntegrationFacts(
            name=name, type="jumpcloud", scope="cloud", description="", region="us", enabled=True
        )
        tables = {t.name: _renamed(pulled.tables[t.name], name) for t in INVENTORY_TABLES}
        pull_facts = PullFacts.model_validate(
            pulled.pull.facts().to_pylist()[0]
            | {
                "organization_id": None,
                "organization_name": None,
            }
        )
        given = PulledTables(pull_facts, pulled.pull.completeness, tables.__getitem__)
        manifest = commit_snapshot(
            self.history, facts, given, "run-1", volatile_columns, thresholds
        )
        update_duckdb_file(self.history, self.file)
        return manifest

    def rows(self, query: str) -> Rows:
        """The answer of the published file."""
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows: Rows = connection.sql(query).to_arrow_table().to_pylist()
            return rows

    def table(self, name: str) -> Rows:
        """A table or view as the simulator's truth has it."""
        order = ", ".join(TABLES[name].key) if name in TABLES else "ALL"
        return as_truth(self.rows(f"FROM {name} ORDER BY {order}"))


def _renamed(table: pa.Table, integration: str) -> pa.Table:
    return table.set_column(0, "integration", pa.array([integration] * table.num_rows, pa.string()))


def tables_in(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the file holds: tables of all schemas, and the SQL of views and macros.

    Of equal tables, equal views and macros give equal answers: none is asked here.
    """
    with duckdb.connect(file, read_only=True) as connection:
        found = connection.sql(BASE_TABLES).fetchall()
        names = [name if schema == "main" else f"{schema}.{name}" for schema, name in found]
        held = {name: f"FROM {name} ORDER BY ALL" for name in names}
        held |= {"views": VIEW_WORDS, "macros": MACROS}
        return {name: connection.sql(query).fetchall() for name, query in held.items()}


def published_content(folder: Path) -> dict[str, bytes]:
    """What is published: the file and the history."""
    files = [folder / "inventory.duckdb", *sorted((folder / "history").rglob("*.*"))]
    return {str(path): path.read_bytes() for path in files if path.is_file()}
