"""Read tables of the latest published snapshots as frames: Arrow, pandas, DuckDB or polars."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import InventoryError
from pipelines.extract.discovery import read_applied_settings
from pipelines.history.findings import read_open_findings
from pipelines.history.metadata_tables import applied_table, integrations_table
from pipelines.publish.access import select_published
from pipelines.schema.model import ARROW_TYPES, Column
from pipelines.schema.reviews import REVIEW_TABLES
from pipelines.schema.tables import (
    CHANGES,
    FINDING_HISTORY,
    INTEGRATION,
    INTEGRATIONS,
    SNAPSHOTS,
    TABLES,
)
from pipelines.sql import identifier, parquet, quoted
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_RAW = "jumpcloud"


class Frame(ABC):
    """A table in the form that is asked for. Times are in UTC, and lists are lists."""

    @abstractmethod
    def arrow(self) -> pa.Table:
        """Return an Arrow table."""

    @abstractmethod
    def duckdb(self) -> duckdb.DuckDBPyRelation:
        """Return a relation, which reads when it is queried. Its JSON columns have that type."""

    @abstractmethod
    def polars(self) -> "pl.LazyFrame":
        """Return a lazy polars frame."""

    def pandas(self) -> "pd.DataFrame":
        """Return a pandas frame of the Arrow table, without a copy: its types are Arrow's."""
        import pandas as pd  # noqa: PLC0415 -- a run needs none

        frame: pd.DataFrame = self.arrow().to_pandas(types_mapper=pd.ArrowDtype)
        return frame


@dataclass(frozen=True)
class _FileFrame(Frame):
    """A table in Parquet files that never change.

    A column that is missing in a file of an earlier version is NULL.

    Attributes:
        columns: the columns to read.
        files: the files by integration, which only their path names.
    """

    columns: Sequence[Column]
    files: Mapping[str, Sequence[Path]]

    @cached_property
    def _schema(self) -> pa.Schema:
        return pa.schema([(column.name, ARROW_TYPES[column.type]) for column in self.columns])

    @cached_property
    def _file_schema(self) -> pa.Schema:
        return pa.schema([field for field in self._schema if field.name != INTEGRATION.name])

    def arrow(self) -> pa.Table:
        parts = [self._read(name, files) for name, files in self.files.items() if files]
        return pa.concat_tables([self._schema.empty_table(), *parts])

    def _read(self, integration: str, files: Sequence[Path]) -> pa.Table:
        import pyarrow.dataset as ds  # noqa: PLC0415 -- a run needs none

        rows = ds.dataset([*map(str, files)], schema=self._file_schema, format="parquet").to_table()
        return _with_integration(rows, integration).select(self._schema.names)

    def duckdb(self) -> duckdb.DuckDBPyRelation:
        absent = ", ".join(f"NULL AS {identifier(column.name)}" for column in self.columns)
        parts = [
            f"SELECT {quoted(name)} AS {INTEGRATION.name}, * FROM {parquet(files)}"
            for name, files in self.files.items()
            if files
        ]
        union = " UNION ALL BY NAME ".join([f"(SELECT {absent} WHERE false)", *parts])
        typed = (
            f"{identifier(column.name)}::{column.type} AS {identifier(column.name)}"
            for column in self.columns
        )
        return _connect().sql(f"SELECT {', '.join(typed)} FROM ({union})")

    def polars(self) -> "pl.LazyFrame":
        import polars as pl  # noqa: PLC0415 -- not installed everywhere

        empty = pl.DataFrame(self._schema.empty_table())
        parts = [
            pl.scan_parquet(
                [*files],
                schema=empty.select(self._file_schema.names).schema,
                missing_columns="insert",
                extra_columns="ignore",
                hive_partitioning=False,
            )
            .with_columns(pl.lit(name).alias(INTEGRATION.name))
            .select(empty.columns)
            for name, files in self.files.items()
            if files
        ]
        return pl.concat([empty.lazy(), *parts])


@dataclass(frozen=True)
class _ArrowFrame(Frame):
    """A table in memory."""

    rows: pa.Table

    def arrow(self) -> pa.Table:
        return self.rows

    def duckdb(self) -> duckdb.DuckDBPyRelation:
        return _connect().from_arrow(self.rows)

    def polars(self) -> "pl.LazyFrame":
        import polars as pl  # noqa: PLC0415 -- not installed everywhere

        return pl.DataFrame(self.rows).lazy()


