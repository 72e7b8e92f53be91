"""Proofs of completeness become one table."""

from pipelines.jumpcloud.completeness import COMPLETENESS_SCHEMA, Completeness, completeness_table
from pipelines.jumpcloud.endpoints import ListId


def test_table_has_the_parts_of_the_list_id_first() -> None:
    numbers = {"expected": 5, "received": 3, "holes": 1, "duplicates": 1, "pages": 4, "rereads": 2}
    proofs = [
        Completeness(ListId("systems"), "overlap", *numbers.values()),
        Completeness(
            ListId("systemgroups_associations", "g1", "user"), "not found", *numbers.values()
        ),
    ]
    table = completeness_table(proofs)
    names = ["endpoint", "parent_id", "target", "proof", *numbers]
    assert table.schema.names == names
    assert table.to_pylist() == [
        {"endpoint": "systems", "parent_id": "", "target": "", "proof": "overlap"} | numbers,
        {
            "endpoint": "systemgroups_associations",
            "parent_id": "g1",
            "target": "user",
            "proof": "not found",
        }
        | numbers,
    ]


def test_no_proof_makes_an_empty_table() -> None:
    assert completeness_table([]).schema == COMPLETENESS_SCHEMA
    assert completeness_table([]).num_rows == 0
