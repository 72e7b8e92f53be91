"""Pages of a list as JumpCloud would send them, and what a paginator received."""

import pyarrow as pa

from pipelines.jumpcloud.paginator import OffsetPaginator
from pipelines.jumpcloud.parsing import Page

SCHEMA = pa.schema({"id": pa.string()})
Keys = list[str | None]  # None is a hole: a deleted member that is counted but not delivered


def page(keys: Keys, skip: int, limit: int, total: int | None, asked: int | None = None) -> Page:
    """Return the page that JumpCloud would send of the list as it is now."""
    present = [key for key in keys[skip : skip + limit] if key is not None]
    rows = pa.RecordBatch.from_pylist([{"id": key} for key in present], schema=SCHEMA)
    return Page(skip, asked or limit, total, tuple((key,) for key in present), rows)


def received(paginator: OffsetPaginator) -> list[str]:
    return [row["id"] for batch in paginator.rows() for row in batch.to_pylist()]


def numbered(count: int) -> list[str | None]:
    return [f"{number:04}" for number in range(count)]
