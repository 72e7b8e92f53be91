"""How a finding is declared, and the view that follows from the declaration."""

from dataclasses import dataclass
from typing import Literal

from pipelines.schema.model import View

SCHEMA = "findings"
Severity = Literal["high", "medium", "low"]

COLUMNS = {
    "integration": "Name of the integration that the row belongs to",
    "severity": "high, medium or low; the same for all rows of a finding",
    "asset_type": "Table that the asset belongs to",
    "asset_id": "Its id there",
    "asset_name": "Its name; its id where it has none",
    "evidence": "The facts that make it a finding, a JSON object",
    "since": "When it began, as far as the history tells",
}


def began(asset_type: str, key: str, *when: str) -> str:
    """SQL of a common table `began`: since when at most, as far as the history tells.

    Its columns are integration, `key` and began_at: the last time that the asset was added, or was
    changed as one of the conditions says.

    Args:
        asset_type: the table whose changes count.
        key: the name of its key's column.
        when: conditions on a row of `changes`.
    """
    conditions = "\n        OR ".join(("change = 'added'", *when))
    return f"""began AS (
    SELECT integration, asset_id AS {key}, max(observed_at) AS began_at
    FROM main.changes
    WHERE asset_type = '{asset_type}' AND (
        {conditions}
    )
    GROUP BY ALL
)"""


@dataclass(frozen=True)
class Finding:
    """One question, and the query that answers it.

    Attributes:
        name: the view's name, for ever.
        title: what a row is, in a few words.
        severity: how much it matters.
        asset_type: the asset table that its rows are of; where they are of several, the first.
        why: why it matters.
        remedy: what to do.
        evidence: name and meaning of each key of the evidence.
        since: what `since` is.
        sql: the query over the published tables: every column of `COLUMNS` but the severity.
        needs: lists that a pull must have asked for, else that nothing is found says nothing.
        targets: types of targets whose associations it must have asked for, likewise.
        compares: whether it takes two snapshots.
    """

    name: str
    title: str
    severity: Severity
    asset_type: str
    why: str
    remedy: str
    evidence: dict[str, str]
    since: str
    sql: str
    needs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    compares: bool = False

    @property
    def view(self) -> View:
        """The view of the published file."""
        sql = f"""
SELECT integration, '{self.severity}' AS severity, asset_type, asset_id, asset_name, evidence, since
FROM ({self.sql})
"""
        columns = COLUMNS | {"since": self.since}
        return View(self.name, self.title, columns, sql, schema=SCHEMA)
