"""Tells a webhook that an integration needs a person."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from pipelines.settings import Settings

TIMEOUT_SECONDS = (5.0, 10.0)
# Waits of 0, 1 and 2 seconds: an alert must not hold up what comes after it.
RETRIES = Retry(3, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
RETRIES.allowed_methods = None
RETRIES.raise_on_status = False
RETRIES.respect_retry_after_header = False


@dataclass(frozen=True)
class Alert:
    """What is wrong with an integration.

    Attributes:
        integration: its name.
        event: `failed`, a run failed; `late`, there was no success for too long.
        cause: why, and what to do about it.
        run_id: Dagster's id of the failed run; empty for a late one.
    """

    integration: str
    event: Literal["failed", "late"]
    cause: str
    run_id: str = ""

    @property
    def text(self) -> str:
        """One paragraph."""
        words = "the last run failed" if self.event == "failed" else "the inventory is late"
        return f"jumpcloud-inventory: integration {self.integration!r}: {words}: {self.cause}"


def send_alert(
    alert: Alert, settings: Settings, environment: Mapping[str, str] = os.environ
) -> str:
    """Post an alert to the webhook of the settings, if there is one.

    Never raises: an alert that cannot be sent must not stop anything.

    Returns:
        What became of it, in words; the webhook's address, which is a secret, is not among them.
    """
    variable = settings.alert_webhook_env
    if not variable:
        return "not sent: no alert_webhook_env is set"
    url = environment.get(variable, "").strip()
    if not url:
        return f"not sent: the environment variable {variable} is not set"
    form = {"text": alert.text}
    if settings.alert_format == "json":
        form |= asdict(alert)
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
            answer = session.post(url, json=form, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        return f"not sent: the webhook of {variable} cannot be reached ({type(error).__name__})"
    if not answer.ok or answer.is_redirect:
        return f"not sent: the webhook of {variable} answered {answer.status_code}"
    return "sent"
