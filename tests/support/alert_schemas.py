"""What receivers of alerts document, as JSON schemas.

Teams: a message of Power Automate's Workflows has Adaptive Cards, here the elements that alerts
use. PagerDuty: the fields of Events API v2, and their limits.
"""

_RUN = {
    "type": "object",
    "required": ["type", "text"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "TextRun"},
        "text": {"type": "string", "minLength": 1},
        "weight": {"enum": ["Lighter", "Default", "Bolder"]},
        "size": {"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
        "color": {"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
    },
}
_FACT = {
    "type": "object",
    "required": ["title", "value"],
    "additionalProperties": False,
    "properties": {"title": {"type": "string"}, "value": {"type": "string", "minLength": 1}},
}
_ELEMENT = {
    "oneOf": [
        {
            "required": ["type", "inlines"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "RichTextBlock"},
                "inlines": {"type": "array", "items": _RUN, "minItems": 1},
            },
        },
        {
            "required": ["type", "facts"],
            "additionalProperties": False,
            "properties": {
                "type": {"const": "FactSet"},
                "facts": {"type": "array", "items": _FACT, "minItems": 1},
            },
        },
    ]
}
TEAMS_MESSAGE = {
    "type": "object",
    "required": ["type", "attachments"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "required": ["contentType", "content"],
                "additionalProperties": False,
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": {
                        "required": ["type", "version", "body"],
                        "additionalProperties": False,
                        "properties": {
                            "$schema": {
                                "const": "http://adaptivecards.io/schemas/adaptive-card.json"
                            },
                            "type": {"const": "AdaptiveCard"},
                            "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
                            "msteams": {"properties": {"width": {"const": "Full"}}},
                            "body": {"type": "array", "items": _ELEMENT, "minItems": 1},
                        },
                    },
                },
            },
        },
    },
}
MAX_TEAMS_BYTES = 28 * 1024

_KEYS = {
    "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
    "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
}
PAGERDUTY_EVENT = {
    "oneOf": [
        {
            "required": ["routing_key", "event_action", "payload"],
            "additionalProperties": False,
            "properties": {
                **_KEYS,
                "event_action": {"const": "trigger"},
                "client": {"type": "string"},
                "payload": {
                    "required": ["summary", "source", "severity"],
                    "additionalProperties": False,
                    "properties": {
                        "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                        "source": {"type": "string", "minLength": 1},
                        "severity": {"enum": ["critical", "error", "warning", "info"]},
                        "class": {"type": "string"},
                        "custom_details": {"type": "object"},
                    },
                },
            },
        },
        {
            "required": ["routing_key", "event_action", "dedup_key"],
            "additionalProperties": False,
            "properties": {**_KEYS, "event_action": {"const": "resolve"}},
        },
    ]
}
MAX_PAGERDUTY_BYTES = 512 * 1024
