"""The open findings of the published file, as one check for each finding and integration."""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from pipelines.findings.catalog import FINDINGS, QUESTIONS
from pipelines.findings.life import OPEN
from pipelines.findings.model import Finding
from pipelines.severity import SEVERITIES, Severity

# With the first snapshot of an integration, every finding is new.
_QUERY = f"""
WITH previous AS (
    SELECT integration, list(started_at ORDER BY started_at DESC, snapshot_id DESC)[2] AS at
    FROM main.snapshots GROUP BY integration
),
assets AS (
    SELECT r.integration, r.finding, coalesce(r.since > p.at, TRUE) AS is_new,
        json_object(
            'asset_type', r.asset_type, 'asset_id', r.asset_id, 'asset_name', r.asset_name,
            'evidence', r.evidence, 'since', strftime(r.since, '%Y-%m-%dT%H:%M:%SZ'),
            'new', is_new
        ) AS asset
    FROM {OPEN.qualified_name} r JOIN previous p USING (integration)
    WHERE r.confirmed AND (is_new OR NOT $only_new)
)
SELECT q.finding, q.integration, q.answerable, q.note,
    count(a.asset)::BIGINT AS open, (count(a.asset) FILTER (a.is_new))::BIGINT AS new,
    coalesce(to_json(list(a.asset ORDER BY a.asset) FILTER (a.asset IS NOT NULL)), '[]')::TEXT
FROM {QUESTIONS.qualified_name} q LEFT JOIN assets a USING (integration, finding)
WHERE CASE WHEN $integration IS NULL
        THEN q.integration NOT IN (SELECT integration FROM main.integrations WHERE NOT configured)
        ELSE q.integration = $integration END
    AND (list_contains($names, q.finding) OR len($names) = 0)
GROUP BY ALL
ORDER BY q.integration
"""


@dataclass(frozen=True)
class Check:
    """One finding of one integration.

    Attributes:
        finding: the finding.
        integration: name of the integration.
        is_asked: False if the latest pull did not read what the finding needs.
        note: what the rows do not count; None if they count all.
        open: number of rows.
        new: number of rows that opened with the latest snapshot.
        assets: the rows, as a JSON array of objects.
    """

    finding: Finding
    integration: str
    is_asked: bool
    note: str | None
    open: int
    new: int
    assets: str

    def fails(self, severity: Severity) -> bool:
        """Return True if it has a row, or could not be asked, at or above a severity.

        Nobody knows if a finding that could not be asked has rows.
        """
        is_severe = SEVERITIES.index(self.finding.severity) <= SEVERITIES.index(severity)
        return is_severe and (self.open > 0 or not self.is_asked)


def read_checks(
    connection: duckdb.DuckDBPyConnection,
    names: Collection[str],
    integration: str | None,
    *,
    only_new: bool,
) -> list[Check]:
    """Return the checks of an integration, or of all in the settings, the most severe first.

    Args:
        connection: a connection that uses the published file.
        names: findings to choose; all if it is empty.
        integration: name of the integration; None for all.
        only_new: True to count only rows that opened with the latest snapshot.
    """
    rows = connection.execute(
        _QUERY, {"names": [*names], "integration": integration, "only_new": only_new}
    ).fetchall()
    return [
        Check(finding, *rest)
        for finding in FINDINGS
        for name, *rest in rows
        if name == finding.name
    ]
