"""What the published file found, in short."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.findings.catalog import FINDINGS, QUESTIONS
from pipelines.findings.model import SCHEMA, Finding
from pipelines.publish.reader import bounded

MAX_NAMES = 10


@dataclass(frozen=True)
class Found:
    """How much there is of one finding.

    Attributes:
        finding: which.
        counts: its rows, by integration; none of an integration that has none.
        names: of the first ten assets, each after its integration and a slash, in that order.
        unknown_of: the integrations that have none, of which nothing can be said.
    """

    finding: Finding
    counts: dict[str, int]
    names: tuple[str, ...]
    unknown_of: tuple[str, ...]


def count_findings(path: Path) -> Iterator[Found]:
    """Each finding of the published file, also where there is none of it.

    Raises:
        InventoryError: the file cannot be read, or a question takes too much.
    """
    with bounded(path) as connection:
        questions = connection.sql(
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
            names = [f"{owner}/{name}" for owner, _, first in rows for name in first]
            unknown = [o for name, o in questions if name == finding.name and o not in counts]
            yield Found(finding, counts, tuple(names[:MAX_NAMES]), tuple(unknown))
