"""What a report says of an integration: plain values, in the order in which they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

SEVERITIES = ("high", "medium", "low")


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
        now: rows; None where its records were not asked for.
        before: rows at the snapshot before; None where there is none.
    """

    table: str
    now: int | None
    before: int | None


@dataclass(frozen=True)
class Share:
    """How many devices have something in common; the label None means that it is not known."""

    label: str | None
    count: int


@dataclass(frozen=True)
class Coverage:
    """How many have a protection, have it not, or do not say."""

    what: str
    yes: int
    no: int
    unknown: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.yes + self.no + self.unknown


@dataclass(frozen=True)
class Finding:
    """One question of the catalog, and what answers it.

    Attributes:
        name: the view.
        severity: high, medium or low.
        title: what was found, in words.
        remedy: what to do.
        count: number of rows.
        first: names of the first of them.
        is_answerable: whether what was pulled can tell that there are none.
    """

    name: str
    severity: str
    title: str
    remedy: str
    count: int
    first: Sequence[str]
    is_answerable: bool


@dataclass(frozen=True)
class Change:
    """What happened to the rows of one table since the snapshot before.

    Attributes:
        table: its name.
        kind: added, removed or changed.
        count: number of rows.
        first: names of the first of them; empty for relationships, which have none.
    """

    table: str
    kind: str
    count: int
    first: Sequence[str]


@dataclass(frozen=True)
class Proof:
    """How the lists of an endpoint were proven to be read to their end."""

    endpoint: str
    proof: str
    lists: int
    expected: int | None
    received: int
    holes: int


@dataclass(frozen=True)
class Pull:
    """The pull that an integration published last."""

    snapshot_id: str
    run_id: str
    started_at: datetime
    finished_at: datetime
    api_calls: int
    api_retries: int
    throttled: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class Facts:
    """All that is said of one integration.

    Attributes:
        name: the integration.
        description: from the settings.
        organization: name of the organization, or its id; empty where neither is known.
        pull: its latest published pull.
        snapshots: number of its published pulls.
        counts: of each asset table.
        course: oldest first, the latest last; of many snapshots, some.
        systems: operating systems of the devices, most frequent first.
        contacts: last contact of the devices before the pull, latest first.
        coverage: protections.
        findings: most severe first.
        changes: since the snapshot before.
        proofs: by endpoint.
    """

    name: str
    description: str
    organization: str
    pull: Pull
    snapshots: int
    counts: Sequence[Count]
    course: Sequence[Point]
    systems: Sequence[Share]
    contacts: Sequence[Share]
    coverage: Sequence[Coverage]
    findings: Sequence[Finding]
    changes: Sequence[Change]
    proofs: Sequence[Proof]

    @property
    def not_asked(self) -> Sequence[Finding]:
        """The questions without a finding of which it is not known that there is none."""
        return [each for each in self.findings if not each.count and not each.is_answerable]

    def count(self, severity: str) -> int:
        """Number of findings of a severity, over all questions."""
        return sum(each.count for each in self.findings if each.severity == severity)
