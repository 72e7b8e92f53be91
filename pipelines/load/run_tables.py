"""The tables about runs: what a pull was, and what each integration published last."""

import json
from collections.abc import Iterable

import pyarrow as pa

from pipelines.findings.catalogue import THRESHOLDS
from pipelines.load.manifest import Manifest
from pipelines.schema.tables import INTEGRATIONS, SNAPSHOTS

_COUNTED = ("systems", "users", "applications", "ipv4_addresses")


def snapshots_table(manifest: Manifest, completeness: pa.Table) -> pa.Table:
    """The row of `snapshots` that tells of one pull.

    Args:
        manifest: what the pull was.
        completeness: how each of its lists was proven complete, one row per list. Only the sums
            per endpoint and proof become part of the row: there may be ten thousands of lists.
    """
    row = {
        "integration": manifest.integration.name,
        "rows": json.dumps(manifest.rows),
        "completeness": json.dumps(_sums(completeness)),
        **manifest.model_dump(include={"snapshot_id", "run_id"}),
        **manifest.pull.model_dump(
            include={"started_at", "finished_at", "api_calls", "api_retries", "throttled"}
        ),
    }
    return pa.Table.from_pylist([row], schema=SNAPSHOTS.arrow_schema)


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


def _sums(completeness: pa.Table) -> list[dict[str, object]]:
    numbers = [f.name for f in completeness.schema if pa.types.is_integer(f.type)]
    groups = completeness.group_by(["endpoint", "proof"]).aggregate(
        [([], "count_all"), *((name, "sum") for name in numbers)]
    )
    names = ["endpoint", "proof", "lists", *numbers]
    return groups.sort_by("endpoint").rename_columns(names).to_pylist()


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
