"""The proof, per list, that it was read to its end."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from pipelines.jumpcloud.endpoints import ListId

Proof = Literal["total", "overlap", "empty page", "not found"]


@dataclass(frozen=True)
class Completeness:
    """How one list was proven to be read to its end.

    Attributes:
        list_id: which list.
        proof: `total`, every record of the announced total was passed; `overlap`, pages in the
            order of a unique key overlap from start to end; `empty page`, no total is announced
            and a page that begins with the last record brought no other; `not found`, the parent
            was deleted between its list and this one.
        expected: the total announced last; without one, the rows received.
        received: distinct rows.
        holes: rows announced but not delivered: deleted members.
        duplicates: rows dropped because their key was there already.
        pages: pages read, those of earlier readings included.
        rereads: readings thrown away, or pages read again, because the list moved.
    """

    list_id: ListId
    proof: Proof
    expected: int
    received: int
    holes: int
    duplicates: int
    pages: int
    rereads: int


_TEXTS = ("endpoint", "parent_id", "target", "proof")
_NUMBERS = ("expected", "received", "holes", "duplicates", "pages", "rereads")
COMPLETENESS_SCHEMA = pa.schema(
    [pa.field(name, pa.string()) for name in _TEXTS]
    + [pa.field(name, pa.int64()) for name in _NUMBERS]
)


def completeness_table(proofs: Iterable[Completeness]) -> pa.Table:
    """One row per list, the parts of its id first."""
    rows = [vars(proof.list_id) | vars(proof) for proof in proofs]
    return pa.Table.from_pylist(rows, schema=COMPLETENESS_SCHEMA)
