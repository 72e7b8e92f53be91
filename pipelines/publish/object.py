"""Published files in an object store, and their copies here."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pipelines.publish.fingerprint import fingerprint_path
from pipelines.storage.atomic import replace_durably, write_text
from pipelines.storage.object_store import ConflictError, ObjectStore, Version

# As many machines as may ever publish into one file at the same moment.
MAX_TRIES = 5


class ObjectStoreBackend:
    """A store of files that are made here, and published by an upload that only one machine wins.

    Args:
        objects: where the files are published.
        root: the folder of the copies; a path below it is the file's key.
    """

    def __init__(self, objects: ObjectStore, root: Path) -> None:
        self._objects = objects
        self._root = root

    def fetch(self, path: Path) -> bool:
        """Download a file and its fingerprint unless the copy is current; return if it exists."""
        current = self._objects.version(self._key(path))
        note = _version_path(path)
        if current is None:
            note.unlink(missing_ok=True)
            return False
        if current != _read_version(path) or not path.exists():
            # Noted last: after a crash in between, it is downloaded again.
            note.unlink(missing_ok=True)
            self._download(fingerprint_path(path))
            current = self._download(path)
            if current is None:
                return False
            write_text(json.dumps(asdict(current)), note)
        return True

    def renew(self, path: Path, make: Callable[[], None]) -> None:
        """Make a DuckDB file from what is published, and publish it.

        Args:
            path: the local copy of the file.
            make: changes the copy; called again if another machine published meanwhile.

        Raises:
            ConflictError: another machine was first at each try.
        """
        for tries_left in reversed(range(MAX_TRIES)):
            before = _read_version(path) if self.fetch(path) else None
            make()
            try:
                version = self._objects.put_if(self._key(path), path, before)
            except ConflictError:
                if not tries_left:
                    raise
            else:
                write_text(json.dumps(asdict(version)), _version_path(path))
                self.upload(fingerprint_path(path))
                return

    def upload(self, path: Path) -> None:
        """Publish a file as it is."""
        self._objects.put(self._key(path), path)

    def remove(self, path: Path) -> None:
        """Remove an object, its fingerprint if it has one, and their copies."""
        files = [path, fingerprint_path(path)]
        self._objects.delete([self._key(file) for file in files])
        for file in (*files, _version_path(path)):
            file.unlink(missing_ok=True)

    def _download(self, path: Path) -> Version | None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.fetched")
        try:
            version = self._objects.download(self._key(path), temporary)
            if version:
                replace_durably(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return version

    def _key(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _version_path(path: Path) -> Path:
    """Return the note of the version that the copy is."""
    return path.with_name(f".{path.name}.version")


def _read_version(path: Path) -> Version | None:
    try:
        noted = json.loads(_version_path(path).read_text())
    except (OSError, ValueError):
        return None
    return Version(noted["e_tag"], noted["number"])
