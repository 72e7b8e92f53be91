"""Files that a user names to be written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import InventoryError
from pipelines.storage.atomic import replace_atomically


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """A path beside `path`; what is written there takes its place, unless something fails.

    Raises:
        InventoryError: `path` is no plain file in a directory that exists, or cannot be written.
    """
    # A rename over a device or a link would replace that.
    is_plain = path.is_file() or not path.exists()
    if path.is_symlink() or not is_plain or not path.parent.is_dir():
        raise InventoryError(f"{path}: name a plain file in a directory that exists")
    try:
        with replace_atomically(path) as aside:
            yield aside
    except OSError as error:
        raise InventoryError(f"{path}: cannot be written ({error.strerror})") from None
