"""A DuckDB file in an object store, and its copy here."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pipelines.publish.fingerprint import fingerprint_path
from pipelines.storage.atomic import replace_durably, write_text
from pipelines.storage.object_store import ConflictError, ObjectStore, Version

# As many machines as may ever publish into one file at the same moment.
TRIES = 5


class PublishedObject:
    """A file that is made here, and published by an upload that only one machine wins.

    Args:
        store: where it is published.
        folder: the folder of the copy; where it lies below that is its key.
        path: the copy. Beside it is noted which content of the object it was.
    """

    def __init__(self, store: ObjectStore, folder: Path, path: Path) -> None:
        self._store = store
        self._folder = folder
        self._path = path
        self._note = path.with_name(f".{path.name}.version")

    def fetch(self) -> bool:
        """Bring the object here unless the copy is the same; whether there is one."""
        now = self._store.version(self._key(self._path))
        if now is None:
            self._note.unlink(missing_ok=True)
            return False
        if now != self._version or not self._path.exists():
            # Noted last: a crash in between brings it again.
            self._note.unlink(missing_ok=True)
            self._bring(fingerprint_path(self._path))
            now = self._bring(self._path)
            if now is None:
                return False
            write_text(json.dumps(asdict(now)), self._note)
        return True

    def renew(self, make: Callable[[], None]) -> None:
        """Make the file anew from what is published, and publish it.

        Args:
            make: changes the copy; called again where another machine published meanwhile.

        Raises:
            ConflictError: others were always first.
        """
        for left in reversed(range(TRIES)):
            before = self._version if self.fetch() else None
            make()
            try:
                now = self._store.put_if(self._key(self._path), self._path, before)
            except ConflictError:
                if not left:
                    raise
            else:
                write_text(json.dumps(asdict(now)), self._note)
                self._store.put(
                    self._key(fingerprint_path(self._path)), fingerprint_path(self._path)
                )
                return

    def remove(self) -> None:
        """Remove the object and its copy."""
        paths = [self._path, fingerprint_path(self._path)]
        self._store.delete([self._key(path) for path in paths])
        for path in (*paths, self._note):
            path.unlink(missing_ok=True)

    def _bring(self, path: Path) -> Version | None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.fetched")
        try:
            version = self._store.download(self._key(path), aside)
            if version:
                replace_durably(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        return version

    @property
    def _version(self) -> Version | None:
        try:
            noted = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return None
        return Version(noted["e_tag"], noted["number"])

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()
