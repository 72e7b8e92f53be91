"""Alerts to Teams, PagerDuty and mail servers, each checked against what it documents."""

import json
import logging
from collections.abc import Iterator

import jsonschema
import pytest
import tenacity

from pipelines.alerts.alert import Alert, findings_alert
from pipelines.alerts.limits import SENT
from pipelines.alerts.send import send_alert
from pipelines.config.alerts import AlertTarget
from pipelines.config.settings import Settings
from pipelines.findings.opened import Opened
from tests.support.alert_schemas import (
    MAX_PAGERDUTY_BYTES,
    MAX_TEAMS_BYTES,
    PAGERDUTY_EVENT,
    TEAMS_MESSAGE,
)
from tests.support.mail_server import CERTIFICATE, MailServer, served_mail
from tests.support.webhook import Webhook, served_webhook

SECRET = "s3cr3t" + "0" * 26
LINK = "[click](https://evil.example)"
LONG = "\u2603" * 40_000
FAILED = Alert("acme", "failed", f"{LINK} {LONG}", "Renew it", "run-7", "0" * 64)
RECOVERED = Alert("acme", "recovered", "a run has published the inventory", "")
LATE = Alert("acme", "late", "its last success is old", "See `status`")
TEST = Alert("", "test", "it works", "There is nothing to do")
OPENED = findings_alert(
    "acme", "20240131T080000Z", [Opened("stale_systems_with_access", "medium", 2, [LINK, "b"])]
)


@pytest.fixture(autouse=True)
def fast_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a delay."""
    for function in ("send._post", "mail._deliver"):
        monkeypatch.setattr(f"pipelines.alerts.{function}.retry.wait", tenacity.wait_none())


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with served_webhook("/v2/enqueue") as hook:
        yield hook


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with served_mail() as server:
        server.password = SECRET
        yield server


def target(**given: object) -> AlertTarget:
    document = {"alert": [{"name": "ops", **given}], "integration": [{"name": "acme"}]}
    (only,) = Settings.model_validate(document).alert_targets
    return only


def mail_target(mail: MailServer, **given: object) -> AlertTarget:
    login = {"user": "robot", "secret_env": "SECRET", "ca_bundle": str(CERTIFICATE)}
    settings = {
        "type": "email",
        "host": "127.0.0.1",
        "port": mail.port,
        "sender": "inventory@example.com",
        "recipients": ["ops@example.com", "sec@example.com"],
    }
    return target(**settings | login | given)


def test_teams_message_is_an_adaptive_card(webhook: Webhook) -> None:
    teams = target(type="teams", secret_env="SECRET")
    for alert in (FAILED, RECOVERED, LATE, OPENED, TEST):
        environment = {"SECRET": webhook.url, "NO_PROXY": "127.0.0.1"}
        assert send_alert(alert, teams, environment) == SENT
        message = webhook.posts[-1]
        jsonschema.validate(message, TEAMS_MESSAGE)
        assert len(json.dumps(message)) < MAX_TEAMS_BYTES
        assert alert.title in json.dumps(message)


def test_pagerduty_alert_is_resolved_by_its_recovery(webhook: Webhook) -> None:
    address = webhook.url.removesuffix("/v2/enqueue")
    pager = target(type="pagerduty", secret_env="SECRET", base_url=address)
    for alert in (FAILED, LATE, RECOVERED, OPENED, TEST):
        assert send_alert(alert, pager, {"SECRET": SECRET}) == SENT
    for event in webhook.posts:
        jsonschema.validate(event, PAGERDUTY_EVENT)
        assert len(json.dumps(event)) < MAX_PAGERDUTY_BYTES
    events = [(event["event_action"], event["dedup_key"]) for event in webhook.posts]
    run = "jumpcloud-inventory/acme/run"
    assert events == [
        ("trigger", run),
        ("trigger", run),
        ("resolve", run),
        ("trigger", "jumpcloud-inventory/acme/20240131T080000Z"),
        ("trigger", "jumpcloud-inventory//test"),
        ("resolve", "jumpcloud-inventory//test"),
    ]
    assert set(webhook.paths) == {"/v2/enqueue"}


def test_mail_is_sent_over_tls_with_a_login(mail: MailServer) -> None:
    mail.greetings = ["421 come back later"]
    assert send_alert(OPENED, mail_target(mail), {"SECRET": SECRET}) == SENT
    (message,) = mail.mails
    assert mail.logins == ["robot"]
    assert mail.recipients == ["ops@example.com", "sec@example.com"]
    assert message["Subject"] == OPENED.title
    assert message["To"] == "ops@example.com, sec@example.com"
    assert message["Message-ID"].endswith("@example.com>")
    text = message.get_content()
    assert OPENED.cause in text
    assert OPENED.remedy in text


def test_mail_reports_recipients_that_were_refused(mail: MailServer) -> None:
    mail.refused = ("ops@example.com",)
    outcome = send_alert(FAILED, mail_target(mail), {"SECRET": SECRET})
    assert outcome == "sent, but the mail server refused 1 of 2 recipients"
    mail.refused = ("ops@example.com", "sec@example.com")
    assert send_alert(FAILED, mail_target(mail), {"SECRET": SECRET}).startswith("not sent")


def test_mail_is_not_sent_without_trust_or_login(
    mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    place = f"the mail server 127.0.0.1:{mail.port}"
    wrong = send_alert(FAILED, mail_target(mail), {"SECRET": "s3cr3t-but-wrong"})
    assert wrong == f"not sent: {place} answered 535"
    unknown = send_alert(FAILED, mail_target(mail, ca_bundle=None), {"SECRET": SECRET})
    assert unknown == f"not sent: {place} cannot be reached (SSLCertVerificationError)"
    odd = send_alert(FAILED, mail_target(mail), {"SECRET": "s3cr3t \u2603"})
    assert odd == f"not sent: {place} cannot be reached (UnicodeEncodeError)"
    missing = send_alert(FAILED, mail_target(mail), {})
    assert missing == "not sent: the environment variable SECRET is not set"
    assert mail.mails == []
    assert "s3cr3t" not in wrong + odd + caplog.text
