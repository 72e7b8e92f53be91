"""Paths and settings of an inventory.

All paths in a data directory come from `Workspace`. The modules of `pipelines.history` name the
files below `history/`.

    inventory.duckdb, report.html   published tables and their report
    inventory.html                  the page to browse them
    history/                        snapshots of past pulls, and their manifests
    parquet/                        tables of the latest run, raw and joined; markers in whole/
    spool/<integration>/            finished lists of an interrupted pull
    reviews/                        access reviews: their populations and decisions
    removals/                       mass removals that stopped a run, until a run publishes
    rates.json                      best request rate of each key
    organizations/<entry>.json      organizations found for `discover_organizations`
    dagster/                        Dagster's home: its settings, runs and schedules
    locks/                          one lock for each run, publication and shared file
    scratch/<integration>/          temporary files of a run
    integrations/                   with an object store: copies of the files of one integration
    demo/                           data directory of the command `demo`
    integrations.toml               settings, if they are kept here, as those of the demo are
    simulated_since.txt             in demo/: time of its first start

A `.gitignore` keeps the directory out of a repository that it is in. Any other hidden file next to
one of these is its fingerprint, its version in the object store, or a version that is not finished.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.config.environment import (
    CONFIG_VARIABLE,
    DAGSTER_HOME_VARIABLE,
    HOME_VARIABLE,
    WORK_VARIABLE,
    data_directory,
    object_store_url,
)
from pipelines.errors import InventoryError, SettingsError
from pipelines.storage.atomic import flush, write_text
from pipelines.storage.destination import open_object_store
from pipelines.storage.disk_errors import is_no_room

# Imported when needed: they load pyarrow and pydantic, which take longer than most commands.
if TYPE_CHECKING:
    from pipelines.config.settings import Settings
    from pipelines.history.removal_file import RemovalFile
    from pipelines.history.store import SnapshotStore
    from pipelines.ratelimit.saved_rates import SavedRates
    from pipelines.reviews.store import ReviewStore
    from pipelines.storage.object_store import ObjectStore

_IN_URLS = frozenset("%?")
Stage = Literal["pull", "tables"]
_DERIVED: Mapping[Stage, tuple[Stage, ...]] = {"pull": ("pull", "tables"), "tables": ("tables",)}


@dataclass(frozen=True, eq=False)
class Workspace:
    """The place and the settings of an inventory. Built once, then passed on.

        workspace = Workspace.from_environment(os.environ)
        workspace.inventory_file()  # .../data/inventory.duckdb

    Attributes:
        root: absolute data directory; for an object store, the working directory of this machine.
        url: address of the object store; None for a directory.
        config: settings file; None for the single integration of the environment.
        environment: environment variables from which a child process rebuilds this workspace.
        prefix: comes before all names of this inventory in Dagster.
        given: settings that are in no file.
    """

    root: Path
    url: str | None = None
    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    prefix: tuple[str, ...] = ()
    given: "Settings | None" = None

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], data_dir: str | None = None, config: Path | None = None
    ) -> "Workspace":
        """Build a workspace from variables; the options take precedence.

        Raises:
            SettingsError: the data directory is empty or has a % or ?, or the address is not valid.
        """
        variables = dict(environment)
        if data_dir is not None:
            if not data_dir:
                raise SettingsError("--data-dir is empty; name a directory")
            variables[HOME_VARIABLE] = data_dir
        if config is not None:
            variables[CONFIG_VARIABLE] = str(config.absolute())
        root, url = data_directory(variables), object_store_url(variables)
        if not _IN_URLS.isdisjoint(str(root)):
            raise SettingsError(
                f"the data directory {root} cannot be used: Dagster's database takes % and ? in a "
                "path for parts of an address. Name a directory without them"
            )
        variables[HOME_VARIABLE] = url or str(root)
        named = variables.get(CONFIG_VARIABLE)
        return cls(root, url, Path(named) if named else None, variables)

    def settings(self) -> "Settings":
        """Read the settings, again on each call.

        Raises:
            SettingsError: the file cannot be read, or a setting is wrong.
        """
        if self.given:
            return self.given
        from pipelines.config.settings import load_settings  # noqa: PLC0415 -- see the top

        return load_settings(self.config, self.environment)

    def prepare(self, *folders: Path) -> None:
        """Create the data directory and folders in it, and check that they can be written.

        Raises:
            SettingsError: they cannot be written.
            OSError: the disk is full.
        """
        import tempfile  # noqa: PLC0415 -- not needed to read

        self.make_root()
        with self.explained_writes():
            for folder in (self.root, self.history_folder, *folders):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()

    def make_root(self) -> None:
        """Create the data directory and its missing parents.

        Only the owner may read names, e-mail addresses and sudo rights, and Git ignores them. A
        parent may become a data directory too: that of the demo is in one.

        Raises:
            SettingsError: it cannot be written.
            OSError: the disk is full.
        """
        with self.explained_writes():
            for folder in reversed((self.root, *self.root.parents)):
                if not folder.exists():
                    folder.mkdir(mode=0o700, exist_ok=True)
                    if folder == self.root:
                        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
                    flush(folder.parent)

    @contextmanager
    def explained_writes(self) -> Iterator[None]:
        """Explain why the data directory cannot be written.

        Raises:
            SettingsError: it cannot be written.
            OSError: the disk is full.
        """
        try:
            yield
        except OSError as error:
            if is_no_room(error):
                raise
            raise SettingsError(
                f"the data directory {self.root} cannot be written ({error.strerror}); "
                f"name another one with {WORK_VARIABLE if self.url else '--data-dir'}"
            ) from None

    @cached_property
    def objects(self) -> "ObjectStore":
        """Open the object store; only for a workspace with a `url`.

        Raises:
            InventoryError: the package that reads object stores is not installed.
            SettingsError: the working directory cannot be written.
        """
        objects = open_object_store(str(self.url))
        self.make_root()  # for copies of the objects
        return objects

    def open_history(self, copies: Path | None = None) -> "SnapshotStore":
        """Open the history. One in an object store reads each integration once.

        Args:
            copies: folder for copies from an object store; the default keeps them for later runs.
        """
        if self.url is None:
            from pipelines.history.store import SnapshotStore  # noqa: PLC0415 -- see the top

            return SnapshotStore(self.history_folder)
        from pipelines.history.object_store import ObjectSnapshotStore  # noqa: PLC0415 -- an extra

        return ObjectSnapshotStore(copies or self.history_folder, self.objects)

    def open_reviews(self) -> "ReviewStore":
        """Open the access reviews, which are next to the history."""
        from pipelines.reviews.store import ReviewStore  # noqa: PLC0415 -- see the top

        return ReviewStore(self.root / "reviews", self.objects if self.url else None)

    def check_name(self, integration: str) -> str | None:
        """Return a warning about the name of an integration, if it needs one.

        Raises:
            SettingsError: the name is not suitable, and nothing was published under it yet.
        """
        from pipelines.config.integration import find_name_problem  # noqa: PLC0415 -- see the top

        problem = find_name_problem(integration)
        if not problem:
            return None
        message = f"integration {integration!r}: the name is not suitable: {problem}"
        if integration not in self.open_history().snapshots():
            raise SettingsError(f"{message}. Choose another one")
        return f"{message}. It is kept, because it was published before"

    def removal_file(self, integration: str) -> "RemovalFile":
        """Return the file with the removals that stopped the last run of an integration."""
        from pipelines.history.removal_file import (  # noqa: PLC0415 -- see the top
            RemovalFile,
            RemovalObject,
        )

        folder = self.root / "removals"
        if self.url:
            return RemovalObject(Path(folder.name), integration, self.objects)
        return RemovalFile(folder, integration)

    @property
    def history_folder(self) -> Path:
        """Return the folder of the snapshots, or of their copies from an object store."""
        return self.root / "history"

    @property
    def staging(self) -> "Staging":
        """Return the tables between the steps of a run."""
        return Staging(self.root / "parquet")

    @property
    def dagster_home(self) -> Path:
        """Return Dagster's folder for runs and schedules."""
        return self.root / "dagster"

    @property
    def dagster_settings(self) -> Path:
        """Return Dagster's settings file, which the user may edit."""
        return self.dagster_home / "dagster.yaml"

    @property
    def dagster_lock(self) -> Path:
        """Return the lock to hold while Dagster's settings file is created."""
        return self.root / "locks" / ".dagster"

    def inventory_file(self, integration: str | None = None) -> Path:
        """Return the DuckDB file of all integrations.

        Args:
            integration: in an object store, return the file of this integration instead.
        """
        return self._published(self.root / "inventory.duckdb", integration)

    def report_file(self, integration: str | None = None) -> Path:
        """Return the report of `inventory_file`."""
        return self._published(self.root / "report.html", integration)

    def page_file(self, integration: str | None = None) -> Path:
        """Return the page to browse `inventory_file`."""
        return self._published(self.root / "inventory.html", integration, ".inventory")

    def _published(self, path: Path, integration: str | None, ending: str = "") -> Path:
        if integration and self.url:
            return self.root / "integrations" / f"{integration}{ending}{path.suffix}"
        return path

    def location(self, path: Path) -> str:
        """Return the published place of a file, for people: its address or its path."""
        return f"{self.url}/{path.relative_to(self.root).as_posix()}" if self.url else str(path)

    def uri(self, path: Path) -> str:
        """Return the published place of a file as an address."""
        return self.location(path) if self.url else path.as_uri()

    def publication_lock(self, integration: str | None = None) -> Path:
        """Return the lock to hold while the history or the published file changes."""
        suffix = f"-{integration}" if integration and self.url else ""
        return self.root / "locks" / f".publication{suffix}"

    def run_lock(self, integration: str) -> Path:
        """Return the lock of an integration's run. Its runs share staging, so only one may run."""
        return self.root / "locks" / integration

    def scratch(self, integration: str = "") -> Path:
        """Return the folder for temporary files of an integration's run, or of all runs."""
        return self.root / "scratch" / integration

    def checkpoint_folder(self, integration: str = "") -> Path:
        """Return the folder of the checkpoint of an integration's pull, or of all checkpoints."""
        return self.root / "spool" / integration

    @property
    def saved_rates(self) -> "SavedRates":
        """Return the request rates saved for the next run."""
        from pipelines.ratelimit.saved_rates import SavedRates  # noqa: PLC0415 -- not needed to read

        return SavedRates(self.root / "rates.json", self.root / "locks" / ".rates.json")

    def organizations_file(self, entry: str) -> Path:
        """Return the file with the organizations found last for an entry of the settings."""
        return self.root / "organizations" / f"{entry}.json"

    @property
    def local_settings(self) -> Path:
        """Return the settings file in the data directory; it is used only if it is named."""
        return self.root / "integrations.toml"

    def demo(self) -> "Workspace":
        """Return the workspace of the command `demo`, in a data directory below this one."""
        root = self.root / "demo"
        settings = Workspace(root).local_settings
        # Its runs are not for the Dagster instance of others.
        environment = {**self.environment, DAGSTER_HOME_VARIABLE: ""}
        return Workspace.from_environment(environment, str(root), settings)

    @property
    def demo_start_file(self) -> Path:
        """Return the file with the time of the demo's first start."""
        return self.root / "simulated_since.txt"


