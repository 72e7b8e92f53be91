"""Publish files in an object store, with copies on this machine."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pipelines.publish.fingerprint import fingerprint_path
from pipelines.storage.atomic import replace_durably, write_text
from pipelines.storage.object_store import ConflictError, ObjectStore, Version

# More than the machines that publish into one file at the same moment.
MAX_TRIES = 5


class ObjectStoreBackend:
    """A store of files that are made locally and uploaded. Of two uploads at once, one fails.

    Args:
        objects: where the files are published.
        root: folder of the copies; the path of a file below it is its key.
    """

    def __init__(self, objects: ObjectStore, root: Path) -> None:
        self._objects = objects
        self._root = root

    def fetch(self, path: Path) -> bool:
        """Bring the copies of a file and its fingerprint up to date; return whether it exists."""
        current = self._objects.version(self._key(path))
        version_file = _version_path(path)
        if current is None:
            version_file.unlink(missing_ok=True)
            return False
        if current != _read_version(path) or not path.exists():
            # The version is written last: after a crash in between, download again.
            version_file.unlink(missing_ok=True)
            self._download(fingerprint_path(path))
            current = self._download(path)
            if current is None:
                return False
            # A change would be lost with the next download.
            path.chmod(path.stat().st_mode & 0o444)
            write_text(json.dumps(asdict(current)), version_file)
        return True

    def renew(self, path: Path, make: Callable[[], None]) -> None:
        """Update a DuckDB file from the published one, and publish it.

        Args:
            path: the local copy of the file.
            make: function that changes the copy; called again after a conflict.

        Raises:
            ConflictError: another machine published first at each try.
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
    """Return the file that holds the version of the copy."""
    return path.with_name(f".{path.name}.version")


def _read_version(path: Path) -> Version | None:
    try:
        version = json.loads(_version_path(path).read_text())
    except (OSError, ValueError):
        return None
    return Version(**version)
