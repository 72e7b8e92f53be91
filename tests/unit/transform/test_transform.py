"""The functions that the transforms use."""

import pytest

from pipelines.transform.transform import ipv4_scope
from tests.support.arrow import run_transform


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
def test_ipv4_scope(address: str, scope: str) -> None:
    assert ipv4_scope(address) == scope


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
        "",
        None,
    ],
)
def test_unusable_address_has_no_scope(text: str | None) -> None:
    assert ipv4_scope(text) is None


@pytest.mark.parametrize(
    "time",
    [
        "10000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-12:00",
        "294246-12-31T23:59:59Z",
        "0044-03-15 (BC)",
        "infinity",
    ],
)
def test_time_outside_the_calendar_is_null(time: str) -> None:
    (row,) = run_transform("systems", systems=[{"_id": "s1", "created": time}])
    assert row["created_at"] is None
