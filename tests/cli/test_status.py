"""The command `status`, and the table of integrations in the UI."""

import json
import re
from collections.abc import Callable
from datetime import datetime

import dagster as dg

from assets_defs.sensors.status_table import report_status
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import Installation

SIZES = Sizes(systems=30, users=20, system_groups=4, user_groups=3, applications=3)


def test_status_shows_success_failure_and_disabled(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    good, bad = generate(1, SIZES), generate(2, SIZES)
    installation.set_integrations(good=serve(good), bad=serve(bad), off=serve(generate(3, SIZES)))
    settings = installation.folder / "integrations.toml"
    settings.write_text(settings.read_text() + "enabled = false\n")
    keys = {"GOOD_KEY": good.api_key, "BAD_KEY": "jca_not_the_key_of_anybody"}
    assert installation.run("run", **keys).returncode == 1

    told = installation.run("status")
    assert told.returncode == 0, told.stderr
    assert "bad: " in told.stdout
    assert "JumpCloud refused the API key (401)" in told.stdout
    (off,) = (line for line in told.stdout.splitlines() if re.match(r"\W+off\b", line))
    assert "disabled" in off
    assert told.stdout.count("disabled") == 1
    statuses = {
        each["name"]: each for each in json.loads(installation.run("status", "--json").stdout)
    }
    assert statuses["good"]["last_run"]["result"] == "success"
    assert statuses["good"]["assets"]["systems"] == SIZES.systems
    assert statuses["good"]["current_run"] is None
    last, following = (
        datetime.fromisoformat(statuses["good"][name])
        for name in ("last_success_at", "next_run_at")
    )
    assert last < following
    assert (following.hour % 12, following.minute) == (0, 17)
    assert statuses["bad"]["last_run"]["result"] == "failure"
    assert "(401)" in statuses["bad"]["last_run"]["words"]
    assert statuses["bad"]["last_success_at"] is None
    assert statuses["off"]["enabled"] is False
    assert statuses["off"]["last_run"] is None
    assert statuses["off"]["next_run_at"] is None


def test_status_of_unknown_integration_lists_known_ones(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    installation.set_integrations(good=serve(generate(1, SIZES)))
    done = installation.run("status", "better")
    assert done.returncode == 2
    assert "no integration is named 'better'; there are: good" in done.stderr


def test_status_without_settings_points_to_demo(installation: Installation) -> None:
    demo = installation.data / "demo"
    demo.mkdir(parents=True)
    (demo / "integrations.toml").write_text('[[integration]]\nname = "demo"\n')
    told = installation.run("status")
    assert "jumpcloud" in told.stdout
    (line,) = told.stderr.splitlines()
    assert line.startswith("no settings file is named, so this is the integration of the env")
    options = line.partition(": status ")[2].split()
    told = installation.run("status", "--json", *options)
    assert [each["name"] for each in json.loads(told.stdout)] == ["demo"]
    assert told.stderr == ""


def test_narrow_terminal_shows_full_status(installation: Installation) -> None:
    wide, narrow = (
        installation.run("status", FORCE_COLOR="1", COLUMNS=columns, TERM="xterm").stdout
        for columns in ("200", "60")
    )
    assert "┃" in wide
    assert "┃" not in narrow
    told = dict(re.split(r" *│ ", line) for line in narrow.splitlines() if "│" in line)
    assert told["integration"] == "jumpcloud"
    assert told["type"] == "jumpcloud cloud"
    assert told["last run"] == "never"


def test_status_table_shows_cause_of_failed_run(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    good, bad = generate(1, SIZES), generate(2, SIZES)
    installation.set_integrations(good=serve(good), bad=serve(bad))
    keys = {"GOOD_KEY": good.api_key, "BAD_KEY": "jca_not_the_key_of_anybody"}
    assert installation.run("run", **keys).returncode == 1
    workspace = Workspace(installation.data, config=installation.folder / "integrations.toml")
    with dg.DagsterInstance.from_config(str(installation.data / "dagster")) as instance:
        look = report_status.evaluate_tick(
            dg.build_sensor_context(instance=instance, resources={"workspace": workspace})
        )
    (event,) = look.asset_events
    assert isinstance(event, dg.AssetMaterialization)
    table = event.metadata["integrations"]
    assert isinstance(table, dg.TableMetadataValue)
    errors = {str(each.data["integration"]): str(each.data["error"]) for each in table.records}
    assert errors.keys() == {"good", "bad"}
    assert errors["good"] == ""
    assert "JumpCloud refused the API key (401)" in errors["bad"]
    assert "\n" not in errors["bad"]
