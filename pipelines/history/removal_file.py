"""Keep the removals that stopped the last run of an integration, until a run publishes."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pipelines.errors import InventoryError
from pipelines.history.removal_guard import StoppedRemovals
from pipelines.storage.atomic import replace_durably, write_text

if TYPE_CHECKING:
    from pipelines.storage.object_store import ObjectStore  # an extra

State = Literal["stopped", "accepted"]


class RemovalFile:
    """The file with the removals that stopped a run. Its name has its state.

    Args:
        folder: folder of the file in a data directory.
        integration: name of the integration.
    """

    def __init__(self, folder: Path, integration: str) -> None:
        self._folder = folder
        self._integration = integration

    def read(self, state: State) -> StoppedRemovals | None:
        """Return the removals in this state, if there are any."""
        content = self._read(state)
        return StoppedRemovals.parse(content) if content else None

    def stop(self, removals: StoppedRemovals) -> None:
        """Write the removals that stopped a run, and end an earlier acceptance."""
        self._write(removals.model_dump_json(indent=1))
        self._remove("accepted")

    def accept(self) -> StoppedRemovals:
        """Let the next run publish the removals that stopped the last one.

        Raises:
            InventoryError: no removal stopped it.
        """
        removals = self.read("stopped")
        if removals:
            self._move(self._path("stopped"), self._path("accepted"))
        removals = removals or self.read("accepted")
        if removals is None:
            raise InventoryError(
                f"nothing to accept: no mass removal stopped the last run of {self._integration!r}."
                " `jumpcloud-inventory status` shows how it ended"
            )
        return removals

    def rename(self, integration: str) -> None:
        """Give the removals, in any state, to another name of the integration.

        After a crash, call it again.
        """
        for state in get_args(State):
            path = self._path(state)
            self._move(path, path.with_name(f"{integration}.{state}.json"))

    def remove(self) -> None:
        """Remove the file, in any state."""
        self._remove("stopped", "accepted")

    def _path(self, state: State) -> Path:
        return self._folder / f"{self._integration}.{state}.json"

    def _read(self, state: State) -> bytes | None:
        path = self._path(state)
        return path.read_bytes() if path.exists() else None

    def _write(self, text: str) -> None:
        write_text(text, self._path("stopped"))

    def _move(self, source: Path, target: Path) -> None:
        # A rename keeps the owner: the service has to read what root has accepted.
        with suppress(FileNotFoundError):
            replace_durably(source, target)

    def _remove(self, *states: State) -> None:
        for state in states:
            self._path(state).unlink(missing_ok=True)


class RemovalObject(RemovalFile):
    """The same as an object, for all machines.

    Args:
        folder: first part of the key.
        integration: name of the integration.
        store: the object store.
    """

    def __init__(self, folder: Path, integration: str, store: "ObjectStore") -> None:
        super().__init__(folder, integration)
        self._store = store

    def _read(self, state: State) -> bytes | None:
        found = self._store.get(self._path(state).as_posix())
        return found[0] if found else None

    def _write(self, text: str) -> None:
        self._store.put(self._path("stopped").as_posix(), text.encode())

    def _move(self, source: Path, target: Path) -> None:
        if found := self._store.get(source.as_posix()):
            self._store.put(target.as_posix(), found[0])
            self._store.delete([source.as_posix()])

    def _remove(self, *states: State) -> None:
        self._store.delete([self._path(state).as_posix() for state in states])
