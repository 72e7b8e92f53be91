"""The check for mass removals, and the option `--accept-removals`."""

import os
from collections.abc import Callable

import dagster as dg
import duckdb
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from assets_defs.definitions import build_code_location
from assets_defs.jobs import REFRESH_JOB
from assets_defs.runs.failures import step_failure_message
from assets_defs.runs.instance import open_instance
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import Installation
from tests.support.publisher import Publisher, Pulled, published_content


def test_mass_removal_is_published_only_when_accepted(
    installation: Installation,
    serve: Callable[..., Server],
    pull: Callable[..., Pulled],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    organization = generate(sizes=Sizes(systems=90, users=5, system_groups=2, applications=1))
    Publisher(installation.data).publish(pull(organization), "globex")
    installation.set_integrations(acme=serve(organization))
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    assert_other_integration_is_only_noted(done.stderr.splitlines())
    before = published_content(installation.data)
    systems = organization.systems
    gone = sorted(systems, key=lambda each: str(systems[each]["hostname"]))
    names = [str(systems[each]["hostname"]) for each in gone[:5]]
    for system_id in gone[:30]:
        organization.remove_system(system_id)
    assert_nothing_is_accepted(installation)

    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 1
    loss = "30 of 90 systems vanished since the last snapshot (60 now): "
    assert_removal_is_shown(installation, done.stderr, f"{loss}{', '.join(names)} and 25 more")
    assert published_content(installation.data) == before

    accepted = installation.run("accept", "acme")
    assert accepted.stdout.startswith("acme: accepted, the next run publishes it: ")
    assert loss in accepted.stdout
    assert "acme: the removal is accepted" in installation.run("status").stdout
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    assert count_removed(installation) == 30

    assert installation.run("accept", "acme").returncode == 1
    for system_id in gone[30:60]:
        organization.remove_system(system_id)
    done = installation.run("run", "--accept-removals", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    assert count_removed(installation) == 60

    for system_id in gone[60:]:
        organization.remove_system(system_id)
    monkeypatch.setenv("ACME_KEY", organization.api_key)
    assert repeat_last_run(installation) is dg.DagsterRunStatus.FAILURE
    assert "30 of 30 systems vanished" in installation.run("status").stdout
    assert count_removed(installation) == 60


def assert_other_integration_is_only_noted(lines: list[str]) -> None:
    warnings = [line for line in lines if "findings." in line]
    assert all(": acme " in line for line in warnings)
    assert warnings
    (note,) = [line for line in lines if "globex" in line]
    assert note.startswith("globex: published, but no longer in the settings")


def assert_nothing_is_accepted(installation: Installation) -> None:
    early = installation.run("accept", "acme")
    assert early.returncode == 1
    assert early.stderr.startswith("Error: nothing to accept: ")
    unknown = installation.run("accept", "../acme")
    assert unknown.stderr == (
        "Error: no integration '../acme' was published; there are: acme, globex\n"
    )


def assert_removal_is_shown(installation: Installation, printed: str, loss: str) -> None:
    (line,) = (line for line in printed.splitlines() if loss in line)
    assert line.startswith(f"acme: {loss}")
    assert line.endswith("`jumpcloud-inventory accept acme` lets the next run publish it")
    shown = installation.run("status").stdout
    assert line in shown
    assert "removals_within_limit" not in printed + shown


def workspace_of(installation: Installation) -> Workspace:
    settings = installation.folder / "integrations.toml"
    return Workspace(installation.data, config=settings, environment=os.environ)


def repeat_last_run(installation: Installation) -> dg.DagsterRunStatus:
    """Repeat the last run with its configuration, as "Re-execute all" of the UI does."""
    workspace = workspace_of(installation)
    job = build_code_location(workspace).resolve_job_def(REFRESH_JOB)
    with open_instance(workspace) as instance:
        (last,) = instance.get_runs(limit=1)
        run = instance.create_run_for_job(
            job,
            run_config=last.run_config,
            tags=last.tags,
            parent_run_id=last.run_id,
            root_run_id=last.run_id,
        )
        list(execute_run_iterator(InMemoryJob(job), run, instance))
        ended = instance.get_run_by_id(run.run_id)
        assert ended
        return ended.status


def failure_of_publication_alone(installation: Installation) -> str:
    """Materialize only the assets of the publication, as the graph can; return the failure."""
    workspace = workspace_of(installation)
    tables = ("snapshots", "changes", "integrations", "inventory_duckdb")
    with open_instance(workspace) as instance:
        done = (
            build_code_location(workspace)
            .resolve_job_def(REFRESH_JOB)
            .execute_in_process(
                partition_key="acme",
                asset_selection=[dg.AssetKey(["inventory", table]) for table in tables],
                instance=instance,
                raise_on_error=False,
            )
        )
    assert not done.success
    (failure,) = (event for event in done.all_events if event.is_step_failure)
    return step_failure_message(failure, workspace.root)


def count_removed(installation: Installation) -> int:
    with duckdb.connect(installation.file, read_only=True) as connection:
        removed = "SELECT count(*) FROM changes WHERE asset_type = 'systems' AND change = 'removed'"
        return int(connection.sql(removed).fetchall()[0][0])


def test_refused_tables_are_published_only_after_a_new_pull(
    installation: Installation, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = generate(sizes=Sizes(systems=60, users=5, system_groups=2, applications=1))
    server = serve(organization)
    installation.set_integrations(acme=server)
    assert installation.run("run", ACME_KEY=organization.api_key).returncode == 0
    before = published_content(installation.data)
    systems, deleted = dict(organization.systems), set(organization.deleted)
    for system_id in list(systems)[:40]:
        organization.remove_system(system_id)
    assert installation.run("run", ACME_KEY=organization.api_key).returncode == 1

    monkeypatch.setenv("ACME_KEY", organization.api_key)
    reason = "are not of one complete pull that passed its checks"
    assert reason in failure_of_publication_alone(installation)
    assert published_content(installation.data) == before

    with organization.edit():
        organization.systems, organization.deleted = systems, deleted
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    with duckdb.connect(installation.file, read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM systems").fetchall() == [(60,)]
