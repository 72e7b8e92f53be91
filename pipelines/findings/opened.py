"""Findings that opened after a time, as counts with the first names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.findings.model import MAX_NAMES
from pipelines.severity import SEVERITIES, Severity


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
    severities = SEVERITIES[: SEVERITIES.index(severity) + 1]
    rows = connection.execute(
        f"""
SELECT finding, severity, count(*), list_sort(min(asset_name, {MAX_NAMES}))
FROM findings.open
WHERE integration = $integration AND since > $after AND list_contains($severities, severity)
GROUP BY finding, severity
ORDER BY list_position($severities, severity), finding""",
        {"integration": integration, "after": after, "severities": severities},
    ).fetchall()
    return [Opened(*row) for row in rows]
