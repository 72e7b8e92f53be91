"""Runs that are killed at many moments: nothing published is lost, and the next run succeeds."""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, cycle, pairwise
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets_defs.runs.instance import open_home
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Organization, Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import Installation
from tests.support.killing import Work, children
from tests.support.publisher import Pulled
from tests.support.recovery import Victim

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


def staging(operations: Sequence[str]) -> list[int]:
    """Return an operation on the tables of the run, and one on those of the history."""
    return [
        next(number for number, each in enumerate(operations, 1) if words in each)
        for words in ("/parquet/inventory/policies", "/history/user_system_bindings")
    ]


def decisive(operations: Sequence[str]) -> list[int]:
    """Return the operations that write and rename the manifest and the file, and the next ones."""
    renamed = "os.rename"
    return [
        number
        for number, (previous, each) in enumerate(pairwise(["", *operations]), 1)
        if (each.startswith(("open", renamed)) and is_decisive(each))
        or (previous.startswith(renamed) and is_decisive(previous))
    ]


def is_decisive(operation: str) -> bool:
    return "_manifests/" in operation or "/.inventory.duckdb" in operation


@pytest.fixture
def stages(pull: Callable[..., Pulled], fast_tmp_path: Path) -> list[Path]:
    """Return folders with the tables of two pulls; the organization changed between them."""
    organization = generate(sizes=SMALL)
    folders = [fast_tmp_path / "first", fast_tmp_path / "second"]
    for folder in folders:
        pulled = pull(organization)
        folder.mkdir()
        raw = pulled.pull.tables | {
            "completeness": pulled.pull.completeness,
            "pulls": pulled.pull.facts(),
        }
        stored: dict[str, pa.Table] = {f"jumpcloud.{name}": raw[name] for name in raw}
        stored |= {f"inventory.{name}": table for name, table in pulled.tables.items()}
        for name, table in stored.items():
            pq.write_table(table, folder / f"{name}.parquet")
        organization.remove_system(next(iter(organization.systems)))
        organization.add_user(username="new.person")
    return folders


@pytest.fixture
def installations(
    fast_tmp_path: Path, installation: Installation, serve: Callable[..., Server]
) -> list[tuple[Organization, Installation]]:
    """Return two installations, so that the test uses both cores."""
    made = []
    for number in (1, 2):
        organization = generate(number, SMALL)
        folder = fast_tmp_path / f"user{number}"
        folder.mkdir()
        one = replace(installation, folder=folder, environment=dict(installation.environment))
        one.set_integrations(acme=serve(organization))
        one.environment |= {
            "ACME_KEY": organization.api_key,
            "JUMPCLOUD_INVENTORY_HOME": str(one.data),
        }
        # A saved rate, because finding the rate from four calls a second takes time.
        Workspace(one.data).saved_rates.put(organization.api_key, MAX_SAVED_RATE)
        made.append((organization, one))
    return made


def run_in_parallel(task: Callable[..., list[str]], *arguments: Iterable[object]) -> list[str]:
    """Run the tasks on both cores; return the points that they survived."""
    with ThreadPoolExecutor(2) as pool:
        return [point for points in pool.map(task, *arguments) for point in points]


def print_points(survived: list[str], what: str) -> None:
    """Print the points for `pytest -s` and `-rP`."""
    sys.stdout.write(f"{len(survived)} {what}, all survived:\n")
    sys.stdout.write("\n".join(survived))


