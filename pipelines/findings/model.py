"""Declaration of a finding, the file that it is read from, and the view generated from it.

A file begins with a header: a block comment of SQL that contains TOML. The rest is the query.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.schema.model import Column, Table, View
from pipelines.severity import Severity
from pipelines.sql import identifier, quoted

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
        Column("certificate_days", "BIGINT", "Days in which a certificate must not expire"),
    ),
    schema=SCHEMA,
)


@dataclass(frozen=True)
class Finding:
    """A security question and the query that answers it.

    Attributes:
        name: Name of the file and of the view. It never changes.
        title: Short description of a row.
        severity: Importance of the finding.
        why: Reason why it matters.
        remedy: Recommended action.
        evidence: Name and meaning of each key of the evidence, a column of the query.
        query: Query over the tables of a snapshot. It returns the integration, the type, id and
            name of the asset, and the evidence.
        required_endpoints: Endpoints that a pull must read. Otherwise, an empty result means
            "unknown", not "none".
        required_fields: Raw fields that decide which rows it has. Their values are lost if they
            have another type than known.
        required_targets: Target types for which a pull must read associations.
        compares_snapshots: True if the query compares the latest two snapshots.
        uses_direct_bindings: True if the rows also depend on bindings of users and user groups to
            single devices. Where a pull did not read them, the finding has a note.
        distinct: Keys of the evidence that distinguish the rows of an asset. Empty if an asset
            has one row.
    """

    name: str
    title: str
    severity: Severity
    why: str
    remedy: str
    evidence: Mapping[str, str]
    query: str
    required_endpoints: tuple[str, ...] = ()
    required_fields: tuple[str, ...] = ()
    required_targets: tuple[str, ...] = ()
    compares_snapshots: bool = False
    uses_direct_bindings: bool = False
    distinct: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        """Return the query with its evidence as one JSON object."""
        facts = ", ".join(f"{quoted(key)}, {identifier(key)}" for key in self.evidence)
        return (
            "SELECT integration, asset_type, asset_id, asset_name, "
            f"json_object({facts}) AS evidence FROM ({self.query})"
        )

    @property
    def detail(self) -> str:
        """Return SQL of a text that distinguishes the rows of an asset."""
        keys = (f"evidence ->> {quoted(f'$.{key}')}" for key in self.distinct)
        return f"concat_ws('/', {', '.join(keys)})" if self.distinct else "''"

    @property
    def view(self) -> View:
        """Return the view of the published file."""
        shown = ", ".join(COLUMNS)
        sql = f"SELECT {shown} FROM {SCHEMA}.open WHERE finding = '{self.name}' AND confirmed"
        return View(self.name, self.title, COLUMNS, sql, schema=SCHEMA)


def parse_finding(name: str, text: str) -> Finding:
    """Return the finding of a file that is known to be valid."""
    header, query = split_file(text)
    return build_finding(name, tomllib.loads(header), query)


def split_file(text: str) -> tuple[str, str]:
    """Return the header and the query of a file; the header is empty if it has none."""
    header, end, query = text.removeprefix("/*\n").partition("\n*/\n")
    return (header, query.strip()) if end and text.startswith("/*\n") else ("", text)


def build_finding(name: str, header: Mapping[str, Any], query: str) -> Finding:
    """Return the finding with the values of a valid header."""
    needs = header.get("needs", {})
    return Finding(
        name,
        title=_line(header["title"]),
        severity=header["severity"],
        why=_line(header["why"]),
        remedy=_line(header["remedy"]),
        evidence={key: _line(meaning) for key, meaning in header["evidence"].items()},
        query=query,
        required_endpoints=tuple(needs.get("endpoints", ())),
        required_fields=tuple(needs.get("fields", ())),
        required_targets=tuple(needs.get("targets", ())),
        compares_snapshots=needs.get("previous_snapshot", False),
        uses_direct_bindings=needs.get("direct_bindings", False),
        distinct=tuple(header.get("distinct", ())),
    )


def _line(text: str) -> str:
    """Return a text of several lines as one."""
    return " ".join(text.split())
