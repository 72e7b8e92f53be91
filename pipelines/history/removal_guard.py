"""Count removed assets. Many at once more likely mean a changed permission than real removals."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.schema.model import Table

MAX_NAMES = 10


@dataclass(frozen=True)
class Removals:
    """Assets of the last snapshot that are missing in this pull.

    Attributes:
        before: number of assets in the last snapshot.
        after: number of assets in this pull.
        missing: number of assets that are only in the last snapshot.
        names: names of the first ten of them.
    """

    before: int
    after: int
    missing: int
    names: tuple[str, ...]

    def exceed_limit(self, share: float, minimum: int) -> bool:
        """Return True if at least `minimum` assets and more than this share of all are missing."""
        return self.missing >= minimum and self.missing > share * self.before


def find_removals(table: Table, before: pa.Table, after: pa.Table) -> Removals:
    """Compare the rows of an asset table with those of the last snapshot, by key."""
    key = table.key[0]
    gone = before.filter(pc.invert(pc.is_in(before[key], after[key])))
    names = sorted(table.display_names(gone))
    return Removals(before.num_rows, after.num_rows, len(names), tuple(names[:MAX_NAMES]))
