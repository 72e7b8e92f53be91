"""What of a table two pulls both asked for: only that can have been added or removed."""

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.contract import SYSTEM_GROUP_ASSOCIATIONS, USERS
from pipelines.load.manifest import PullFacts
from pipelines.schema import Table

BOUND_USERS = "user"


def was_read(table: Table, pull: PullFacts) -> bool:
    """Whether the pull asked for the records that are the table's rows."""
    return pull.endpoints.issuperset(table.endpoints)


def read_by_both(table: Table, rows: pa.Table, one: PullFacts, other: PullFacts) -> pa.Table:
    """The rows of a table that both pulls would have found, had they been there."""
    targets = one.association_targets & other.association_targets
    if targets == one.association_targets | other.association_targets:
        return rows
    if table.name == SYSTEM_GROUP_ASSOCIATIONS.name:
        return rows.filter(pc.is_in(rows["target_type"], pa.array(sorted(targets), pa.string())))
    if table.name == USERS.name and BOUND_USERS not in targets:
        # An association may be all that names them.
        return rows.filter(pc.field("resolved"))
    return rows
