"""Where the published things are: below the data directory, or in the object store."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.environment import home, object_store_url
from pipelines.errors import InventoryError
from pipelines.history.store import SnapshotStore

if TYPE_CHECKING:
    from pipelines.storage.object_store import ObjectStore

from pipelines.storage.atomic import write_text

PULL = "pull"
TABLES = "tables"
_LATER = {PULL: (PULL, TABLES), TABLES: (TABLES,)}


def begin(step: str, integration: str) -> None:
    """Take it that neither this step's tables nor those made of them are whole."""
    for each in _LATER[step]:
        _mark(each, integration).unlink(missing_ok=True)


def finish(step: str, integration: str) -> None:
    """Take it that the step's tables are whole, and passed the checks that block."""
    write_text("", _mark(step, integration))


def require(step: str, integration: str) -> None:
    """Go on only if the step's tables are whole.

    Raises:
        InventoryError: they are not.
    """
    if not _mark(step, integration).exists():
        raise InventoryError(
            f"the tables of {integration!r} that lie ready are not of one whole pull that passed "
            "its checks; materialize all its assets together, or use "
            f"`jumpcloud-inventory run {integration}`"
        )


def _mark(step: str, integration: str) -> Path:
    return home() / "parquet" / "whole" / step / integration


def object_store() -> "ObjectStore | None":
    """The object store that the data are in; None where they are in a directory.

    Raises:
        InventoryError: what reads object stores is not installed.
    """
    url = object_store_url()
    return _opened(url) if url else None


@cache
def _opened(url: str) -> "ObjectStore":
    try:
        from pipelines.storage.object_store import ObjectStore  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError as error:
        raise InventoryError(
            f"{url}: object storage needs {error.name}: pip install '.[cluster]' in the repository"
        ) from None
    return ObjectStore(url)


def history(root: Path | None = None) -> SnapshotStore:
    """The history; of one in an object store, what its first question about an integration sees.

    Args:
        root: where the copies of one in an object store go; without it, what each run adds to.
    """
    store = object_store()
    if store is None:
        return SnapshotStore(home() / "history")
    from pipelines.history.object_store import ObjectSnapshotStore  # noqa: PLC0415 -- an extra

    return ObjectSnapshotStore(root or home() / "history", store)


def published_file(integration: str | None = None) -> Path:
    """The DuckDB file that users open.

    Args:
        integration: in an object store it has a file of its own, beside the one over all.
    """
    return _published("inventory", "duckdb", integration)


def report_file(integration: str | None = None) -> Path:
    """The report of a published file."""
    return _published("report", "html", integration)


def _published(name: str, form: str, integration: str | None) -> Path:
    if integration and object_store_url():
        return home() / "integrations" / f"{integration}.{form}"
    return home() / f"{name}.{form}"


def published_uri(published: Path) -> str:
    """Where a published file is, as an address."""
    return published_place(published) if object_store_url() else published.as_uri()


def published_place(published: Path) -> str:
    """Where a published file is, for people."""
    url = object_store_url()
    return f"{url}/{published.relative_to(home()).as_posix()}" if url else str(published)


def staged_files() -> dict[str, list[Path]]:
    """By integration, the assets of its latest run and what a crash left of them."""
    files: dict[str, list[Path]] = {}
    for path in sorted(each for each in (home() / "parquet").rglob("*") if each.is_file()):
        files.setdefault(path.name.lstrip(".").partition(".")[0], []).append(path)
    return files


def publication_lock(integration: str | None = None) -> Path:
    """Held while the history or the published file change: of one integration, or of all."""
    own = f"-{integration}" if integration and object_store_url() else ""
    return home() / "locks" / f".publication{own}"


def scratch(integration: str) -> Path:
    """What a run of an integration keeps only while it lasts."""
    return home() / "scratch" / integration


def run_lock(integration: str) -> Path:
    """Held by the one run of an integration: its tables lie at the same place in every run."""
    return home() / "locks" / integration
