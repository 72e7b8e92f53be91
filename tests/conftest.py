"""Fixtures for simulated organizations, pulls and published files."""

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.pull import pull_organization, remove_checkpoint
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Behavior, Organization, Provider, Server
from pipelines.workspace import Workspace
from tests.support.cli import KEY_VARIABLE, SERVICE_ACCOUNT, Installation
from tests.support.commands import Commands, user_environment
from tests.support.publisher import Publisher, Pulled, transform_all

if TYPE_CHECKING:
    from tests.support.machines import Machine
    from tests.support.s3 import S3Server

# The duration of an example means nothing on a busy machine.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


# Fixtures of tests that publish several times, start a server or start programs.
SLOW_FIXTURES = {"commands", "publisher", "s3"}
# How the ids of the longest tests start; these run first, in this order.
LONGEST = (
    "tests/integration/",
    "tests/cli/test_run",
    "tests/unit/publish/test_database",
    "tests/unit/history/test_object_store",
    "tests/unit/extract/test_fetcher",
    "tests/cli/test_accept_removals",
    "tests/cli/test_demo",
    "tests/cli/test_query",
)
# Words in the reason of a skip condition, with the marker of the program that it needs.
MARKERS_OF_PROGRAMS = {"chromium": "browser", "postgresql": "postgres", "redis": "redis"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that processes end together; add the markers for `-m`.

    The markers are speed, and the programs that a test needs.
    """
    items.sort(key=lambda item: [not item.nodeid.startswith(start) for start in LONGEST])
    for item in items:
        reasons = " ".join(mark.kwargs["reason"] for mark in item.iter_markers("skipif")).lower()
        needed = {marker for word, marker in MARKERS_OF_PROGRAMS.items() if word in reasons}
        if (
            needed
            or SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ()))
            or item.nodeid.startswith(LONGEST)
        ):
            needed.add("slow")
        for marker in needed:
            item.add_marker(marker)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Keep the modules that are loaded now out of each garbage collection in a test."""
    gc.freeze()


@contextmanager
def serving() -> Iterator[Callable[..., Server]]:
    """Yield a function that serves an organization until the end of the block.

    Its keys are in the environment.
    """
    with ExitStack() as stack, pytest.MonkeyPatch.context() as monkeypatch:

        def start(holder: Organization | Provider, behavior: Behavior | None = None) -> Server:
            monkeypatch.setenv(KEY_VARIABLE, holder.api_key)
            monkeypatch.setenv(SERVICE_ACCOUNT["client_id_env"], holder.client_id)
            monkeypatch.setenv(SERVICE_ACCOUNT["client_secret_env"], holder.client_secret)
            return stack.enter_context(Server(holder, behavior=behavior))

        yield start


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Yield a function that serves an organization until the test ends."""
    with serving() as start:
        yield start


def make_integration(server: Server, **settings: object) -> Integration:
    given = {"name": "acme", "base_url": server.base_url} | settings
    if not {"api_key_file", *SERVICE_ACCOUNT} & set(settings):
        given["api_key_env"] = KEY_VARIABLE
    return Integration.model_validate(given)


@pytest.fixture
def integration() -> Callable[..., Integration]:
    """Return a function that makes the settings of an integration with a server."""
    return make_integration


@pytest.fixture
def fast_tmp_path() -> Iterator[Path]:
    """Yield a folder for many small durable writes, in memory if possible."""
    memory = Path("/dev/shm")  # noqa: S108 -- only a parent of a folder with a random name
    path = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry without a delay."""
    monkeypatch.setattr("pipelines.jumpcloud.client.wait_before_retry", lambda _: 0.0)
    monkeypatch.setattr("pipelines.jumpcloud.reports.wait_before_poll", lambda _: 0.0)


@pytest.fixture
def state(fast_tmp_path: Path) -> Path:
    """Return the folder for files that are kept between runs."""
    return fast_tmp_path / "state"


def puller(serve: Callable[..., Server], state: Path) -> Callable[..., Pulled]:
    """Return a function that pulls an organization over HTTP."""

    def run(
        holder: Organization | Provider, behavior: Behavior | None = None, **settings: object
    ) -> Pulled:
        server = serve(holder, behavior)
        acme = make_integration(server, **settings)
        # A saved rate, because finding the rate from four calls a second takes time.
        key = load_credentials(acme).identity
        Workspace(state).saved_rates.put(key, MAX_SAVED_RATE)
        result = pull_organization(acme, state)
        remove_checkpoint(state, acme.name)
        return Pulled(server, result, cache(lambda: transform_all(result)))

    return run


@pytest.fixture
def pull(serve: Callable[..., Server], state: Path) -> Callable[..., Pulled]:
    """Return a function that pulls an organization over HTTP."""
    return puller(serve, state)


@pytest.fixture(scope="module")
def pull_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pulled]:
    """Return a function for pulls that all tests of a file share."""

    def run(*given: object, **settings: object) -> Pulled:
        with serving() as serve:
            return puller(serve, tmp_path_factory.mktemp("state"))(*given, **settings)

    return run


@pytest.fixture
def publisher(fast_tmp_path: Path) -> Publisher:
    """Return a publisher with a folder that only this test uses."""
    return Publisher(fast_tmp_path / "home")


@pytest.fixture
def ask(publisher: Publisher, tmp_path: Path) -> Callable[..., Result]:
    """Return a function that runs a command in the publisher's data directory.

    The settings have one integration, `kept`.
    """
    from assets_defs.cli.main import main  # noqa: PLC0415 -- Dagster takes seconds that few tests need

    settings = tmp_path / "integrations.toml"
    settings.write_text('[[integration]]\nname = "kept"\n')

    def run(*arguments: str, entered: str = "") -> Result:
        environment = {
            "JUMPCLOUD_INVENTORY_HOME": str(publisher.home),
            "JUMPCLOUD_INVENTORY_CONFIG": str(settings),
            "DAGSTER_HOME": "",
        }
        result = CliRunner().invoke(main, arguments, entered, environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Yield the process that runs commands for all tests of this process."""
    commands = Commands()
    yield commands
    commands.end()


@pytest.fixture
def installation(fast_tmp_path: Path, commands: Commands) -> Installation:
    return Installation(fast_tmp_path, user_environment(), commands)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Server"]:
    """Yield an S3 server; its address and keys are in the environment."""
    from tests.support.s3 import s3_server  # noqa: PLC0415 -- it takes a second that few tests need

    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def machine(s3: "S3Server", fast_tmp_path: Path) -> Callable[[str], "Machine"]:
    """Return a function that makes a named machine with a folder of its own."""
    from pipelines.storage.object_store import ObjectStore  # noqa: PLC0415
    from tests.support.machines import URL, Machine  # noqa: PLC0415 -- as above

    assert s3.address
    return lambda name: Machine(fast_tmp_path / name, ObjectStore(URL))
