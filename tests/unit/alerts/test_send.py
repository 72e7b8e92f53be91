"""Alerts to a webhook."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import tenacity

from pipelines.alerts.alert import Alert, failure_alert
from pipelines.alerts.limits import SENT
from pipelines.alerts.send import send_alert
from pipelines.config.alerts import AlertTarget
from pipelines.config.settings import Settings
from pipelines.history.removal_guard import accept_hint
from tests.support.webhook import Webhook, exported_webhook

VARIABLE = "TEST_ALERT_WEBHOOK"
PATH = "/services/T0/B0/s3cr3t-of-the-webhook"
ALERT = Alert("acme", "failed", "the key was refused (401).", "Renew it", "run-7")


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with exported_webhook(VARIABLE, PATH, monkeypatch) as hook:
        yield hook


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a delay, and shorten the timeouts."""
    monkeypatch.setattr("pipelines.alerts.send._post.retry.wait", tenacity.wait_none())
    monkeypatch.setattr("pipelines.alerts.send.TIMEOUT_SECONDS", (3.0, 0.2))


def webhook_target(**given: object) -> AlertTarget:
    document = {"alert_webhook_env": VARIABLE, "integration": [{"name": "acme"}]}
    (target,) = Settings.model_validate(document | given).alert_targets
    return target


def test_json_alert_has_all_fields(webhook: Webhook) -> None:
    assert send_alert(ALERT, webhook_target()) == SENT
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


def test_alert_of_a_stopped_removal_has_the_command_once() -> None:
    cause = "40 of 60 systems vanished since the last snapshot (20 now): a"
    alert = failure_alert("acme", f"{cause}. {accept_hint('acme')}")
    assert (alert.cause, alert.remedy) == (f"{cause}.", accept_hint("acme"))
    assert alert.text.count("jumpcloud-inventory accept acme") == 1
    assert "jumpcloud-inventory run" not in alert.text


def test_slack_alert_escapes_markup(webhook: Webhook) -> None:
    alert = Alert("acme", "late", "<!channel> & <https://example.net|click>", "None")
    assert send_alert(alert, webhook_target(alert_format="slack")) == SENT
    (post,) = webhook.posts
    assert list(post) == ["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://example.net|click&gt;" in post["text"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_error_is_retried(status: int, webhook: Webhook) -> None:
    webhook.statuses = [status, status]
    assert send_alert(ALERT, webhook_target()) == SENT
    assert len(webhook.posts) == 3


@pytest.mark.parametrize(
    ("statuses", "posts"), [([404], 1), ([403], 1), ([302], 1), ([307], 1), ([502] * 9, 3)]
)
def test_refusing_webhook_is_reported_by_status(
    statuses: list[int], posts: int, webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    webhook.statuses = list(statuses)
    message = send_alert(ALERT, webhook_target())
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
        message = send_alert(ALERT, webhook_target())
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
    message = send_alert(ALERT, webhook_target())
    assert message.startswith(f"not sent: the webhook of {VARIABLE} cannot be reached (")
    assert_no_address(message + caplog.text)


def assert_no_address(text: str) -> None:
    assert "s3cr3t" not in text
    assert "127.0.0.1" not in text


def test_missing_webhook_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert send_alert(ALERT, webhook_target()) == (
        f"not sent: the environment variable {VARIABLE} is not set"
    )
