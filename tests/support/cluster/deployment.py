"""A deployment on this machine: services, simulated organizations, and published tables."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import dagster as dg
import duckdb

from assets_defs.partitions import PARTITION_TAG
from pipelines.publish.publisher import combine
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.simulator import Behavior, Organization, Provider, Server
from pipelines.workspace import Workspace
from tests.oracle import expected_tables
from tests.support.cluster.roles import Cluster, services
from tests.support.cluster.services import (
    BUCKET,
    Postgres,
    object_store,
    postgres,
    redis_server,
)
from tests.support.missed_ticks import miss_ticks
from tests.support.publisher import as_truth

KEY_VARIABLE = "PROVIDER_KEY"
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Deployment:
    """A deployment without running roles.

    Attributes:
        cluster: The roles.
        postgres: The PostgreSQL server.
        instance: The Dagster instance that the roles share.
        organizations: Simulated organizations by integration name.
    """

    cluster: Cluster
    postgres: Postgres
    instance: dg.DagsterInstance
    organizations: dict[str, Organization]

    def start_worker(self, name: str) -> None:
        """Start a worker with a saved rate, because finding the rate takes seconds."""
        rates = Workspace(self.cluster.home(name)).saved_rates
        rates.put(os.environ[KEY_VARIABLE], MAX_SAVED_RATE)
        self.cluster.start_worker(name)

    def runs(self, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
        """Return the runs of integrations that are in one of these states."""
        chosen = dg.RunsFilter(statuses=list(statuses))
        return [run for run in self.instance.get_runs(chosen) if PARTITION_TAG in run.tags]

    def publishing_runs(self) -> list[tuple[str, str]]:
        """Return the id of the run and the integration of each snapshot."""
        manifests = Workspace.from_environment(os.environ).open_history().manifests()
        return [(manifest.run_id, manifest.integration.name) for manifest in manifests]

    def differing_integrations(self) -> list[str]:
        """Return the integrations with combined tables that differ from the expected ones."""
        workspace = Workspace.from_environment(os.environ)
        combine(workspace)
        with duckdb.connect(workspace.inventory_file(), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return [
                name
                for name, organization in self.organizations.items()
                if not _is_expected(connection, name, organization)
            ]


@contextmanager
def deployment(
    folder: Path,
    organizations: dict[str, Organization],
    behavior: Behavior,
    settings: dict[str, int],
) -> Iterator[Deployment]:
    """Serve the organizations of one provider, PostgreSQL, Redis and an object store.

    Each organization has an integration that is due as soon as a daemon starts. Environment
    variables of this process are set until the context ends.

    Args:
        folder: Folder of everything except PostgreSQL's files.
        organizations: Organizations by integration name.
        behavior: Behavior of the simulated API.
        settings: Numbers of `dagster.yaml` that differ from the documented ones.
    """
    provider = Provider(*organizations.values())
    tick = datetime.now(UTC) - timedelta(hours=2)
    cron = f"{tick.minute} {tick.hour} * * *"
    file = folder / "integrations.toml"
    with ExitStack() as stack:
        server = stack.enter_context(Server(provider, behavior=behavior))
        file.write_text(_settings(organizations, server.base_url, cron))
        database = stack.enter_context(postgres())
        redis = stack.enter_context(redis_server(folder))
        environment = {
            **services(database, redis, stack.enter_context(object_store(folder))),
            "JUMPCLOUD_INVENTORY_CONFIG": str(file),
            "JUMPCLOUD_INVENTORY_HOME": f"s3://{BUCKET}/{folder.name}",
            KEY_VARIABLE: provider.api_key,
            "NO_PROXY": "127.0.0.1",
        }
        cluster = stack.enter_context(Cluster(folder, environment, settings))
        own = environment | {"JUMPCLOUD_INVENTORY_WORK": str(cluster.home("client"))}
        stack.enter_context(mock.patch.dict(os.environ, own))
        instance = stack.enter_context(cluster.instance())
        miss_ticks(instance, since=datetime.now(UTC) - timedelta(days=1))
        yield Deployment(cluster, database, instance, organizations)


def _settings(organizations: dict[str, Organization], url: str, cron: str) -> str:
    return "\n".join(
        f'[[integration]]\nname = "{name}"\nbase_url = "{url}"\norg_id = "{organization.id}"\n'
        f'api_key_env = "{KEY_VARIABLE}"\nschedule = {{ cron = "{cron}" }}\n'
        for name, organization in organizations.items()
    )


def _is_expected(
    connection: duckdb.DuckDBPyConnection, name: str, organization: Organization
) -> bool:
    expected = expected_tables(organization)
    return all(
        _rows(connection, table.name, name, table.key) == expected[table.name]
        for table in INVENTORY_TABLES
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, table: str, integration: str, key: Sequence[str]
) -> Rows:
    """Return rows in the form of the simulator's oracle."""
    query = f"FROM {table} WHERE integration = ? ORDER BY {', '.join(key)}"
    found: Rows = connection.sql(query, params=[integration]).to_arrow_table().to_pylist()
    return as_truth(found)
