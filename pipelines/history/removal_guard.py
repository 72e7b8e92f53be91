"""Count assets that vanished or lost their data since the last snapshot.

Many at once more likely mean a changed permission than real removals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import printable
from pipelines.schema.model import Table

MAX_NAMES = 5
# Assets come and go between the run that was stopped and the next one.
TOLERANCE = 0.1


@dataclass(frozen=True)
class Removals:
    """Assets of the last snapshot that are missing or empty in this pull.

    An asset counts while it has data of its own, not only an id that a group names.

    Attributes:
        before: number of assets in the last snapshot.
        after: number of assets in this pull.
        missing: number of assets of the last snapshot without a row in this pull.
        emptied: number of those with a row, but without data.
        names: names of the first five of both.
        ids: ids of both.
    """

    before: int
    after: int
    missing: int
    emptied: int
    names: tuple[str, ...]
    ids: frozenset[str] = frozenset()

    @property
    def lost(self) -> int:
        """Return the number of assets that are missing or empty."""
        return self.missing + self.emptied

    def exceed_limit(self, share: float, minimum: int) -> bool:
        """Return True if at least `minimum` assets and more than this share of all are lost."""
        return self.lost >= minimum and self.lost > share * self.before

    def describe(self, asset_type: str) -> str:
        """Return the numbers and the first names in one line."""
        losses = {"vanished": self.missing, "lost their data": self.emptied}
        more = self.lost - len(self.names)
        names = ", ".join(map(printable, self.names)) + (f" and {more:,} more" if more else "")
        return (
            f"{self.lost:,} of {self.before:,} {readable(asset_type)} "
            f"{' or '.join(loss for loss, count in losses.items() if count) or 'vanished'} "
            f"since the last snapshot ({self.after:,} now)" + (f": {names}" if names else "")
        )


class StoppedRemovals(BaseModel):
    """Removals that stopped a run.

    Attributes:
        snapshot_id: the last snapshot of the integration at that time.
        by_type: the removals beyond the limit, by asset type.
    """

    model_config = ConfigDict(frozen=True)

    snapshot_id: str
    by_type: Mapping[str, Removals]

    @classmethod
    def parse(cls, content: bytes) -> Self | None:
        """Return the removals of a file, or None if it is damaged."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            return None

    def cover(self, asset_type: str, removals: Removals) -> bool:
        """Return True if these removals of a later pull are the same, and hardly any others."""
        stopped = self.by_type.get(asset_type)
        return stopped is not None and len(removals.ids - stopped.ids) <= stopped.lost * TOLERANCE

    def describe(self) -> str:
        """Return the removals of all types in one line."""
        return "; ".join(removals.describe(name) for name, removals in self.by_type.items())


def readable(table: str) -> str:
    """Return the name of a table for a sentence."""
    return table.replace("_", " ").replace("ipv4", "IPv4")


def accept_hint(integration: str) -> str:
    """Return the instruction that lets the next run publish a removal."""
    return (
        f"If that is right, `jumpcloud-inventory accept {integration}` lets the next run publish it"
    )


def find_removals(table: Table, before: pa.Table, after: pa.Table) -> Removals:
    """Compare the rows of an asset table with those of the last snapshot, by key."""
    key = table.key[0]
    columns = [
        column.name
        for column in table.columns
        if column.source and column.name not in table.key and column.name in before.column_names
    ]
    known, found = _with_data(before, columns), _with_data(after, columns)
    lost = known.filter(pc.invert(pc.is_in(known[key], found[key])))
    emptied = lost.filter(pc.is_in(lost[key], after[key])).num_rows
    counts = (known.num_rows, found.num_rows, lost.num_rows - emptied, emptied)
    names = sorted(table.display_names(lost))
    ids = frozenset(map(str, lost[key].to_pylist()))
    return Removals(*counts, names=tuple(names[:MAX_NAMES]), ids=ids)


def _with_data(rows: pa.Table, columns: list[str]) -> pa.Table:
    """Return the rows with a value in any of the columns; all rows if there is no column."""
    if not columns:
        return rows
    return rows.filter(reduce(pc.or_, (pc.is_valid(rows[name]) for name in columns)))
