"""Findings that opened after a time, as counts with the first names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.findings.catalog import FINDINGS, MAX_NAMES
from pipelines.findings.model import SCHEMA, Severity

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
# One row for each row of a finding.
ALL_ROWS = "\n    UNION ALL\n    ".join(
    f"SELECT integration, '{finding.name}' AS finding, severity, asset_type, asset_id, asset_name, "
    f"evidence, since FROM {SCHEMA}.{finding.name}"
    for finding in FINDINGS
)


@dataclass(frozen=True)
class Opened:
    """The rows of one finding that opened.

    Attributes:
        finding: name of the finding.
        severity: its severity.
        count: number of rows.
        names: the first of the assets.
    """

    finding: str
    severity: Severity
    count: int
    names: Sequence[str]

    @property
    def text(self) -> str:
        """Return the rows as one phrase."""
        more = ", ..." if self.count > len(self.names) else ""
        return f"{self.count} {self.finding} ({self.severity}): {', '.join(self.names)}{more}"


def at_least(severity: Severity) -> list[Severity]:
    """Return a severity and those above it."""
    return list(SEVERITIES[: SEVERITIES.index(severity) + 1])


def latest_times(
    connection: duckdb.DuckDBPyConnection, integration: str
) -> Sequence[tuple[str, datetime]]:
    """Return the latest two snapshots of an integration and their times, the newest first."""
    return connection.execute(
        "SELECT snapshot_id, started_at FROM main.snapshots WHERE integration = ? "
        "ORDER BY started_at DESC, snapshot_id DESC LIMIT 2",
        [integration],
    ).fetchall()


def read_opened(
    connection: duckdb.DuckDBPyConnection, integration: str, after: datetime, severity: Severity
) -> list[Opened]:
    """Return the findings of an integration that opened after a time, the most severe first.

    Args:
        connection: a connection that uses the published file.
        integration: name of the integration.
        after: start of the pull with the findings that are known already.
        severity: lowest severity.
    """
    rows = connection.execute(
        f"""
SELECT finding, severity, count(*), list_sort(min(asset_name, {MAX_NAMES}))
FROM (
    {ALL_ROWS}
) WHERE integration = $integration AND since > $after AND list_contains($severities, severity)
GROUP BY finding, severity
ORDER BY list_position($severities, severity), finding""",
        {"integration": integration, "after": after, "severities": at_least(severity)},
    ).fetchall()
    return [Opened(*row) for row in rows]
