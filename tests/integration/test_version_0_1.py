"""A data directory and a settings file written by version 0.1 are read, extended and rebuilt.

`tests/data/version_0_1.tar.xz` holds both after two runs of version 0.1 against the organization of
`_organization`, below `/srv/inventory`, with Dagster's own records.
"""

import re
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import NAME
from assets_defs.runs.instance import open_home
from assets_defs.runs.ownership import OwnRuns
from pipelines.simulator import Organization, Server, Sizes, generate
from tests.support import DATA
from tests.support.cli import Installation
from tests.support.publisher import tables_in

SIZES = Sizes(systems=12, users=9, system_groups=4, user_groups=2, applications=3)
STAGED = ("snapshots", "changes", "integrations")


def _organization() -> Organization:
    organization = generate(now=datetime(2026, 11, 20, 8, tzinfo=UTC), sizes=SIZES)
    organization.remove_user(next(iter(organization.users)))
    organization.add_user(username="new.person")
    organization.update(next(iter(organization.systems)), hostname="renamed-host")
    return organization


@pytest.fixture
def kept(installation: Installation) -> Installation:
    """Unpack the kept data directory."""
    with tarfile.open(DATA / "version_0_1.tar.xz") as archive:
        archive.extractall(installation.folder, filter="data")
    settings = installation.folder / "integrations.toml"
    installation.environment["JUMPCLOUD_INVENTORY_CONFIG"] = str(settings)
    return installation


def _columns(file: Path) -> dict[str, dict[str, str]]:
    """Return the type of each column, by table or view.

    The evidence of a finding may grow. Version 0.1 computed `since` for some findings; now it is
    the first pull that found the row.
    """
    query = """
        SELECT schema_name || '.' || table_name, map_from_entries(list((column_name, data_type)))
        FROM duckdb_columns()
        WHERE NOT internal AND column_name NOT IN ('evidence', 'since') GROUP BY ALL"""
    with duckdb.connect(file, read_only=True) as connection:
        return dict(connection.sql(query).fetchall())


def _rows(file: Path, columns: dict[str, dict[str, str]]) -> dict[str, list[tuple[object, ...]]]:
    """Read these columns of tables and views, without the rows of other findings."""
    findings = [name.removeprefix("findings.") for name in columns]
    with duckdb.connect(file, read_only=True) as connection:
        relations = {
            name: connection.sql(f"SELECT {', '.join(types)} FROM {name} ORDER BY ALL")
            for name, types in columns.items()
        }
        return {
            name: relation.filter(f"finding IN {(*findings,)}").fetchall()
            if "finding" in relation.columns
            else relation.fetchall()
            for name, relation in relations.items()
        }


def test_rebuilt_file_equals_the_old_one(kept: Installation) -> None:
    columns = _columns(kept.file)
    before = _rows(kept.file, columns)
    assert before["main.snapshots"]
    kept.file.unlink()
    done = kept.run("rebuild")
    assert done.returncode == 0, done.stderr
    now = _columns(kept.file)
    assert {name: types.items() <= now[name].items() for name, types in columns.items()} == (
        dict.fromkeys(columns, True)
    )
    assert _rows(kept.file, columns) == before


def test_run_extends_old_directory(kept: Installation, serve: Callable[..., Server]) -> None:
    organization = _organization()
    settings = kept.folder / "integrations.toml"
    address = serve(organization).base_url
    settings.write_text(re.sub(r"http://127\.0\.0\.1:\d+", address, settings.read_text()))
    before = tables_in(kept.file)
    copies = [kept.data / f"parquet/inventory/{name}/acme.parquet" for name in STAGED]
    assert all(copy.exists() for copy in copies)
    done = kept.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    after = tables_in(kept.file)
    assert len(after["snapshots"]) == len(before["snapshots"]) + 1
    # The same pull gives the same rows: nothing is added, removed or changed.
    assert after["changes"] == before["changes"]
    # Nobody writes these copies any more, so they would be outdated.
    assert not any(copy.exists() for copy in copies)
    with open_home(kept.data / "dagster") as instance:
        assert instance.get_dynamic_partitions(NAME) == ["acme"]
        assert instance.get_dynamic_partitions("integrations") == ["acme"]
        # The runs of version 0.1 are known as ours.
        assert len([*OwnRuns(instance, AssetKeys()).records(dg.RunsFilter())]) == 3
    status = kept.run("status")
    assert "success" in status.stdout
    assert kept.run("sql", "--format", "csv", "FROM integrations").returncode == 0
    verified = kept.run("verify")
    assert verified.returncode == 0, verified.stdout
    last = max(str(row[1]) for row in before["snapshots"])
    assert f"acme: the chain of manifests begins at {last}" in verified.stdout
