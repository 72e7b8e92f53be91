"""JumpCloud's specification of 2026-08-21, reduced to the operations that matter here."""

import json
from typing import Any

from tests.support import DATA

SPECIFICATION: dict[str, Any] = json.loads((DATA / "console_2026_08.json").read_text())
SCOPES: dict[str, frozenset[str]] = {
    operation: frozenset(entry["scopes"])
    for operation, entry in SPECIFICATION["operations"].items()
}
