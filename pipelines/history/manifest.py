"""A snapshot's manifest: what was pulled, and which files hold it. Its presence is the commit."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict, field_serializer

from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.schema.tables import CHANGES, COMPLETENESS, SNAPSHOTS

# What stays of every snapshot: these tables tell of all pulls, however old.
LASTING_TABLES = frozenset({CHANGES.name, COMPLETENESS.name, SNAPSHOTS.name})


class PullFacts(BaseModel):
    """When and how an organization was pulled.

    Attributes:
        started_at: before the first call.
        finished_at: after the last answer.
        api_calls: calls sent, retries included.
        api_retries: calls that were sent again.
        throttled: answers 429.
        organization_id: JumpCloud's id of the organization; None when it was not asked.
        organization_name: its name.
        endpoints: the endpoints that were asked for.
        association_targets: the types of targets of which associations were asked for.
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

    @field_serializer("endpoints", "association_targets")
    def _in_order(self, names: Iterable[str]) -> list[str]:
        return sorted(names)


class IntegrationFacts(BaseModel):
    """What the settings said of the integration when it was pulled."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    scope: str
    description: str
    region: str
    enabled: bool


class Manifest(BaseModel):
    """One committed snapshot.

    Attributes:
        snapshot_id: UTC start of the pull, made unique.
        run_id: the Dagster run that published it.
        integration: the integration it belongs to.
        pull: when and how it was pulled.
        rows: number of rows of each table.
        sha256: digest of the file of each table that is there still.
        thresholds: from where on something was a finding.
    """

    model_config = ConfigDict(frozen=True)

    snapshot_id: str
    run_id: str
    integration: IntegrationFacts
    pull: PullFacts
    rows: dict[str, int]
    sha256: dict[str, str]
    thresholds: Thresholds = DEFAULT_THRESHOLDS

    @property
    def has_tables(self) -> bool:
        """Whether the tables of the inventory are there still; retention removes them."""
        return not self.sha256.keys() <= LASTING_TABLES

    def without_tables(self) -> "Manifest":
        """The same snapshot when nothing but its lasting tables is left."""
        lasting = {name: self.sha256[name] for name in self.sha256.keys() & LASTING_TABLES}
        return self.model_copy(update={"sha256": lasting})
