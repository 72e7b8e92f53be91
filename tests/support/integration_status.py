"""Read the asset `inventory/status` of a Dagster instance."""

from collections.abc import Sequence

import dagster as dg

from assets_defs.asset_keys import AssetKeys

MAX_EVENTS = 100
Rows = list[dict[str, str]]


def status_events(instance: dg.DagsterInstance) -> Sequence[dg.EventLogRecord]:
    """Return the events of the asset, the newest first."""
    return instance.fetch_materializations(AssetKeys().table("status"), limit=MAX_EVENTS).records


def status_rows(instance: dg.DagsterInstance) -> Rows:
    """Return the rows of the newest table."""
    event = status_events(instance)[0].asset_materialization
    assert event
    table = event.metadata["integrations"]
    assert isinstance(table, dg.TableMetadataValue)
    return [{name: str(cell) for name, cell in row.data.items()} for row in table.records]


def status_errors(instance: dg.DagsterInstance) -> dict[str, str]:
    """Return the error of each integration in the newest table; empty after a success."""
    return {row["integration"]: row["error"] for row in status_rows(instance)}
