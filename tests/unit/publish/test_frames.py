"""Published tables as frames: the rows and types of the published file in each form."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from pipelines.errors import InventoryError
from pipelines.publish.frames import Frame, PublishedFrames
from pipelines.schema.model import Table
from pipelines.schema.reviews import REVIEW_TABLES
from pipelines.schema.tables import TABLES
from pipelines.simulator import Sizes, generate
from pipelines.storage.atomic import write_parquet
from pipelines.workspace import Workspace
from tests.support import DATA
from tests.support.publisher import Publisher, Pulled, on_day

SIZES = Sizes(systems=12, users=8, system_groups=4, user_groups=3, applications=2)
# Written by tests/data/write_first_version.py; it has fewer tables and columns.
FIRST_VERSION = DATA / "first_version" / "history"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the tests of this file, which publish once."""
    return tmp_path_factory.mktemp("frames") / "home"


@pytest.fixture
def workspace(home: Path, pull: Callable[..., Pulled]) -> Workspace:
    """Return a data directory with an integration of this version, and one of the first."""
    if not home.exists():
        publisher, organization = Publisher(home), generate(1, SIZES)
        for folder in FIRST_VERSION.glob("*/integration=*"):
            shutil.copytree(
                folder, publisher.history.root / folder.parent.name / "integration=older"
            )
        publisher.commit(on_day(0, pull(organization)))
        organization.add_system()
        pulled = on_day(1, pull(organization))
        publisher.publish(pulled)
        stage(Workspace(home), pulled)
    return Workspace(home)


def stage(workspace: Workspace, pulled: Pulled) -> None:
    """Write the raw tables of a pull as a run does."""
    workspace.staging.begin("pull", "acme")
    for name, rows in (pulled.pull.tables | {"pulls": pulled.pull.facts()}).items():
        write_parquet(rows, workspace.staging.root / "jumpcloud" / name / "acme.parquet")
    workspace.staging.finish("pull", "acme")


def arrow_rows(frame: Frame) -> pa.Table:
    return frame.arrow()


def relation_rows(frame: Frame) -> pa.Table:
    rows: pa.Table = frame.duckdb().to_arrow_table()
    return rows


def polars_rows(frame: Frame) -> pa.Table:
    rows: pa.Table = frame.polars().collect().to_arrow()
    return rows


def pandas_rows(frame: Frame) -> pa.Table:
    return pa.Table.from_pandas(frame.pandas(), preserve_index=False).replace_schema_metadata()


FORMS = (arrow_rows, relation_rows, polars_rows, pandas_rows)


def test_frames_equal_the_published_file(workspace: Workspace) -> None:
    frames = PublishedFrames(workspace)
    with duckdb.connect(workspace.inventory_file(), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")

        def in_order(query: str, table: Table) -> pa.Table:
            rows: pa.Table = connection.sql(f"{query} ORDER BY ALL").to_arrow_table()
            return rows.cast(table.published_schema)  # JSON as text

        for table in REVIEW_TABLES:
            with pytest.raises(InventoryError, match=f"{table.name} has no files in the history"):
                frames.table(table.name)
        for table in (one for one in TABLES.values() if one not in REVIEW_TABLES):
            expected = in_order(f"FROM {table.name}", table)
            for form in FORMS:
                found = form(frames.table(table.name)).cast(table.published_schema)
                connection.register("found", found)
                assert in_order("FROM found", table).equals(expected), (table.name, form)


def test_columns_are_read_in_the_given_order(workspace: Workspace) -> None:
    frames = PublishedFrames(workspace)
    names = ["created_at", "integration", "group_ids"]
    systems = frames.table("systems", columns=names)
    for form in FORMS:
        assert form(systems).column_names == names
    assert systems.pandas().dtypes.astype(str).to_list() == [
        "timestamp[us, tz=UTC][pyarrow]",
        "string[pyarrow]",
        "list<item: string>[pyarrow]",
    ]
    assert systems.polars().collect_schema()["created_at"] == pl.Datetime("us", "UTC")
    assert relation_rows(systems).schema.field("created_at").type == pa.timestamp("us", "UTC")
    with pytest.raises(InventoryError, match=r"systems has no column 'os_name'\. Its columns: int"):
        frames.table("systems", columns=["os", "os_name"])


def test_lazy_frames_read_only_what_a_query_needs(workspace: Workspace) -> None:
    systems = PublishedFrames(workspace, ["acme"]).table("systems")
    plan = systems.duckdb().filter("os_family = 'darwin'").project("hostname").explain()
    assert "hostname" in plan
    assert "group_ids" not in plan
    assert "PROJECT 1/" in systems.polars().select("hostname").explain()


def test_integration_without_a_snapshot_is_missing(workspace: Workspace) -> None:
    frames = PublishedFrames(workspace, ["acme", "new"])
    assert frames.missing == ["new"]
    assert set(frames.table("users").pandas()["integration"]) == {"acme"}
    with pytest.raises(InventoryError, match="no integration 'new' was published; there are: acme"):
        PublishedFrames(workspace, ["new"])


def test_raw_table_is_that_of_the_published_snapshot(
    workspace: Workspace, pull: Callable[..., Pulled]
) -> None:
    frames = PublishedFrames(workspace, ["acme"])
    systems = frames.raw_table("systems", columns=["integration", "_id"])
    assert systems.arrow().column_names == ["integration", "_id"]
    ids = {str(number) for (number,) in systems.duckdb().project("_id").fetchall()}
    assert ids == set(frames.table("systems").pandas()["system_id"])
    assert systems.polars().collect().height == len(ids)
    with pytest.raises(InventoryError, match="systems has no column 'id'"):
        frames.raw_table("systems", columns=["id"])

    kept = workspace.staging.root.with_name("kept")
    shutil.copytree(workspace.staging.root, kept)
    workspace.staging.begin("pull", "acme")
    assert_not_staged(frames)
    later = pull(generate(1, SIZES)).moved_to(frames.latest["acme"].pull.started_at)
    stage(workspace, later.moved_to(later.pull.started_at + timedelta(seconds=1)))
    assert_not_staged(frames)
    stage(workspace, later)
    assert frames.raw_table("systems").arrow().num_rows == SIZES.systems
    shutil.rmtree(workspace.staging.root)
    assert_not_staged(frames)
    kept.rename(workspace.staging.root)


def assert_not_staged(frames: PublishedFrames) -> None:
    with pytest.raises(InventoryError, match=r"'acme' on this machine is not the published one.*"):
        frames.raw_table("systems")
