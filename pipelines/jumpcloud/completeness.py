"""Proof, per list, that it was read to its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from pipelines.jumpcloud.endpoints import ListId

Proof = Literal["total", "overlap", "empty page", "not found"]


@dataclass(frozen=True, slots=True)
class Completeness:
    """Proof that one list was read to its end.

    Attributes:
        list_id: the list.
        proof: `total`: the pages cover every record of the announced total; `overlap`: pages in the
            order of a unique key overlap from start to end; `empty page`: no total is announced,
            and a page that begins with the last record brought no other; `not found`: the parent
            was deleted after its own list was read.
        expected: the total announced last; without a total, the rows received.
        received: distinct rows.
        holes: rows announced but not delivered, because the members were deleted.
        duplicates: rows dropped because their key was repeated.
        pages: pages read, including discarded ones.
        rereads: readings discarded, or pages read again, because the list changed.
        lost_values: number of values of another type than known, by field.
    """

    list_id: ListId
    proof: Proof
    expected: int
    received: int
    holes: int
    duplicates: int
    pages: int
    rereads: int
    lost_values: Mapping[str, int] = field(default_factory=dict, kw_only=True)


_TEXTS = ("endpoint", "parent_id", "target", "proof")
_NUMBERS = ("expected", "received", "holes", "duplicates", "pages", "rereads")
COMPLETENESS_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in _TEXTS]
    + [pa.field(name, pa.int64()) for name in _NUMBERS]
)


def completeness_table(proofs: Iterable[Completeness]) -> pa.Table:
    """Return a table of `COMPLETENESS_SCHEMA` with one row per list."""
    proofs = list(proofs)
    columns: list[list[str] | list[int]] = [
        [proof.list_id.endpoint for proof in proofs],
        [proof.list_id.parent_id for proof in proofs],
        [proof.list_id.target for proof in proofs],
        [proof.proof for proof in proofs],
        *([getattr(proof, name) for proof in proofs] for name in _NUMBERS),
    ]
    arrays = [
        pa.array(values, field.type)
        for values, field in zip(columns, COMPLETENESS_SCHEMA, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=COMPLETENESS_SCHEMA)
