"""What the published file found, in short."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.findings.catalogue import FINDINGS
from pipelines.findings.finding import SCHEMA, Finding
from pipelines.load.reading import locked_down

MOST_NAMES = 10


@dataclass(frozen=True)
class Found:
    """How much there is of one finding.

    Attributes:
        finding: which.
        count: its rows, of all integrations.
        names: of the first ten assets, in the order of the names.
    """

    finding: Finding
    count: int
    names: tuple[str, ...]


def found_in(path: Path) -> Iterator[Found]:
    """Each finding of the published file, also where there is none of it.

    Raises:
        InventoryError: the file cannot be read.
    """
    with locked_down(path) as connection:
        for finding in FINDINGS:
            query = (
                f"SELECT count(*), coalesce(min(asset_name, {MOST_NAMES}), []) "
                f"FROM {SCHEMA}.{finding.name}"
            )
            ((count, names),) = connection.sql(query).fetchall()
            yield Found(finding, count, tuple(names))
