"""One run of the pipeline through Dagster, from the command line."""

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from importlib import resources

from assets_defs.automation import REFRESH_JOB
from assets_defs.failures import is_interrupt, step_failure_in_words
from assets_defs.instance import DAGSTER_HOME_VARIABLE, DAGSTER_SETTINGS, open_instance
from assets_defs.partitions import add_partition
from assets_defs.terminal import CONSOLE, TERMINAL
from pipelines.config.environment import WORK_VARIABLE, home, object_store_url
from pipelines.errors import InventoryError, SettingsError
from pipelines.storage.atomic import flush, write_text
from pipelines.storage.disk_errors import is_no_room, storage_error
from pipelines.storage.locks import locked
from pipelines.workspace import history

_RUNS_AT_ONCE = re.compile(r"^([^#\n]*\bmax_concurrent_runs:\s*)\d+", re.MULTILINE)


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id of the run.
        failure: why it failed, in words; empty when it succeeded.
        was_interrupted: whether Ctrl-C ended it.
        was_committed: whether its snapshot is in the history; None where that cannot be asked.
    """

    run_id: str
    failure: str
    was_interrupted: bool
    was_committed: bool | None


def prepare_home() -> None:
    """Make the data directory with Dagster's home inside, and name that in the environment.

    So the command line, the UI and the schedule see the same runs.

    Raises:
        SettingsError: it cannot be written.
        OSError: there is no room.
    """
    dagster_home = home() / "dagster"
    try:
        # Names, e-mail addresses and who has sudo are nobody else's business.
        new = [each for each in (home(), *home().parents) if not each.exists()]
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in new:
            flush(each.parent)
        for folder in (home(), dagster_home, home() / "history", home() / "parquet"):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        with locked(home() / "locks" / ".dagster"):
            if not (dagster_home / DAGSTER_SETTINGS).exists():
                template = resources.files("assets_defs") / DAGSTER_SETTINGS
                write_text(template.read_text(encoding="utf-8"), dagster_home / DAGSTER_SETTINGS)
    except OSError as error:
        if is_no_room(error):
            raise
        raise SettingsError(
            f"the data directory {home()} cannot be written ({error.strerror}); "
            f"name another one with {WORK_VARIABLE if object_store_url() else '--data-dir'}"
        ) from None
    os.environ[DAGSTER_HOME_VARIABLE] = str(dagster_home)


def limit_runs_at_once(limit: int) -> None:
    """Let Dagster's queue start no more runs at once; needs `prepare_home`.

    Changes that one number of `dagster.yaml`: the rest is the user's.

    Raises:
        SettingsError: the file cannot be read or written.
    """
    path = home() / "dagster" / DAGSTER_SETTINGS
    try:
        text = path.read_text(encoding="utf-8")
        limited = _RUNS_AT_ONCE.sub(rf"\g<1>{limit}", text)
        if limited != text:
            write_text(limited, path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be changed ({error.strerror})") from None


def refresh(integration: str, *, accept_removals: bool = False) -> RunResult:
    """Materialize every asset of one integration in a Dagster run in this process.

    Needs `prepare_home`. What it does appears on the terminal line by line.

    Args:
        integration: its name.
        accept_removals: publish although many assets vanished.
    """
    # Importing the definitions reads the settings, so it must come after the environment is set.
    from assets_defs.definitions import defs  # noqa: PLC0415

    with _told_once() as held, open_instance() as instance:
        add_partition(instance, integration)
        result = defs.resolve_job_def(REFRESH_JOB).execute_in_process(
            partition_key=integration,
            instance=instance,
            run_config={
                "loggers": {TERMINAL: {}},
                "ops": {"tables": {"config": {"accept_removals": accept_removals}}},
            },
            raise_on_error=False,
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        if failures and storage_error(RuntimeError(held.getvalue()), home()):
            # The failure says it in words.
            held.truncate(0)
    return RunResult(
        result.run_id,
        failure="\n".join(map(step_failure_in_words, failures)),
        was_interrupted=any(map(is_interrupt, failures)),
        was_committed=_was_committed(integration, result.run_id),
    )


def _was_committed(integration: str, run_id: str) -> bool | None:
    try:
        latest = history().latest(integration)
    except InventoryError:
        return None
    return latest is not None and latest.run_id == run_id


@contextmanager
def _told_once() -> Iterator[io.StringIO]:
    """Hold back what Dagster itself writes; an exception that ends the run says more than that."""
    words = io.StringIO()
    CONSOLE.file = sys.stderr
    with redirect_stderr(words):
        yield words
    sys.stderr.write(words.getvalue())
