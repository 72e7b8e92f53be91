"""Finished lists on disk, so that a pull that was cut off asks only for what is missing.

The rows are those of the raw tables, allow-listed already: no secret comes here.
"""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipelines.extract.completeness import Completeness, ListId
from pipelines.extract.endpoints import ENDPOINTS

# Older lists are read again: a resumed pull should still be one moment in the organisation's life.
MAX_AGE = timedelta(hours=1)
_COMPLETENESS = b"completeness"
_START = "started_at"


@dataclass(frozen=True)
class FinishedList:
    """A list that was read to its end: the proof, and its distinct rows."""

    completeness: Completeness
    rows: list[pa.RecordBatch]


class Spool:
    """The finished lists of one pull.

    Lists of other settings, of an age beyond `MAX_AGE`, or of a version with other fields, and
    files that a crash cut short, are as if they were not there.

    Args:
        folder: the spool of the integration.
        fingerprint: text that differs whenever the settings ask for something else.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        schemas = "".join(str(endpoint.table_schema) for endpoint in ENDPOINTS.values())
        digest = hashlib.sha256((fingerprint + schemas).encode()).hexdigest()[:16]
        self._root = folder
        self._folder = folder / digest

    def open(self) -> datetime:
        """Start the spool, or take up the one that was left; when its pull started."""
        start = self._folder / _START
        started_at = _time_in(start)
        if started_at is None or not timedelta(0) <= datetime.now(UTC) - started_at <= MAX_AGE:
            self.remove()
            self._folder.mkdir(parents=True)
            started_at = datetime.now(UTC)
            start.write_text(started_at.isoformat())
        return started_at

    def load(self) -> dict[ListId, FinishedList]:
        """The lists that are there, whole."""
        lists = (_read(path) for path in sorted(self._folder.glob("*.arrow")))
        return {each.completeness.list_id: each for each in lists if each}

    def save(self, finished: FinishedList) -> None:
        """Keep a list: written aside, then renamed."""
        list_id = finished.completeness.list_id
        schema = ENDPOINTS[list_id.endpoint].table_schema
        proof = json.dumps(asdict(finished.completeness)).encode()
        name = hashlib.sha256(str(list_id).encode()).hexdigest()
        aside = self._folder / f"{name}.part"
        with pa.ipc.new_file(str(aside), schema.with_metadata({_COMPLETENESS: proof})) as writer:
            for batch in finished.rows:
                writer.write_batch(batch)
        aside.replace(self._folder / f"{name}.arrow")

    def remove(self) -> None:
        """Forget the integration's lists, of whatever settings."""
        if self._root.exists():
            shutil.rmtree(self._root)


def _time_in(path: Path) -> datetime | None:
    try:
        time = datetime.fromisoformat(path.read_text())
    except (OSError, ValueError):
        return None
    return time if time.tzinfo else None


def _read(path: Path) -> FinishedList | None:
    try:
        table = pa.ipc.open_file(path.read_bytes()).read_all()
    except pa.ArrowInvalid:
        return None
    facts = json.loads((table.schema.metadata or {})[_COMPLETENESS])
    list_id = ListId(**facts.pop("list_id"))
    rows = table.replace_schema_metadata(None).to_batches()
    return FinishedList(Completeness(list_id=list_id, **facts), rows)
