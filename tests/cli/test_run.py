"""The command `run` in a separate process, with real Dagster runs."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.parquet as pq

from assets_defs.jobs import REFRESH_JOB
from assets_defs.runs.instance import open_home, prepare_instance
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from pipelines.storage.locks import is_held
from pipelines.workspace import Workspace
from tests.oracle import expected_tables
from tests.support.cli import COMMAND, Installation
from tests.support.publisher import (
    Publisher,
    Pulled,
    as_truth,
    on_day,
    published_content,
    tables_in,
)

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
# More than a page of systems.
MEDIUM = Sizes(systems=150, users=60, system_groups=12, user_groups=6, applications=5)


def test_run_publishes_expected_tables_and_no_secret(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=MEDIUM)
    installation.set_integrations(acme=serve(organization))
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    assert "150" in done.stdout
    assert str(installation.file) in done.stdout
    assert "inventory/systems" in done.stderr

    expected = expected_tables(organization)
    with duckdb.connect(installation.file, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in INVENTORY_TABLES:
            order = ", ".join(table.key)
            rows = connection.sql(f"FROM {table.name} ORDER BY {order}").to_arrow_table()
            assert as_truth(rows.to_pylist()) == expected[table.name], table.name
        for view in VIEWS:
            rows = connection.sql(f"FROM {view.name} ORDER BY ALL").to_arrow_table()
            assert as_truth(rows.to_pylist()) == expected[view.name], view.name

    secrets = {*organization.secrets(), organization.api_key}
    assert_no_secret_below(installation.folder, secrets)
    assert not [secret for secret in secrets if secret in done.stdout + done.stderr]


def test_run_reports_refused_list_new_field_and_lost_value(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=SMALL)
    organization.update(
        next(iter(organization.systems)), riskScore="value-of-it", fde="value-of-it"
    )
    behavior = Behavior(whole_records=True, denied={"organizations"})
    installation.set_integrations(acme=serve(organization, behavior))
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    assert "scope organizations.readonly. The run goes on without the name" in done.stderr
    assert "systems: the API sends unknown fields: riskScore" in done.stderr
    assert "systems: values of another type than known are lost: fde 1" in done.stderr
    secrets = {*organization.secrets(), organization.api_key, "value-of-it"}
    assert_no_secret_below(installation.folder, secrets)


def test_service_account_and_key_file_leave_no_secret(
    installation: Installation, serve: Callable[..., Server], tmp_path: Path
) -> None:
    one, two = generate(1, SMALL), generate(2, SMALL)
    behavior = Behavior(tokens_end_at={25}, denied_to_service_accounts={"organizations"})
    servers = [serve(one, behavior), serve(two)]
    key_file = tmp_path / "two.key"
    key_file.touch(mode=0o600)
    key_file.write_text(f"{two.api_key}\n")
    keys = (
        'client_id_env = "ONE_ID"\nclient_secret_env = "ONE_SECRET"',
        f'api_key_file = "{key_file}"',
    )
    entries = [
        f'[[integration]]\nname = "{name}"\nbase_url = "{server.base_url}"\n{key}\n'
        for name, server, key in zip(("one", "two"), servers, keys, strict=True)
    ]
    settings = installation.folder / "integrations.toml"
    settings.write_text("\n".join(entries))
    arguments = ("run", "--config", str(settings))
    account = {"ONE_ID": one.client_id, "ONE_SECRET": one.client_secret}
    for name in ("one", "two"):
        done = installation.run(*arguments, name, **account)
        assert done.returncode == 0, done.stderr
    with duckdb.connect(installation.file, read_only=True) as connection:
        counted = connection.sql("SELECT integration, systems FROM integrations ORDER BY 1")
        assert counted.fetchall() == [("one", 30), ("two", 30)]

    key_file.chmod(0o640)
    done_later = installation.run(*arguments, "two")
    assert done_later.returncode == 2
    assert f"api_key_file {key_file} is open to others (mode 0640)" in done_later.stderr
    refused = installation.run(*arguments, "one", **account | {"ONE_SECRET": "simsecret-old"})
    assert refused.returncode == 1
    assert "check ONE_ID and ONE_SECRET" in refused.stderr

    secrets = {one.client_id, "simsecret-old", *servers[0].tokens, *one.secrets(), *two.secrets()}
    assert len(servers[0].tokens) == 2
    assert_no_secret_below(installation.folder, secrets)
    for each in (done, done_later, refused):
        assert "Traceback" not in each.stderr
        assert not [secret for secret in secrets if secret in each.stdout + each.stderr]


def assert_no_secret_below(folder: Path, secrets: set[str]) -> None:
    """Check the bytes of every file, and the values in compressed files."""
    assert len(secrets) > 1
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += json.dumps(pq.read_table(path, partitioning=None).to_pylist(), default=str)
        if path.suffix == ".duckdb":
            with duckdb.connect(path, read_only=True) as connection:
                names = [row[0] for row in connection.sql("SHOW TABLES").fetchall()]
                text += "".join(str(connection.sql(f"FROM {name}").fetchall()) for name in names)
        assert not [secret for secret in secrets if secret in text], path


def test_failed_run_prints_cause_and_changes_nothing(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=SMALL)
    server = serve(organization)
    installation.set_integrations(acme=server)
    assert installation.run("run", ACME_KEY=organization.api_key).returncode == 0
    before = published_content(installation.data)
    right, wrong = organization.api_key, "jca_wrong_key_0123456789"
    for key, faults, message in (
        (wrong, [], "refused the API key (401)"),
        (right, [Fault("/systems$", "forbidden")], "scope systems.readonly"),
        (right, [Fault("/systemgroups$", "redirect")], "check region and base_url"),
    ):
        server.behavior.faults = faults
        done = installation.run("run", ACME_KEY=key)
        assert done.returncode == 1, message
        assert message in done.stderr
        assert "Traceback" not in done.stderr + done.stdout
        assert key not in done.stderr + done.stdout
        assert published_content(installation.data) == before, message


def test_incomplete_list_fails_its_check_and_is_named(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=Sizes(systems=250, users=5, system_groups=2, applications=0))
    group = max(organization.members, key=lambda each: len(organization.members[each]))

    def grow(_: int, __: object) -> None:
        organization.add_member(group, organization.add_system())

    installation.set_integrations(acme=serve(organization, Behavior(on_call=grow)))
    home = installation.folder / "shared"
    home.mkdir()
    old = add_old_runs(home, REFRESH_JOB)
    done = installation.run("run", ACME_KEY=organization.api_key, DAGSTER_HOME=str(home))
    assert done.returncode == 1
    assert f"Dagster home: {home} (DAGSTER_HOME)" in done.stderr
    assert f"systemgroups_members/{group}: the announced total changes" in done.stderr
    assert not installation.file.exists()
    members = dg.AssetKey(["jumpcloud", "systemgroups_members"])
    with open_home(home) as instance:
        run, *others = instance.get_runs()
        assert {other.run_id for other in others} == old
        events = [log.dagster_event for log in instance.all_logs(run.run_id) if log.dagster_event]
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert [(check.asset_key, check.passed) for check in checks] == [(members, False)]


def add_old_runs(home: Path, *jobs: str) -> set[str]:
    """Add a run of each job that ended more than 90 days ago; return their ids."""
    runs = [dg.DagsterRun(job, status=dg.DagsterRunStatus.SUCCESS) for job in jobs]
    with open_home(home) as instance:
        for run in runs:
            instance.run_storage.add_historical_run(run, datetime.now(UTC) - timedelta(days=91))
    return {run.run_id for run in runs}


def test_failing_integration_does_not_stop_others(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organizations = {"one": generate(1, SMALL), "two": generate(2, SMALL)}
    servers = {name: serve(organization) for name, organization in organizations.items()}
    installation.set_integrations(bad=servers["one"], **servers)
    workspace = Workspace(installation.data)
    prepare_instance(workspace)
    theirs = add_old_runs(workspace.dagster_home, "nightly")
    ours = add_old_runs(workspace.dagster_home, *[REFRESH_JOB] * 3)
    keys = {f"{name.upper()}_KEY": each.api_key for name, each in organizations.items()}
    done = installation.run("run", BAD_KEY="jca_wrong", **keys)
    assert done.returncode == 1
    assert "2 of 3 integrations published" in done.stdout
    with open_home(workspace.dagster_home) as instance:
        left = {run.run_id for run in instance.get_runs()}
    assert left & (theirs | ours) == theirs
    assert len(left - theirs) == 3
    with duckdb.connect(installation.file, read_only=True) as connection:
        counts = "SELECT integration, count(*) FROM systems GROUP BY ALL ORDER BY ALL"
        assert connection.sql(counts).fetchall() == [(name, 30) for name in organizations]
    rates = json.loads((installation.data / "rates.json").read_text())
    assert len(rates) >= len(organizations)


def test_unwritable_report_is_a_warning_and_file_is_published(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=SMALL)
    installation.set_integrations(acme=serve(organization))
    report = installation.data / "report.html"
    (report / "in the way").mkdir(parents=True)
    reason = f"{report}: cannot be written (Is a directory)"
    done = installation.run("run", ACME_KEY=organization.api_key)
    assert done.returncode == 0, done.stderr
    output = " ".join(done.stderr.split())
    assert f"published, but without a new report: {reason}" in output
    assert len(tables_in(installation.file)["systems"]) == SMALL.systems
    key = dg.AssetCheckKey(dg.AssetKey(["inventory", "inventory_duckdb"]), "report_written")
    with open_home(installation.data / "dagster") as instance:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert record.status.value == "FAILED"
    assert record.event
    evaluation = record.event.get_dagster_event().asset_check_evaluation_data
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert reason in str(evaluation.metadata["failure"].value)

    done = installation.run("rebuild")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {reason}; fix the cause, then")
    (report / "in the way").rmdir()
    report.rmdir()
    assert installation.run("rebuild").returncode == 0
    assert "acme" in report.read_text()


def test_run_applies_retention_and_findings_settings(
    installation: Installation, serve: Callable[..., Server], pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SMALL)
    publisher = Publisher(installation.data)
    pulled = pull(organization)
    old = [publisher.publish(on_day(day, pulled)).snapshot_id for day in range(3)]
    installation.set_integrations(acme=serve(organization))
    with (installation.folder / "integrations.toml").open("a") as file:
        file.write('[keep_snapshots]\nall_for_days = 1\nthen = "none"\n')
        file.write("[findings]\nstale_days = 7\n")
    assert installation.run("run", ACME_KEY=organization.api_key).returncode == 0
    kept = {each.snapshot_id: each.has_tables for each in publisher.history.manifests()}
    newest = max(kept)
    assert kept == {old[0]: False, old[1]: False, old[2]: True, newest: True}
    published = tables_in(installation.file)
    assert len(published["snapshots"]) == 4
    assert publisher.rows("SELECT stale_days FROM findings.thresholds") == [{"stale_days": 7}]
    found = publisher.rows("FROM findings.summary ORDER BY ALL")
    assert installation.run("rebuild").returncode == 0
    assert tables_in(installation.file) == published
    # `rebuild` reads no settings file here: the thresholds come from the snapshot.
    assert publisher.rows("SELECT stale_days FROM findings.thresholds") == [{"stale_days": 7}]
    assert publisher.rows("FROM findings.summary ORDER BY ALL") == found


def test_second_run_is_refused_and_ctrl_c_ends_first(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization: Organization = generate(sizes=SMALL)
    hanging, ours = socket.socketpair()
    with hanging, ours:

        def notify(number: int, _: object) -> None:
            if number == 3:
                ours.send(b".")

        behavior = Behavior(faults=[Fault("/members", "hang", seconds=600)], on_call=notify)
        installation.set_integrations(acme=serve(organization, behavior))
        with subprocess.Popen(
            [COMMAND, "run"],
            cwd=installation.folder,
            env=installation.environment | {"ACME_KEY": organization.api_key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            hanging.recv(1)  # calls are in progress
            second = installation.run("run", ACME_KEY=organization.api_key)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=25)  # less than the timeout of a read
    assert second.returncode == 1
    assert "a run of integration 'acme' is already in progress" in second.stderr
    assert process.returncode == 130
    assert "acme: interrupted" in errors
    assert "Traceback" not in errors
    assert not installation.file.exists()
    # The kernel released the lock.
    assert not is_held(installation.data / "locks" / "acme")
