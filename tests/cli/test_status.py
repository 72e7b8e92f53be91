"""The command `status`."""

import json
import re
import time
from collections.abc import Callable
from datetime import datetime

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._daemon.types import DaemonHeartbeat

from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.instance import open_home
from pipelines.simulator import Server, Sizes, generate
from tests.support.cli import Installation
from tests.support.missed_ticks import switch_sensor

SIZES = Sizes(systems=30, users=20, system_groups=4, user_groups=3, applications=3)


def test_status_shows_success_failure_and_disabled(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    good, bad = generate(1, SIZES), generate(2, SIZES)
    installation.set_integrations(good=serve(good), bad=serve(bad), off=serve(generate(3, SIZES)))
    settings = installation.folder / "integrations.toml"
    settings.write_text(settings.read_text() + "enabled = false\n")
    keys = {"GOOD_KEY": good.api_key, "BAD_KEY": "jca_not_the_key_of_anybody"}
    assert installation.run("run", "good", **keys).returncode == 0
    assert installation.run("run", "bad", **keys).returncode == 1

    shown = installation.run("status")
    assert shown.returncode == 0, shown.stderr
    assert "bad: " in shown.stdout
    assert "JumpCloud refused the API key (401)" in shown.stdout
    (off,) = (line for line in shown.stdout.splitlines() if re.match(r"\W+off\b", line))
    assert "disabled" in off
    assert shown.stdout.count("disabled") == 1
    statuses = {one["name"]: one for one in json.loads(installation.run("status", "--json").stdout)}
    assert statuses["good"]["last_run"]["result"] == "success"
    assert statuses["good"]["assets"]["systems"] == SIZES.systems
    assert statuses["good"]["current_run"] is None
    assert statuses["good"]["next_run_at"] is None
    assert statuses["good"]["not_scheduled"] == "no daemon"
    assert shown.stdout.count("not scheduled: no daemon") == 2
    assert statuses["good"]["direct_calls"] == SIZES.users + SIZES.user_groups
    assert statuses["good"]["calls"] > 2 * statuses["good"]["direct_calls"]
    assert "single devices" not in shown.stdout
    assert statuses["bad"]["last_run"]["result"] == "failure"
    assert "(401)" in statuses["bad"]["last_run"]["words"]
    assert statuses["bad"]["last_success_at"] is None
    assert statuses["off"]["enabled"] is False
    assert statuses["off"]["last_run"] is None
    assert statuses["off"]["next_run_at"] is None
    assert statuses["off"]["not_scheduled"] == ""

    assert next_run(installation, seconds_ago=20, status=InstigatorStatus.DECLARED_IN_CODE)
    assert not next_run(installation, seconds_ago=20, status=InstigatorStatus.STOPPED)
    assert not next_run(installation, seconds_ago=300, status=InstigatorStatus.DECLARED_IN_CODE)


def next_run(
    installation: Installation, seconds_ago: int, status: InstigatorStatus
) -> datetime | None:
    """Return the next run of `good` that is shown, with a sign of the daemon so long ago."""
    at = time.time() - seconds_ago
    with open_home(installation.data / "dagster") as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", "id"))
        switch_sensor(instance, status)
    shown = {one["name"]: one for one in json.loads(installation.run("status", "--json").stdout)}
    found = shown["good"]["next_run_at"]
    if found is None:
        return None
    following = datetime.fromisoformat(found)
    assert datetime.fromisoformat(shown["good"]["last_success_at"]) < following
    assert (following.hour % 12, following.minute) == (0, 17)
    return following


def test_status_of_unknown_integration_lists_known_ones(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    installation.set_integrations(good=serve(generate(1, SIZES)))
    done = installation.run("status", "better")
    assert done.returncode == 2
    assert "no integration is named 'better'; there are: good" in done.stderr


def test_exported_home_is_used_and_named(installation: Installation) -> None:
    home = installation.folder / "shared"
    home.mkdir()
    (home / "dagster.yaml").touch()
    with open_home(home) as instance:
        tags = {PARTITION_TAG: "jumpcloud"}
        run = dg.DagsterRun(REFRESH_JOB, tags=tags, status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "id"))
    own = installation.run("status", "--json")
    assert json.loads(own.stdout)[0]["current_run"] is None
    shared = installation.run("status", "--json", DAGSTER_HOME=str(home))
    (status,) = json.loads(shared.stdout)
    assert status["current_run"]["run_id"] == run.run_id
    assert status["next_run_at"] is None
    switch = "switch on the sensor refresh_due_integrations in the UI"
    assert status["not_scheduled"] == f"not switched on; {switch}"
    assert shared.stderr == f"Dagster home: {home} (DAGSTER_HOME)\n{own.stderr}"
    wrong = installation.run("status", DAGSTER_HOME="shared")
    assert wrong.returncode == 2
    assert "DAGSTER_HOME=shared: not the absolute path of a directory" in wrong.stderr


def test_status_without_settings_points_to_demo(installation: Installation) -> None:
    demo = installation.data / "demo"
    demo.mkdir(parents=True)
    (demo / "integrations.toml").write_text('[[integration]]\nname = "demo"\n')
    shown = installation.run("status")
    assert "jumpcloud" in shown.stdout
    (line,) = shown.stderr.splitlines()
    assert line.startswith("no settings file is named, so this is the integration of the env")
    options = line.partition(": status ")[2].split()
    shown = installation.run("status", "--json", *options)
    assert [one["name"] for one in json.loads(shown.stdout)] == ["demo"]
    assert shown.stderr == ""


def test_wrong_data_directory_is_not_created(installation: Installation) -> None:
    typo = installation.folder / "typo"
    shown = installation.run("status", "--data-dir", str(typo))
    assert shown.returncode == 0
    assert "never" in shown.stdout
    for command in (
        *(["sql", "SELECT 1"], ["diff"], ["export", "--format", "csv"], ["check"], ["rebuild"]),
        *(["forget", "acme", "--yes"], ["rename", "acme", "jumpcloud"]),
        ["run", "--config", "missing.toml"],
    ):
        done = installation.run(*command, "--data-dir", str(typo))
        assert done.returncode in {1, 2}, command
    assert not typo.exists()


def test_narrow_terminal_shows_full_status(installation: Installation) -> None:
    wide, narrow = (
        installation.run("status", FORCE_COLOR="1", COLUMNS=columns, TERM="xterm").stdout
        for columns in ("200", "60")
    )
    assert "┃" in wide
    assert "┃" not in narrow
    shown = dict(re.split(r" *│ ", line) for line in narrow.splitlines() if "│" in line)
    assert shown["integration"] == "jumpcloud"
    assert shown["type"] == "jumpcloud cloud"
    assert shown["last run"] == "never"
