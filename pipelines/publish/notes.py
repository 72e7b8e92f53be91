"""Describe integrations with misleading rows: no longer in the settings, or of one organization."""

from collections.abc import Iterator, Mapping

from pipelines.extract.discovery import read_applied_settings, resolved_settings
from pipelines.publish.reader import open_bounded
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
    workspace: Workspace, found: Mapping[str, str] | None = None, of: str = ""
) -> Iterator[str]:
    """Yield a line for each organization that several integrations of the settings pull.

    Args:
        workspace: where the inventory is.
        found: id of the organization by integration, as just found; the others are as the
            settings or the published file on this machine have them.
        of: only the organization that this integration pulls.

    Raises:
        InventoryError: the settings or the file cannot be read.
    """
    known = {**_published_organizations(workspace), **(found or {})}
    names: dict[str, list[str]] = {}
    for one in resolved_settings(workspace).integration:
        if organization := one.org_id or known.get(one.name):
            names.setdefault(organization, []).append(one.name)
    for organization, shared in names.items():
        if len(shared) > 1 and (not of or of in shared):
            yield (
                f"warning: {', '.join(shared)} pull the same organization {organization}, so that "
                "counts over all integrations include it more than once. Keep one of them in the "
                "settings"
            )


def _published_organizations(workspace: Workspace) -> dict[str, str]:
    """Return the id of the organization by integration; from the file, which is fast for many."""
    path = workspace.inventory_file()
    if not path.exists():
        return {}
    with open_bounded(path) as connection:
        query = "SELECT integration, organization_id FROM integrations WHERE organization_id <> ''"
        return dict(connection.execute(query).fetchall())
