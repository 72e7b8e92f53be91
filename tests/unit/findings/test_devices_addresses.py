"""Findings about addresses on organizations of a few rows."""

from tests.support.tables import (
    find,
    found,
    thresholds,
)


def test_shared_private_addresses() -> None:
    rows = find(
        "shared_private_addresses",
        thresholds=thresholds(many_devices=3),
        ipv4_addresses=[
            {
                "address": "10.0.0.1",
                "scope": "private",
                "system_count": 3,
                "interfaces": ["docker0"],
            },
            {"address": "10.0.0.2", "scope": "private", "system_count": 9},
            {"address": "10.0.0.3", "scope": "private", "system_count": 2},
            {"address": "10.0.0.4", "scope": "private", "system_count": 3},
            {"address": "10.0.0.5", "scope": "private", "system_count": 3},
            {"address": "203.0.113.1", "scope": "public", "system_count": 9},
            {"address": "10.0.0.1", "scope": "private", "system_count": 9, "integration": "zeta"},
        ],
    )
    assert rows == [
        found(
            "low",
            "ipv4_addresses",
            "10.0.0.1",
            {"system_count": 3, "interfaces": ["docker0"]},
        ),
        *(
            found("low", "ipv4_addresses", address, {"system_count": n, "interfaces": []})
            for address, n in (("10.0.0.2", 9), ("10.0.0.4", 3), ("10.0.0.5", 3))
        ),
    ]


def test_shared_public_addresses() -> None:
    rows = find(
        "shared_public_addresses",
        thresholds=thresholds(few_devices=2),
        systems=[
            {"system_id": "home-1", "hostname": "laptop", "public_ip": "192.0.2.1"},
            {"system_id": "home-2", "public_ip": "192.0.2.1"},
            {"system_id": "office-1", "public_ip": "192.0.2.2"},
            {"system_id": "office-2", "public_ip": "192.0.2.2"},
            {"system_id": "office-3", "public_ip": "192.0.2.2"},
            {"system_id": "alone", "public_ip": "192.0.2.3"},
            {"system_id": "unknown-1"},
            {"system_id": "unknown-2"},
            {"system_id": "other", "public_ip": "192.0.2.3", "integration": "zeta"},
        ],
    )
    evidence = {"public_ip": "192.0.2.1", "system_ids": ["home-1", "home-2"]}
    assert rows == [
        found("low", "systems", "home-1", evidence, name="laptop"),
        found("low", "systems", "home-2", evidence),
    ]
