"""Decide what can be compared between two pulls: only what both pulls asked for."""

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.history.manifest import PullFacts
from pipelines.schema.model import Table
from pipelines.schema.tables import APPLICATION_USERS, SYSTEM_GROUP_ASSOCIATIONS, USERS


def was_pulled(table: Table, pull: PullFacts) -> bool:
    """Return True if the pull asked for the records that are the table's rows."""
    return pull.endpoints.issuperset(table.endpoints)


def comparable_rows(table: Table, rows: pa.Table, one: PullFacts, other: PullFacts) -> pa.Table:
    """Return the rows of a table that both pulls would have found, had they existed."""
    if table.name == SYSTEM_GROUP_ASSOCIATIONS.name:
        both = sorted(one.association_targets & other.association_targets)
        return rows.filter(pc.is_in(rows["target_type"], pa.array(both, pa.string())))
    if table.name == USERS.name and _sources_of_user_ids(one) != _sources_of_user_ids(other):
        return rows.filter(pc.field("resolved"))
    return rows


def incomparable_columns(table: Table, one: PullFacts, other: PullFacts) -> list[str]:
    """Return the columns that depend on an endpoint which one of the pulls did not read."""
    endpoints = one.endpoints & other.endpoints
    return [column.name for column in table.columns if not endpoints.issuperset(column.endpoints)]


def _sources_of_user_ids(pull: PullFacts) -> tuple[bool, bool]:
    """Return which lists the pull read that may name a user without a record."""
    return APPLICATION_USERS.endpoints[0] in pull.endpoints, "user" in pull.association_targets
