"""Publish files in the data directory or in an object store."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.publish.object import ObjectStoreBackend


class Store(Protocol):
    """A place where files of this machine are published."""

    def renew(self, path: Path, make: Callable[[], None]) -> None:
        """Update a DuckDB file from the published one, and publish it.

        Args:
            path: the local copy of the file.
            make: function that changes the copy and its fingerprint; called again after a conflict.
        """

    def upload(self, path: Path) -> None:
        """Publish a file as it is."""


class LocalStore:
    """The data directory. A rename publishes a file."""

    def renew(self, path: Path, make: Callable[[], None]) -> None:  # noqa: ARG002 -- protocol
        """Update the file; `make` renames it over the published one."""
        make()

    def upload(self, path: Path) -> None:
        """Do nothing; the file is published already."""


def open_store(workspace: Workspace) -> Store:
    """Open the place where a workspace publishes.

    Raises:
        InventoryError: the package that reads object stores is not installed.
    """
    return LocalStore() if workspace.url is None else open_backend(workspace)


def open_backend(workspace: Workspace) -> "ObjectStoreBackend":
    """Open the object store of a workspace that has a `url`.

    Raises:
        InventoryError: the package that reads object stores is not installed.
    """
    objects = workspace.objects  # first: its error names the missing package
    from pipelines.publish.object import ObjectStoreBackend  # noqa: PLC0415 -- an extra

    return ObjectStoreBackend(objects, workspace.root)
