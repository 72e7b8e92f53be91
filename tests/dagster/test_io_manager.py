"""What a downstream asset gets for its annotation and its partitions."""

import shutil
from collections.abc import Iterator

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dagster._core.types.dagster_type import resolve_dagster_type

from assets_defs.asset_keys import AssetKeys
from assets_defs.definitions import build_definitions
from assets_defs.io_manager import InventoryIOManager
from assets_defs.partitions import NAME
from pipelines.publish.database import update_duckdb_file
from pipelines.storage.atomic import write_parquet
from pipelines.workspace import Workspace
from tests.support import DATA
from tests.support.publisher import Publisher

FIRST_VERSION = DATA / "first_version" / "history"
KEYS = AssetKeys()
SYSTEMS = KEYS.table("systems")
INTEGRATIONS = dg.DynamicPartitionsDefinition(name=NAME)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a data directory with two integrations."""
    publisher = Publisher(tmp_path_factory.mktemp("published"))
    for name in ("acme", "globex"):
        for folder in FIRST_VERSION.glob("*/integration=*"):
            target = publisher.history.root / folder.parent.name / f"integration={name}"
            shutil.copytree(folder, target)
    update_duckdb_file(publisher.history, publisher.file)
    return Workspace(publisher.home)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(NAME, ["acme", "globex", "new"])
        yield instance


@pytest.fixture
def load(workspace: Workspace, instance: dg.DagsterInstance) -> "Loader":
    return Loader(InventoryIOManager(workspace), instance)


class Loader:
    """A parameter of a downstream asset."""

    def __init__(self, manager: InventoryIOManager, instance: dg.DagsterInstance) -> None:
        self.manager = manager
        self.instance = instance

    def __call__(
        self,
        annotation: object,
        *partitions: str,
        key: dg.AssetKey = SYSTEMS,
        columns: list[str] | None = None,
    ) -> object:
        """Return its value. Without partitions, the definition of the asset has none."""
        context = dg.build_input_context(
            name="systems",
            asset_key=key,
            dagster_type=resolve_dagster_type(annotation),
            definition_metadata={"columns": columns} if columns else {},
            asset_partitions_def=INTEGRATIONS if partitions else None,
            asset_partition_key_range=dg.PartitionKeyRange(partitions[0], partitions[-1])
            if partitions
            else None,
            instance=self.instance,
        )
        return self.manager.load_input(context)


def test_annotation_decides_the_form(load: Loader) -> None:
    for annotation in (pd.DataFrame, pa.Table, duckdb.DuckDBPyRelation, pl.LazyFrame):
        assert isinstance(load(annotation, "acme"), annotation)


def test_partitions_are_one_frame_or_a_mapping(
    load: Loader, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = ["integration", "system_id"]
    one = load(pd.DataFrame, "acme", columns=columns)
    assert isinstance(one, pd.DataFrame)
    assert one.columns.to_list() == columns
    assert set(one["integration"]) == {"acme"}
    every = load(pd.DataFrame, "acme", "new")
    assert isinstance(every, pd.DataFrame)
    assert len(every) == 2 * len(one)
    assert "new: left out, because nothing of it was published yet" in capsys.readouterr().err
    mapping = load(dict[str, pa.Table], "acme", "globex")
    assert isinstance(mapping, dict)
    assert {name: set(rows["integration"].to_pylist()) for name, rows in mapping.items()} == {
        "acme": {"acme"},
        "globex": {"globex"},
    }
    # In a code location that declares the asset with another prefix and without partitions.
    elsewhere = load(pa.Table, key=dg.AssetKey(["team", *SYSTEMS.path]))
    assert isinstance(elsewhere, pa.Table)
    assert elsewhere.num_rows == len(every)


def test_published_file_is_a_connection(load: Loader) -> None:
    for file in (KEYS.inventory_duckdb, KEYS.findings):
        connection = load(duckdb.DuckDBPyConnection, "acme", "globex", key=file)
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        assert connection.sql("FROM findings.summary").fetchall()
        with pytest.raises(dg.Failure, match="DuckDBPyConnection"):
            load(pd.DataFrame, "acme", key=file)
    connection = load(duckdb.DuckDBPyConnection, key=KEYS.publication)
    assert isinstance(connection, duckdb.DuckDBPyConnection)


@pytest.mark.parametrize("name", ["status", "export_ocsf"])
def test_asset_without_a_value_is_explained(load: Loader, name: str) -> None:
    with pytest.raises(dg.Failure, match=f"inventory/{name} has no value. Name it in `deps`"):
        load(pd.DataFrame, key=KEYS.table(name))


def test_assets_without_a_step_load_by_the_reader(workspace: Workspace) -> None:
    @dg.asset(ins={"file": dg.AssetIn(KEYS.publication)})
    def downstream(file: duckdb.DuckDBPyConnection) -> None:
        assert file.sql("FROM findings.summary").fetchall()

    @dg.asset(ins={"table": dg.AssetIn(KEYS.table("status"))})
    def refused(table: pd.DataFrame) -> None: ...

    theirs = dg.Definitions(assets=[downstream, refused])
    merged = dg.Definitions.merge(build_definitions(workspace), theirs)
    job = merged.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(asset_selection=[downstream.key]).success
    run = job.execute_in_process(asset_selection=[refused.key], raise_on_error=False)
    (failed,) = run.get_step_failure_events()
    assert "has no value" in str(failed.event_specific_data)


@pytest.mark.parametrize(
    ("annotation", "columns", "message"),
    [
        (
            pl.DataFrame,
            None,
            "cannot be given as .*DataFrame. Annotate .* with pandas.DataFrame, py",
        ),
        (dict[str, int], None, "cannot be given as Dict"),
        (None, None, "cannot be given as Any"),
        (pa.Table, ["name"], "systems has no column 'name'. Its columns: integration, system_id"),
    ],
)
def test_what_cannot_be_given_is_explained(
    load: Loader, annotation: object, columns: list[str] | None, message: str
) -> None:
    with pytest.raises(dg.Failure, match=f"(?i){message}"):
        load(annotation, "acme", columns=columns)


def test_raw_table_without_its_pull_is_explained(load: Loader) -> None:
    with pytest.raises(dg.Failure, match="Let `jumpcloud-inventory run acme` publish first"):
        load(pa.Table, "acme", key=KEYS.raw("systems"))


def test_partition_without_a_snapshot_is_explained(load: Loader) -> None:
    with pytest.raises(dg.Failure, match="no integration 'new' was published; there are: acme, gl"):
        load(pa.Table, "new")


def test_run_that_pulls_has_to_publish_before(workspace: Workspace) -> None:
    bare = dg.DagsterInstance.ephemeral()

    spec = dg.AssetSpec(SYSTEMS).with_io_manager_key(KEYS.io_manager)

    @dg.multi_asset(specs=[spec], partitions_def=INTEGRATIONS)
    def tables() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(asset_key=SYSTEMS)

    @dg.asset(ins={"systems": dg.AssetIn(SYSTEMS)}, partitions_def=INTEGRATIONS)
    def own(systems: pa.Table) -> None:
        assert systems.num_rows

    @dg.asset(ins={"systems": dg.AssetIn(SYSTEMS)})
    def over_all(systems: pa.Table) -> None:
        assert systems.num_rows

    def failure(asset: dg.AssetsDefinition, *, pulls: bool = False) -> str:
        """Return the failure of a run that also makes the table, or not."""
        done = dg.materialize(
            [tables, own, over_all],
            selection=[asset, *([tables] if pulls else [])],
            partition_key="acme" if asset is own or pulls else None,
            instance=bare,
            resources={KEYS.io_manager: InventoryIOManager(workspace)},
            raise_on_error=False,
        )
        failures = (
            one.step_failure_data for one in done.filter_events(lambda e: e.is_step_failure)
        )
        return "".join(str(one.user_failure_data) for one in failures)

    unpublished = "A run that also pulls needs deps=[dg.AssetKey(['inventory', 'snapshots'])]"
    with bare:
        assert "inventory/systems has no partition in this Dagster instance" in failure(over_all)
        bare.add_dynamic_partitions(NAME, ["acme", "globex"])
        assert not failure(own)
        assert not failure(over_all)
        assert unpublished in failure(own, pulls=True)
        latest = Publisher(workspace.root).history.latest("acme")
        assert latest
        facts = pa.table({"started_at": [latest.pull.started_at]})
        write_parquet(facts, workspace.staging.root / "jumpcloud" / "pulls" / "acme.parquet")
        workspace.staging.finish("pull", "acme")
        assert not failure(own, pulls=True)
        assert not failure(over_all, pulls=True)
