"""A run holds its integration's lock from its first step to its end, and no longer."""

import os
import stat
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.raw_tables import build_pull
from assets_defs.io_manager import InventoryIOManager
from assets_defs.partitions import PARTITION_TAG, build_partitions
from assets_defs.runs.step import RUN_LOCK, run_lock, step
from pipelines.storage.locks import HeldByAnotherError, is_held, locked
from pipelines.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    settings = tmp_path / "integrations.toml"
    settings.write_text('[[integration]]\nname = "acme"\n')
    return Workspace(tmp_path / "data", None, settings, os.environ)


def run(
    workspace: Workspace, instance: dg.DagsterInstance, *, fails: bool
) -> tuple[bool, str, list[bool]]:
    """Run two steps of an integration; between them, look at its lock."""

    integrations = build_partitions(workspace)

    @dg.asset(partitions_def=integrations, required_resource_keys={RUN_LOCK})
    def first(context: dg.AssetExecutionContext) -> None:
        with step(context, workspace):
            pass

    @dg.asset(deps=[first], partitions_def=integrations)
    def between() -> None:
        held.append(is_held(workspace.run_lock("acme")))

    @dg.asset(deps=[between], partitions_def=integrations, required_resource_keys={RUN_LOCK})
    def second(context: dg.AssetExecutionContext) -> None:
        with step(context, workspace):
            if fails:
                raise RuntimeError

    held: list[bool] = []
    result = dg.materialize(
        [first, between, second],
        tags={PARTITION_TAG: "acme"},  # as `dagster job execute` starts a run, without a partition
        instance=instance,
        resources={RUN_LOCK: run_lock},
        raise_on_error=False,
    )
    messages = [
        str(event.step_failure_data.user_failure_data.description)
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    ]
    return result.success, "".join(messages), held


@pytest.mark.parametrize("fails", [False, True])
def test_run_holds_its_lock_between_steps_until_it_ends(
    workspace: Workspace, *, fails: bool
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(workspace, instance, fails=fails) == (not fails, "", [True])
    assert not is_held(workspace.run_lock("acme"))
    assert stat.S_IMODE(workspace.root.stat().st_mode) == 0o700
    assert (workspace.root / ".gitignore").read_text() == "*\n"


def test_second_run_of_an_integration_fails_at_once(workspace: Workspace) -> None:
    with locked(workspace.run_lock("acme")), dg.DagsterInstance.ephemeral() as instance:
        succeeded, message, held = run(workspace, instance, fails=False)
    assert not succeeded
    assert held == []
    assert message == (
        "a run of integration 'acme' is already in progress; try again when it has ended"
    )


def test_lock_is_refused_while_another_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "acme"
    assert not is_held(path)
    with locked(path, "a run"):
        assert is_held(path)
        with (
            pytest.raises(HeldByAnotherError, match="a run is already in progress"),
            locked(path, "a run"),
        ):
            pass
    assert not is_held(path)


def test_unsuitable_name_is_refused_before_any_call(workspace: Workspace) -> None:
    assert workspace.config
    workspace.config.write_text('[[integration]]\nname = "2024"\n')
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [build_pull(workspace)],
            tags={PARTITION_TAG: "2024"},
            instance=instance,
            resources={RUN_LOCK: run_lock, AssetKeys().io_manager: InventoryIOManager(workspace)},
            raise_on_error=False,
        )
    (failure,) = result.get_step_failure_events()
    data = failure.step_failure_data.user_failure_data
    assert data
    assert "'2024': the name is not suitable: a name begins with a letter" in str(data.description)