def test_killed_publication_loses_nothing_and_next_one_recovers(
    installations: list[tuple[Organization, Installation]], stages: list[Path]
) -> None:
    def work_through(part: int, installation: Installation) -> list[str]:
        turns = cycle(map(str, stages))
        with children(installation.environment, installation.folder / "said") as process:
            work = Work(str(installation.data), next(turns))
            victim = Victim(process, work, installation.data)
            victim.kill("the first publication", at=(30, 90)[part])
            # The first publication has more operations: it creates the folders.
            victim.work = replace(victim.work, stage=next(turns))
            operations = victim.run()
            for number in sorted({*staging(operations), *decisive(operations)})[part::2]:
                victim.work = replace(victim.work, stage=next(turns))
                victim.kill("a publication", at=number)
            for size in (10_000, 1_000_000)[part::2]:
                victim.work = replace(victim.work, stage=next(turns))
                victim.kill(f"while a file grew beyond {size} bytes", beyond=size)
        return victim.survived

    survived = run_in_parallel(work_through, range(2), [one for _, one in installations])
    print_points(survived, "publications killed")
    assert len(survived) >= 12
    for words in ("/parquet/", "/history/", "rename /history/_manifests", "rename /.inventory"):
        assert any(words in point for point in survived), words


def removals(operations: Sequence[str]) -> list[int]:
    """Return operations that remove old tables: of each kind the first, and a later one."""
    published = operations.index("os.rename /.inventory.duckdb.new")
    after = [each for each in enumerate(operations, 1) if each[0] > published]
    kinds = ("open /history/_", "os.rename /history/_", "os.remove part", "os.rmdir")
    return [
        number
        for kind in kinds
        for number in [number for number, each in after if each.startswith(kind)][:6:5]
    ]


def test_killed_retention_loses_nothing_and_next_one_recovers(
    installations: list[tuple[Organization, Installation]], stages: list[Path]
) -> None:
    def work_through(part: int, installation: Installation) -> list[str]:
        settings = Path(installation.environment["JUMPCLOUD_INVENTORY_CONFIG"])
        policy = '[keep_snapshots]\nall_for_days = 1\nthen = "none"\n'
        settings.write_text(f"{settings.read_text()}\n{policy}")
        days, turns = count(), cycle(map(str, stages))
        with children(installation.environment, installation.folder / "said") as process:
            work = Work(str(installation.data))
            victim = Victim(process, work, installation.data)

            def on_the_next_day() -> None:
                victim.work = replace(work, stage=next(turns), days_later=next(days))

            for _ in range(3):
                on_the_next_day()
                operations = victim.run()
            for number in removals(operations)[part::2]:
                on_the_next_day()
                victim.kill("retention", at=number)
                # The snapshots of the latest day keep their tables, and always at least two.
                assert sum(each.has_tables for each in victim.history.manifests()) <= 3
        return victim.survived

    survived = run_in_parallel(work_through, range(2), [one for _, one in installations])
    print_points(survived, "removals killed")
    assert len(survived) == 6
    manifests = ("open /history/_manifests", "rename /history/_manifests")
    for words in (*manifests, "os.remove", "os.rmdir"):
        assert any(words in point for point in survived), words


def test_killed_run_loses_nothing_and_next_one_recovers(
    installations: list[tuple[Organization, Installation]],
) -> None:
    def work_through(part: int, organization: Organization, one: Installation) -> list[str]:
        with children(one.environment, one.folder / "said") as process:
            victim = Victim(process, Work(str(one.data)), one.data)
            victim.kill("while Dagster's home was made", at=(12, 55)[part])
            operations = victim.run()
            # While lists are received, stored and joined, and before the file is renamed.
            for words in (".arrow", "/parquet/jumpcloud", "/inventory/users", "rename /.inv")[
                part::2
            ]:
                number = next(i for i, each in enumerate(operations, 1) if words in each)
                organization.add_user(username=f"new.person.{number}")
                victim.kill("a run", at=number)
            organization.add_user(username="new.person")
            size = (60_000, 300_000)[part]
            victim.kill(f"while a file grew beyond {size} bytes", beyond=size)
        assert_all_runs_ended(one)
        return victim.survived

    survived = run_in_parallel(work_through, range(2), *zip(*installations, strict=True))
    print_points(survived, "runs killed")
    assert len(survived) == 8


def assert_all_runs_ended(installation: Installation) -> None:
    """Check that Dagster has ended the killed runs."""
    with open_home(installation.data / "dagster") as instance:
        states = [run.status for run in instance.get_runs()]
    assert {*states} == {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
