"""The command `verify`: exit code 1 and a line for everything that is not as it was written."""

from collections.abc import Callable

from click.testing import Result

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
            publisher.publish(on_day(day, pulled), name)
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
    assert "intact" in ask("verify", "kept").stdout
    assert ask("verify", "--all", "kept").exit_code == 2
    assert "no integration 'typo' was published" in ask("verify", "typo").stderr
