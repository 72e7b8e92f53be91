"""Alerts to a webhook, and the sensors that send them."""

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
import tenacity

from assets_defs.assets.raw_tables import pull as pull_assets
from assets_defs.definitions import build_resources
from assets_defs.jobs import refresh_inventory
from assets_defs.runs.freshness import LONG_AGO, enabled_since, is_late
from assets_defs.runs.status import read_statuses
from assets_defs.sensors.alerts import alert_on_failure, alert_on_late
from pipelines.config.settings import Settings
from pipelines.notifications import SENT, Alert, send_alert
from pipelines.simulator import Sizes, generate
from pipelines.workspace import Workspace
from tests.support.integration_status import status_errors, status_events
from tests.support.publisher import Publisher, Pulled, on_day
from tests.support.webhook import Webhook, served_webhook

VARIABLE = "TEST_ALERT_WEBHOOK"
PATH = "/services/T0/B0/s3cr3t-of-the-webhook"
ALERT = Alert("acme", "failed", "the key was refused (401).", "Renew it", "run-7")
SMALL = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with served_webhook(PATH) as hook:
        monkeypatch.setenv(VARIABLE, hook.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hook


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a delay, and shorten the timeouts."""
    monkeypatch.setattr("pipelines.notifications._post.retry.wait", tenacity.wait_none())
    monkeypatch.setattr("pipelines.notifications.TIMEOUT_SECONDS", (3.0, 0.2))


def settings(**given: object) -> Settings:
    document = {"alert_webhook_env": VARIABLE, "integration": [{"name": "acme"}]}
    return Settings.model_validate(document | given)


def test_json_alert_has_all_fields(webhook: Webhook) -> None:
    assert send_alert(ALERT, settings()) == SENT
    assert webhook.posts == [
        {
            "text": (
                "jumpcloud-inventory: integration 'acme': the last run failed: the key was "
                "refused (401). Renew it"
            ),
            "integration": "acme",
            "event": "failed",
            "cause": "the key was refused (401).",
            "remedy": "Renew it",
            "run_id": "run-7",
            "head_sha256": "",
        }
    ]
    assert webhook.paths == [PATH]


def test_slack_alert_escapes_markup(webhook: Webhook) -> None:
    alert = Alert("acme", "late", "<!channel> & <https://example.net|click>", "None")
    assert send_alert(alert, settings(alert_format="slack")) == SENT
    (post,) = webhook.posts
    assert list(post) == ["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://example.net|click&gt;" in post["text"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_error_is_retried(status: int, webhook: Webhook) -> None:
    webhook.statuses = [status, status]
    assert send_alert(ALERT, settings()) == SENT
    assert len(webhook.posts) == 3


@pytest.mark.parametrize(
    ("statuses", "posts"), [([404], 1), ([403], 1), ([302], 1), ([307], 1), ([502] * 9, 3)]
)
def test_refusing_webhook_is_reported_by_status(
    statuses: list[int], posts: int, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    webhook.statuses = list(statuses)
    message = send_alert(ALERT, settings())
    assert message == f"not sent: the webhook of {VARIABLE} answered {statuses[0]}"
    assert webhook.paths == [PATH] * posts
    assert_no_address(message + caplog.text)


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1", b"nonsense\r\n\r\n"])
def test_webhook_without_valid_response_is_given_up(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def serve() -> None:
            for _ in range(3):
                try:
                    connection = stack.enter_context(server.accept()[0])
                except OSError:
                    return
                connection.recv(65536)
                connection.sendall(answer or b"")

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{server.getsockname()[1]}{PATH}")
        message = send_alert(ALERT, settings())
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert message.startswith(f"not sent: the webhook of {VARIABLE} cannot be reached (")
    assert_no_address(message + caplog.text)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    "address",
    [
        f"http://127.0.0.1:{{port}}{PATH}",
        f"ftp://127.0.0.1{PATH}",
        f"127.0.0.1{PATH}",
        f"http://[::1{PATH}",
        f"http://{'x' * 64}.invalid{PATH}",
        f"http://.{PATH}",
        f"http://127.0.0.1:99999{PATH}",
        f"https://user:pass word@\x7f{PATH}",
    ],
)
def test_unreachable_address_is_not_printed(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv(VARIABLE, address.format(port=free_port()))
    message = send_alert(ALERT, settings())
    assert message.startswith(f"not sent: the webhook of {VARIABLE} cannot be reached (")
    assert_no_address(message + caplog.text)


def assert_no_address(text: str) -> None:
    assert "s3cr3t" not in text
    assert "127.0.0.1" not in text


def test_missing_webhook_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no alert_webhook_env" in send_alert(ALERT, settings(alert_webhook_env=None))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert send_alert(ALERT, settings()) == (
        f"not sent: the environment variable {VARIABLE} is not set"
    )


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


def look(
    sensor: dg.SensorDefinition,
    workspace: Workspace,
    instance: dg.DagsterInstance,
    cursor: str | None,
    definitions: dg.Definitions | None = None,
) -> tuple[str, str | None]:
    """Evaluate a sensor once; return its skip message and its cursor."""
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        definitions=definitions,
        resources={"workspace": workspace},
    )
    data = sensor.evaluate_tick(context)
    return data.skip_message or "", data.cursor


def failed_run(definitions: dg.Definitions, instance: dg.DagsterInstance, **tags: str) -> str:
    """Run `acme`, which fails because its key is not set; return the id of the run."""
    run = definitions.resolve_job_def("refresh_inventory").execute_in_process(
        instance=instance, partition_key="acme", tags=tags, raise_on_error=False
    )
    assert not run.success
    return run.run_id


def test_failed_run_alerts_once_and_retried_run_does_not(
    webhook: Webhook, fast_tmp_path: Path, workspace: Workspace
) -> None:
    defs = dg.Definitions(
        assets=[pull_assets],
        jobs=[refresh_inventory],
        resources=build_resources(workspace),
    )
    sensor = alert_on_failure
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        instance.add_dynamic_partitions("integrations", ["acme"])
        fail = partial(failed_run, defs, instance)
        fail()
        _, cursor = look(sensor, workspace, instance, None, defs)
        assert webhook.posts == []  # failures before the first evaluation are ignored

        run_id = fail()
        message, cursor = look(sensor, workspace, instance, cursor, defs)
        assert message == SENT
        (post,) = webhook.posts
        assert (post["integration"], post["event"], post["run_id"]) == ("acme", "failed", run_id)
        assert "environment variable NOT_SET_KEY is not set" in post["cause"]
        assert "jumpcloud-inventory run acme" in post["remedy"]
        assert post["cause"] in post["text"]
        assert "NOT_SET_KEY is not set" in status_errors(instance)["acme"]
        assert status_errors(instance).keys() == {"acme", "other", "off"}

        _, cursor = look(sensor, workspace, instance, cursor, defs)
        reports = len(status_events(instance))
        fail(**{"dagster/will_retry": "true"})
        message, cursor = look(sensor, workspace, instance, cursor, defs)
        assert message == "the run is retried"
        assert len(webhook.posts) == 1
        assert len(status_events(instance)) == reports

        webhook.statuses = [404]
        fail()
        message, cursor = look(sensor, workspace, instance, cursor, defs)
        assert message.startswith("not sent")
        events = [str(log) for run in instance.get_runs() for log in instance.all_logs(run.run_id)]
    assert_no_address(message + str(cursor) + "".join(events))


def test_late_integration_alerts_once(
    webhook: Webhook, tmp_path: Path, pulled: Pulled, workspace: Workspace
) -> None:
    publisher = Publisher(tmp_path / "data")
    for name in ("acme", "off"):
        publisher.publish(pulled, name)  # years ago
    publish_now(publisher, pulled, "other")
    sensor = alert_on_late
    with dg.DagsterInstance.ephemeral() as instance:
        webhook.statuses = [404]
        message, cursor = look(sensor, workspace, instance, None)
        assert message.startswith("acme: not sent")
        message, cursor = look(sensor, workspace, instance, cursor)
        assert message == f"acme: {SENT}"
        assert [post["integration"] for post in webhook.posts] == ["acme"] * 2
        assert "its last success was at 2024-01-31" in webhook.posts[1]["cause"]
        assert "jumpcloud-inventory status" in webhook.posts[1]["text"]

        message, cursor = look(sensor, workspace, instance, cursor)
        assert message == "no integration became late since the last alert"
        publish_now(publisher, pulled, "acme")
        message, cursor = look(sensor, workspace, instance, cursor)
        assert len(webhook.posts) == 2
        assert json.loads(cursor or "") == {}


@pytest.fixture
def pulled(pull: Callable[..., Pulled]) -> Pulled:
    return on_day(1, pull(generate(sizes=SMALL)))


def publish_now(publisher: Publisher, pulled: Pulled, name: str) -> None:
    publisher.publish(pulled.moved_to(datetime.now(UTC) - timedelta(minutes=1)), name)


def test_integration_is_late_after_two_ticks_without_success() -> None:
    acme = settings().named("acme")
    success = datetime(2024, 1, 31, 8, 1, tzinfo=UTC)  # the ticks are at 00:17 and 12:17
    late = datetime(2024, 2, 1, 1, 17, tzinfo=UTC)
    moment = timedelta(seconds=1)
    assert not is_late(acme, success, LONG_AGO, late)
    assert is_late(acme, success, LONG_AGO, late + moment)
    assert not is_late(acme, success, None, late + timedelta(days=1))
    enabled = success + timedelta(days=7)
    assert not is_late(acme, success, enabled, late + timedelta(days=7))
    assert is_late(acme, success, enabled, late + timedelta(days=7) + moment)


def test_newly_enabled_integration_is_not_late(
    webhook: Webhook, tmp_path: Path, pulled: Pulled, workspace: Workspace
) -> None:
    Publisher(tmp_path / "data").publish(pulled, "off")  # years ago
    file = tmp_path / "integrations.toml"
    with dg.DagsterInstance.ephemeral() as instance:

        def looks_late() -> bool:
            integrations = workspace.settings().integration
            since = enabled_since(instance, integrations)
            return any(
                each.late for each in read_statuses(instance, workspace, integrations, since)
            )

        _, cursor = look(alert_on_late, workspace, instance, None)
        file.write_text(file.read_text().replace("enabled = false", "enabled = true"))
        message, cursor = look(alert_on_late, workspace, instance, cursor)
        assert message == "no integration became late since the last alert"
        assert not looks_late()
        assert webhook.posts == []

    # Without a record that it was disabled, it was due the whole time.
    with dg.DagsterInstance.ephemeral() as instance:
        assert looks_late()
        message, _ = look(alert_on_late, workspace, instance, None)
        assert message == f"off: {SENT}"
