"""Explain errors of a settings file. A message names the place but never the value."""

import re
from collections.abc import Collection
from difflib import get_close_matches

from pydantic_core import ErrorDetails

# New keys begin with jca_. Older ones are 40 hexadecimal digits.
LOOKS_LIKE_A_KEY = re.compile(r"jca_\w{16,}|[0-9a-fA-F]{40}")

_VARIABLE = "must be the name of an environment variable"
_TARGET_TYPES = "'json', 'slack', 'teams', 'pagerduty' or 'email'"
_SECRETS = frozenset({"api_key", "client_id", "client_secret", "alert_webhook", "secret"})
_FORMS = {
    "name": "must be 1 to 64 lower-case letters, digits, - or _",
    "api_key_env": _VARIABLE,
    "client_id_env": _VARIABLE,
    "client_secret_env": _VARIABLE,
    "alert_webhook_env": _VARIABLE,
    "secret_env": _VARIABLE,
    "host": "must be the name or the address of a mail server",
    "sender": "must be one e-mail address",
    "recipients": "must be e-mail addresses",
    "secret_credential": "must be the name of a systemd credential, without a path",
    "api_key_credential": "must be the name of a systemd credential, without a path",
    "org_id": "must be 24 hexadecimal digits, or empty",
}


def describe_error(
    detail: ErrorDetails, document: dict[str, object], known: Collection[str]
) -> str:
    """Return a validation error as `integration 'acme', field 'region': cause`.

    Args:
        detail: the error.
        document: the settings that have it.
        known: names of all settings where the error is, to suggest one.
    """
    if detail["loc"] == ("integration",) and detail["type"] != "value_error":
        return "no [[integration]] found; write at least one, with two brackets"
    where, field = _place(detail["loc"], document)
    match detail["type"]:
        case "extra_forbidden":
            cause = f"is not a setting; {_suggest(str(field[-1]), known)}"
        case "missing":
            cause = "is missing"
        case "union_tag_not_found" | "union_tag_invalid":
            cause = f"field 'type' must be {_TARGET_TYPES}"
        case "model_type" if len(field) == 1:
            cause = f"is a table; write [{field[0]}]"
        case "string_pattern_mismatch":
            cause = _FORMS[str(field[0])]
        case _:
            cause = detail["msg"].removeprefix("Value error, ")
    return f"{where}: {cause}"


def _place(loc: tuple[int | str, ...], document: dict[str, object]) -> tuple[str, list[int | str]]:
    """Return the place of an error for people, and the parts of the field in it."""
    match loc:
        case ("integration" as table, int() as index, *field):
            where = f"{table} {_entry_name(document, table, index)}"
        case ("alert" as table, int() as index, *rest):
            # The type of the target comes first.
            where, field = f"{table} {_entry_name(document, table, index)}", rest[1:]
        case (*field,):
            where = "settings"
    if field:
        where += f", field {'.'.join(str(part) for part in field)!r}"
    return where, field


def _suggest(name: str, known: Collection[str]) -> str:
    if name in _SECRETS:
        return f"put the value in an environment variable, and its name in {name}_env"
    # The name may be a key that was pasted in the wrong place, but what it resembles is not.
    nearest = get_close_matches(name, known, n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else "remove it or fix its spelling"


def _entry_name(document: dict[str, object], table: str, index: int) -> str:
    entries = document[table]
    entry = entries[index] if isinstance(entries, list) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    is_name = isinstance(name, str) and not LOOKS_LIKE_A_KEY.fullmatch(name)
    return repr(name) if is_name else f"number {index + 1}"
