"""The sensors: alerts and partitions."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.definitions import build_definitions
from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import NAME
from assets_defs.runs.alerting import send_success
from assets_defs.runs.freshness import KEY, LONG_AGO, enabled_since, is_late
from assets_defs.runs.status import read_statuses
from assets_defs.sensors import build_sensors
from pipelines.alerts.limits import SENT
from pipelines.config.settings import Settings
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.integration_status import status_errors, status_events
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day
from tests.support.sensors import evaluate_sensor
from tests.support.webhook import Webhook, exported_webhook

VARIABLE = "TEST_ALERT_WEBHOOK"
PATH = "/services/T0/B0/s3cr3t-of-the-webhook"
SMALL = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with exported_webhook(VARIABLE, PATH, monkeypatch) as hook:
        yield hook


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Write a settings file with the webhook; the sensors read it at each evaluation."""
    (tmp_path / "integrations.toml").write_text(
        f'alert_webhook_env = "{VARIABLE}"\n'
        '[[integration]]\nname = "acme"\napi_key_env = "NOT_SET_KEY"\n'
        '[[integration]]\nname = "other"\napi_key_env = "NOT_SET_KEY"\n'
        '[[integration]]\nname = "off"\nenabled = false\n'
    )
    return Workspace(tmp_path / "data", None, tmp_path / "integrations.toml", os.environ)


def failed_run(definitions: dg.Definitions, instance: dg.DagsterInstance, **tags: str) -> str:
    """Run `acme`, which fails because its key is not set; return the id of the run."""
    run = definitions.resolve_job_def(REFRESH_JOB).execute_in_process(
        instance=instance, partition_key="acme", tags=tags, raise_on_error=False
    )
    assert not run.success
    return run.run_id


def test_failed_run_alerts_once_and_retried_run_does_not(
    webhook: Webhook, fast_tmp_path: Path, workspace: Workspace
) -> None:
    defs = build_definitions(workspace)
    sensor = "alert_on_failure"
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        instance.add_dynamic_partitions(NAME, ["acme"])
        fail = partial(failed_run, defs, instance)
        fail()
        _, cursor = evaluate_sensor(sensor, workspace, instance, None, defs)
        assert webhook.posts == []  # failures before the first evaluation are ignored

        run_id = fail()
        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor, defs)
        assert message == SENT
        (post,) = webhook.posts
        assert (post["integration"], post["event"], post["run_id"]) == ("acme", "failed", run_id)
        assert "environment variable NOT_SET_KEY is not set" in post["cause"]
        assert "jumpcloud-inventory run acme" in post["remedy"]
        assert post["cause"] in post["text"]
        assert "NOT_SET_KEY is not set" in status_errors(instance)["acme"]
        assert status_errors(instance).keys() == {"acme", "other", "off"}

        _, cursor = evaluate_sensor(sensor, workspace, instance, cursor, defs)
        reports = len(status_events(instance))
        fail(**{"dagster/will_retry": "true"})
        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor, defs)
        assert message == "the run is retried"
        assert len(webhook.posts) == 1
        assert len(status_events(instance)) == reports

        webhook.statuses = [404]
        fail()
        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor, defs)
        assert message.startswith("not sent")
        events = [str(log) for run in instance.get_runs() for log in instance.all_logs(run.run_id)]
    output = message + str(cursor) + "".join(events)
    assert "s3cr3t" not in output
    assert "127.0.0.1" not in output


