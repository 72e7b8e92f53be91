"""Rows that violate the data contract are counted."""

import pytest

from pipelines.schema.tables import TABLES
from pipelines.transform.integrity import (
    count_dangling_references,
    count_repeated_keys,
)
from tests.support.arrow import Row, contract_table


def test_repeated_keys_are_counted_once_per_key() -> None:
    pairs = [("g1", "s1"), ("g1", "s1"), ("g1", "s1"), ("g2", "s1"), ("g1", "s2"), ("g1", "s2")]
    rows = contract_table(
        "system_group_members",
        [{"group_id": group, "system_id": system} for group, system in pairs],
    )
    assert count_repeated_keys(TABLES["system_group_members"], rows) == 2
    assert count_repeated_keys(TABLES["system_group_members"], rows.slice(2, 3)) == 0


def test_same_key_in_two_integrations_is_not_repeated() -> None:
    rows = contract_table(
        "systems", [{"system_id": "s1"}, {"system_id": "s1", "integration": "other"}]
    )
    assert count_repeated_keys(TABLES["systems"], rows) == 0


@pytest.mark.parametrize(
    ("table", "counts"),
    [
        ("systems", {"system_group_members.system_id": 2, "system_ipv4_addresses.system_id": 0}),
        ("system_groups", {"system_group_members.group_id": 1}),
        ("ipv4_addresses", {"system_ipv4_addresses.address": 1}),
        ("users", {}),
    ],
)
def test_dangling_references_are_counted_per_column(table: str, counts: dict[str, int]) -> None:
    present: dict[str, list[Row]] = {
        "systems": [{"system_id": "s1"}],
        "system_groups": [{"group_id": "g1"}],
        "ipv4_addresses": [{"address": "10.0.0.1"}],
        "users": [],
    }
    others = {
        "system_group_members": contract_table(
            "system_group_members",
            [
                {"group_id": "g1", "system_id": "s1"},
                {"group_id": "g1", "system_id": "s2"},
                {"group_id": "g2", "system_id": "s3"},
                {"group_id": None, "system_id": None},
            ],
        ),
        "system_ipv4_addresses": contract_table(
            "system_ipv4_addresses",
            [
                {"system_id": "s1", "address": "10.0.0.1"},
                {"system_id": "s1", "address": "10.0.0.2"},
            ],
        ),
        "jumpcloud.systems": contract_table("systems", []),
    }
    rows = contract_table(table, present[table])
    assert count_dangling_references(TABLES[table], rows, others) == counts
