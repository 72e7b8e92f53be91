"""What of a table two pulls both asked for: only that can have been added or removed."""

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.history.manifest import PullFacts
from pipelines.schema.model import Table
from pipelines.schema.tables import APPLICATION_USERS, SYSTEM_GROUP_ASSOCIATIONS, USERS


def was_read(table: Table, pull: PullFacts) -> bool:
    """Whether the pull asked for the records that are the table's rows."""
    return pull.endpoints.issuperset(table.endpoints)


def read_by_both(table: Table, rows: pa.Table, one: PullFacts, other: PullFacts) -> pa.Table:
    """The rows of a table that both pulls would have found, had they been there."""
    if table.name == SYSTEM_GROUP_ASSOCIATIONS.name:
        both = sorted(one.association_targets & other.association_targets)
        return rows.filter(pc.is_in(rows["target_type"], pa.array(both, pa.string())))
    if table.name == USERS.name and _naming_users(one) != _naming_users(other):
        return rows.filter(pc.field("resolved"))
    return rows


def _naming_users(pull: PullFacts) -> tuple[bool, bool]:
    """Which lists the pull asked for that may name a user whom no other list knows."""
    return APPLICATION_USERS.endpoints[0] in pull.endpoints, "user" in pull.association_targets


def columns_not_read(table: Table, one: PullFacts, other: PullFacts) -> list[str]:
    """The columns of which one of the pulls did not ask for what they are made of."""
    endpoints = one.endpoints & other.endpoints
    return [each.name for each in table.columns if not endpoints.issuperset(each.endpoints)]
