"""Declaration of a finding, and the view that is generated from it."""

from dataclasses import dataclass
from typing import Literal

from pipelines.schema.model import View
from pipelines.schema.tables import TABLES

SCHEMA = "findings"
Severity = Literal["high", "medium", "low"]

COLUMNS = {
    "integration": "Name of the integration that the row belongs to",
    "severity": "high, medium or low; the same for all rows of a finding",
    "asset_type": "Table that contains the asset",
    "asset_id": "Id of the asset in that table",
    "asset_name": "Name of the asset, or its id if it has no name",
    "evidence": "JSON object with the facts that make the asset a finding",
    "since": "When the finding began, according to the history",
}


def last_change(name: str, asset_type: str, *conditions: str) -> str:
    """Return a common table expression with the time of the last matching change of each row.

    Its columns are `integration`, the key of the row and `<name>_at`: the latest `observed_at` of
    the changes that meet at least one of the conditions. The key has the name that it has in the
    asset table; for a relationship table, it is `asset_id`.

    Args:
        name: Name of the common table expression.
        asset_type: Table that contains the changed rows.
        conditions: SQL conditions on a row of `changes`.
    """
    table = TABLES[asset_type]
    key = table.key[0] if table.is_asset else "asset_id"
    any_condition = "\n        OR ".join(conditions)
    return f"""{name} AS (
    SELECT integration, asset_id AS {key}, max(observed_at) AS {name}_at
    FROM main.changes
    WHERE asset_type = '{asset_type}' AND (
        {any_condition}
    )
    GROUP BY ALL
)"""


def last_start(name: str, asset_type: str, *conditions: str) -> str:
    """Return `last_change` with the condition that the row was added as the first one."""
    return last_change(name, asset_type, "change = 'added'", *conditions)


def select_assets(
    asset_type: str, evidence: tuple[str, ...], where: str, *start_conditions: str
) -> str:
    """Return a query for the assets that meet a condition on their own columns.

    Args:
        asset_type: Asset table.
        evidence: Columns of the table that become the evidence.
        where: SQL condition on a row of the table.
        start_conditions: SQL conditions on a row of `changes`. If one holds, the finding began
            with this change.
    """
    table = TABLES[asset_type]
    (key,) = table.key
    facts = ", ".join(f"'{column}', t.{column}" for column in evidence)
    return f"""
WITH {last_start("started", asset_type, *start_conditions)}
SELECT t.integration, '{asset_type}' AS asset_type, t.{key} AS asset_id,
    {table.display_name("t")} AS asset_name, json_object({facts}) AS evidence,
    greatest(t.first_seen_at, s.started_at) AS since
FROM main.{asset_type} t LEFT JOIN started s USING (integration, {key})
WHERE {where}
"""


@dataclass(frozen=True)
class Finding:
    """A security question and the query that answers it.

    Attributes:
        name: Name of the view. It never changes.
        title: Short description of a row.
        severity: Importance of the finding.
        asset_type: Asset table of its rows; the first one if the rows come from several.
        why: Reason why it matters.
        remedy: Recommended action.
        evidence: Name and meaning of each key of the evidence.
        since: Meaning of the column `since`.
        sql: Query over the published tables. It returns all `COLUMNS` except the severity. Its
            common table expressions are indented; the query that uses them is not.
        required_endpoints: Endpoints that a pull must read. Otherwise, an empty result means
            "unknown", not "none".
        required_targets: Target types for which a pull must read associations, likewise.
        compares_snapshots: True if the query compares the latest two snapshots.
        uses_direct_bindings: True if the rows also depend on bindings of users and user groups to
            single devices. Where a pull did not read them, the finding has a note.
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
    required_endpoints: tuple[str, ...] = ()
    required_targets: tuple[str, ...] = ()
    compares_snapshots: bool = False
    uses_direct_bindings: bool = False

    @property
    def view(self) -> View:
        """Return the view of the published file."""
        # DuckDB 1.4.0 and 1.4.1 find a stored common table expression only at the top of a view.
        steps, _, query = self.sql.partition("\nSELECT ")
        sql = f"""{f"{steps}," if steps else "WITH"}
finding AS (
SELECT {query.strip()}
)
SELECT integration, '{self.severity}' AS severity, asset_type, asset_id, asset_name, evidence, since
FROM finding
"""
        columns = COLUMNS | {"since": self.since}
        return View(self.name, self.title, columns, sql, schema=SCHEMA)
