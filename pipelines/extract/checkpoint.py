"""Finished lists on disk: what a pull that was cut off need not ask for again.

They are kept here, not in memory, until the pull is done. The rows are those of the raw tables,
allow-listed already: no secret comes here.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BufferedWriter
from pathlib import Path

import pyarrow as pa

from pipelines.extract.completeness import Completeness
from pipelines.jumpcloud.endpoints import ENDPOINTS, ListId

# Older lists are read again: a resumed pull should still be one moment in the organization's life.
MAX_AGE = timedelta(hours=1)
_COMPLETENESS = b"completeness"
_START = "started_at"


@dataclass(frozen=True)
class FinishedList:
    """A list that was read to its end: the proof, and its distinct rows."""

    completeness: Completeness
    rows: pa.RecordBatch


class Checkpoint:
    """The finished lists of one pull: per attempt and endpoint a stream, a batch of it per list.

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
        self._streams: dict[str, tuple[BufferedWriter, pa.RecordBatchStreamWriter]] = {}

    def open(self) -> datetime:
        """Start the spool, or take up the one that was left; when its pull started."""
        start = self._folder / _START
        started_at = _read_time(start)
        if started_at is None or not timedelta(0) <= datetime.now(UTC) - started_at <= MAX_AGE:
            self.remove()
            self._folder.mkdir(parents=True)
            started_at = datetime.now(UTC)
            start.write_text(started_at.isoformat())
        return started_at

    def load(self) -> dict[ListId, FinishedList]:
        """The lists that are there, whole; their rows stay on disk."""
        self.close()
        paths = sorted(self._folder.glob("*.arrow"))
        return {each.completeness.list_id: each for path in paths for each in _read(path)}

    def save(self, finished: FinishedList) -> None:
        """Keep a list; it is whole on disk even if the process is killed next."""
        file, stream = self._stream(finished.completeness.list_id.endpoint)
        proof = _json(finished.completeness)
        stream.write_batch(finished.rows, custom_metadata={_COMPLETENESS: proof})
        file.flush()

    def close(self) -> None:
        """End the streams; a later list begins new ones."""
        for file, stream in self._streams.values():
            stream.close()
            file.close()
        self._streams.clear()

    def remove(self) -> None:
        """Forget the integration's lists, of whatever settings."""
        if self._root.exists():
            shutil.rmtree(self._root)

    def _stream(self, endpoint: str) -> tuple[BufferedWriter, pa.RecordBatchStreamWriter]:
        if endpoint not in self._streams:
            # Never behind what an earlier attempt wrote: its last list may be cut short.
            attempt = len(list(self._folder.glob(f"{endpoint}.*.arrow")))
            file = (self._folder / f"{endpoint}.{attempt}.arrow").open("xb")
            schema = ENDPOINTS[endpoint].table_schema
            self._streams[endpoint] = file, pa.ipc.new_stream(file, schema)
        return self._streams[endpoint]


def _json(proof: Completeness) -> bytes:
    # `asdict` copies deeply, which takes longer than the writing.
    return json.dumps(vars(proof) | {"list_id": vars(proof.list_id)}).encode()


def _read_time(path: Path) -> datetime | None:
    try:
        time = datetime.fromisoformat(path.read_text())
    except (OSError, ValueError):
        return None
    return time if time.tzinfo else None


def _read(path: Path) -> Iterator[FinishedList]:
    """The lists of a stream, up to where a crash cut it."""
    try:
        stream = pa.ipc.open_stream(pa.memory_map(str(path)))
        while True:
            rows, metadata = stream.read_next_batch_with_custom_metadata()
            facts = json.loads(metadata[_COMPLETENESS])
            list_id = ListId(**facts.pop("list_id"))
            yield FinishedList(Completeness(list_id=list_id, **facts), rows)
    except (StopIteration, pa.ArrowInvalid, OSError):
        return
