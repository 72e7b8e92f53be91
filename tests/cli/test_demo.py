"""The command `demo`, which pulls a simulated organization without a key."""

import duckdb

from tests.support.cli import Installation


def test_demo_needs_no_key(installation: Installation) -> None:
    done = installation.run("demo")
    assert done.returncode == 0, done.stderr
    for words in ("systems", "API calls", "seconds to pull", "inventory.duckdb"):
        assert words in done.stdout
    assert done.stdout.count("SELECT") == 3
    with duckdb.connect(installation.data / "demo" / "inventory.duckdb", read_only=True) as file:
        assert file.sql("SELECT integration FROM integrations").fetchall() == [("demo",)]
        counts = file.sql("SELECT finding, count FROM findings.summary").fetchall()
    output = " ".join(done.stderr.split())
    for finding, count in counts:
        assert (f": {count} (findings.{finding})" in output) == bool(count), finding
    assert not installation.file.exists()


def test_second_demo_has_no_changes(installation: Installation) -> None:
    for _ in range(2):
        assert installation.run("demo").returncode == 0
    with duckdb.connect(installation.data / "demo" / "inventory.duckdb", read_only=True) as file:
        assert file.sql("SELECT count(*) FROM snapshots").fetchall() == [(2,)]
        assert file.sql("FROM changes").fetchall() == []
