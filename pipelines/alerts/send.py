"""Send alerts to the targets of the settings."""

import os
import smtplib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

import requests
import tenacity

from pipelines.alerts.alert import Alert
from pipelines.alerts.forms import Form, json_form, pagerduty_forms, slack_form, teams_form
from pipelines.alerts.limits import MAX_RETRY_SECONDS, MAX_TRIES, SENT, TIMEOUT_SECONDS
from pipelines.alerts.mail import send_mail
from pipelines.config.alerts import AlertTarget, EmailTarget, PagerDutyTarget, WebhookTarget
from pipelines.config.credentials import read_secret
from pipelines.errors import InventoryError, SettingsError
from pipelines.workspace import Workspace

UNWANTED = "not sent: no alert target is set"
Outcomes: TypeAlias = Mapping[str, str]
TEMPORARY_FAILURES = frozenset({429, 500, 502, 503, 504})
_FORMS: Mapping[str, Callable[[Alert], Form]] = {
    "json": json_form,
    "slack": slack_form,
    "teams": teams_form,
}


def is_sent(outcome: str) -> bool:
    """Return True if a target, or at least one recipient, got the alert."""
    return outcome.startswith(SENT)


def send_alert(
    alert: Alert, target: AlertTarget, environment: Mapping[str, str] = os.environ
) -> str:
    """Send an alert to a target.

    Never raises: an alert that cannot be sent must not stop anything.

    Returns:
        `SENT` or another reason, without the address of a webhook or another secret.
    """
    try:
        secret = read_secret(target, environment)
        if isinstance(target, EmailTarget):
            return send_mail(alert, target, secret)
        status = _post_forms(alert, target, secret)
    except SettingsError as error:
        return f"not sent: {error}"
    except smtplib.SMTPResponseException as error:
        return f"not sent: {_place(target)} answered {error.smtp_code}"
    except (requests.RequestException, smtplib.SMTPException, OSError, ValueError) as error:
        return f"not sent: {_place(target)} cannot be reached ({type(error).__name__})"
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        return f"not sent: {_place(target)} answered {status}"
    return SENT


def _place(target: AlertTarget) -> str:
    """Return a description of a target without its secret."""
    if isinstance(target, EmailTarget):
        return f"the mail server {target.host}:{target.port}"
    if isinstance(target, PagerDutyTarget):
        return target.base_url
    return f"the webhook of {target.secret_env or target.secret_credential}"


def _post_forms(alert: Alert, target: WebhookTarget | PagerDutyTarget, secret: str) -> int:
    """Return the status of the last response, or of the first refusal."""
    if isinstance(target, WebhookTarget):
        return _post(secret, _FORMS[target.type](alert), target.ca_bundle)
    status = 0
    for form in pagerduty_forms(alert, secret):
        status = _post(f"{target.base_url}/v2/enqueue", form, target.ca_bundle)
        if status >= requests.codes.multiple_choices:
            break
    return status


# Not urllib3's own retries: it logs the address. A late response is not a reason to post again.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.ConnectionError)
    | tenacity.retry_if_result(TEMPORARY_FAILURES.__contains__),
    stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_after_delay(MAX_RETRY_SECONDS),
    wait=tenacity.wait_exponential(multiplier=0.5),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)
def _post(url: str, form: Form, ca_bundle: str | None) -> int:
    """Return the status of the response. Its body may be endless, so it is not read."""
    with requests.post(
        url,
        json=form,
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
        stream=True,
        verify=ca_bundle or True,
    ) as response:
        return response.status_code


def send_to(targets: Iterable[AlertTarget], alert: Alert, workspace: Workspace) -> Outcomes:
    """Send an alert to targets; return the results of `send_alert` by the names of the targets."""
    chosen = list(targets)
    if chosen:
        # The alert may be about the history itself.
        with suppress(InventoryError, OSError):
            alert = replace(alert, head_sha256=workspace.open_history().head(alert.integration))
    return {one.name: send_alert(alert, one, workspace.environment) for one in chosen}


def send_failure(alert: Alert, workspace: Workspace) -> Outcomes:
    """Send a failure to the targets of the current settings that get failures."""
    try:
        targets = workspace.settings().alert_targets
    except SettingsError as error:
        return {"settings": f"not sent: {error}"}
    return send_to((one for one in targets if one.failures), alert, workspace)


def describe(outcomes: Outcomes) -> str:
    """Return the outcomes in one line; that of an only target without its name."""
    if len(outcomes) == 1:
        return next(iter(outcomes.values()))
    return "; ".join(f"{name}: {outcome}" for name, outcome in outcomes.items()) or UNWANTED
