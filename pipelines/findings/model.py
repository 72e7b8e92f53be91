"""Declaration of a finding, and the view that is generated from it."""

from dataclasses import dataclass

from pipelines.schema.model import Column, Table, View
from pipelines.schema.tables import TABLES
from pipelines.severity import Severity

SCHEMA = "findings"
MAX_NAMES = 10

COLUMNS = {
    "integration": "Name of the integration that the row belongs to",
    "severity": "high, medium or low; the same for all rows of a finding",
    "asset_type": "Table that contains the asset",
    "asset_id": "Id of the asset in that table",
    "asset_name": "Name of the asset, or its id if it has no name",
    "evidence": "JSON object with the facts that make the asset a finding",
    "since": "Start of the pull that first found it. Every later pull has found it too, or could "
    "not answer the finding",
}

THRESHOLDS = Table(
    "thresholds",
    "Thresholds of the findings, from the settings of each integration's latest pull",
    key=(),
    columns=(
        Column("integration", "TEXT", "Name of the integration"),
        Column("stale_days", "BIGINT", "Days without contact after which a device is stale"),
        Column("many_devices", "BIGINT", "Minimum number of devices sharing a private address"),
        Column("few_devices", "BIGINT", "Maximum number of devices sharing a public address"),
    ),
    schema=SCHEMA,
)


def select_assets(asset_type: str, evidence: tuple[str, ...], where: str) -> str:
    """Return a query for the assets that meet a condition on their own columns.

    Args:
        asset_type: Asset table.
        evidence: Columns of the table that become the evidence.
        where: SQL condition on a row of the table.
    """
    table = TABLES[asset_type]
    facts = ", ".join(f"'{column}', t.{column}" for column in evidence)
    return f"""
SELECT t.integration, '{asset_type}' AS asset_type, t.{table.key[0]} AS asset_id,
    {table.display_name("t")} AS asset_name, json_object({facts}) AS evidence
FROM main.{asset_type} t
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
        sql: Query over the tables of a snapshot. It returns the integration, the type, id and name
            of the asset, and the evidence.
        required_endpoints: Endpoints that a pull must read. Otherwise, an empty result means
            "unknown", not "none".
        required_targets: Target types for which a pull must read associations, likewise.
        compares_snapshots: True if the query compares the latest two snapshots.
        uses_direct_bindings: True if the rows also depend on bindings of users and user groups to
            single devices. Where a pull did not read them, the finding has a note.
        detail: SQL of a text that distinguishes the rows of an asset, from the columns of the
            query. Empty if an asset has one row.
    """

    name: str
    title: str
    severity: Severity
    asset_type: str
    why: str
    remedy: str
    evidence: dict[str, str]
    sql: str
    required_endpoints: tuple[str, ...] = ()
    required_targets: tuple[str, ...] = ()
    compares_snapshots: bool = False
    uses_direct_bindings: bool = False
    detail: str = "''"

    @property
    def view(self) -> View:
        """Return the view of the published file."""
        shown = ", ".join(COLUMNS)
        sql = f"SELECT {shown} FROM {SCHEMA}.open WHERE finding = '{self.name}' AND confirmed"
        return View(self.name, self.title, COLUMNS, sql, schema=SCHEMA)