def test_recovery_is_sent_once_to_those_that_got_the_failure(
    webhook: Webhook,
    fast_tmp_path: Path,
    workspace: Workspace,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    organization = generate(sizes=SMALL)
    # Finding the rate from four calls a second takes time.
    workspace.saved_rates.put(organization.api_key, MAX_SAVED_RATE)
    set_targets(workspace, base_url=serve(organization).base_url)
    defs = build_definitions(workspace)
    sensor = "alert_on_success"
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        instance.add_dynamic_partitions(NAME, ["acme"])
        job = defs.resolve_job_def(REFRESH_JOB)
        _, failures = evaluate_sensor("alert_on_failure", workspace, instance, None, defs)
        _, successes = evaluate_sensor(sensor, workspace, instance, None, defs)
        failed_run(defs, instance)
        # The webhook of the old setting and `down` are refused, and `ops` gets the failure.
        webhook.statuses = [404, 200, 404]
        message, _ = evaluate_sensor("alert_on_failure", workspace, instance, failures, defs)
        assert message.startswith("alert_webhook_env: not sent: ")
        assert f"ops: {SENT}; down: not sent: " in message

        monkeypatch.setenv("NOT_SET_KEY", organization.api_key)
        done = job.execute_in_process(instance=instance, partition_key="acme")
        webhook.statuses = [404]
        message, _ = evaluate_sensor(sensor, workspace, instance, successes, defs)
        assert message.startswith("not sent: ")
        # Each next success tries again, until it is sent.
        outcomes = [send_success(instance, workspace, "acme", {done.run_id}) for _ in range(2)]
        assert outcomes == [SENT, ""]
    assert [post["event"] for post in webhook.posts] == ["failed"] * 3 + ["recovered"] * 2


def set_targets(workspace: Workspace, base_url: str = "http://127.0.0.1:9") -> None:
    """Add the targets `ops` and `down` to the settings, and the address of `acme`."""
    assert workspace.config
    targets = "".join(
        f'[[alert]]\nname = "{name}"\ntype = "json"\nsecret_env = "{VARIABLE}"\n'
        for name in ("ops", "down")
    )
    text = workspace.config.read_text()
    text = text.replace('name = "acme"\n', f'name = "acme"\nbase_url = "{base_url}"\n')
    workspace.config.write_text(text + targets)


def test_opened_findings_are_sent_once(
    webhook: Webhook, tmp_path: Path, pull: Callable[..., Pulled], workspace: Workspace
) -> None:
    publisher = Publisher(tmp_path / "data")
    organization = generate(sizes=SMALL, now=FIRST_DAY)
    assert workspace.config
    workspace.config.write_text(
        '[[integration]]\nname = "acme"\n[[alert]]\nname = "ops"\ntype = "json"\n'
        f'secret_env = "{VARIABLE}"\nfailures = false\nfindings = "low"\n'
    )
    with dg.DagsterInstance.ephemeral() as instance:
        send = partial(send_success, instance, workspace, "acme")

        def publish(day: int) -> None:
            publisher.publish(on_day(day, pull(organization)))

        publish(0)
        assert send({"another run"}) == send({"run-1"}) == ""  # the first snapshot opens nothing
        organization.add_system(hostname="new-device")
        publish(1)
        webhook.statuses = [404]
        assert send({"run-1"}).startswith("not sent: ")
        publish(2)  # `systems_appeared` describes one snapshot, the others stay open
        assert send({"run-1"}) == SENT
        assert send({"run-1"}) == ""
        first, second = webhook.posts
    assert first["event"] == second["event"] == "findings"
    assert "systems_appeared (low): new-device" in first["cause"]
    assert "systems_in_no_group (low): new-device" in second["cause"]


def test_late_integration_alerts_once(
    webhook: Webhook, tmp_path: Path, pulled: Pulled, workspace: Workspace
) -> None:
    publisher = Publisher(tmp_path / "data")
    for name in ("acme", "off"):
        publisher.publish(pulled, name)  # years ago
    publish_now(publisher, pulled, "other")
    sensor = "alert_on_late"
    with dg.DagsterInstance.ephemeral() as instance:
        webhook.statuses = [404]
        message, cursor = evaluate_sensor(sensor, workspace, instance, None)
        assert message.startswith("acme: not sent")
        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor)
        assert message == f"acme: {SENT}"
        assert [post["integration"] for post in webhook.posts] == ["acme"] * 2
        assert "its last success was at 2024-01-31" in webhook.posts[1]["cause"]
        assert "jumpcloud-inventory status" in webhook.posts[1]["text"]

        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor)
        assert message == "no integration became late since the last alert"
        # Version 0.1 kept the time alone.
        time = json.loads(cursor or "")["acme"].rpartition(" ")[2]
        message, _ = evaluate_sensor(sensor, workspace, instance, json.dumps({"acme": time}))
        assert message == "no integration became late since the last alert"
        publish_now(publisher, pulled, "acme")
        message, cursor = evaluate_sensor(sensor, workspace, instance, cursor)
        assert len(webhook.posts) == 2
        assert json.loads(cursor or "") == {}


