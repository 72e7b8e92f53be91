"""A run with exports: one that fails is visible, and nothing else fails with it."""

import sqlite3
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq

from assets_defs.definitions import build_definitions
from pipelines import open_inventory
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import Installation

TINY = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
EXPORTS = """
[export_ocsf]
to = "{lake}"
region = "eu-central-1"

[export_servicenow]
to = "{missing}"
"""


def test_failed_export_fails_the_run_but_nothing_else(installation: Installation) -> None:
    organization = generate(1, TINY)
    lake, missing = installation.folder / "lake", installation.folder / "missing"
    lake.mkdir()
    with Server(organization) as server:
        installation.set_integrations(acme=server)
        settings = installation.folder / "integrations.toml"
        settings.write_text(settings.read_text() + EXPORTS.format(lake=lake, missing=missing))
        done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        f"acme: export_servicenow: {missing}: not a directory. Create it, or mount its disk",
        (
            "acme: the inventory is published; only the export is missing. Fix the cause: the next "
            "run exports again, and so does the asset in the UI"
        ),
    ]
    with open_inventory(installation.file) as inventory:
        (snapshot,) = inventory.sql("SELECT last_snapshot_id FROM integrations").fetchall()[0]
    files = [path for path in lake.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {f"acme-{snapshot}.parquet"}
    assert len(files) == 3
    rows = {path.parts[-5]: pq.read_metadata(path).num_rows for path in files}
    assert rows["jumpcloud-devices"] == 3
    status = installation.run("status", ACME_KEY=organization.api_key)
    assert "export_servicenow" in status.stdout + status.stderr
    pushed = materialized(installation.data, "export_")
    assert pushed == ['["inventory", "export_ocsf"]']


def materialized(data: Path, text: str) -> list[str]:
    """Return the keys with this text that have a materialization."""
    with sqlite3.connect(data / "dagster/history/runs/index.db") as index:
        query = "SELECT asset_key, last_materialization FROM asset_keys ORDER BY asset_key"
        return [key for key, event in index.execute(query) if text in key and event]


def test_exports_exist_only_with_their_setting(tmp_path: Path) -> None:
    settings = tmp_path / "integrations.toml"
    exports = EXPORTS.format(lake=tmp_path, missing=tmp_path)
    found: dict[str, frozenset[dg.AssetKey]] = {}
    for name, text in {"off": "", "on": exports, "wrong": "[export_ocsf]\n"}.items():
        settings.write_text(f'[[integration]]\nname = "acme"\n{text}')
        environment = {"JUMPCLOUD_INVENTORY_CONFIG": str(settings)}
        workspace = Workspace.from_environment(environment, str(tmp_path / "data"))
        definitions = build_definitions(workspace)
        job = definitions.resolve_job_def("refresh_inventory")
        found[name] = frozenset(job.asset_layer.executable_asset_keys)
        assert found[name] <= frozenset(definitions.resolve_asset_graph().executable_asset_keys)
    assert found["on"] - found["off"] == {
        dg.AssetKey(["inventory", name]) for name in ("export_ocsf", "export_servicenow")
    }
    assert found["wrong"] == found["off"]
