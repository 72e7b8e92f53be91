"""Tells a webhook that an integration needs a person."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Literal

import requests
import tenacity

from pipelines.config.settings import Settings
from pipelines.errors import SettingsError
from pipelines.extract.discovery import resolved_settings

# To connect, and until the answer begins: an alert must not hold up what comes after it.
TIMEOUT_SECONDS = (3.0, 5.0)
MAX_TRIES = 3
MAX_RETRY_SECONDS = 8.0
PASSING_FAILURES = frozenset({429, 500, 502, 503, 504})
SENT = "sent"
UNWANTED = "not sent: no alert_webhook_env is set"


@dataclass(frozen=True)
class Alert:
    """What is wrong with an integration.

    Attributes:
        integration: its name.
        event: `failed`, a run failed; `late`, there was no success for too long.
        cause: why.
        remedy: what to do about it.
        run_id: Dagster's id of the failed run; empty for a late one.
    """

    integration: str
    event: Literal["failed", "late"]
    cause: str
    remedy: str
    run_id: str = ""

    @property
    def text(self) -> str:
        """One paragraph."""
        words = "the last run failed" if self.event == "failed" else "the inventory is late"
        return (
            f"jumpcloud-inventory: integration {self.integration!r}: {words}: "
            f"{self.cause.rstrip('.')}. {self.remedy}"
        )


def send_alert(
    alert: Alert, settings: Settings, environment: Mapping[str, str] = os.environ
) -> str:
    """Post an alert to the webhook of the settings, if there is one.

    Never raises: an alert that cannot be sent must not stop anything.

    Returns:
        What became of it, `SENT` or why not, as `UNWANTED`; the webhook's address, which is a
        secret, is not among the words.
    """
    variable = settings.alert_webhook_env
    if not variable:
        return UNWANTED
    url = environment.get(variable, "").strip()
    if not url:
        return f"not sent: the environment variable {variable} is not set"
    form = {"text": alert.text}
    if settings.alert_format == "json":
        form |= asdict(alert)
    else:
        # Slack would take a device's name such as "<!channel>" for a command.
        form["text"] = escape(alert.text, quote=False)
    try:
        status = _post(url, form)
    except (requests.RequestException, ValueError) as error:
        return f"not sent: the webhook of {variable} cannot be reached ({type(error).__name__})"
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        return f"not sent: the webhook of {variable} answered {status}"
    return SENT


# Not urllib3's own retries: it logs each with the address. What may have been taken, and only
# answers late, is not posted twice.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.ConnectionError)
    | tenacity.retry_if_result(PASSING_FAILURES.__contains__),
    stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_after_delay(MAX_RETRY_SECONDS),
    wait=tenacity.wait_exponential(multiplier=0.5),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)
def _post(url: str, form: Mapping[str, str]) -> int:
    """The status of the answer; its body, which may be endless, is not read."""
    with requests.post(
        url, json=form, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
    ) as answer:
        return answer.status_code


def failure_alert(integration: str, cause: str, run_id: str = "") -> Alert:
    """What is told of a failed run."""
    remedy = (
        f"When that is mended, run `jumpcloud-inventory run {integration}` or wait for its schedule"
    )
    return Alert(integration, "failed", cause, remedy, run_id)


def post(alert: Alert) -> str:
    """Send an alert as the settings now say; in words what became of it."""
    try:
        return send_alert(alert, resolved_settings())
    except SettingsError as error:
        return f"not sent: {error}"
