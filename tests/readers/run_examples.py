"""Run the examples of docs/reference/readers.md: `run_examples.py PAGE READER ...`.

It runs in the environment of the readers, which need not have the program's other libraries. The
working directory has a history. Prints a JSON object with the rows of each reader.
"""

import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

COLUMNS = ("integration", "snapshot", "system_id", "created_at", "group_ids", "policies_total")


def run_example(page: str, reader: str) -> list[list[object]]:
    """Return the rows that the example of a reader finds in its variable `systems`."""
    example = re.search(rf"^### {reader}\n.*?^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    if not example:
        sys.exit(f"no example of {reader}")
    names: dict[str, object] = {}
    exec(example[1], names)  # noqa: S102 -- our own page
    return [[_plain(row[name], name) for name in COLUMNS] for row in _rows(names["systems"])]


def _rows(systems: object) -> Iterable[object]:
    """Return the rows of a frame or table of any library as mappings."""
    for converter in ("to_arrow_table", "to_pylist", "to_dicts"):
        if hasattr(systems, converter):
            rows = getattr(systems, converter)()
            return rows if isinstance(rows, list) else rows.to_pylist()
    for lazy in ("collect", "compute"):
        if hasattr(systems, lazy):
            return _rows(getattr(systems, lazy)())
    return systems.to_dict("records") if hasattr(systems, "to_dict") else systems


def _plain(value: object, column: str) -> object:
    """Return a value as JSON has it, with times in UTC."""
    if hasattr(value, "tolist"):  # numpy
        value = value.tolist()
    if column == "created_at" and isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        # Spark returns times of the process's zone, without naming it.
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, (list, tuple)):
        return list(value)
    return None if type(value).__name__ in {"NAType", "NaTType"} else value


def main() -> None:
    """Print what the examples of the command line find."""
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    found = {reader: sorted(run_example(page, reader), key=str) for reader in sys.argv[2:]}
    print(json.dumps(found))  # noqa: T201


if __name__ == "__main__":
    main()
