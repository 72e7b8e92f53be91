"""What most tests need: a simulated organisation, a pull of it, and a published file."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from commands import Commands, user_environment
from hypothesis import settings

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.config.settings import VOLATILE_COLUMNS
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.extract.pull import Pull, make_checkpoint, pull_organization
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE, SavedRates
from pipelines.schema.tables import INVENTORY_TABLES, TABLES
from pipelines.simulator import Behavior, Organization, Provider, Server
from pipelines.sql import in_memory
from pipelines.transform import TRANSFORMS

if TYPE_CHECKING:
    from machines import Machine
    from s3_server import S3Server

# How long an example takes says nothing on a busy machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

FIRST_DAY = datetime(2024, 1, 30, 8, tzinfo=UTC)
KEY_VARIABLE = "TEST_JUMPCLOUD_KEY"
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")
SERVICE_ACCOUNT = {
    "client_id_env": "TEST_JUMPCLOUD_CLIENT_ID",
    "client_secret_env": "TEST_JUMPCLOUD_CLIENT_SECRET",
}
BASE_TABLES = "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
# The columns of an EXCLUDE come in any order.
VIEW_WORDS = r"""
SELECT schema_name, view_name, list_sort(regexp_extract_all(sql, '\w+|[^\w\s]'))::TEXT AS words
FROM duckdb_views() WHERE NOT internal ORDER BY ALL
"""
MACROS = """
SELECT schema_name, function_name, parameters, macro_definition
FROM duckdb_functions() WHERE NOT internal ORDER BY ALL
"""
Rows = list[dict[str, object]]


@dataclass
class Pulled:
    """A pull of a simulated organisation, and the tables made of it."""

    server: Server
    pull: Pull
    tables: dict[str, pa.Table]

    def rows(self, table: str) -> Rows:
        """The rows of a table as the simulator's truth has them."""
        return as_truth(self.tables[table].to_pylist())


def on_day(number: int, pulled: Pulled) -> Pulled:
    """As if it had been pulled that many days after `FIRST_DAY`."""
    object.__setattr__(pulled.pull, "started_at", FIRST_DAY + timedelta(days=number))
    object.__setattr__(pulled.pull, "finished_at", FIRST_DAY + timedelta(days=number, minutes=1))
    return pulled


def as_truth(rows: Rows) -> Rows:
    """Rows without what the simulator cannot know; JSON parsed."""
    unknown = {"integration", "first_seen_at", "last_seen_at"}
    rows = [{name: row[name] for name in row if name not in unknown} for row in rows]
    for row in rows:
        if isinstance(row.get("attributes"), str):
            row["attributes"] = json.loads(str(row["attributes"]))
    return rows


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Serve an organisation, with its keys in the environment, until the test ends."""
    with ExitStack() as stack:

        def start(holder: Organization | Provider, behavior: Behavior | None = None) -> Server:
            monkeypatch.setenv(KEY_VARIABLE, holder.api_key)
            monkeypatch.setenv(SERVICE_ACCOUNT["client_id_env"], holder.client_id)
            monkeypatch.setenv(SERVICE_ACCOUNT["client_secret_env"], holder.client_secret)
            return stack.enter_context(Server(holder, behavior=behavior))

        yield start


@pytest.fixture
def integration() -> Callable[..., Integration]:
    """The settings of an integration with a simulated organisation."""

    def make(server: Server, **settings: object) -> Integration:
        given = {"name": "acme", "base_url": server.base_url} | settings
        if not {"api_key_file", *SERVICE_ACCOUNT} & set(settings):
            given["api_key_env"] = KEY_VARIABLE
        return Integration.model_validate(given)

    return make


@pytest.fixture
def fast_tmp_path() -> Iterator[Path]:
    """A folder for many small durable writes: in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 -- only a parent of a folder with a random name
    path = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: what is tested is what is sent again, not the clock."""
    monkeypatch.setattr("pipelines.jumpcloud.client.wait_before_retry", lambda _: 0.0)


@pytest.fixture
def state(fast_tmp_path: Path) -> Path:
    """The folder for what outlives a run."""
    return fast_tmp_path / "state"


@pytest.fixture
def pull(
    serve: Callable[..., Server], integration: Callable[..., Integration], state: Path
) -> Callable[..., Pulled]:
    """Pull an organisation over HTTP and make the tables of the contract of it."""

    def run(
        holder: Organization | Provider, behavior: Behavior | None = None, **settings: object
    ) -> Pulled:
        server = serve(holder, behavior)
        acme = integration(server, **settings)
        # As if it had been pulled before: the way up from four calls a second takes time.
        key = load_credentials(acme).identity
        SavedRates(state / "rates.json").put(key, MAX_SAVED_RATE)
        result = pull_organization(acme, state)
        make_checkpoint(acme, state).remove()
        frames = {f"jumpcloud.{name}": table for name, table in result.tables.items()}
        frames["jumpcloud.completeness"] = result.completeness
        with in_memory():
            for name, transform in TRANSFORMS.items():
                frames[name] = transform.run("acme", frames)
        return Pulled(server, result, {name: frames[name] for name in TRANSFORMS})

    return run


@dataclass
class Publisher:
    """Publishes pulls below a folder, as the Dagster assets do."""

    home: Path

    @property
    def history(self) -> SnapshotStore:
        """The history below the folder."""
        return SnapshotStore(self.home / "history")

    @property
    def file(self) -> Path:
        """The published file."""
        return self.home / "inventory.duckdb"

    def publish(
        self,
        pulled: Pulled,
        name: str = "acme",
        volatile_columns: Collection[str] = VOLATILE_COLUMNS,
        thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ) -> Manifest:
        """Commit a snapshot and build the file."""
        facts = IntegrationFacts(
            name=name, type="jumpcloud", scope="cloud", description="", region="us", enabled=True
        )
        tables = {t.name: _renamed(pulled.tables[t.name], name) for t in INVENTORY_TABLES}
        pull_facts = PullFacts.model_validate(
            pulled.pull.facts().to_pylist()[0]
            | {
                "organization_id": None,
                "organization_name": None,
            }
        )
        given = PulledTables(pull_facts, pulled.pull.completeness, tables.__getitem__)
        manifest = commit_snapshot(
            self.history, facts, given, "run-1", volatile_columns, thresholds
        )
        update_duckdb_file(self.history, self.file)
        return manifest

    def rows(self, query: str) -> Rows:
        """The answer of the published file."""
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            rows: Rows = connection.sql(query).to_arrow_table().to_pylist()
            return rows

    def table(self, name: str) -> Rows:
        """A table or view as the simulator's truth has it."""
        order = ", ".join(TABLES[name].key) if name in TABLES else "ALL"
        return as_truth(self.rows(f"FROM {name} ORDER BY {order}"))


