"""The tables about runs: what a pull was, and what each integration published last."""

from collections.abc import Iterable

import pyarrow as pa

from pipelines.findings.catalog import THRESHOLDS
from pipelines.history.manifest import Manifest
from pipelines.schema.tables import INTEGRATIONS

_COUNTED = ("systems", "users", "applications", "ipv4_addresses")


def integrations_table(latest: Iterable[Manifest]) -> pa.Table:
    """The table `integrations`: one row per integration's latest manifest."""
    rows = [_integration_row(manifest) for manifest in latest]
    return pa.Table.from_pylist(rows, schema=INTEGRATIONS.arrow_schema)


def thresholds_table(latest: Iterable[Manifest]) -> pa.Table:
    """The table `findings.thresholds`: one row per integration's latest manifest."""
    rows = [
        {"integration": each.integration.name, **each.thresholds.model_dump()} for each in latest
    ]
    return pa.Table.from_pylist(rows, schema=THRESHOLDS.arrow_schema)


def _integration_row(manifest: Manifest) -> dict[str, object]:
    facts = manifest.integration.model_dump(exclude={"name"})
    counts = {name: manifest.rows[name] for name in _COUNTED}
    return {
        "integration": manifest.integration.name,
        **facts,
        **manifest.pull.model_dump(include={"organization_id", "organization_name"}),
        "last_snapshot_id": manifest.snapshot_id,
        "last_success_at": manifest.pull.finished_at,
        **counts,
    }
