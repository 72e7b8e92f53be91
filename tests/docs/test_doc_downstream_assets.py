"""The examples of docs/how-to/downstream-assets.md run as they are printed."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import dagster as dg
import duckdb
import pytest

from assets_defs.partitions import NAME
from pipelines.simulator import Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled, on_day

PAGE = ROOT / "docs" / "how-to" / "downstream-assets.md"
SIZES = Sizes(systems=12, users=8, system_groups=2, user_groups=2, applications=2)


@pytest.fixture
def page(
    pull: Callable[..., Pulled],
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """Publish two organizations, and load the Python of the page as one module."""
    first, second = generate(1, SIZES), generate(2, SIZES)
    for organization in (first, second):
        organization.add_user(username="ann", email="ann@example.com")
        organization.add_system(hostname="old", lastContact="2020-01-01T00:00:00.000Z")
    publisher.commit(on_day(0, pull(first)))
    publisher.commit(on_day(0, pull(second)), "globex")
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_HOME", str(publisher.home))
    monkeypatch.delenv("JUMPCLOUD_INVENTORY_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.+?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "my_assets.py").write_text("\n\n".join(blocks))
    spec = importlib.util.spec_from_file_location("my_assets", tmp_path / "my_assets.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions(NAME, ["acme", "globex"])
        yield instance


def test_examples_materialize_in_both_code_locations(
    page: ModuleType, instance: dg.DagsterInstance
) -> None:
    for definitions in (page.defs(), page.elsewhere()):
        job = definitions.resolve_implicit_global_asset_job_def()

        def run(name: str, partition: str | None = None) -> dict[str, object]:
            """Materialize an asset; return its metadata."""
            done = job.execute_in_process(  # noqa: B023 -- called in the same iteration
                instance=instance, asset_selection=[dg.AssetKey(name)], partition_key=partition
            )
            (event,) = done.get_asset_materialization_events()
            return {key: value.value for key, value in event.materialization.metadata.items()}

        silent = {"dagster/row_count": 1, "hostnames": ["old"]}
        assert run("silent_devices", "acme") == silent
        assert run("shared_addresses") == {"dagster/row_count": 1}
        assert run("os_versions")["dagster/table_name"] == "main.os_versions"
        with duckdb.connect("warehouse.duckdb") as connection:
            query = "SELECT integration, sum(devices)::INT FROM os_versions GROUP BY ALL ORDER BY 1"
            assert connection.sql(query).fetchall() == [("acme", 13), ("globex", 13)]
            connection.execute("DROP TABLE os_versions")
