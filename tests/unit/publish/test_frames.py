"""Published tables as frames: the rows and types of the published file in each form."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest
from pipelines.publish.frames import Frame, PublishedFrames
from pipelines.schema.model import Table
from pipelines.schema.tables import COMPLETENESS, TABLES
from pipelines.simulator import Sizes, generate
from pipelines.workspace import Workspace
from tests.support.publisher import Publisher, Pulled, on_day

SIZES = Sizes(systems=12, users=8, system_groups=4, user_groups=3, applications=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the tests of this file, which publish once."""
    return tmp_path_factory.mktemp("frames") / "home"


@pytest.fixture
def workspace(home: Path, pull: Callable[..., Pulled]) -> Workspace:
    """Return a data directory with two integrations, one of them published twice."""
    if not home.exists():
        publisher, organization = Publisher(home), generate(1, SIZES)
        first, second = pull(organization), pull(generate(2, SIZES))
        organization.add_system()
        publisher.commit(on_day(0, first))
        publisher.publish(on_day(1, second), "globex")
        publisher.publish(on_day(2, pull(organization)))
    return Workspace(home)


def published_rows(workspace: Workspace, table: Table, where: str = "true") -> pa.Table:
    """Return the rows of the published file, with JSON as text."""
    with duckdb.connect(workspace.inventory_file(), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(f"FROM {table.name} WHERE {where} ORDER BY ALL")
        return rows.to_arrow_table().cast(table.published_schema)


def in_order(rows: pa.Table) -> pa.Table:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        ordered = connection.from_arrow(rows).query("rows", "FROM rows ORDER BY ALL")
        return ordered.to_arrow_table().cast(rows.schema)


def arrow_rows(frame: Frame) -> pa.Table:
    return frame.arrow()


def relation_rows(frame: Frame) -> pa.Table:
    return frame.duckdb().to_arrow_table()


def polars_rows(frame: Frame) -> pa.Table:
    return frame.polars().collect().to_arrow()


def pandas_rows(frame: Frame) -> pa.Table:
    return pa.Table.from_pandas(frame.pandas(), preserve_index=False).replace_schema_metadata()


@pytest.mark.parametrize("rows", [arrow_rows, relation_rows, polars_rows, pandas_rows])
def test_frames_equal_the_published_file(
    workspace: Workspace, rows: Callable[[Frame], pa.Table]
) -> None:
    frames = PublishedFrames(workspace)
    for table in TABLES.values():
        if table is COMPLETENESS:
            continue
        expected = published_rows(workspace, table)
        found = rows(frames.table(table.name)).cast(table.published_schema)
        assert in_order(found).equals(in_order(expected)), table.name
