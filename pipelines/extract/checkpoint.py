"""Checkpoint of a pull: finished lists on disk, which the next attempt does not read again.

Finished lists are kept on disk instead of in memory until the pull ends. They contain the
allow-listed fields of the raw tables only, and so no secret.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from io import BufferedWriter
from pathlib import Path

import pyarrow as pa

from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import ENDPOINTS, ListId

# Older lists are read again, so that a resumed pull still shows the organization at one time.
MAX_AGE = timedelta(hours=1)
_COMPLETENESS = b"completeness"
_START = "started_at"
# Small batches of one list each are combined, as soon as there are as many.
_BATCHES = 1000


class Checkpoint:
    """Finished lists of one pull: an Arrow stream per attempt and endpoint, a batch per list.

    Lists of other settings, of another schema, or older than `MAX_AGE` are ignored. Of a file that
    a crash cut short, the complete batches are used.

    Args:
        folder: the integration's checkpoint folder.
        fingerprint: text that differs for settings that read other data.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        schemas = "".join(str(endpoint.table_schema) for endpoint in ENDPOINTS.values())
        digest = hashlib.sha256((fingerprint + schemas).encode()).hexdigest()[:16]
        self._root = folder
        self._folder = folder / digest
        self._streams: dict[str, tuple[BufferedWriter, pa.RecordBatchStreamWriter]] = {}

    def open(self) -> datetime:
        """Resume the checkpoint or start a new one, and return when its pull started."""
        start = self._folder / _START
        started_at = _read_time(start)
        if started_at is None or not timedelta(0) <= datetime.now(UTC) - started_at <= MAX_AGE:
            self.remove()
            self._folder.mkdir(parents=True)
            started_at = datetime.now(UTC)
            start.write_text(started_at.isoformat())
        return started_at

    def open_other(self, name: str) -> "Checkpoint":
        """Return a new, empty checkpoint, which is removed with this one."""
        other = Checkpoint(self._folder / name, name)
        other.remove()
        other.open()
        return other

    def load(self) -> dict[ListId, Completeness]:
        """Return the proofs of the saved lists; their rows stay on disk."""
        return {proof.list_id: proof for proof, _ in self._read_lists("*")}

    def read_rows(self, list_id: ListId) -> pa.RecordBatch:
        """Return the rows of a saved list."""
        lists = self._read_lists(list_id.endpoint)
        return next(rows for proof, rows in lists if proof.list_id == list_id)

    def read_table(self, endpoint: str, list_ids: Collection[ListId]) -> pa.Table:
        """Return the rows of these saved lists of an endpoint."""
        schema = ENDPOINTS[endpoint].table_schema
        chunks: list[pa.RecordBatch] = []
        batches: list[pa.RecordBatch] = []
        for proof, rows in self._read_lists(endpoint):
            if proof.list_id in list_ids and rows.num_rows:
                batches.append(rows)
            if len(batches) == _BATCHES:
                chunks += _combine(batches, schema)
                batches.clear()
        return pa.Table.from_batches(chunks + _combine(batches, schema), schema)

    def _read_lists(self, endpoint: str) -> Iterator[tuple[Completeness, pa.RecordBatch]]:
        self.close()
        for path in sorted(self._folder.glob(f"{endpoint}.*.arrow")):
            yield from _read_lists(path)

    def save(self, proof: Completeness, rows: pa.RecordBatch) -> None:
        """Write the distinct rows of a finished list to disk, so that they survive a crash."""
        file, stream = self._get_stream(proof.list_id.endpoint)
        stream.write_batch(rows, custom_metadata={_COMPLETENESS: _serialize(proof)})
        file.flush()

    def close(self) -> None:
        """Close the streams; a list saved later starts new ones."""
        for file, stream in self._streams.values():
            stream.close()
            file.close()
        self._streams.clear()

    def remove(self) -> None:
        """Remove all lists of the integration, including those of other settings."""
        self.close()
        if self._root.exists():
            shutil.rmtree(self._root)

    def _get_stream(self, endpoint: str) -> tuple[BufferedWriter, pa.RecordBatchStreamWriter]:
        if endpoint not in self._streams:
            # Never append to the file of an earlier attempt: its last batch may be cut short.
            attempt = len(list(self._folder.glob(f"{endpoint}.*.arrow")))
            file = (self._folder / f"{endpoint}.{attempt}.arrow").open("xb")
            schema = ENDPOINTS[endpoint].table_schema
            self._streams[endpoint] = file, pa.ipc.new_stream(file, schema)
        return self._streams[endpoint]


def _combine(batches: list[pa.RecordBatch], schema: pa.Schema) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(batches, schema).combine_chunks().to_batches()


def _serialize(proof: Completeness) -> bytes:
    return json.dumps(_values(proof) | {"list_id": _values(proof.list_id)}).encode()


def _values(record: Completeness | ListId) -> dict[str, object]:
    # `asdict` makes deep copies, which takes longer than writing the list.
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _read_time(path: Path) -> datetime | None:
    try:
        time = datetime.fromisoformat(path.read_text())
    except (OSError, ValueError):
        return None
    return time if time.tzinfo else None


def _read_lists(path: Path) -> Iterator[tuple[Completeness, pa.RecordBatch]]:
    """Yield the complete lists of a stream, up to where a crash cut it short."""
    try:
        stream = pa.ipc.open_stream(pa.memory_map(str(path)))
        while True:
            rows, metadata = stream.read_next_batch_with_custom_metadata()
            proof = json.loads(metadata[_COMPLETENESS])
            list_id = ListId(**proof.pop("list_id"))
            yield Completeness(list_id=list_id, **proof), rows
    except (StopIteration, pa.ArrowInvalid, OSError):
        return
