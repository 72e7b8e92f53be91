"""An integration with a new name, or no longer in the settings, is named and not counted."""

from collections.abc import Callable

import pytest
from click.testing import Result

from pipelines.simulator import Sizes, generate
from pipelines.storage.atomic import write_text
from tests.support.publisher import Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
ACCEPTED = '{"snapshot_id": "one", "by_type": {}}'
SWITCHES = "SELECT integration, enabled, configured FROM integrations ORDER BY integration"
COUNTED = "SELECT DISTINCT integration FROM findings.summary"


@pytest.fixture
def pulled(pull: Callable[..., Pulled], publisher: Publisher) -> Pulled:
    """Publish a pull twice, as `before`."""
    pulled = pull(generate(sizes=SMALL))
    for day in range(2):
        publisher.publish(on_day(day, pulled), "before")
    return pulled


@pytest.mark.usefixtures("pulled")
def test_renamed_integration_keeps_its_history(
    publisher: Publisher, ask: Callable[..., Result]
) -> None:
    head, ids = publisher.history.head("before"), publisher.history.snapshot_ids("before")
    report = publisher.home / "report.html"

    assert ask("rebuild").exit_code == 0
    assert publisher.rows(SWITCHES) == [
        {"integration": "before", "enabled": False, "configured": False}
    ]
    assert publisher.rows(COUNTED) == []
    assert "no longer in the settings: before." in report.read_text()
    assert "`jumpcloud-inventory rename before NEW` keeps its history" in ask("status").stderr

    assert "'kept' is in the settings" in ask("rename", "kept", "before").stderr
    assert "'other' is not in the settings" in ask("rename", "before", "other").stderr
    assert "no integration 'typo' was published" in ask("rename", "typo", "kept").stderr
    removals = publisher.home / "removals"
    write_text(ACCEPTED, removals / "before.accepted.json")
    for _ in range(2):  # also after a crash before its end
        done = ask("rename", "before", "kept")
        assert done.exit_code == 0, done.output
        assert publisher.history.snapshots() == {"kept": ids}
        assert publisher.rows(SWITCHES) == [
            {"integration": "kept", "enabled": True, "configured": True}
        ]
    # It is for the next run, which continues the history.
    assert [path.name for path in removals.iterdir()] == ["kept.accepted.json"]
    assert ask("accept", "kept").exit_code == 0
    assert publisher.rows(COUNTED) == [{"integration": "kept"}]
    assert publisher.rows("SELECT DISTINCT integration FROM snapshots") == [{"integration": "kept"}]
    assert "no longer in the settings" not in report.read_text()
    verified = ask("verify", "--head", head)
    assert verified.exit_code == 0, verified.output
    assert "which covers 2 snapshots" in verified.stdout


def test_rename_replaces_snapshots_of_new_name(
    pulled: Pulled, publisher: Publisher, ask: Callable[..., Result]
) -> None:
    assert ask("rename", "before", "kept").exit_code == 0
    ids = publisher.history.snapshot_ids("kept")
    # It has published under the new name before anybody renamed its history.
    later = publisher.publish(on_day(2, pulled), "earlier").snapshot_id
    removals = publisher.home / "removals"
    write_text(ACCEPTED, removals / "kept.accepted.json")
    unanswered = ask("rename", "earlier", "kept")
    assert unanswered.exit_code == 1
    assert f"Remove the 2 snapshots that 'kept' has published since {ids[0]}?" in unanswered.stdout
    assert "use --yes to skip the prompt" in unanswered.stderr
    assert publisher.history.snapshots() == {"earlier": [later], "kept": ids}
    assert ask("rename", "earlier", "kept", "--yes").exit_code == 0
    assert publisher.history.snapshots() == {"kept": [later]}
    assert not list(removals.iterdir())

    publisher.publish(on_day(2, pulled), "earlier")
    refused = ask("rename", "earlier", "kept", "--yes")
    assert refused.exit_code == 1
    assert "'kept' has snapshots of its own" in refused.stderr
