"""The tables between the steps of a run, and their preview in the UI."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.atomic import write_parquet

Metadata = dict[
    str, int | float | str | dg.PathMetadataValue | dg.TableMetadataValue | dg.TableColumnLineage
]

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 8


@dataclass(frozen=True)
class ParquetStore:
    """Store that keeps each partition of an asset as one Parquet file below `root`.

    It is not an IO manager: Dagster writes three events for each table that an IO manager passes
    on, and each event costs two flushes of the disk.
    """

    root: Path

    def write(self, key: dg.AssetKey, partition: str, table: pa.Table) -> Metadata:
        """Write a table in one atomic step; return its row count and its address as metadata."""
        path = self._path(key, partition)
        write_parquet(table, path)
        return {"dagster/row_count": table.num_rows, "dagster/uri": path.as_uri()}

    def read(self, key: dg.AssetKey, partition: str) -> pa.Table:
        """Read a table that an earlier step wrote."""
        # `pq.read_table` returns slices of 131,072 rows, and DuckDB 2.0.0 refuses a slice with a
        # struct in a struct.
        with pq.ParquetFile(self._path(key, partition)) as file:
            return file.read()

    def remove(self, key: dg.AssetKey, partition: str) -> None:
        """Remove a table, if there is one."""
        self._path(key, partition).unlink(missing_ok=True)

    def _path(self, key: dg.AssetKey, partition: str) -> Path:
        # Without the prefix of the keys: a new one must not hide what is staged.
        return self.root.joinpath(*key.path[-2:], f"{partition}.parquet")


def preview(table: pa.Table) -> dg.TableMetadataValue:
    """Return the first rows and columns as a small table for the UI."""
    columns = [name for name in table.column_names if name != "integration"][:PREVIEW_COLUMNS]
    rows = table.select(columns).slice(0, PREVIEW_ROWS).to_pylist()
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table([dg.TableRecord(_scalars(row)) for row in rows], schema)


def _scalars(row: Mapping[str, object]) -> dict[str, str | int | float | bool | None]:
    plain = (str, int, float, bool, type(None))
    return {name: value if isinstance(value, plain) else str(value) for name, value in row.items()}