class PublishedFrames:
    """The tables of the latest published snapshots, never of a run that has not published.

        frames = PublishedFrames(workspace)
        systems = frames.table("systems", columns=["system_id", "hostname"]).pandas()

    Args:
        workspace: where the inventory is.
        integrations: names of integrations; all that have snapshots by default.

    Attributes:
        latest: the latest snapshot by integration.
        missing: the named integrations that have none.

    Raises:
        InventoryError: none of the integrations has a snapshot.
    """

    def __init__(self, workspace: Workspace, integrations: Sequence[str] | None = None) -> None:
        self._workspace = workspace
        self._history = workspace.open_history()
        names = select_published(self._history, []) if integrations is None else integrations
        found = self._history.latest_by_integration(names)
        self.latest = {name: manifest for name, manifest in found.items() if manifest}
        self.missing = [name for name in names if name not in self.latest]
        if not self.latest:
            select_published(self._history, self.missing)

    def table(
        self,
        name: str,
        integrations: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Return a table of the data contract.

        Args:
            name: name of the table.
            integrations: some of the integrations; all by default.
            columns: names of the columns to read, in this order; all by default.

        Raises:
            InventoryError: a column is unknown, a file is missing or damaged, or the table is
                computed when the file is published.
        """
        table = TABLES[name]
        if table in REVIEW_TABLES:
            raise InventoryError(
                f"{name} has no files in the history: it is computed when the DuckDB file is "
                "published. Read it there, with `open_inventory`"
            )
        names = [*(self.latest if integrations is None else integrations)]
        by_name = {column.name: column for column in table.published_columns}
        selected = _select(name, columns, [*by_name])
        if table is INTEGRATIONS:
            return _ArrowFrame(self._integrations(names).select(selected))
        if table is FINDING_HISTORY:
            rows = [part for name in names for part in self._finding_history(name)]
            empty = table.arrow_schema.empty_table()
            return _ArrowFrame(pa.concat_tables([empty, *rows]).select(selected))
        files = {integration: self._files(name, integration) for integration in names}
        return _FileFrame([by_name[column] for column in selected], files)

    def raw_table(
        self,
        name: str,
        integrations: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Frame:
        """Return the records that the published snapshots were made from, as the API sent them.

        Only the machine that pulled last has them, until its next pull.

        Args:
            name: name of the raw table.
            integrations: some of the integrations; all by default.
            columns: names of the columns to read, in this order; all by default.

        Raises:
            InventoryError: a column is unknown, or the records are of another pull.
        """
        names = self.latest if integrations is None else integrations
        tables = [self._read_raw(name, integration, columns) for integration in names]
        return _ArrowFrame(pa.concat_tables(tables, promote_options="default"))

    def require_staged(self, integration: str) -> None:
        """Raise unless the last pull on this machine is the published one, and complete.

        Raises:
            InventoryError: it is another one.
        """
        if not self._is_staged(integration):
            raise _not_staged_error(integration)

    def _files(self, table: str, integration: str) -> list[Path]:
        if table in {CHANGES.name, SNAPSHOTS.name}:
            snapshot_ids = self._history.snapshot_ids(integration)
            return self._history.parts(table, integration, snapshot_ids)
        latest = self.latest[integration]
        # An earlier version may have written fewer tables.
        snapshot_ids = [latest.snapshot_id] if table in latest.sha256 else []
        return self._history.parts(table, integration, snapshot_ids)

    def _finding_history(self, integration: str) -> Iterator[pa.Table]:
        """Yield the closed rows of each snapshot, then the open ones of the latest."""
        for manifest in self._history.manifests(integration):
            if FINDING_HISTORY.name in manifest.sha256:
                yield self._history.read(FINDING_HISTORY, integration, manifest.snapshot_id)
        yield read_open_findings(self._history, self.latest[integration])

    def _integrations(self, names: Sequence[str]) -> pa.Table:
        rows = integrations_table(self._history, [self.latest[name] for name in names])
        applied = applied_table(read_applied_settings(self._workspace), names).to_pylist()
        now = {one[INTEGRATION.name]: one for one in applied}
        merged = [one | now.get(one[INTEGRATION.name], {}) for one in rows.to_pylist()]
        return pa.Table.from_pylist(merged, schema=rows.schema)

    def _read_raw(self, name: str, integration: str, columns: Sequence[str] | None) -> pa.Table:
        path = self._raw_path(name, integration)
        if path.exists():  # an earlier version may have read fewer endpoints
            with pq.ParquetFile(path) as file:
                # After the file was opened: if a pull has just replaced it, then the marker is
                # gone, or the facts are those of that pull.
                if self._is_staged(integration):
                    selected = _select(name, columns, [INTEGRATION.name, *file.schema_arrow.names])
                    rows = file.read([one for one in selected if one != INTEGRATION.name])
                    return _with_integration(rows, integration).select(selected)
        raise _not_staged_error(integration)

    def _is_staged(self, integration: str) -> bool:
        """Return True if the staged pull is complete and became the latest snapshot."""
        facts, latest = self._raw_path("pulls", integration), self.latest.get(integration)
        is_complete = self._workspace.staging.is_finished("pull", integration)
        if not (latest and is_complete and facts.exists()):
            return False
        with pq.ParquetFile(facts) as file:
            (started_at,) = file.read(["started_at"])["started_at"].to_pylist()
        return bool(started_at == latest.pull.started_at)

    def _raw_path(self, name: str, integration: str) -> Path:
        return self._workspace.staging.root / _RAW / name / f"{integration}.parquet"


def _not_staged_error(integration: str) -> InventoryError:
    return InventoryError(
        f"the last pull of {integration!r} on this machine is not the published one: it is in "
        "progress, its checks stopped it, or another machine published later. Let "
        f"`jumpcloud-inventory run {integration}` publish first"
    )


def _select(table: str, columns: Sequence[str] | None, known: list[str]) -> list[str]:
    """Return the columns to read.

    Raises:
        InventoryError: one of them is unknown.
    """
    unknown = [name for name in columns or () if name not in known]
    if unknown:
        raise InventoryError(
            f"{table} has no column {', '.join(map(repr, unknown))}. Its columns: "
            f"{', '.join(known)}"
        )
    return known if columns is None else [*columns]


def _with_integration(rows: pa.Table, integration: str) -> pa.Table:
    return rows.add_column(0, INTEGRATION.name, pa.repeat(integration, rows.num_rows))


def _connect() -> duckdb.DuckDBPyConnection:
    """Return a connection in memory, which lives as long as its relations."""
    connection = duckdb.connect()
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection
