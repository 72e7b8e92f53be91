"""Describe integrations with misleading rows: no longer in the settings, or of one organization."""

from collections.abc import Iterator, Mapping

from pipelines.extract.discovery import read_applied_settings, resolved_settings
from pipelines.workspace import Workspace


def describe_unconfigured(workspace: Workspace) -> Iterator[str]:
    """Yield a line for each integration that is published, but no longer in the settings.

    Raises:
        InventoryError: the settings or the history cannot be read.
    """
    settings, history = read_applied_settings(workspace), workspace.open_history()
    for name in history.integrations():
        if settings.is_configured(name) is False and history.snapshot_ids(name):
            yield (
                f"{name}: published, but no longer in the settings. If it has a new name there, "
                f"`jumpcloud-inventory rename {name} NEW` keeps its history; "
                f"`jumpcloud-inventory forget {name}` removes it"
            )


def describe_shared_organizations(
    workspace: Workspace, found: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a line for each organization that several integrations of the settings pull.

    Args:
        workspace: where the inventory is.
        found: id of the organization by integration, as just found; the others are as the
            settings or the latest snapshot have them.

    Raises:
        InventoryError: the settings or the history cannot be read.
    """
    integrations = resolved_settings(workspace).integration
    latest = workspace.open_history().latest_by_integration([one.name for one in integrations])
    names: dict[str, list[str]] = {}
    for one in integrations:
        published = latest[one.name]
        pulled = published.pull.organization_id if published else None
        if organization := (found or {}).get(one.name) or one.org_id or pulled:
            names.setdefault(organization, []).append(one.name)
    for organization, shared in names.items():
        if len(shared) > 1:
            yield (
                f"warning: {', '.join(shared)} pull the same organization {organization}, so that "
                "counts over all integrations include it more than once. Keep one of them in the "
                "settings"
            )
