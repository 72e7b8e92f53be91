"""Do the work that `killing.py` requests, each in a forked child.

Everything is imported before the fork, so that a child starts quickly. Each line of standard input
is a request; the response is the exit code of the child.
"""

import ctypes
import itertools
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

import assets_defs.cli.commands.run  # noqa: F401 -- before the fork
from assets_defs.asset_keys import PULLS, AssetKeys
from assets_defs.assets.publication import build_commit, build_file
from assets_defs.cli.main import main
from assets_defs.resources import ParquetStore
from assets_defs.runs.step import RUN_LOCK, RunLock
from pipelines.extract.checkpoint import Checkpoint
from pipelines.workspace import Workspace
from tests.support.killing import Work

OPERATIONS = frozenset(
    {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "sqlite3.connect"}
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        work = Work(**json.loads(line))
        child = os.fork()
        if child == 0:
            _work(work)
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _work(work: Work) -> None:
    try:
        os.environ["JUMPCLOUD_INVENTORY_HOME"] = work.home
        stage = _read(Path(work.stage)) if work.stage else {}
        _apply_limits(work)
        if stage:
            _publish(stage, datetime.now(UTC) + timedelta(days=work.days_later))
        else:
            main(["run"])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 -- a child must never go on as its parent
        sys.excepthook(*sys.exc_info())
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _apply_limits(work: Work) -> None:
    if work.obeys_modes and os.geteuid() == 0:
        _drop_override_capability()
    limit = work.refuse_beyond or work.kill_beyond
    if limit:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if work.kill_beyond:
        # Python ignores the signal by default, and the write fails instead.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    numbers = itertools.count(1)
    log = os.open(work.log, os.O_WRONLY | os.O_CREAT) if work.log else -1

    def on_event(event: str, arguments: tuple[object, ...]) -> None:
        if event not in OPERATIONS or not _is_below(work.home, arguments):
            return
        if event == "open" and not cast("int", arguments[2]) & WRITING:
            return
        number = next(numbers)
        if log >= 0:
            os.write(log, f"{event} {arguments[0]}\n".encode())
        if number == work.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)


def _drop_override_capability() -> None:
    """Drop CAP_DAC_OVERRIDE, so that file modes apply to root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, data) == 0
    data[0] &= ~(1 << 1)
    assert libc.capset(header, data) == 0


def _is_below(home: str, arguments: tuple[object, ...]) -> bool:
    """Return True if the operation is on a file in the folder, by path or relative to it."""
    path = arguments[0]
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    name = os.fsdecode(path)
    return name.startswith(f"{home}/") or (bool(name) and "/" not in name)


def _read(stage: Path) -> dict[str, pa.Table]:
    return {path.stem: pq.read_table(path, partitioning=None) for path in stage.glob("*.parquet")}


def _publish(tables: dict[str, pa.Table], pulled_at: datetime) -> None:
    """Store every table, commit the snapshot and build the file, as a run does after its pull."""
    workspace = Workspace.from_environment(os.environ)
    Checkpoint(workspace.checkpoint_folder("acme"), "").open()
    store, keys = ParquetStore(workspace.staging.root), AssetKeys()
    workspace.staging.begin("pull", "acme")
    for name, table in tables.items():
        schema, _, short = name.partition(".")
        key = keys.raw(short) if schema == "jumpcloud" else keys.table(short)
        store.write(key, "acme", _as_of(pulled_at, table) if short == PULLS else table)
    workspace.staging.finish("tables", "acme")
    with ExitStack() as stack:
        resources = {RUN_LOCK: RunLock(stack)}
        context = dg.build_asset_context(resources, partition_key="acme")
        for build in (build_commit, build_file):
            list(cast("Iterator[object]", build(workspace)(context)))


def _as_of(pulled_at: datetime, facts: pa.Table) -> pa.Table:
    row = facts.to_pylist()[0] | {"started_at": pulled_at}
    return pa.Table.from_pylist([row], facts.schema)


if __name__ == "__main__":
    _serve()
