"""The command `rebuild`, which builds the file from the history."""

from collections.abc import Callable

from pipelines.simulator import Server, Sizes, generate
from tests.support.cli import Installation
from tests.support.publisher import tables_in

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)


def test_rebuilt_file_equals_published_one(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    organization = generate(sizes=SMALL)
    installation.set_integrations(acme=serve(organization))
    for _ in range(2):
        assert installation.run("run", ACME_KEY=organization.api_key).returncode == 0
        organization.add_user(username="new.person")
    published = tables_in(installation.file)
    assert published["changes"]
    report = installation.data / "report.html"
    shown = report.read_text()
    installation.file.write_bytes(b"lost")
    report.unlink()
    done = installation.run("rebuild")
    assert done.returncode == 0, done.stderr
    assert tables_in(installation.file) == published
    assert report.read_text() == shown


def test_rebuild_without_snapshots_fails(installation: Installation) -> None:
    done = installation.run("rebuild")
    assert done.returncode == 1
    assert "there is no snapshot to rebuild from" in done.stderr
    assert not installation.file.exists()
