"""Choose the integrations that a command names."""

from collections.abc import Sequence

import click

from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import SettingsError, printable
from pipelines.extract.discovery import expand_integration, expand_settings, refresh_organizations
from pipelines.workspace import Workspace


def choose_integrations(
    workspace: Workspace, settings: Settings, names: Sequence[str]
) -> list[Integration]:
    """Return the integrations of these names, or without one all that are enabled.

    Organizations of a service provider's key are looked up, if none of them is named itself; the
    name of their entry means all of them.

    Raises:
        SettingsError: no integration has that name, or none is enabled.
    """
    entries = {entry.name: entry for entry in settings.integration if entry.discover_organizations}
    stale = [
        entry for entry in entries.values() if entry.name in names or (not names and entry.enabled)
    ]
    if stale:
        workspace.prepare()
        for failure in refresh_organizations(stale, workspace.root):
            click.echo(printable(failure), err=True)
    known = expand_settings(settings, workspace.root)
    chosen: list[Integration] = []
    for name in names:
        entry = entries.get(name)
        found = expand_integration(entry, workspace.root) if entry else []
        chosen += map(known.named, [found_one.name for found_one in found] if entry else [name])
    chosen = chosen or [integration for integration in known.integration if integration.enabled]
    if not chosen:
        raise SettingsError("every integration is disabled; name the one to use")
    return chosen
