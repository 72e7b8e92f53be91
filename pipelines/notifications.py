"""Post alerts about integrations to a webhook."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Literal

import requests
import tenacity

from pipelines.config.settings import Settings
from pipelines.errors import InventoryError, SettingsError
from pipelines.history.removal_guard import accept_hint
from pipelines.workspace import Workspace

# To connect, and until the response begins: an alert must not delay what follows.
TIMEOUT_SECONDS = (3.0, 5.0)
MAX_TRIES = 3
MAX_RETRY_SECONDS = 8.0
TEMPORARY_FAILURES = frozenset({429, 500, 502, 503, 504})
SENT = "sent"
UNWANTED = "not sent: no alert_webhook_env is set"


@dataclass(frozen=True)
class Alert:
    """A problem of an integration.

    Attributes:
        integration: its name.
        event: `failed`, a run failed; `late`, the last success is too long ago.
        cause: reason.
        remedy: how to fix it.
        run_id: Dagster's id of the failed run; empty for a late one.
        head_sha256: digest of its latest manifest, so that it is kept elsewhere; empty if nothing
            was published.
    """

    integration: str
    event: Literal["failed", "late"]
    cause: str
    remedy: str
    run_id: str = ""
    head_sha256: str = ""

    @property
    def text(self) -> str:
        """Return the alert as one paragraph."""
        title = "the last run failed" if self.event == "failed" else "the inventory is late"
        head = f". Head of its history: {self.head_sha256}" if self.head_sha256 else ""
        return (
            f"jumpcloud-inventory: integration {self.integration!r}: {title}: "
            f"{self.cause.rstrip('.')}. {self.remedy}{head}"
        )


def send_alert(
    alert: Alert, settings: Settings, environment: Mapping[str, str] = os.environ
) -> str:
    """Post an alert to the webhook of the settings, if there is one.

    Never raises: an alert that cannot be sent must not stop anything.

    Returns:
        `SENT`, `UNWANTED` or another reason, without the webhook's address, which is a secret.
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
        # Slack would take a device's name such as "<!channel>" as a command.
        form["text"] = escape(alert.text, quote=False)
    try:
        status = _post(url, form)
    except (requests.RequestException, ValueError) as error:
        return f"not sent: the webhook of {variable} cannot be reached ({type(error).__name__})"
    if not requests.codes.ok <= status < requests.codes.multiple_choices:
        return f"not sent: the webhook of {variable} answered {status}"
    return SENT


# Not urllib3's own retries: it logs the address. A late response is not a reason to post again.
@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.ConnectionError)
    | tenacity.retry_if_result(TEMPORARY_FAILURES.__contains__),
    stop=tenacity.stop_after_attempt(MAX_TRIES) | tenacity.stop_after_delay(MAX_RETRY_SECONDS),
    wait=tenacity.wait_exponential(multiplier=0.5),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)
def _post(url: str, form: Mapping[str, str]) -> int:
    """Return the status of the response. Its body may be endless, so it is not read."""
    with requests.post(
        url, json=form, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
    ) as response:
        return response.status_code


def failure_alert(integration: str, cause: str, run_id: str = "") -> Alert:
    """Return the alert of a failed run."""
    accept = accept_hint(integration)
    if cause.endswith(accept):
        return Alert(integration, "failed", cause.removesuffix(accept).rstrip(), accept, run_id)
    remedy = (
        f"When that is fixed, run `jumpcloud-inventory run {integration}` or wait for its schedule"
    )
    return Alert(integration, "failed", cause, remedy, run_id)


def post(alert: Alert, workspace: Workspace) -> str:
    """Send an alert with the current settings. Return the same values as `send_alert`."""
    try:
        settings = workspace.settings()
    except SettingsError as error:
        return f"not sent: {error}"
    if settings.alert_webhook_env:
        # The alert may be about the history itself.
        with suppress(InventoryError, OSError):
            head = workspace.open_history().head(alert.integration)
            alert = replace(alert, head_sha256=head)
    return send_alert(alert, settings, workspace.environment)
