"""The best rate of each key, saved for the next run."""

import hashlib
import json
from pathlib import Path

from pipelines.ratelimit.adaptive import MAX_RATE, MIN_RATE
from pipelines.storage.locks import locked

MAX_SAVED_RATE = MAX_RATE


class SavedRates:
    """The best rate of each key, in a JSON file that names keys by their fingerprint.

    A missing or broken file counts as empty: the file only saves the slow start.

    Args:
        path: the file.
        lock: lock file to hold while the file changes.
    """

    def __init__(self, path: Path, lock: Path) -> None:
        self._path = path
        self._lock = lock

    def get(self, key: str) -> float | None:
        """Return the saved rate in calls a second, or None."""
        rate = self._read().get(key_fingerprint(key))
        return min(max(rate, MIN_RATE), MAX_SAVED_RATE) if rate else None

    def put(self, key: str, rate: float) -> None:
        """Save the rate in calls a second."""
        # Locked, so that concurrent runs of other integrations keep each other's rates.
        with locked(self._lock):
            rates = self._read() | {key_fingerprint(key): round(rate, 2)}
            tmp_path = self._path.with_name(f".{self._path.name}.new")
            tmp_path.write_text(json.dumps(rates, indent=1))
            tmp_path.replace(self._path)

    def _read(self) -> dict[str, float]:
        try:
            rates = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(rates, dict):
            return {}
        return {name: rate for name, rate in rates.items() if isinstance(rate, float) and rate > 0}


def key_fingerprint(key: str) -> str:
    """Return a short hash that identifies a key without revealing it."""
    return hashlib.sha256(b"jumpcloud-inventory rate:" + key.encode()).hexdigest()[:16]
