"""Parsing of times and addresses in the expected tables."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.simulator import ABSENT, Sizes, generate
from tests.oracle import expected_tables

Row = dict[str, Any]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-01T08:15:30.125Z", datetime(2024, 2, 1, 8, 15, 30, 125000, tzinfo=UTC)),
        ("2024-02-01T08:15:30Z", datetime(2024, 2, 1, 8, 15, 30, tzinfo=UTC)),
        ("2024-02-01T08:15:30", datetime(2024, 2, 1, 8, 15, 30, tzinfo=UTC)),
        ("2024-02-01", datetime(2024, 2, 1, tzinfo=UTC)),
        ("2024-02-01T23:15:30+02:00", datetime(2024, 2, 1, 21, 15, 30, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01", None),
        ("1601-01-01T00:00:00Z", None),
        ("1970-01-01T00:00:00.000Z", None),
        ("9999-12-31T23:59:59.999Z", None),
        ("", None),
        (None, None),
        ("yesterday", None),
        (ABSENT, None),
    ],
)
def test_time_is_parsed(text: object, expected: datetime | None) -> None:
    org = generate(1, Sizes.empty())
    org.add_system(lastContact=text)
    assert expected_tables(org)["systems"][0]["last_contact_at"] == expected


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ({"name": "a", "family": "ipv4", "address": "10.0.0.1"}, ("a", "10.0.0.1", "private")),
        ({"address": "10.0.0.1"}, ("", "10.0.0.1", "private")),
        ({"family": "", "address": "172.32.0.1"}, ("", "172.32.0.1", "public")),
        ({"family": "IPv4", "address": "192.0.2.1"}, ("", "192.0.2.1", "other")),
        ({"family": "IPv6", "address": "10.0.0.1"}, None),
        ({"family": "IPv4", "address": "010.0.0.1"}, None),
        ({"family": "IPv4", "address": "0.0.0.0"}, None),  # noqa: S104
        ({"family": "IPv4", "address": "224.0.0.1"}, None),
        ({"family": "IPv4", "address": "169.254.0.1"}, None),
        ({"family": "IPv4", "address": "127.0.0.1"}, None),
        ({"family": "IPv4", "address": "10.0.0.1", "internal": True}, None),
        ({"family": "IPv4", "address": None}, None),
        ({"address": "::1"}, None),
    ],
)
def test_interface_address_is_parsed(entry: Row, kept: tuple[str, str, str] | None) -> None:
    org = generate(1, Sizes.empty())
    org.add_system(networkInterfaces=[entry])
    tables = expected_tables(org)
    links = [(row["interface"], row["address"]) for row in tables["system_ipv4_addresses"]]
    assert links == ([kept[:2]] if kept else [])
    assert [row["scope"] for row in tables["ipv4_addresses"]] == ([kept[2]] if kept else [])
