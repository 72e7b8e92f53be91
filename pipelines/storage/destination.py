"""Places outside the data directory that files are sent to: a directory or an object store."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import InventoryError
from pipelines.storage.atomic import replace_atomically

if TYPE_CHECKING:
    from pipelines.storage.object_store import ObjectStore


def open_object_store(url: str) -> "ObjectStore":
    """Open an object store.

    Raises:
        InventoryError: the package that reads object stores is not installed.
    """
    try:
        from pipelines.storage.object_store import ObjectStore  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise InventoryError(
            f"{url}: object storage needs {error.name}: pip install '.[cluster]' in the repository"
        ) from None
    return ObjectStore(url)


class Destination:
    """A directory or an object store. A reader sees the old or the new file, never a part of it.

    Args:
        address: absolute path of an existing directory, or address of an object store.

    Raises:
        InventoryError: the directory does not exist, or the store cannot be opened.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._objects = open_object_store(address) if "://" in address else None
        # A disk that is not mounted must not be replaced by a folder.
        if self._objects is None and not Path(address).is_dir():
            raise InventoryError(f"{address}: not a directory. Create it, or mount its disk")

    def put(self, key: str, file: Path) -> str:
        """Write or replace a file below the address. Return its place.

        Raises:
            InventoryError: it cannot be written.
        """
        place = f"{self._address}/{key}"
        if self._objects is not None:
            self._objects.put(key, file)
            return place
        try:
            with replace_atomically(Path(place)) as temporary:
                shutil.copyfile(file, temporary)
        except OSError as error:
            raise InventoryError(f"{place}: cannot be written ({error.strerror})") from None
        return place
