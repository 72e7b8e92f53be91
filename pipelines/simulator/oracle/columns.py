"""Where the published columns of each asset come from in its API record."""

from collections.abc import Callable, Mapping
from typing import Final

from pipelines.simulator.data.records import Record
from pipelines.simulator.oracle.values import (
    expected_value,
    inside,
    ipv4_addresses,
    moment,
    number,
    text,
)

Columns = Mapping[str, Callable[[Record], object]]
"""Column names, in order, with what takes the value out of a record."""

SYSTEM: Final[Columns] = {
    "hostname": lambda r: text(r.get("hostname")),
    "display_name": lambda r: text(r.get("displayName")),
    "os": lambda r: text(r.get("os")),
    "os_family": lambda r: text(r.get("osFamily")),
    "os_version": lambda r: text(r.get("version")),
    "arch": lambda r: text(r.get("arch")),
    "serial_number": lambda r: text(r.get("serialNumber")),
    "agent_version": lambda r: text(r.get("agentVersion")),
    "active": lambda r: expected_value(r.get("active")),
    "created_at": lambda r: moment(r.get("created")),
    "last_contact_at": lambda r: moment(r.get("lastContact")),
    "public_ip": lambda r: text(r.get("remoteIP")),
    "ipv4_addresses": lambda r: sorted({address for _, address in ipv4_addresses(r)}),
    "disk_encrypted": lambda r: expected_value(inside(r, "fde", "active")),
    "mfa_enabled": lambda r: expected_value(r.get("allowMultiFactorAuthentication")),
    "ssh_root_login": lambda r: expected_value(r.get("allowSshRootLogin")),
    "ssh_password_login": lambda r: expected_value(r.get("allowSshPasswordAuthentication")),
    "mdm_vendor": lambda r: text(inside(r, "mdm", "vendor")),
    "primary_user_id": lambda r: text(inside(r, "primarySystemUser", "id")),
}

SYSTEM_POLICIES: Final[Columns] = {
    "policies_total": lambda r: number(inside(r, "policyStats", "total")),
    "policies_failed": lambda r: number(inside(r, "policyStats", "failed")),
}

USER: Final[Columns] = {
    "username": lambda r: text(r.get("username")),
    "email": lambda r: text(r.get("email")),
    "display_name": lambda r: text(r.get("displayname")),
    "first_name": lambda r: text(r.get("firstname")),
    "last_name": lambda r: text(r.get("lastname")),
    "state": lambda r: text(r.get("state")),
    "activated": lambda r: expected_value(r.get("activated")),
    "suspended": lambda r: expected_value(r.get("suspended")),
    "account_locked": lambda r: expected_value(r.get("account_locked")),
    "mfa_configured": lambda r: expected_value(inside(r, "mfa", "configured")),
    "totp_enabled": lambda r: expected_value(r.get("totp_enabled")),
    "global_admin": lambda r: expected_value(r.get("sudo")),
    "passwordless_sudo": lambda r: expected_value(r.get("passwordless_sudo")),
    "department": lambda r: text(r.get("department")),
    "job_title": lambda r: text(r.get("jobTitle")),
    "company": lambda r: text(r.get("company")),
    "location": lambda r: text(r.get("location")),
    "employee_id": lambda r: text(r.get("employeeIdentifier")),
    "employee_type": lambda r: text(r.get("employeeType")),
    "manager_id": lambda r: text(r.get("manager")),
    "password_expired": lambda r: expected_value(r.get("password_expired")),
    "password_never_expires": lambda r: expected_value(r.get("password_never_expires")),
    "created_at": lambda r: moment(r.get("created")),
}

APPLICATION: Final[Columns] = {
    "name": lambda r: text(r.get("name")),
    "display_name": lambda r: text(r.get("displayName")),
    "display_label": lambda r: text(r.get("displayLabel")),
    "sso_type": lambda r: text(inside(r, "sso", "type")),
    "sso_url": lambda r: text(r.get("ssoUrl")),
    "active": lambda r: expected_value(r.get("active")),
    "created_at": lambda r: moment(r.get("created")),
}

SYSTEM_GROUP: Final[Columns] = {
    "name": lambda r: text(r.get("name")),
    "description": lambda r: text(r.get("description")),
    "email": lambda r: text(r.get("email")),
    "membership_method": lambda r: text(r.get("membershipMethod")),
}
