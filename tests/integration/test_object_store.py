"""Commands with an object store that one machine publishes to and another reads."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner, Result
from dagster._core.types.dagster_type import resolve_dagster_type

from assets_defs.cli.main import main
from assets_defs.io_manager import InventoryIOManager
from assets_defs.sensors import build_sensors
from pipelines.config.applied import AppliedSettings
from pipelines.errors import InventoryError
from pipelines.history.object_store import ObjectSnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.publish.frames import PublishedFrames
from pipelines.simulator import Organization, Server, generate
from pipelines.storage.object_store import ObjectStore
from pipelines.workspace import Workspace
from tests.support.cli import Installation
from tests.support.machines import SMALL, URL
from tests.support.publisher import tables_in
from tests.support.s3 import BUCKET, S3Server


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, installation: Installation) -> Callable[..., Result]:
    """Return a function that runs a command on another machine."""

    def run(*arguments: str, url: str = URL, machine: str = "elsewhere") -> Result:
        monkeypatch.setenv("JUMPCLOUD_INVENTORY_HOME", url)
        monkeypatch.setenv("JUMPCLOUD_INVENTORY_WORK", str(installation.folder / machine))
        monkeypatch.setenv("DAGSTER_HOME", "")
        return CliRunner().invoke(main, arguments)

    return run


def test_inventory_of_one_machine_is_read_on_another(
    s3: S3Server,
    serve: Callable[..., Server],
    installation: Installation,
    elsewhere: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    organizations = {
        name: generate(seed, sizes=SMALL) for seed, name in enumerate(["acme", "bolt"])
    }
    installation.set_integrations(**{name: serve(each) for name, each in organizations.items()})
    assert_failed_runs_publish_nothing(installation, organizations["acme"].api_key, s3, elsewhere)
    publish(installation, organizations, s3)

    for integration in ([], ["acme"]):
        fetched = elsewhere("fetch", *integration)
        assert fetched.exit_code == 0, fetched.output
        assert Path(fetched.output.strip()).is_relative_to(installation.folder / "elsewhere")
    assert answer(elsewhere, "SELECT integration, users FROM integrations ORDER BY 1") == [
        f"'{name}',{len(organizations[name].users)}" for name in ("acme", "bolt")
    ]
    for integration in ([], ["acme"]):
        sent = len(s3.requests)
        assert elsewhere("fetch", *integration).exit_code == 0
        assert [each.method for each in s3.requests[sent:]] == ["HEAD"]
    assert_unknown_integrations_are_named(elsewhere)

    organizations["acme"].add_user(username="new.person")
    file = installation.folder / "integrations.toml"
    text = file.read_text()
    file.write_text(f'{text}[export_servicenow]\nto = "{installation.folder}/missing"\n')
    # Its export fails, and the file of all integrations is combined even so.
    publish(installation, organizations, s3, "acme", exit_code=1)
    file.write_text(text)
    added = "SELECT asset_type FROM changes WHERE change = 'added'"
    assert answer(elsewhere, added) == ["'users'"]
    assert "new.person" in elsewhere("diff", "--integration", "acme").output
    assert_equals_rebuilt_file(installation)
    assert_downstream_assets_read_it(sum(len(each.users) for each in organizations.values()))

    (installation.folder / "apex.toml").write_text(text.replace('"acme"', '"apex"'))
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_CONFIG", str(installation.folder / "apex.toml"))
    assert_renamed(elsewhere)
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_CONFIG", str(installation.folder / "bolt.toml"))
    (installation.folder / "bolt.toml").write_text(text[text.index("[[", 1) :])
    forget_after_interruptions(s3, elsewhere)
    assert answer(elsewhere, "SELECT integration FROM integrations") == ["'bolt'"]
    keys = [key for key, _ in ObjectStore(URL).objects("")]
    assert [key for key in keys if "acme" in key or "apex" in key] == []


def assert_downstream_assets_read_it(users: int) -> None:
    """Check the frames and the file of an asset on another machine than that of the runs."""
    workspace = Workspace.from_environment(os.environ)
    frames = PublishedFrames(workspace)
    names = frames.table("users", columns=["username"]).pandas()["username"].to_list()
    assert len(names) == users
    assert "new.person" in names
    with pytest.raises(InventoryError, match="or another machine published later"):
        frames.raw_table("systems")

    def load(*partitions: str) -> duckdb.DuckDBPyConnection:
        context = dg.build_input_context(
            asset_key=["inventory", "inventory_duckdb"],
            dagster_type=resolve_dagster_type(duckdb.DuckDBPyConnection),
            asset_partitions_def=dg.StaticPartitionsDefinition(["acme", "bolt"]),
            asset_partition_key_range=dg.PartitionKeyRange(partitions[0], partitions[-1]),
        )
        connection = InventoryIOManager(workspace).load_input(context)
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        return connection

    assert load("acme").sql("SELECT integration FROM integrations").fetchall() == [("acme",)]
    with pytest.raises(dg.Failure, match="Take inventory_of_all, which has all of them"):
        load("acme", "bolt")


def assert_failed_runs_publish_nothing(
    installation: Installation, key: str, s3: S3Server, elsewhere: Callable[..., Result]
) -> None:
    """Check a run with a wrong key, and one with a store that refuses."""
    failed = installation.run("run", "acme", "--data-dir", URL, ACME_KEY="no", **s3.environment)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("acme: nothing was published")
    s3.is_refused = lambda _: True
    failed = installation.run("run", "acme", "--data-dir", URL, ACME_KEY=key, **s3.environment)
    assert failed.returncode == 1
    *_, cause, stays = failed.stderr.splitlines()
    assert cause.startswith(f"acme: {URL}: cannot be ")
    assert "plan:" not in failed.stderr  # no call to JumpCloud is made
    assert stays.startswith("acme: the history cannot be read, so it may be published")
    s3.is_refused = lambda _: False
    for reading in ("combine", "fetch"):
        nothing = elsewhere(reading)
        assert nothing.exit_code == 1
        assert f"{URL}/inventory.duckdb: no inventory has been published here" in nothing.output


def assert_unknown_integrations_are_named(elsewhere: Callable[..., Result]) -> None:
    """Check that the error lists the known integrations."""
    for unknown in ("nope", "../acme", "a//b", "*"):
        for command in (["fetch", unknown], ["sql", "SELECT 1", "--integration", unknown]):
            refused = elsewhere(*command)
            assert refused.exit_code == 1
            words = f"no integration {unknown!r} was published; there are: acme, bolt"
            assert words in refused.output


def assert_renamed(elsewhere: Callable[..., Result]) -> None:
    """Rename an integration, and check what is published and the history."""
    renamed = elsewhere("rename", "acme", "apex")
    assert renamed.exit_code == 0, renamed.output
    assert elsewhere("fetch", "apex").exit_code == 0
    switches = "SELECT integration, configured FROM integrations ORDER BY integration"
    assert answer(elsewhere, switches) == ["'apex',true", "'bolt',true"]
    verified = elsewhere("verify")
    assert verified.exit_code == 0, verified.output
    assert "apex: 2 snapshots" in verified.output


def forget_after_interruptions(s3: S3Server, elsewhere: Callable[..., Result]) -> None:
    """Forget an integration after three attempts that the store interrupted."""
    for count in (1, 2, 3):
        refuse_writes_after(s3, count)
        assert elsewhere("forget", "apex", "--yes").exit_code == 1
    s3.is_refused = lambda _: False
    forgotten = elsewhere("forget", "apex", "--yes")
    assert forgotten.exit_code == 0, forgotten.output


def publish(
    installation: Installation,
    organizations: dict[str, Organization],
    s3: S3Server,
    *names: str,
    exit_code: int = 0,
) -> None:
    """Pull and publish on one machine."""
    keys = {f"{name.upper()}_KEY": each.api_key for name, each in organizations.items()}
    run = installation.run("run", *names, "--data-dir", URL, **keys, **s3.environment)
    assert run.returncode == exit_code, run.stderr
    for secret in [*keys.values(), s3.environment["AWS_SECRET_ACCESS_KEY"]]:
        assert secret not in run.stdout + run.stderr
    written = (installation.folder / "data" / "s3" / BUCKET / "some" / "prefix").rglob("*")
    for file in written:
        if file.is_file():
            content = file.read_bytes()
            assert s3.environment["AWS_SECRET_ACCESS_KEY"].encode() not in content


def refuse_writes_after(s3: S3Server, count: int) -> None:
    """Refuse all writes after a number of them."""
    sent = len(s3.requests)
    s3.is_refused = lambda _: sum(each.is_write for each in s3.requests[sent:]) > count


def answer(elsewhere: Callable[..., Result], query: str) -> list[str]:
    """Return the rows that `sql` prints."""
    result = elsewhere("sql", query, "--format", "csv")
    assert result.exit_code == 0, result.output
    return [line.replace('"', "'") for line in result.stdout.splitlines()[1:]]


def assert_equals_rebuilt_file(installation: Installation) -> None:
    """Check that the fetched file equals one built from the whole history."""
    rebuilt = installation.folder / "rebuilt.duckdb"
    history = ObjectSnapshotStore(installation.folder / "rebuilding", ObjectStore(URL))
    settings = AppliedSettings({"acme": True, "bolt": True})
    build_duckdb_file(history, rebuilt, settings=settings)
    assert tables_in(installation.folder / "elsewhere" / "inventory.duckdb") == tables_in(rebuilt)


def test_sql_before_first_combine_fails(s3: S3Server, elsewhere: Callable[..., Result]) -> None:
    assert s3.address
    result = elsewhere("sql", "SELECT 1")
    assert result.exit_code == 1
    assert f"{URL}/inventory.duckdb: no inventory has been published here yet" in result.output


def test_fetched_file_is_private(
    s3: S3Server, elsewhere: Callable[..., Result], installation: Installation
) -> None:
    ObjectStore(URL).put("inventory.duckdb", b"names and addresses")
    before = os.umask(0o022)
    try:
        fetched = elsewhere("fetch", machine="parent/reader")
    finally:
        os.umask(before)
    assert fetched.exit_code == 0, fetched.output
    assert s3.requests
    file = Path(fetched.output.strip())
    assert file.read_bytes() == b"names and addresses"
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    assert stat.S_IMODE((installation.folder / "parent" / "reader").stat().st_mode) == 0o700
    file.with_name("inventory.duckdb.wal").touch()
    refused = elsewhere("fetch", machine="parent/reader")
    assert refused.exit_code == 1
    assert "inventory.duckdb.wal: another program wrote changes" in refused.output


def test_sensor_skips_when_store_is_unreachable(
    s3: S3Server,
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_HOME", URL)
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_WORK", str(installation.folder / "work"))
    s3.is_refused = lambda _: True
    workspace = Workspace.from_environment(os.environ)
    sensors = {sensor.name: sensor for sensor in build_sensors(workspace, is_scheduled=True)}
    with dg.DagsterInstance.ephemeral() as instance:
        result = sensors["alert_on_late"].evaluate_tick(
            dg.build_sensor_context(instance=instance, cursor="{}")
        )
    assert result.cursor == "{}"
    assert f"{URL}: cannot be read (the credentials" in str(result.skip_message)


@pytest.mark.parametrize(
    "command", [["fetch"], ["combine"], ["sql", "SELECT 1"], ["diff"], ["status"]]
)
def test_unwritable_working_directory_is_named(
    elsewhere: Callable[..., Result], installation: Installation, command: list[str]
) -> None:
    (installation.folder / "file").touch()
    result = elsewhere(*command, machine="file/work")
    assert result.exit_code == 2, result.output
    assert f"{installation.folder}/file/work cannot be written (Not a directory)" in result.output
    assert "name another one with JUMPCLOUD_INVENTORY_WORK" in result.output


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/place",
        "s3://key:secret-of-someone@bucket/prefix",
        "s3://bucket/prefix?token=secret-of-someone",
        "https://bucket.example/prefix",
    ],
)
def test_unsupported_address_is_refused(elsewhere: Callable[..., Result], url: str) -> None:
    result = elsewhere("sql", "SELECT 1", url=url)
    assert result.exit_code == 2
    assert f"the {url.partition('://')[0]}:// address is not valid" in result.output
    assert "secret-of-someone" not in result.output


def test_missing_extra_is_named(
    elsewhere: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "pipelines.storage.object_store", raising=False)
    result = elsewhere("fetch", url="s3://another-bucket/prefix")
    assert result.exit_code == 1
    assert "pip install '.[cluster]' in the repository" in result.output


def test_fetch_from_directory_is_refused(
    elsewhere: Callable[..., Result], installation: Installation
) -> None:
    result = elsewhere("fetch", url=str(installation.data))
    assert result.exit_code == 2
    assert "is in a directory of this machine already" in result.output
