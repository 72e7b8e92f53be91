"""Changed files of the history: `verify` lists them, and other commands name them and stop."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from pipelines.publish.database import update_duckdb_file
from pipelines.publish.reader import log_path
from pipelines.simulator import Sizes, generate
from tests.support.publisher import Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


def test_verify_reports_damage_and_heads(
    pull: Callable[..., Pulled], publisher: Publisher, ask: Callable[..., Result]
) -> None:
    assert "no inventory has been published here yet" in ask("verify").stderr
    pulled = pull(generate(sizes=SMALL))
    for day in range(2):
        for name in ("kept", "other"):
            publisher.commit(on_day(day, pulled), name)
    update_duckdb_file(publisher.history, publisher.file)
    history, (first, last) = publisher.history, publisher.history.snapshot_ids("kept")
    head = history.head("kept")
    kept_elsewhere = history.manifest_sha256("kept", first)
    done = ask("verify", "--head", kept_elsewhere.upper(), "--head", head)
    assert done.exit_code == 0, done.stdout
    assert f"kept: 2 snapshots from {first} to {last}" in done.stdout
    assert f"kept: head {head}" in done.stdout
    assert (
        f"{kept_elsewhere}: the head of kept at {first}, which covers 1 snapshot from"
        in done.stdout
    )
    rows = publisher.rows("SELECT head_sha256 FROM integrations WHERE integration = 'kept'")
    assert rows == [{"head_sha256": head}]
    unknown = ask("verify", "other", "--head", head)
    assert unknown.exit_code == 1
    assert f"{head}: no manifest of other has this SHA-256" in unknown.stdout
    part = history.part("users", "other", first)
    part.write_bytes(part.read_bytes() + b" ")
    with publisher.file.open("ab") as file:
        file.write(b" ")
    for arguments in ((), ("--all",), ("other",)):
        done = ask("verify", *arguments)
        assert done.exit_code == 1
        assert f"other: {first}: {part}: damaged" in done.stdout
        assert f"{publisher.file}: not what was published last" in done.stdout
        assert "not as it was written: 2 problems, listed above" in done.stderr
    log_path(publisher.file).touch()
    assert f"{publisher.file}: another program wrote changes" in ask("verify").stdout
    assert "intact" in ask("verify", "kept").stdout
    assert ask("verify", "--all", "kept").exit_code == 2
    foreign = history.root / "users" / "copy.parquet"
    foreign.touch()
    assert f"{foreign}: not of an integration" in ask("verify", "kept").stdout
    assert "no integration 'typo' was published" in ask("verify", "typo").stderr


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def corrupt_page(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(20) + content[24:])


@pytest.mark.parametrize("spoil", [Path.unlink, truncate, corrupt_page])
def test_damaged_history_file_is_named_with_remedy(
    pull: Callable[..., Pulled],
    publisher: Publisher,
    ask: Callable[..., Result],
    spoil: Callable[[Path], None],
) -> None:
    pulled = pull(generate(sizes=SMALL))
    first, second = (publisher.publish(on_day(day, pulled), "kept") for day in range(2))
    publisher.publish(on_day(2, pulled), "gone")
    part = publisher.history.part("snapshots", "kept", first.snapshot_id)
    spoil(part)
    manifest = publisher.history.manifest_path("kept", first.snapshot_id)
    before = publisher.file.read_bytes()
    at = ("--at", second.snapshot_id)
    for command in (
        ("rebuild",),
        ("sql", *at, "FROM systems"),
        ("export", *at, "--format", "csv"),
        ("forget", "gone", "--yes"),
    ):
        done = ask(*command)
        assert done.exit_code == 1
        assert f"Error: {part}: " in done.stderr
        assert f"give this snapshot up: remove {manifest}, and rebuild" in done.stderr
        assert publisher.file.read_bytes() == before
    manifest.unlink()
    assert ask("rebuild").exit_code == 0
    ids = publisher.rows("SELECT integration, snapshot_id FROM snapshots")
    assert ids == [{"integration": "kept", "snapshot_id": second.snapshot_id}]
