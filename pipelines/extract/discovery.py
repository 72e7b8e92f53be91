"""Entries of the settings that stand for every organization of a service provider's key.

Reading the settings needs no network: what was found last is remembered in the data directory, and
looked up anew by those who have time for it.
"""

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import InventoryError
from pipelines.extract.organizations import read_organizations
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.errors import MalformedError
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.storage.atomic import write_text
from pipelines.workspace import Workspace

MAX_AT_ONCE = 8
_ORGANIZATION_ID = re.compile("[0-9a-f]{24}")


def resolved_settings(workspace: Workspace) -> Settings:
    """The settings, with an integration for each organization that is known.

    Raises:
        SettingsError: the file cannot be read or says something wrong.
    """
    return expand_settings(workspace.settings(), workspace.root)


def resolve_integration(workspace: Workspace, name: str) -> Integration:
    """The integration of that name, looked up where another machine has found it.

    Raises:
        SettingsError: there is none of that name.
        InventoryError: it cannot be looked up.
    """
    known = {each.name: each for each in resolved_settings(workspace).integration}
    if name in known:
        return known[name]
    entries = [
        each
        for each in workspace.settings().integration
        if each.discover_organizations and name.startswith(f"{each.name}-")
    ]
    failures = refresh_organizations(entries, workspace.root)
    if failures:
        raise InventoryError("; ".join(failures))
    return resolved_settings(workspace).named(name)


def expand_settings(settings: Settings, state: Path) -> Settings:
    """The settings with each entry replaced by the organizations that it stands for.

    An entry that is written out under the name of one of them takes its place.

    Args:
        settings: as they are written.
        state: the data directory.
    """
    written = {each.name for each in settings.integration}
    integrations: list[Integration] = []
    for entry in settings.integration:
        found = expand_integration(entry, state)
        integrations += [each for each in found if each is entry or each.name not in written]
    return settings.model_copy(update={"integration": tuple(integrations)})


def expand_integration(entry: Integration, state: Path) -> list[Integration]:
    """The integrations that an entry stands for: itself, or one for each organization known.

    Their names hold the organization's id, so that they stay when organizations are renamed, come
    or go. An entry of which no organization is known yet stands for itself; a pull refuses it.
    """
    if not entry.discover_organizations:
        return [entry]
    return [
        entry.model_copy(
            update={
                "name": f"{entry.name}-{org_id}",
                "description": display_name or entry.description,
                "org_id": org_id,
                "discover_organizations": False,
            }
        )
        for org_id, display_name in sorted(_remembered(entry, state).items())
    ] or [entry]


def refresh_organizations(entries: Sequence[Integration], state: Path) -> list[str]:
    """Look up the organizations of these entries now, and remember them.

    Args:
        entries: those that do not stand for several organizations are passed over.
        state: the data directory.

    Returns:
        Of each entry that could not be looked up, why; what was known of it stays.
    """
    entries = [each for each in entries if each.discover_organizations]
    if not entries:
        return []
    with ThreadPoolExecutor(MAX_AT_ONCE) as pool:
        failures = pool.map(lambda each: _refresh(each, state), entries)
        return [each for each in failures if each]


def _refresh(entry: Integration, state: Path) -> str:
    try:
        write_text(json.dumps(_fetch_organizations(entry), indent=1), _path(entry, state))
    except InventoryError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{_path(entry, state)}: cannot be written ({error.strerror})"
    else:
        return ""
    return f"the organizations of integration {entry.name!r} could not be looked up: {reason}"


def _fetch_organizations(entry: Integration) -> dict[str, str | None]:
    """Id and name of each organization of the entry's key."""
    credentials = load_credentials(entry)
    throttle = get_rate_limiter(credentials.identity, None, entry.max_requests_per_second)
    with open_session(entry, credentials) as session:
        client = JumpCloudClient(session, entry.url, throttle)
        # What is remembered serves as well; a schedule's tick may not take long.
        client.max_tries = 1
        rows = read_organizations(client).to_pylist()
    found = {row["_id"]: row["displayName"] for row in rows}
    if not found:
        raise MalformedError("the key sees none")
    # The ids become names of files.
    if not all(map(_ORGANIZATION_ID.fullmatch, found)):
        raise MalformedError("an id is not one of 24 hexadecimal digits")
    return found


def _remembered(entry: Integration, state: Path) -> dict[str, str | None]:
    try:
        found = json.loads(_path(entry, state).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: name for key, name in found.items() if _ORGANIZATION_ID.fullmatch(key)}


def _path(entry: Integration, state: Path) -> Path:
    return state / "organizations" / f"{entry.name}.json"
