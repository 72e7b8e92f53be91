"""Notices when so many assets vanished at once that a changed permission is the likelier cause."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.schema.model import Table

FIRST_MISSING = 10


@dataclass(frozen=True)
class Removals:
    """Assets that the snapshot before had and this pull lacks.

    Attributes:
        before: assets in the snapshot before.
        after: assets in this pull.
        missing: assets of the snapshot before that are gone.
        names: names of the first of them.
    """

    before: int
    after: int
    missing: int
    names: tuple[str, ...]

    def are_too_many(self, share: float, minimum: int) -> bool:
        """Whether more than this share, and at least this many, are missing."""
        return self.missing >= minimum and self.missing > share * self.before


def removals(table: Table, before: pa.Table, after: pa.Table) -> Removals:
    """Compare an asset table with the snapshot before, by its key."""
    key = table.key[0]
    gone = before.filter(pc.invert(pc.is_in(before[key], after[key])))
    names = sorted(map(str, pc.coalesce(gone[table.label], gone[key]).to_pylist()))
    return Removals(before.num_rows, after.num_rows, len(names), tuple(names[:FIRST_MISSING]))
