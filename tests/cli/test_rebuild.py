"""The command `rebuild`, which builds the file from the history."""

import shutil
from collections.abc import Callable

import dagster as dg
import duckdb

from assets_defs.runs.instance import open_home
from pipelines.history.store import SnapshotStore
from pipelines.simulator import Server, Sizes, generate
from tests.support.cli import Installation
from tests.support.publisher import tables_in

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)


def test_rebuilt_file_equals_published_one(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=SMALL)
    installation.set_integrations(acme=serve(organization))
    assert installation.run("run", ACME_KEY=organization.api_key).returncode == 0
    organization.add_user(username="new.person")
    for folder in (installation.data / "history").glob("*/integration=acme"):
        for name in ("gone", "twin"):
            shutil.copytree(folder, folder.with_name(f"integration={name}"))
    with (installation.folder / "integrations.toml").open("a") as settings:
        settings.write('[[integration]]\nname = "twin"\nenabled = false\n')
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0
    assert "gone: published, but no longer in the settings" in done.stderr
    warning = "warning: acme, twin pull the same organization"
    assert done.stderr.count(warning) == 1
    assert warning in installation.run("status").stderr
    assert warning in str(metadata_of_last_run(installation, "inventory_duckdb")["warning"])
    head = SnapshotStore(installation.data / "history").head("acme")
    assert metadata_of_last_run(installation, "snapshots")["head_sha256"] == head
    with duckdb.connect(installation.file, read_only=True) as connection:
        switches = "SELECT integration, enabled, configured FROM integrations ORDER BY integration"
        assert connection.sql(switches).fetchall() == [
            ("acme", True, True),
            ("gone", False, False),
            ("twin", False, True),
        ]
    published = tables_in(installation.file)
    assert published["changes"]
    report = installation.data / "report.html"
    shown = report.read_text()
    installation.file.write_bytes(b"lost")
    report.unlink()
    done = installation.run("rebuild")
    assert done.returncode == 0, done.stderr
    assert tables_in(installation.file) == published
    assert report.read_text() == shown


<<<<<<< HEAD
def assert_run_has_head(installation: Installation) -> None:
    """Check that the metadata of the last run has the head of the history."""
    with open_home(installation.data / "dagster") as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["inventory", "snapshots"]))
=======
def metadata_of_last_run(installation: Installation, asset: str) -> dict[str, object]:
    """Return the metadata of an asset's last materialization."""
    with dg.DagsterInstance.from_config(str(installation.data / "dagster")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["inventory", asset]))
>>>>>>> gaps14
    assert event
    assert event.asset_materialization
    metadata = event.asset_materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_rebuild_without_snapshots_fails(installation: Installation) -> None:
    done = installation.run("rebuild")
    assert done.returncode == 1
    assert "there is no snapshot to rebuild from" in done.stderr
    assert not installation.file.exists()
