"""The content of the report: plain values, in the order in which the page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Point:
    """Rows per table at one snapshot."""

    snapshot_id: str
    at: datetime
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Count:
    """Rows of an asset table now and at the snapshot before.

    Attributes:
        table: its name.
        now: rows; None if the pull did not request its records.
        before: rows at the snapshot before; None for the first snapshot.
    """

    table: str
    now: int | None
    before: int | None


@dataclass(frozen=True)
class Share:
    """Number of devices that share a property; the label is None if the property is unknown."""

    label: str | None
    count: int


@dataclass(frozen=True)
class Coverage:
    """Number of assets with a protection, without it, and without data about it."""

    label: str
    yes: int
    no: int
    unknown: int

    @property
    def total(self) -> int:
        """Return the number of all assets."""
        return self.yes + self.no + self.unknown


@dataclass(frozen=True)
class Finding:
    """A finding of the catalog and its rows.

    Attributes:
        name: the view.
        severity: high, medium or low.
        title: heading.
        remedy: recommended action.
        count: number of rows.
        names: number of different names of the affected assets.
        examples: the first of these names.
        answerable: the pull has the data that this finding needs.
        note: what the rows do not count, because the pull did not read it; None if they count all.
    """

    name: str
    severity: str
    title: str
    remedy: str
    count: int
    names: int
    examples: Sequence[str]
    answerable: bool
    note: str | None


@dataclass(frozen=True)
class Change:
    """Rows of a table that were added, removed or changed since the snapshot before.

    Attributes:
        table: its name.
        kind: added, removed or changed.
        count: number of rows.
        examples: names of the first assets; empty for relationships, which have no name.
    """

    table: str
    kind: str
    count: int
    examples: Sequence[str]


@dataclass(frozen=True)
class Proof:
    """Evidence that the lists of an endpoint were read to their end."""

    endpoint: str
    proof: str
    lists: int
    expected: int | None
    received: int
    holes: int


@dataclass(frozen=True)
class Pull:
    """The latest published pull of an integration."""

    snapshot_id: str
    run_id: str
    started_at: datetime
    finished_at: datetime
    api_calls: int
    api_retries: int
    throttled: int

    @property
    def seconds(self) -> float:
        """Return the duration in seconds."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class IntegrationReport:
    """Everything that the report shows of one integration.

    Attributes:
        name: the integration.
        description: from the settings.
        organization: name of the organization, or its id; empty if neither is known.
        head_sha256: digest of its latest manifest, which covers its whole history.
        configured: False if it is no longer in the settings; None if that is not known.
        pull: its latest published pull.
        snapshots: number of its published pulls.
        counts: rows of each asset table.
        trend: rows over time, oldest first; a selection if there are many snapshots.
        operating_systems: devices per operating system, most frequent first.
        last_contacts: devices per time since their last contact, latest first.
        coverage: protections.
        findings: most severe first.
        changes: differences from the snapshot before.
        proofs: completeness of the pull, by endpoint.
    """

    name: str
    description: str
    organization: str
    head_sha256: str
    configured: bool | None
    pull: Pull
    snapshots: int
    counts: Sequence[Count]
    trend: Sequence[Point]
    operating_systems: Sequence[Share]
    last_contacts: Sequence[Share]
    coverage: Sequence[Coverage]
    findings: Sequence[Finding]
    changes: Sequence[Change]
    proofs: Sequence[Proof]

    @property
    def found(self) -> Sequence[Finding]:
        """Return the findings with at least one row."""
        return [finding for finding in self.findings if finding.count]

    @property
    def clear(self) -> Sequence[Finding]:
        """Return the findings that certainly have no row."""
        return [finding for finding in self.findings if not finding.count and finding.answerable]

    @property
    def notes(self) -> Mapping[str, Sequence[str]]:
        """Return the titles of the findings with a note, by note."""
        notes: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.note:
                notes.setdefault(finding.note, []).append(finding.title)
        return notes

    @property
    def not_checked(self) -> Sequence[Finding]:
        """Return the findings that could not be checked with the data that was pulled."""
        return [
            finding for finding in self.findings if not finding.count and not finding.answerable
        ]

    def count(self, severity: str) -> int:
        """Return the number of rows of all findings of a severity."""
        return sum(finding.count for finding in self.findings if finding.severity == severity)
