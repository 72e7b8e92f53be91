"""What single values of API records mean in the published tables."""

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, Final

from pipelines.simulator.data.records import Record

PRIVATE: Final = tuple(
    IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)
CARRIER_NAT: Final = IPv4Network("100.64.0.0/10")


def text(value: object) -> str | None:
    """Return a text; None for nothing and for the empty text."""
    return str(value) if value not in (None, "") else None


def expected_value(value: object) -> bool | None:
    """Return a boolean; None if nothing is said."""
    return value if isinstance(value, bool) else None


def number(value: object) -> int | None:
    """Return a whole number; None if nothing is said, or something else."""
    return value if type(value) is int else None


def moment(value: object) -> datetime | None:
    """Return a time in UTC; None for never (year 1), nothing, and what is no time."""
    if not isinstance(value, str) or value.startswith("0001-01-01"):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def inside(record: Record, name: str, key: str) -> Any:  # noqa: ANN401 - a JSON value
    """Return a value of an object within the record; None if either is not there."""
    value = record.get(name)
    return value.get(key) if isinstance(value, dict) else None


def ipv4_addresses(system: Record) -> Iterator[tuple[str, str]]:
    """Yield (interface, address) of the device's own, usable IPv4 addresses."""
    for entry in system.get("networkInterfaces") or ():
        family = (entry.get("family") or "ipv4").lower()
        if entry.get("internal") is True or family != "ipv4":
            continue
        try:
            address = IPv4Address(entry.get("address") or "")
        except AddressValueError:
            continue
        unusable = address.is_loopback or address.is_link_local or address.is_multicast
        if not (unusable or address.is_unspecified):
            yield entry.get("name") or "", str(address)


def scope(address: str) -> str:
    """Return where an address means something: private, cgnat, public or other."""
    parsed = IPv4Address(address)
    if any(parsed in network for network in PRIVATE):
        return "private"
    if parsed in CARRIER_NAT:
        return "cgnat"
    return "public" if parsed.is_global else "other"