def _renamed(table: pa.Table, integration: str) -> pa.Table:
    return table.set_column(0, "integration", pa.array([integration] * table.num_rows, pa.string()))


@pytest.fixture
def publisher(fast_tmp_path: Path) -> Publisher:
    """Publishes below a folder of the test's own."""
    return Publisher(fast_tmp_path / "home")


@pytest.fixture
def ask(publisher: Publisher, tmp_path: Path) -> Callable[..., Result]:
    """Run a command in the publisher's data directory, with `kept` as the only integration."""
    from assets_defs.cli.main import main  # noqa: PLC0415 -- Dagster takes seconds that few tests need

    settings = tmp_path / "integrations.toml"
    settings.write_text('[[integration]]\nname = "kept"\n')

    def run(*arguments: str, entered: str = "") -> Result:
        environment = {
            "JUMPCLOUD_INVENTORY_HOME": str(publisher.home),
            "JUMPCLOUD_INVENTORY_CONFIG": str(settings),
            "DAGSTER_HOME": "",
        }
        result = CliRunner().invoke(main, arguments, entered, environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


def tables_in(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the file holds: tables of all schemas, and the SQL of views and macros.

    Of equal tables, equal views and macros give equal answers: none is asked here.
    """
    with duckdb.connect(file, read_only=True) as connection:
        found = connection.sql(BASE_TABLES).fetchall()
        names = [name if schema == "main" else f"{schema}.{name}" for schema, name in found]
        held = {name: f"FROM {name} ORDER BY ALL" for name in names}
        held |= {"views": VIEW_WORDS, "macros": MACROS}
        return {name: connection.sql(query).fetchall() for name, query in held.items()}


@dataclass
class Installation:
    """A data directory, a settings file and the environment of a user."""

    folder: Path
    environment: dict[str, str]
    commands: Commands

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def file(self) -> Path:
        return self.data / "inventory.duckdb"

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return self.commands.run(arguments, self.folder, self.environment | environment)

    def set_integrations(self, **servers: Server) -> None:
        entries = [
            f'[[integration]]\nname = "{name}"\nbase_url = "{server.base_url}"\n'
            f'api_key_env = "{name.upper()}_KEY"\n'
            for name, server in servers.items()
        ]
        (self.folder / "integrations.toml").write_text("\n".join(entries))
        self.environment["JUMPCLOUD_INVENTORY_CONFIG"] = str(self.folder / "integrations.toml")


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Runs commands for all tests of this process."""
    commands = Commands()
    yield commands
    commands.end()


@pytest.fixture
def installation(fast_tmp_path: Path, commands: Commands) -> Installation:
    return Installation(fast_tmp_path, user_environment(), commands)


def published_content(folder: Path) -> dict[str, bytes]:
    """What is published: the file and the history."""
    files = [folder / "inventory.duckdb", *sorted((folder / "history").rglob("*.*"))]
    return {str(path): path.read_bytes() for path in files if path.is_file()}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Server"]:
    """An S3 server, named by the environment."""
    from s3_server import s3_server  # noqa: PLC0415 -- it takes a second that few tests need

    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def machine(s3: "S3Server", fast_tmp_path: Path) -> Callable[[str], "Machine"]:
    """A machine of that name; it knows of the others what the store says."""
    from machines import URL, Machine  # noqa: PLC0415 -- as above

    from pipelines.storage.object_store import ObjectStore  # noqa: PLC0415

    assert s3.address
    return lambda name: Machine(fast_tmp_path / name, ObjectStore(URL))
