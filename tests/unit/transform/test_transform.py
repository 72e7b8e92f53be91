"""The functions that the transforms use."""

from datetime import UTC, datetime

import pytest

from pipelines.transform.transform import parse_address
from tests.support.arrow import Row, run_transform


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("10.0.0.0", "private"),
        ("10.255.255.255", "private"),
        ("172.15.255.255", "public"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.0", "public"),
        ("192.168.1.1", "private"),
        ("100.63.255.255", "public"),
        ("100.64.0.0", "cgnat"),
        ("100.127.255.255", "cgnat"),
        ("100.128.0.0", "public"),
        ("8.8.8.8", "public"),
        ("192.0.2.1", "other"),
        ("198.18.0.1", "other"),
        ("203.0.113.9", "other"),
        ("240.0.0.1", "other"),
        ("255.255.255.255", "other"),
        ("0.0.0.1", "other"),
    ],
)
def test_ipv4_address_has_a_scope(address: str, scope: str) -> None:
    assert parse_address(address) == {"address": address, "family": 4, "scope": scope}


@pytest.mark.parametrize(
    ("text", "address", "scope"),
    [
        ("FD00:0:0::1", "fd00::1", "private"),
        ("fc00::", "fc00::", "private"),
        ("2a00:1450:4001:082f:0000:0000:0000:200e", "2a00:1450:4001:82f::200e", "public"),
        ("2001:db8::7", "2001:db8::7", "other"),
    ],
)
def test_ipv6_address_has_its_shortest_form(text: str, address: str, scope: str) -> None:
    assert parse_address(text) == {"address": address, "family": 6, "scope": scope}


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.255.255.254",
        "169.254.8.9",
        "0.0.0.0",  # noqa: S104 -- an address to leave out, not one to bind
        "224.0.0.1",
        "239.255.255.255",
        "999.1.1.1",
        "010.0.0.1",
        "10.0.0",
        "10.0.0.1/8",
        " 10.0.0.1",
        "fe80::1",
        "fe80::1%en0",
        "2a00::1%en0",
        "::1",
        "::",
        "ff02::fb",
        "",
        None,
    ],
)
def test_unusable_address_is_left_out(text: str | None) -> None:
    assert parse_address(text) is None


def test_time_of_a_zero_clock_means_never() -> None:
    times = [
        "1601-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000Z",
        "1969-12-31T19:00:00-05:00",
        "1980-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00.000+05:00",
        "12024-02-01T08:15:30Z",
        "infinity",
        "epoch",
        "today",
    ]
    systems: list[Row] = [
        {"_id": f"s{number}", "created": time, "lastContact": "1999-12-31T23:59:59Z"}
        for number, time in enumerate(times)
    ]
    rows = run_transform("systems", systems=systems)
    assert [row["created_at"] for row in rows] == [None] * len(times)
    assert {row["last_contact_at"] for row in rows} == {
        datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)
    }


@pytest.mark.parametrize(
    "time",
    [
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "294246-12-31T23:59:59Z",
        "0044-03-15 (BC)",
        "2024-01-01 (BC)",
        "infinity",
    ],
)
def test_time_outside_the_calendar_is_null(time: str) -> None:
    (row,) = run_transform("systems", systems=[{"_id": "s1", "created": time}])
    assert row["created_at"] is None
