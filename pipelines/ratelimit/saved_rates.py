"""The rate that was good for a key, kept for the next run."""

import hashlib
import json
from pathlib import Path

from pipelines.ratelimit.adaptive import MIN_RATE
from pipelines.storage.locks import locked

MAX_SAVED_RATE = 1000.0


class SavedRates:
    """The good rate of each key, by a hash of the key, for the next run.

    A file that is absent or broken counts as empty: it only saves the way up.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> float | None:
        """The rate that was good last time, in calls a second."""
        rate = self._read().get(key_fingerprint(key))
        return min(max(rate, MIN_RATE), MAX_SAVED_RATE) if rate else None

    def put(self, key: str, rate: float) -> None:
        """Remember a rate."""
        # Under a lock, so that runs of other integrations lose no rate of each other's.
        with locked(self._path.parent / "locks" / f".{self._path.name}"):
            rates = self._read() | {key_fingerprint(key): round(rate, 2)}
            aside = self._path.with_name(f".{self._path.name}.new")
            aside.write_text(json.dumps(rates, indent=1))
            aside.replace(self._path)

    def _read(self) -> dict[str, float]:
        try:
            rates = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(rates, dict):
            return {}
        return {name: rate for name, rate in rates.items() if isinstance(rate, float) and rate > 0}


def key_fingerprint(key: str) -> str:
    """A short name of a key that does not give the key away."""
    return hashlib.sha256(b"jumpcloud-inventory rate:" + key.encode()).hexdigest()[:16]
