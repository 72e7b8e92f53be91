"""The JSON that each type of webhook takes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape

from pipelines.alerts.alert import Alert

Form = Mapping[str, object]
# Teams refuses a message of 28 KB. A letter may take six bytes.
MAX_CARD_LETTERS = 2_000
MAX_SUMMARY_LETTERS = 1024
MAX_DETAIL_LETTERS = 16_000
_PAGER_SEVERITIES = {"high": "critical", "medium": "warning", "low": "info"}


def json_form(alert: Alert) -> Form:
    """Return all facts of an alert; those of findings only if there are any."""
    facts = asdict(alert)
    if not alert.findings:
        del facts["findings"], facts["snapshot_id"]
    return {"text": alert.text, **facts}


def slack_form(alert: Alert) -> Form:
    """Return a message. Slack would take a device's name such as "<!channel>" as a command."""
    return {"text": escape(alert.text, quote=False)}


def teams_form(alert: Alert) -> Form:
    """Return a message with an Adaptive Card, as Power Automate's Workflows take it.

    Names of devices are in runs of text, where Teams reads no Markdown.
    """
    color = "Good" if alert.is_resolved else "Attention"
    texts = [
        _text(alert.title, weight="Bolder", size="Medium", color=color),
        *(_text(text) for text in (alert.cause, alert.remedy) if text),
    ]
    facts = {
        "Integration": alert.integration,
        "Run": alert.run_id,
        "Snapshot": alert.snapshot_id,
        "Head of its history": alert.head_sha256,
    }
    shown = [{"title": name, "value": value} for name, value in facts.items() if value]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [*texts, *([{"type": "FactSet", "facts": shown}] if shown else [])],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _text(text: str, **style: str) -> Form:
    run = {"type": "TextRun", "text": text[:MAX_CARD_LETTERS], **style}
    return {"type": "RichTextBlock", "inlines": [run]}


def pagerduty_forms(alert: Alert, routing_key: str) -> Sequence[Form]:
    """Return the events of an alert. A test is resolved at once, so that nothing stays open.

    Args:
        alert: the alert.
        routing_key: integration key of the service, a secret.
    """
    event = {"routing_key": routing_key, "dedup_key": _dedup_key(alert)}
    resolve = {**event, "event_action": "resolve"}
    if alert.is_resolved:
        return [resolve]
    details = {
        name: value[:MAX_DETAIL_LETTERS] if isinstance(value, str) else value
        for name, value in json_form(alert).items()
        if name != "text"
    }
    trigger = {
        **event,
        "event_action": "trigger",
        "client": "jumpcloud-inventory",
        "payload": {
            "summary": alert.text[:MAX_SUMMARY_LETTERS],
            "source": alert.integration or "jumpcloud-inventory",
            "severity": _pager_severity(alert),
            "class": alert.event,
            "custom_details": details,
        },
    }
    return [trigger, resolve] if alert.event == "test" else [trigger]


def _dedup_key(alert: Alert) -> str:
    """Return the same key for failures, delays and the recovery of an integration."""
    about = alert.snapshot_id if alert.findings else "run"
    return f"jumpcloud-inventory/{alert.integration}/{'test' if alert.event == 'test' else about}"


def _pager_severity(alert: Alert) -> str:
    if alert.findings:
        return _PAGER_SEVERITIES[alert.findings[0].severity]
    return "info" if alert.event == "test" else "error"
