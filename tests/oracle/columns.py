"""The published columns of each asset, computed from its API record."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from pipelines.simulator.data.records import Record

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
UNIQUE_LOCAL: Final = IPv6Network("fc00::/7")
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
    """Return a time in UTC; None for a clock's zero or last year, and for what is not a time."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.year in {1, 1601, 1970, 1980, 9999}:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def interface_addresses(
    interfaces: list[Record] | None,
) -> Iterator[tuple[str, IPv4Address | IPv6Address]]:
    """Yield (interface, address) of a device's own, usable addresses."""
    for entry in interfaces or ():
        try:
            address = ip_address(entry.get("address") or "")
        except ValueError:
            continue
        family = (entry.get("family") or f"ipv{address.version}").lower()
        if entry.get("internal") is True or family != f"ipv{address.version}":
            continue
        unusable = address.is_loopback or address.is_link_local or address.is_multicast
        if not (unusable or address.is_unspecified or "%" in str(address)):
            yield entry.get("name") or "", address


def addresses(interfaces: list[Record] | None) -> list[str]:
    """Return the distinct usable IPv4 addresses, sorted."""
    found = {address for _, address in interface_addresses(interfaces)}
    return sorted(str(address) for address in found if address.version == 4)


def scope(text: str) -> str:
    """Return the scope of an address: private, cgnat, public or other."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        is_private = address in UNIQUE_LOCAL
    else:
        is_private = any(address in network for network in PRIVATE)
    if is_private:
        return "private"
    if address in CARRIER_NAT:
        return "cgnat"
    return "public" if address.is_global else "other"


def os_family(record: Record) -> str | None:
    """Return the family of the operating system, derived from its name if it was not sent."""
    os = (record.get("os") or "").lower()
    names = {"windows": "windows", "mac os x": "darwin", "ios": "ios", "ipados": "ios"}
    linux = "linux" if os in {"ubuntu", "rocky linux"} else None
    return text(record.get("osFamily")) or names.get(os, "android" if os == "android" else linux)


def hardware_kind(record: Record) -> str | None:
    """Return mobile, tablet or virtual; None for another kind."""
    if record.get("os") in {"iOS", "Android"}:
        return "mobile"
    if record.get("os") == "iPadOS":
        return "tablet"
    return "virtual" if record.get("hwVendor") in {"QEMU", "VMware, Inc."} else None


def system_values(record: Record | None) -> dict[str, object]:
    """Return the columns of a device that one record determines, apart from the added ones."""
    record = record or {}
    unmanaged = record.get("modifySSHDConfig") is False
    hidden = dict.fromkeys(("ssh_root_login", "ssh_password_login")) if unmanaged else {}
    return column_values(SYSTEM, record) | {"os_family": os_family(record)} | hidden


def is_active(user: Record | None) -> bool:
    """Return False for a suspended or staged user."""
    record = user or {}
    inactive = record.get("state") in {"STAGED", "SUSPENDED"} or record.get("suspended") is True
    return not inactive


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

SYSTEM_HARDWARE: Final[Columns] = {
    "recovery_key_present": (boolean, "fde.keyPresent"),
    "hardware_vendor": (text, "hwVendor"),
}

SYSTEM_SSH: Final[Columns] = {"ssh_managed": (boolean, "modifySSHDConfig")}

SYSTEM_ADDED: Final[Columns] = {
    "os_release_name": (text, "osVersionDetail.releaseName"),
    "os_distribution_name": (text, "osVersionDetail.distributionName"),
    "os_version_major": (number, "osVersionDetail.majorNumber"),
    "os_version_minor": (number, "osVersionDetail.minorNumber"),
    "os_version_patch": (number, "osVersionDetail.patchNumber"),
    "mdm_enrollment_type": (text, "mdm.enrollmentType"),
    "mdm_dep": (boolean, "mdm.dep"),
    "mdm_user_approved": (boolean, "mdm.userApproved"),
    "mdm_lost_mode_status": (text, "mdm.lostModeStatus"),
    "part_of_domain": (boolean, "domainInfo.partOfDomain"),
    "domain_name": (text, "domainInfo.domainName"),
    "azure_ad_joined": (boolean, "azureAdJoined"),
    "system_insights_state": (text, "systemInsights.state"),
    "has_service_account": (boolean, "hasServiceAccount"),
    "service_account_secure_token": (boolean, "serviceAccountState.hasSecureToken"),
    "service_account_password_od_valid": (boolean, "serviceAccountState.passwordODValid"),
    "service_account_password_apfs_valid": (boolean, "serviceAccountState.passwordAPFSValid"),
    "policies_pending": (number, "policyStats.pending"),
    "policies_success": (number, "policyStats.success"),
    "policies_duplicate": (number, "policyStats.duplicate"),
    "policies_unsupported_os": (number, "policyStats.unsupportedOs"),
}

LOCAL_ACCOUNT: Final[Columns] = {
    "admin": (boolean, "admin"),
    "managed": (boolean, "managed"),
    "suspended": (boolean, "suspended"),
    "secure_token": (boolean, "secureTokenEnabled"),
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

USER_ADDED: Final[Columns] = {
    "mfa_status": (text, "mfaEnrollment.overallStatus"),
    "mfa_totp_status": (text, "mfaEnrollment.totpStatus"),
    "mfa_webauthn_status": (text, "mfaEnrollment.webAuthnStatus"),
    "mfa_push_status": (text, "mfaEnrollment.pushStatus"),
    "mfa_sms_status": (text, "mfaEnrollment.smsStatus"),
    "mfa_jumpcloud_go_status": (text, "mfaEnrollment.jcGoStatus"),
    "mfa_exclusion": (boolean, "mfa.exclusion"),
    "mfa_exclusion_until": (moment, "mfa.exclusionUntil"),
    "system_username": (text, "systemUsername"),
    "unix_uid": (number, "unix_uid"),
    "password_date": (moment, "password_date"),
    "password_expiration_date": (moment, "password_expiration_date"),
    "admin_role": (text, "admin.roleName"),
    "creation_source": (text, "creationSource"),
    "external_source_type": (text, "external_source_type"),
    "cost_center": (text, "costCenter"),
    "alternate_email": (text, "alternateEmail"),
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

APPLICATION_ADDED: Final[Columns] = {
    "idp_certificate_expires_at": (moment, "sso.idpCertExpirationAt"),
}

SYSTEM_GROUP: Final[Columns] = {
    "name": (text, "name"),
    "description": (text, "description"),
    "email": (text, "email"),
    "membership_method": (text, "membershipMethod"),
}
