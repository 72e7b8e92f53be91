"""A full disk and a folder without write permission: one message, and nothing is lost."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.runs.failures import step_failure_message
from pipelines.simulator import Organization, Server, Sizes, generate
from tests.support.cli import Installation
from tests.support.killing import Work, children
from tests.support.recovery import Victim
from tests.support.small_disk import filled, on_small_disk, small_disk_of

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


@dataclass
class User:
    """A user with runs that fail."""

    victim: Victim
    organization: Organization
    disk: Path | None

    def fails(self, code: int, work: Work) -> str:
        """Run until it fails with the exit code; return the messages."""
        already = len(self.victim.children.messages())
        self.organization.add_user(username=f"new.person.{already}")
        self.victim.fail(work, code)
        words = self.victim.children.messages()[already:]
        assert "Traceback" not in words
        assert words.count(self.victim.work.home) <= 2
        return words

    def recovers(self) -> None:
        """Check that the next run publishes, and the one after it the current organization."""
        self.victim.run()  # it continues with the lists of the first failed run that has any
        self.victim.run()
        assert self.victim.published
        assert len(self.victim.published["users"]) == len(self.organization.users)


@pytest.fixture
def make_user(
    installation: Installation, serve: Callable[..., Server]
) -> Iterator[Callable[..., User]]:
    """Yield a function that makes a user with one published snapshot.

    The data directory may be on a small disk.
    """
    with ExitStack() as stack:

        def start(data: Path, disk_size: str = "") -> User:
            organization = generate(sizes=SMALL)
            installation.set_integrations(acme=serve(organization))
            environment = installation.environment | {
                "ACME_KEY": organization.api_key,
                "JUMPCLOUD_INVENTORY_HOME": str(data),
            }
            launcher = on_small_disk(data.parent, disk_size) if disk_size else ()
            process = stack.enter_context(
                children(environment, installation.folder / "said", launcher)
            )
            disk = small_disk_of(process.process_id, data.parent)
            home = disk / data.name if disk else data
            victim = Victim(process, Work(str(data)), home)
            victim.run()
            return User(victim, organization, disk)

        yield start


def assert_no_space(words: str, data: Path) -> None:
    """Check that the place, the cause and the remedy are printed once."""
    message = f"the data directory {data} cannot be written: there is no space left; free some"
    assert words.count(message) == 1, words
    assert words.count("--data-dir") == 1
    # Other than its progress, the run prints nothing else.
    others = [line for line in words.splitlines() if not line.startswith("  ")]
    assert len(others) <= 4, words


def test_full_disk_is_named_and_next_run_succeeds(
    make_user: Callable[..., User], fast_tmp_path: Path
) -> None:
    data = fast_tmp_path / "disk" / "data"
    data.parent.mkdir()
    user = make_user(data, "40m")
    work = user.victim.work
    # Without a small disk, a limit on the file size still applies. Dagster's records are the
    # largest files: writing them fails at the start of a run, and during its steps.
    records = max(file.stat().st_size for file in (user.victim.home / "dagster").rglob("*"))
    for room in (-100_000, 300_000):
        assert_no_space(user.fails(1, replace(work, refuse_beyond=records + room)), data)
    if user.disk:
        for room in (0, 2_500_000):
            with filled(user.disk, room):
                assert_no_space(user.fails(1, work), data)
    user.recovers()


def test_step_failed_by_full_dagster_storage_names_cause() -> None:
    @dg.op
    def tables() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    @dg.job
    def refresh() -> None:
        tables()

    run = refresh.execute_in_process(raise_on_error=False)
    (failure,) = (event for event in run.all_events if event.is_step_failure)
    assert "there is no space left" in step_failure_message(failure, Path("data"))


def test_read_only_folder_is_named_and_nothing_is_lost(
    make_user: Callable[..., User], fast_tmp_path: Path
) -> None:
    data = fast_tmp_path / "data"
    user = make_user(data)
    work = replace(user.victim.work, obeys_modes=True)
    with read_only(data):
        told = user.fails(2, work)
    reason = "(Permission denied); name another one with --data-dir"
    assert f"the data directory {data} cannot be written {reason}" in told
    with read_only(data / "parquet" / "inventory" / "users"):
        told = user.fails(1, work)
    reason = "permission denied; change its permissions"
    assert f"the data directory {data} cannot be written: {reason}" in told
    user.recovers()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    mode = folder.stat().st_mode
    folder.chmod(0o500)
    yield
    folder.chmod(mode)
