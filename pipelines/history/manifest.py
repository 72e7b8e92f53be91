"""The manifest of a snapshot: how it was pulled, and its files. Writing it is the commit."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property

from pydantic import BaseModel, ConfigDict, field_serializer

from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.schema.graph import SYSTEM_BINDINGS, USER_BINDINGS
from pipelines.schema.model import Table

# Tables that every snapshot keeps, because they describe all pulls.
LASTING_TABLES = frozenset({"changes", "completeness", "finding_history", "snapshots"})
# A pull reads the direct bindings of users per device, if there are fewer devices.
_SAME_BINDINGS = {SYSTEM_BINDINGS: USER_BINDINGS}


class PullFacts(BaseModel):
    """When and how an organization was pulled.

    Attributes:
        started_at: time before the first call.
        finished_at: time after the last response.
        api_calls: number of calls, including retries.
        api_retries: number of calls that were sent again.
        throttled: number of responses with status 429.
        organization_id: JumpCloud's id of the organization; None if it was not read.
        organization_name: name of the organization.
        endpoints: endpoints that were read.
        association_targets: target types that associations were read for.
        lost_fields: fields, as `endpoint.field`, with values that were lost, because they had
            another type than known.
        custom_attributes: names of the custom attributes that were read.
        report_at: time of JumpCloud's report of users and devices; None if none was used.
    """

    model_config = ConfigDict(frozen=True)

    started_at: datetime
    finished_at: datetime
    api_calls: int
    api_retries: int
    throttled: int
    organization_id: str | None
    organization_name: str | None
    endpoints: frozenset[str]
    association_targets: frozenset[str]
    lost_fields: frozenset[str] = frozenset()
    custom_attributes: frozenset[str] = frozenset()
    report_at: datetime | None = None

    @cached_property
    def sources(self) -> frozenset[str]:
        """Return the endpoints that were read, with one name for two with the same bindings."""
        return frozenset(_SAME_BINDINGS.get(name, name) for name in self.endpoints)

    def has_read(self, table: Table) -> bool:
        """Return True if the pull read the records that are the table's rows."""
        return self.sources.issuperset(table.endpoints)

    @field_serializer("endpoints", "association_targets", "lost_fields", "custom_attributes")
    def _sort(self, names: Iterable[str]) -> list[str]:
        return sorted(names)


class IntegrationFacts(BaseModel):
    """Settings of an integration when it was pulled."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    scope: str
    description: str
    region: str
    enabled: bool
    # Earlier versions read no bindings outside system groups.
    direct_bindings: str = "off"


class Manifest(BaseModel):
    """One committed snapshot.

    Attributes:
        snapshot_id: UTC start of the pull, made unique by a number if needed.
        run_id: id of the Dagster run that published it.
        integration: settings of its integration.
        pull: when and how it was pulled.
        rows: number of rows by table.
        sha256: digest of the file by table, for the tables that are kept.
        thresholds: thresholds of the findings.
        previous_sha256: digest of the manifest before it; empty for the first snapshot, and for
            those of versions that wrote no digest.
    """

    model_config = ConfigDict(frozen=True)

    snapshot_id: str
    run_id: str
    integration: IntegrationFacts
    pull: PullFacts
    rows: dict[str, int]
    sha256: dict[str, str]
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    previous_sha256: str = ""

    @property
    def has_tables(self) -> bool:
        """Return True unless retention has removed the tables of the inventory."""
        return not self.sha256.keys() <= LASTING_TABLES

    def without_tables(self) -> "Manifest":
        """Return the manifest of the same snapshot with only its lasting tables."""
        lasting = {name: sha for name, sha in self.sha256.items() if name in LASTING_TABLES}
        return self.model_copy(update={"sha256": lasting})
