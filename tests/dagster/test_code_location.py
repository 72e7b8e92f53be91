"""The code location next to one of somebody else, and Dagster's own commands on it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner
from dagster._cli import create_dagster_cli
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import PARTITION_TAG, add_partitions
from assets_defs.runs.foreground import DEFINITIONS, repository_origin
from pipelines.simulator import Server, Sizes, generate
from tests.support import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.* is superseded")  # Dagster prefers `dg`
KEYS = AssetKeys()
WORKSPACE = ROOT / "workspace.yaml"
TINY = Sizes(systems=2, users=2, system_groups=1, user_groups=1, applications=1)
SETTINGS = """
[[integration]]
name = "acme"
base_url = "{url}"
api_key_env = "ACME_KEY"
"""
# A run ends with the command that starts it.
INSTANCE = """
telemetry: {enabled: false}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
run_launcher:
  module: dagster._core.launcher.sync_in_memory_run_launcher
  class: SyncInMemoryRunLauncher
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
storage:
  custom:
    module: assets_defs.runs.storage
    class: KeptSqliteStorage
    config: {base_dir: {env: DAGSTER_HOME}}
"""
THEIRS = """
import dagster as dg

@dg.asset(deps=[dg.AssetKey(["inventory", "publication"])])
def report() -> None: ...
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Yield the instance of the environment, which has settings for one integration, too."""
    folder = tmp_path_factory.mktemp("location")
    (folder / "dagster.yaml").write_text(INSTANCE)
    organization = generate(sizes=TINY)
    with Server(organization) as server, pytest.MonkeyPatch.context() as environment:
        settings = folder / "integrations.toml"
        settings.write_text(SETTINGS.format(url=server.base_url))
        environment.setenv("DAGSTER_HOME", str(folder))
        environment.setenv("JUMPCLOUD_INVENTORY_CONFIG", str(settings))
        environment.setenv("JUMPCLOUD_INVENTORY_HOME", str(folder / "data"))
        environment.setenv("ACME_KEY", organization.api_key)
        with dg.DagsterInstance.get() as instance:
            yield instance


def run_command(instance: dg.DagsterInstance, *arguments: str) -> dg.DagsterRun:
    """Run a command of Dagster in this process; return the run that it has started."""
    program = create_dagster_cli()  # type: ignore[no-untyped-call]
    done = CliRunner().invoke(program, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    run = instance.get_runs(limit=1)[0]
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags[PARTITION_TAG] == "acme"
    return run


def materialized(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[dg.AssetKey]:
    """Return the assets that a run has materialized."""
    materializations = dg.DagsterEventType.ASSET_MATERIALIZATION
    found = instance.get_records_for_run(run.run_id, of_type=materializations).records
    return {record.asset_key for record in found if record.asset_key}


def test_materialize_command_runs_all_assets_and_one(instance: dg.DagsterInstance) -> None:
    command = ("asset", "materialize", "-m", DEFINITIONS, "--partition", "acme", "--select")
    run = run_command(instance, *command, "*inventory/inventory_duckdb")
    pulled = materialized(instance, run)
    assert {KEYS.raw("systems"), KEYS.table("systems"), KEYS.inventory_duckdb} < pulled
    assert KEYS.table("findings") not in pulled
    run = run_command(instance, *command, "inventory/findings")
    assert materialized(instance, run) == {KEYS.table("findings")}


def test_backfill_command_runs_the_job(instance: dg.DagsterInstance) -> None:
    add_partitions(instance, KEYS, ["acme"])  # as the sensors and an earlier run do
    location = ("-w", str(WORKSPACE), "-l", DEFINITIONS, "-j", "refresh_inventory")
    command = ("job", "backfill", *location, "--partitions", "acme", "--noprompt")
    run = run_command(instance, *command)
    assert run.job_name == "refresh_inventory"
    assert "dagster/backfill" in run.tags
    assert {*KEYS.refreshed, KEYS.publication} < materialized(instance, run)


def test_location_loads_next_to_another(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    ours, theirs = WORKSPACE.read_text(), tmp_path / "theirs.py"
    theirs.write_text(THEIRS)
    both = tmp_path / "workspace.yaml"
    both.write_text(f"{ours}  - python_file: {theirs.name}\n")
    with WorkspaceProcessContext(instance, WorkspaceFileTarget([str(both)])) as process:
        context = process.create_request_context()
        entries = context.get_code_location_entries()
        assert {name: entry.load_error for name, entry in entries.items()} == {
            DEFINITIONS: None,
            theirs.name: None,
        }
        graph = context.asset_graph
        graph.validate_partitions()  # type: ignore[no-untyped-call]
        assert graph.get(dg.AssetKey("report")).parent_keys == {KEYS.publication}
        assert graph.executable_asset_keys >= {dg.AssetKey("report"), *KEYS.refreshed}
    # Nothing is switched on.
    assert instance.all_instigator_state() == []
    # Runs of the command line are recorded under this name, and so is the state of sensors.
    location = f"location_name: {repository_origin().code_location_origin.location_name}\n"
    assert location in ours
