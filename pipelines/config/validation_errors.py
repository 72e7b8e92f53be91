"""What is wrong with a settings file, in words that name the place and no value."""

import re

from pydantic_core import ErrorDetails

# Keys of today begin with jca_, older ones are 40 hexadecimal digits.
LOOKS_LIKE_A_KEY = re.compile(r"jca_\w{16,}|[0-9a-fA-F]{40}")

_VARIABLE = "must be the name of an environment variable"
_FORMS = {
    "name": "takes small letters, digits, - and _, at most 64",
    "api_key_env": _VARIABLE,
    "client_id_env": _VARIABLE,
    "client_secret_env": _VARIABLE,
    "alert_webhook_env": _VARIABLE,
    "org_id": "must be 24 hexadecimal digits, or empty",
}


def describe_error(detail: ErrorDetails, document: dict[str, object]) -> str:
    """One validation error as `integration 'acme', field 'region': what is wrong`."""
    if detail["loc"] == ("integration",) and detail["type"] != "value_error":
        return "there is no [[integration]]; write at least one, with two brackets"
    match detail["loc"]:
        case ("integration", int() as index, *field):
            where = f"integration {_entry_name(document, index)}"
        case (*field,):
            where = "settings"
    if field:
        where += f", field {'.'.join(str(part) for part in field)!r}"
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}: is not a setting; remove it or mend its spelling"
        case "missing":
            return f"{where}: is missing"
        case "model_type" if len(field) == 1:
            return f"{where}: is a table; write [{field[0]}]"
        case "string_pattern_mismatch":
            return f"{where}: {_FORMS[str(field[0])]}"
    return f"{where}: {detail['msg'].removeprefix('Value error, ')}"


def _entry_name(document: dict[str, object], index: int) -> str:
    entries = document["integration"]
    entry = entries[index] if isinstance(entries, list) else None
    name = entry.get("name") if isinstance(entry, dict) else None
    is_name = isinstance(name, str) and not LOOKS_LIKE_A_KEY.fullmatch(name)
    return repr(name) if is_name else f"number {index + 1}"
