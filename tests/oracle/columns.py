"""The published columns of each asset, computed from its API record."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any, Final

from pipelines.simulator.data.records import Record

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
CARRIER_NAT: Final = IPv4Network("100.64.0.0/10")

Columns = Mapping[str, tuple[Callable[[Any], object], str]]
"""Column names, in order, with the parser of the value and its path in the record."""


def text(value: object) -> str | None:
    """Return a text; None for null and for the empty text."""
    return str(value) if value not in (None, "") else None


def boolean(value: object) -> bool | None:
    """Return a boolean; None for anything else."""
    return value if isinstance(value, bool) else None


def number(value: object) -> int | None:
    """Return a whole number; None for anything else."""
    return value if type(value) is int else None


def moment(value: object) -> datetime | None:
    """Return a time in UTC; None for never (year 1) and for anything that is not a time."""
    if not isinstance(value, str) or value.startswith("0001-01-01"):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def interface_addresses(interfaces: list[Record] | None) -> Iterator[tuple[str, str]]:
    """Yield (interface, address) of a device's own, usable IPv4 addresses."""
    for entry in interfaces or ():
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


def addresses(interfaces: list[Record] | None) -> list[str]:
    """Return the distinct usable IPv4 addresses, sorted."""
    return sorted({address for _, address in interface_addresses(interfaces)})


def scope(address: str) -> str:
    """Return the scope of an address: private, cgnat, public or other."""
    parsed = IPv4Address(address)
    if any(parsed in network for network in PRIVATE):
        return "private"
    if parsed in CARRIER_NAT:
        return "cgnat"
    return "public" if parsed.is_global else "other"


def column_value(columns: Columns, name: str, record: Record) -> object:
    """Return one column of a record; a dot in its path reaches into an object."""
    parse, path = columns[name]
    head, _, key = path.partition(".")
    value = record.get(head)
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return parse(value)


def column_values(columns: Columns, record: Record | None) -> dict[str, object]:
    """Return all columns of a record; empty values if there is no record."""
    return {name: column_value(columns, name, record or {}) for name in columns}


SYSTEM: Final[Columns] = {
    "hostname": (text, "hostname"),
    "display_name": (text, "displayName"),
    "os": (text, "os"),
    "os_family": (text, "osFamily"),
    "os_version": (text, "version"),
    "arch": (text, "arch"),
    "serial_number": (text, "serialNumber"),
    "agent_version": (text, "agentVersion"),
    "active": (boolean, "active"),
    "created_at": (moment, "created"),
    "last_contact_at": (moment, "lastContact"),
    "public_ip": (text, "remoteIP"),
    "ipv4_addresses": (addresses, "networkInterfaces"),
    "disk_encrypted": (boolean, "fde.active"),
    "mfa_enabled": (boolean, "allowMultiFactorAuthentication"),
    "ssh_root_login": (boolean, "allowSshRootLogin"),
    "ssh_password_login": (boolean, "allowSshPasswordAuthentication"),
    "mdm_vendor": (text, "mdm.vendor"),
    "primary_user_id": (text, "primarySystemUser.id"),
}

SYSTEM_POLICIES: Final[Columns] = {
    "policies_total": (number, "policyStats.total"),
    "policies_failed": (number, "policyStats.failed"),
}

USER: Final[Columns] = {
    "username": (text, "username"),
    "email": (text, "email"),
    "display_name": (text, "displayname"),
    "first_name": (text, "firstname"),
    "last_name": (text, "lastname"),
    "state": (text, "state"),
    "activated": (boolean, "activated"),
    "suspended": (boolean, "suspended"),
    "account_locked": (boolean, "account_locked"),
    "mfa_configured": (boolean, "mfa.configured"),
    "totp_enabled": (boolean, "totp_enabled"),
    "global_admin": (boolean, "sudo"),
    "passwordless_sudo": (boolean, "passwordless_sudo"),
    "department": (text, "department"),
    "job_title": (text, "jobTitle"),
    "company": (text, "company"),
    "location": (text, "location"),
    "employee_id": (text, "employeeIdentifier"),
    "employee_type": (text, "employeeType"),
    "manager_id": (text, "manager"),
    "password_expired": (boolean, "password_expired"),
    "password_never_expires": (boolean, "password_never_expires"),
    "created_at": (moment, "created"),
}

APPLICATION: Final[Columns] = {
    "name": (text, "name"),
    "display_name": (text, "displayName"),
    "display_label": (text, "displayLabel"),
    "sso_type": (text, "sso.type"),
    "sso_url": (text, "ssoUrl"),
    "active": (boolean, "active"),
    "created_at": (moment, "created"),
}

SYSTEM_GROUP: Final[Columns] = {
    "name": (text, "name"),
    "description": (text, "description"),
    "email": (text, "email"),
    "membership_method": (text, "membershipMethod"),
}