class Staging:
    """The tables between the steps of a run, with markers for complete and checked stages.

    Args:
        root: folder of the tables.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def begin(self, stage: Stage, integration: str) -> None:
        """Mark the tables of a stage, and those made from them, as incomplete."""
        for derived in _DERIVED[stage]:
            self._marker(derived, integration).unlink(missing_ok=True)

    def finish(self, stage: Stage, integration: str) -> None:
        """Mark the tables of a stage as complete and checked."""
        write_text("", self._marker(stage, integration))

    def is_finished(self, stage: Stage, integration: str) -> bool:
        """Return True if the tables of a stage are complete and checked."""
        return self._marker(stage, integration).exists()

    def require(self, stage: Stage, integration: str) -> None:
        """Raise unless the tables of a stage are complete.

        Raises:
            InventoryError: they are not, or did not pass their checks.
        """
        if not self.is_finished(stage, integration):
            raise InventoryError(
                f"the staged tables of {integration!r} are not of one complete pull that passed "
                "its checks; materialize all its assets together, or use "
                f"`jumpcloud-inventory run {integration}`"
            )

    def files(self) -> dict[str, list[Path]]:
        """Return the files by integration, including leftovers of a crash."""
        files: dict[str, list[Path]] = {}
        for path in sorted(path for path in self.root.rglob("*") if path.is_file()):
            files.setdefault(path.name.lstrip(".").partition(".")[0], []).append(path)
        return files

    def _marker(self, stage: Stage, integration: str) -> Path:
        return self.root / "whole" / stage / integration
