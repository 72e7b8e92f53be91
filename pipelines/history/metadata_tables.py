"""The tables `integrations` and `findings.thresholds`, from the latest manifests."""

from collections.abc import Iterable

import pyarrow as pa

from pipelines.config.applied import AppliedSettings
from pipelines.findings.model import THRESHOLDS
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.schema.assets import DIRECT
from pipelines.schema.graph import SYSTEM_BINDINGS
from pipelines.schema.tables import INTEGRATIONS

_COUNTED = ("systems", "users", "applications", "ipv4_addresses")


def integrations_table(store: SnapshotStore, latest: Iterable[Manifest]) -> pa.Table:
    """Return the table `integrations`: one row per manifest, of different integrations.

    `configured` is NULL; `applied_table` has it.
    """
    rows = [
        {
            "integration": manifest.integration.name,
            **manifest.integration.model_dump(exclude={"name"}),
            **manifest.pull.model_dump(
                include={"organization_id", "organization_name", "report_at"}
            ),
            "direct_bindings": direct_bindings(manifest),
            "last_snapshot_id": manifest.snapshot_id,
            "last_success_at": manifest.pull.finished_at,
            **{name: manifest.rows[name] for name in _COUNTED},
            "head_sha256": store.manifest_sha256(manifest.integration.name, manifest.snapshot_id),
        }
        for manifest in latest
    ]
    return pa.Table.from_pylist(rows, schema=INTEGRATIONS.arrow_schema)


def applied_table(settings: AppliedSettings, integrations: Iterable[str]) -> pa.Table:
    """Return the columns that the settings decide, for integrations that they decide about."""
    rows = [
        {
            "integration": name,
            "enabled": settings.enabled.get(name, False),
            "configured": settings.is_configured(name),
        }
        for name in integrations
        if settings.is_configured(name) is not None
    ]
    names = ("integration", "enabled", "configured")
    schema = pa.schema([INTEGRATIONS.arrow_schema.field(name) for name in names])
    return pa.Table.from_pylist(rows, schema=schema)


def direct_bindings(manifest: Manifest) -> str:
    """Return what the pull read of the bindings outside system groups."""
    setting, pull = manifest.integration.direct_bindings, manifest.pull
    if setting == "report" and not (pull.report_at and SYSTEM_BINDINGS in pull.endpoints):
        setting = "read"
    read = pull.sources.intersection(DIRECT)
    if setting == "off" or len(read) == len(DIRECT):
        return setting
    return "partial" if read else "not read"


def thresholds_table(latest: Iterable[Manifest]) -> pa.Table:
    """Return the table `findings.thresholds`: one row per manifest, of different integrations."""
    rows = [
        {"integration": manifest.integration.name, **manifest.thresholds.model_dump()}
        for manifest in latest
    ]
    return pa.Table.from_pylist(rows, schema=THRESHOLDS.arrow_schema)
