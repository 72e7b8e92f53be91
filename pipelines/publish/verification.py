"""Verify the published files: each must be what this program wrote last."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipelines.history.store import file_sha256
from pipelines.publish.fingerprint import fingerprint_path
from pipelines.publish.reader import log_path
from pipelines.publish.store import open_backend
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace


def verify_published_files(workspace: Workspace, owners: Sequence[str | None]) -> Iterator[str]:
    """Yield a line for each published file that is missing or not what was written last.

    Args:
        workspace: where the inventory is.
        owners: integrations that have a file in an object store; None for the file over all, the
            only one in a directory.
    """
    for owner in owners if workspace.url else [None]:
        path = workspace.inventory_file(owner)
        # A run may be between the rename of the file and the write of its checksum.
        if problem := _find_problem(workspace, path):
            with suppress(OSError), locked(workspace.publication_lock(owner)):
                problem = _find_problem(workspace, path)
        if problem:
            remedy = f"run {owner}" if owner else "combine" if workspace.url else "rebuild"
            yield (
                f"{workspace.location(path)}: {problem}. Run `jumpcloud-inventory {remedy}` to "
                "build it from the history"
            )


def _find_problem(workspace: Workspace, path: Path) -> str:
    """Return why a published file is not what was written last; empty if it is."""
    if workspace.url and not open_backend(workspace).fetch(path):
        return "missing"
    if log_path(path).exists():
        return "another program wrote changes to a log next to it"
    try:
        written = fingerprint_path(path).read_text(encoding="utf-8").partition(" ")[0]
        return "" if file_sha256(path) == written else "not what was published last"
    except FileNotFoundError as error:
        return "missing" if error.filename == str(path) else "its checksum is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
