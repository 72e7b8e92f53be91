"""Count the findings of the published file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.findings.catalog import FINDINGS, QUESTIONS
from pipelines.findings.model import SCHEMA, Finding
from pipelines.publish.reader import open_bounded

MAX_NAMES = 10


@dataclass(frozen=True)
class FindingCount:
    """The number of rows of one finding.

    Attributes:
        finding: the finding.
        counts: number of rows by integration, for integrations that have any.
        names: the first ten assets, as `integration/asset name`, sorted.
        unanswerable: integrations without rows for which the finding cannot be computed.
    """

    finding: Finding
    counts: dict[str, int]
    names: tuple[str, ...]
    unanswerable: tuple[str, ...]


def count_findings(path: Path) -> Iterator[FindingCount]:
    """Yield the count of each finding of the published file, including zero.

    Raises:
        InventoryError: the file cannot be read, or a query needs too much memory.
    """
    with open_bounded(path) as connection:
        unanswerable = connection.sql(
            f"SELECT finding, integration FROM {SCHEMA}.{QUESTIONS.name} "
            "WHERE NOT answerable ORDER BY integration"
        ).fetchall()
        for finding in FINDINGS:
            rows = connection.sql(
                "SELECT integration, count(*), min(asset_name, $most) "
                f"FROM {SCHEMA}.{finding.name} GROUP BY integration ORDER BY integration",
                params={"most": MAX_NAMES},
            ).fetchall()
            counts = {integration: count for integration, count, _ in rows}
            names = [f"{integration}/{name}" for integration, _, first in rows for name in first]
            unknown = [
                integration
                for name, integration in unanswerable
                if name == finding.name and integration not in counts
            ]
            yield FindingCount(finding, counts, tuple(names[:MAX_NAMES]), tuple(unknown))
