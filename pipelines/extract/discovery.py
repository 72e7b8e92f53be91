"""Expand settings entries with `discover_organizations` to one integration per organization.

Reading the settings needs no network. The organizations found last are cached in the data
directory, and refreshed by commands and schedules that may take the time.
"""

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pyarrow as pa

from pipelines.config.applied import AppliedSettings
from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import InventoryError
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import PAGE_SIZE, JumpCloudClient, page_request
from pipelines.jumpcloud.endpoints import ORGANIZATIONS, ListId
from pipelines.jumpcloud.errors import MalformedError
from pipelines.jumpcloud.paginator import OffsetPaginator
from pipelines.jumpcloud.parsing import parse_page
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.storage.atomic import write_text
from pipelines.workspace import Workspace

MAX_AT_ONCE = 8
# Dagster gives a tick 60 seconds. One that takes longer starts no run, of no integration.
MAX_SECONDS = 30.0
_ORGANIZATION_ID = re.compile("[0-9a-f]{24}")


def resolved_settings(workspace: Workspace) -> Settings:
    """Return the settings with an integration for each known organization.

    Raises:
        SettingsError: the settings file cannot be read or is invalid.
    """
    return expand_settings(workspace.settings(), workspace.root)


def read_applied_settings(workspace: Workspace) -> AppliedSettings:
    """Return which integrations are in the settings, also of those that were discovered.

    Raises:
        SettingsError: the settings file cannot be read or is invalid.
    """
    settings = workspace.settings()
    known = expand_settings(settings, workspace.root).integration
    return AppliedSettings(
        enabled={one.name: one.enabled for one in known},
        undiscovered=tuple(
            entry.name
            for entry in settings.integration
            # Several machines discover at different times.
            if entry.discover_organizations and (workspace.url or entry in known)
        ),
        has_file=workspace.config is not None,
    )


def resolve_integration(workspace: Workspace, name: str) -> Integration:
    """Return an integration, looking it up if another machine has discovered it.

    Raises:
        SettingsError: no integration has that name.
        InventoryError: the organizations cannot be looked up.
    """
    for integration in resolved_settings(workspace).integration:
        if integration.name == name:
            return integration
    entries = [
        entry for entry in workspace.settings().integration if name.startswith(f"{entry.name}-")
    ]
    if failures := refresh_organizations(entries, workspace.root):
        raise InventoryError("; ".join(failures))
    return resolved_settings(workspace).named(name)


def expand_settings(settings: Settings, state: Path) -> Settings:
    """Return the settings with each entry replaced by the integrations of its organizations.

    An entry of the settings takes precedence over a discovered integration of the same name.

    Args:
        settings: the settings as written in the file.
        state: the data directory.
    """
    written = {entry.name for entry in settings.integration}
    integrations = tuple(
        integration
        for entry in settings.integration
        for integration in expand_integration(entry, state)
        if integration is entry or integration.name not in written
    )
    return settings.model_copy(update={"integration": integrations})


def expand_integration(entry: Integration, state: Path) -> list[Integration]:
    """Return one integration per known organization of an entry, or the entry itself.

    Their names contain the organization's id, so that they stay the same when organizations are
    renamed, added or removed. An entry without a known organization is returned unchanged; a pull
    refuses it.
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
        for org_id, display_name in sorted(_read_cache(entry, state).items())
    ] or [entry]


def refresh_organizations(entries: Sequence[Integration], state: Path) -> list[str]:
    """Look up the organizations of entries now, and cache them.

    Args:
        entries: entries of the settings; those without `discover_organizations` are ignored.
        state: the data directory.

    Returns:
        A message for each entry that failed; its cached organizations are kept.
    """
    entries = [entry for entry in entries if entry.discover_organizations]
    if not entries:
        return []
    clients: list[JumpCloudClient] = []
    pool = ThreadPoolExecutor(MAX_AT_ONCE)
    lookups = [pool.submit(_refresh, entry, state, clients.append) for entry in entries]
    try:
        waiting = wait(lookups, MAX_SECONDS).not_done
    finally:  # also after Ctrl-C
        for client in clients:
            client.abort()
        pool.shutdown(wait=False, cancel_futures=True)
    found = zip(entries, lookups, strict=True)
    failures = [
        _failure(entry, f"no answer in {MAX_SECONDS:g} s") if one in waiting else one.result()
        for entry, one in found
    ]
    return [failure for failure in failures if failure]


def _refresh(entry: Integration, state: Path, on_open: Callable[[JumpCloudClient], None]) -> str:
    """Refresh the cache of one entry and return the message of a failure, or ''."""
    workspace = Workspace(state)
    path = workspace.organizations_file(entry.name)
    try:
        workspace.make_root()
        write_text(json.dumps(_fetch_organizations(entry, on_open), indent=1), path)
    except InventoryError as error:
        reason = str(error)
    except OSError as error:
        reason = f"{path}: cannot be written ({error.strerror})"
    else:
        return ""
    return _failure(entry, reason)


def _failure(entry: Integration, reason: str) -> str:
    return f"the organizations of integration {entry.name!r} could not be looked up: {reason}"


def _fetch_organizations(
    entry: Integration, on_open: Callable[[JumpCloudClient], None]
) -> dict[str, str | None]:
    """Return id and name of each organization of the entry's key."""
    credentials = load_credentials(entry)
    limiter = get_rate_limiter(credentials.identity, None, entry.max_requests_per_second)
    with open_session(entry, credentials) as session:
        client = JumpCloudClient(session, entry.url, limiter)
        # A schedule's tick must be short, and the cache serves after a failure.
        client.max_tries = 1
        on_open(client)
        rows = read_organizations(client).to_pylist()
    found = {row["_id"]: row["displayName"] for row in rows}
    if not found:
        raise MalformedError("the key sees none")
    # The ids become names of files.
    if not all(map(_ORGANIZATION_ID.fullmatch, found)):
        raise MalformedError("an id does not have 24 hexadecimal digits")
    return found


def read_organizations(client: JumpCloudClient) -> pa.Table:
    """Return all organizations of the client's key, with the columns of the raw table.

    Raises:
        ExtractError: the list could not be read to its end.
    """
    list_id = ListId(ORGANIZATIONS.name)
    paginator = OffsetPaginator(
        list_id,
        PAGE_SIZE,
        is_sorted=ORGANIZATIONS.sorted_by_key,
        needs_total=ORGANIZATIONS.needs_total,
    )
    offsets = paginator.start()
    while offsets:
        skip = offsets.pop()
        answer = client.send(page_request(ORGANIZATIONS, list_id, skip, paginator.limit))
        offsets += paginator.accept(parse_page(ORGANIZATIONS, "", answer, skip, paginator.limit))
    return pa.Table.from_batches(paginator.rows(), ORGANIZATIONS.table_schema)


def _read_cache(entry: Integration, state: Path) -> dict[str, str | None]:
    path = Workspace(state).organizations_file(entry.name)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {org_id: name for org_id, name in found.items() if _ORGANIZATION_ID.fullmatch(org_id)}