def test_integration_without_any_success_becomes_late(
    webhook: Webhook, workspace: Workspace
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        message, cursor = evaluate_sensor("alert_on_late", workspace, instance, None)
        assert message == "no integration became late since the last alert"
        seen = {"acme": "2026-01-01T00:00:00+00:00", "other": datetime.now(UTC).isoformat()}
        instance.daemon_cursor_storage.set_cursor_values({KEY: json.dumps(seen)})
        message, _ = evaluate_sensor("alert_on_late", workspace, instance, cursor)
        assert message == f"acme: {SENT}"
    assert "it had no success since 2026-01-01T00:00:00+00:00" in webhook.posts[0]["cause"]


@pytest.fixture
def pulled(pull: Callable[..., Pulled]) -> Pulled:
    return on_day(1, pull(generate(sizes=SMALL)))


def publish_now(publisher: Publisher, pulled: Pulled, name: str) -> None:
    publisher.publish(pulled.moved_to(datetime.now(UTC) - timedelta(minutes=1)), name)


def test_integration_is_late_after_two_ticks_without_success() -> None:
    acme = Settings.model_validate({"integration": [{"name": "acme"}]}).named("acme")
    success = datetime(2024, 1, 31, 8, 1, tzinfo=UTC)  # the ticks are at 00:17 and 12:17
    late = datetime(2024, 2, 1, 1, 17, tzinfo=UTC)
    moment = timedelta(seconds=1)
    assert not is_late(acme, success, LONG_AGO, late)
    assert is_late(acme, success, LONG_AGO, late + moment)
    assert not is_late(acme, success, None, late + timedelta(days=1))
    enabled = success + timedelta(days=7)
    assert not is_late(acme, success, enabled, late + timedelta(days=7))
    assert is_late(acme, success, enabled, late + timedelta(days=7) + moment)
    assert not is_late(acme, None, success, late)
    assert is_late(acme, None, success, late + moment)


def test_newly_enabled_integration_is_not_late(
    webhook: Webhook, tmp_path: Path, pulled: Pulled, workspace: Workspace
) -> None:
    Publisher(tmp_path / "data").publish(pulled, "off")  # years ago
    file = tmp_path / "integrations.toml"
    with dg.DagsterInstance.ephemeral() as instance:

        def looks_late() -> bool:
            integrations = workspace.settings().integration
            since = enabled_since(instance, workspace, integrations)
            return any(
                each.late for each in read_statuses(instance, workspace, integrations, since)
            )

        _, cursor = evaluate_sensor("alert_on_late", workspace, instance, None)
        file.write_text(file.read_text().replace("enabled = false", "enabled = true"))
        message, cursor = evaluate_sensor("alert_on_late", workspace, instance, cursor)
        assert message == "no integration became late since the last alert"
        assert not looks_late()
        assert webhook.posts == []

    # Without a record that it was disabled, it was due the whole time.
    with dg.DagsterInstance.ephemeral() as instance:
        assert looks_late()
        message, _ = evaluate_sensor("alert_on_late", workspace, instance, None)
        assert message == f"off: {SENT}"


def test_partitions_match_the_settings(workspace: Workspace) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(NAME, ["acme", "gone"])
        # The set of version 0.1, which may have keys of others.
        instance.add_dynamic_partitions("integrations", ["acme", "other", "theirs"])
        sensors = {sensor.name: sensor for sensor in build_sensors(workspace, is_scheduled=True)}
        tick = sensors["integrations_of_settings"].evaluate_tick(
            dg.build_sensor_context(instance=instance)
        )
        requests = tick.dynamic_partitions_requests or []
    assert [
        (type(request), request.partitions_def_name, sorted(request.partition_keys))
        for request in requests
    ] == [
        (dg.AddDynamicPartitionsRequest, NAME, ["off", "other"]),
        (dg.DeleteDynamicPartitionsRequest, NAME, ["gone"]),
    ]
