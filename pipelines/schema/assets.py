"""Asset tables of the data contract. Names and types never change. A new column is added last."""

from pipelines.schema.columns import MFA_FACTORS, SYSTEM_FIELDS, USER_FIELDS
from pipelines.schema.model import INTEGRATION, Column, Table

_RESOLVED = Column("resolved", "BOOLEAN", "FALSE if only a group or application contains the id")
_HOLDERS = ("applications_users",)
# Bindings outside system groups count where a pull reads them.
DIRECT = ("users_associations", "usergroups_associations", "usergroups_members")

SYSTEMS = Table(
    "systems",
    "Devices of the organization, from its latest complete pull",
    key=("system_id",),
    endpoints=("systems",),
    is_asset=True,
    labels=("hostname", "display_name", "serial_number"),
    personal=("hostname", "display_name", "public_ip", "ipv4_addresses", "primary_user_id"),
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "JumpCloud's id of the device", "systems._id"),
        Column("hostname", "TEXT", "Host name reported by the agent", "systems.hostname"),
        Column("display_name", "TEXT", "Name shown in JumpCloud", "systems.displayName"),
        Column("os", "TEXT", "Operating system, as named by JumpCloud", "systems.os"),
        Column(
            "os_family",
            "TEXT",
            "windows, darwin, linux, ...; derived from `os` where JumpCloud does not send it",
            revised_with="ssh_managed",
        ),
        Column("os_version", "TEXT", "Version of the operating system", "systems.version"),
        Column("arch", "TEXT", "Processor architecture", "systems.arch"),
        Column("serial_number", "TEXT", "Serial number of the hardware", "systems.serialNumber"),
        Column("agent_version", "TEXT", "Version of the JumpCloud agent", "systems.agentVersion"),
        Column("active", "BOOLEAN", "TRUE if it is connected now", "systems.active"),
        Column(
            "created_at",
            "TIMESTAMPTZ",
            "Time of enrollment",
            "systems.created",
            revised_with="ssh_managed",
        ),
        Column(
            "last_contact_at",
            "TIMESTAMPTZ",
            "Last check-in",
            "systems.lastContact",
            revised_with="ssh_managed",
        ),
        Column("public_ip", "TEXT", "Address seen by JumpCloud, often a NAT", "systems.remoteIP"),
        Column("ipv4_addresses", "TEXT[]", "Addresses of the device's interfaces"),
        Column("disk_encrypted", "BOOLEAN", "TRUE if the disk is fully encrypted", "systems.fde"),
        Column(
            "mfa_enabled",
            "BOOLEAN",
            "TRUE if multi-factor login is allowed",
            "systems.allowMultiFactorAuthentication",
        ),
        Column(
            "ssh_root_login",
            "BOOLEAN",
            "TRUE if root can log in with SSH; NULL if JumpCloud does not manage the SSH server",
            "systems.allowSshRootLogin",
            revised_with="ssh_managed",
        ),
        Column(
            "ssh_password_login",
            "BOOLEAN",
            "TRUE if SSH accepts passwords; NULL if JumpCloud does not manage the SSH server",
            "systems.allowSshPasswordAuthentication",
            revised_with="ssh_managed",
        ),
        Column("mdm_vendor", "TEXT", "MDM vendor that manages it", "systems.mdm"),
        Column("primary_user_id", "TEXT", "Primary user", "systems.primarySystemUser"),
        Column("group_ids", "TEXT[]", "System groups that contain the device"),
        Column("group_names", "TEXT[]", "Names of those groups"),
        Column(
            "user_count",
            "BIGINT",
            "Distinct users who are bound to it in any way, in any state",
            optional_endpoints=DIRECT,
        ),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications of those users; NULL if applications are not pulled",
            endpoints=_HOLDERS,
            optional_endpoints=DIRECT,
        ),
        _RESOLVED,
        Column(
            "policies_total",
            "BIGINT",
            "Number of policies bound to it",
            "systems.policyStats",
            is_added=True,
        ),
        Column(
            "policies_failed",
            "BIGINT",
            "Number of policies that fail on it",
            "systems.policyStats",
            is_added=True,
        ),
        Column(
            "active_user_count",
            "BIGINT",
            "Distinct users who are bound to it in any way, except suspended and staged ones; NULL "
            "if users are not pulled",
            endpoints=("systemusers",),
            is_added=True,
            optional_endpoints=DIRECT,
        ),
        Column(
            "recovery_key_present",
            "BOOLEAN",
            "TRUE if JumpCloud has a recovery key of the disk",
            "systems.fde",
            is_added=True,
        ),
        Column(
            "hardware_vendor",
            "TEXT",
            "Manufacturer of the hardware; JumpCloud's list has no model",
            "systems.hwVendor",
            is_added=True,
        ),
        Column(
            "hardware_kind",
            "TEXT",
            "mobile, tablet or virtual, derived from `os` and `hardware_vendor`; NULL for others",
            is_added=True,
        ),
        Column(
            "ssh_managed",
            "BOOLEAN",
            "TRUE if JumpCloud manages the configuration of the SSH server",
            "systems.modifySSHDConfig",
            is_added=True,
        ),
        *SYSTEM_FIELDS,
    ),
)

USERS = Table(
    "users",
    "Users of the organization, from its latest complete pull",
    key=("user_id",),
    endpoints=("systemusers",),
    is_asset=True,
    labels=("username", "email"),
    personal=(
        "user_id",
        "username",
        "email",
        "display_name",
        "first_name",
        "last_name",
        "department",
        "job_title",
        "company",
        "location",
        "employee_id",
        "employee_type",
        "manager_id",
        "system_username",
        "unix_uid",
        "cost_center",
        "alternate_email",
    ),
    columns=(
        INTEGRATION,
        Column("user_id", "TEXT", "JumpCloud's id of the user", "systemusers._id"),
        Column("username", "TEXT", "Login name", "systemusers.username"),
        Column("email", "TEXT", "Company email address", "systemusers.email"),
        Column("display_name", "TEXT", "Name shown in JumpCloud", "systemusers.displayname"),
        Column("first_name", "TEXT", "First name", "systemusers.firstname"),
        Column("last_name", "TEXT", "Last name", "systemusers.lastname"),
        Column("state", "TEXT", "STAGED, ACTIVATED or SUSPENDED", "systemusers.state"),
        Column("activated", "BOOLEAN", "TRUE if a password was set", "systemusers.activated"),
        Column("suspended", "BOOLEAN", "TRUE if the user is suspended", "systemusers.suspended"),
        Column(
            "account_locked",
            "BOOLEAN",
            "TRUE if locked after too many wrong passwords",
            "systemusers.account_locked",
        ),
        Column(
            "mfa_configured", "BOOLEAN", "TRUE if MFA is set up; see mfa_status", "systemusers.mfa"
        ),
        Column("totp_enabled", "BOOLEAN", "TRUE if TOTP is enabled", "systemusers.totp_enabled"),
        Column(
            "global_admin",
            "BOOLEAN",
            "TRUE if the user has sudo on all accessible devices, regardless of groups",
            "systemusers.sudo",
        ),
        Column(
            "passwordless_sudo",
            "BOOLEAN",
            "TRUE if that sudo requires no password",
            "systemusers.passwordless_sudo",
        ),
        Column("department", "TEXT", "Department", "systemusers.department"),
        Column("job_title", "TEXT", "Job title", "systemusers.jobTitle"),
        Column("company", "TEXT", "Company", "systemusers.company"),
        Column("location", "TEXT", "Location", "systemusers.location"),
        Column("employee_id", "TEXT", "Employee number", "systemusers.employeeIdentifier"),
        Column("employee_type", "TEXT", "Employment type", "systemusers.employeeType"),
        Column("manager_id", "TEXT", "User id of the manager", "systemusers.manager"),
        Column(
            "password_expired",
            "BOOLEAN",
            "TRUE if the password has expired",
            "systemusers.password_expired",
        ),
        Column(
            "password_never_expires",
            "BOOLEAN",
            "TRUE if the password never expires",
            "systemusers.password_never_expires",
        ),
        Column(
            "created_at",
            "TIMESTAMPTZ",
            "Time of creation",
            "systemusers.created",
            revised_with="mfa_status",
        ),
        Column("system_group_ids", "TEXT[]", "System groups that the user is bound to"),
        Column(
            "system_count",
            "BIGINT",
            "Distinct devices that the user is bound to in any way",
            optional_endpoints=DIRECT,
        ),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications that the user is bound to; NULL if applications are not pulled",
            endpoints=_HOLDERS,
        ),
        _RESOLVED,
        *MFA_FACTORS,
        Column(
            "mfa_exclusion",
            "BOOLEAN",
            "TRUE if the user is exempt from MFA",
            "systemusers.mfa",
            is_added=True,
        ),
        Column(
            "mfa_exclusion_until",
            "TIMESTAMPTZ",
            "End of the exemption; NULL if it has none",
            "systemusers.mfa",
            is_added=True,
        ),
        Column(
            "system_username",
            "TEXT",
            "Name of the account on devices, where it differs from `username`",
            "systemusers.systemUsername",
            is_added=True,
        ),
        Column(
            "unix_uid",
            "BIGINT",
            "Number of the account on Unix devices",
            "systemusers.unix_uid",
            is_added=True,
        ),
        *USER_FIELDS,
    ),
)

APPLICATIONS = Table(
    "applications",
    "SSO applications of the organization, from its latest complete pull",
    key=("application_id",),
    endpoints=("applications",),
    is_asset=True,
    labels=("display_label", "display_name", "name"),
    columns=(
        INTEGRATION,
        Column("application_id", "TEXT", "JumpCloud's id of the application", "applications._id"),
        Column("name", "TEXT", "Name of the template", "applications.name"),
        Column("display_name", "TEXT", "Name of the product", "applications.displayName"),
        Column("display_label", "TEXT", "Name given by the admin", "applications.displayLabel"),
        Column("sso_type", "TEXT", "saml, oidc, ...", "applications.sso"),
        Column("sso_url", "TEXT", "URL of the login", "applications.ssoUrl"),
        Column("active", "BOOLEAN", "TRUE if it is enabled", "applications.active"),
        Column(
            "created_at",
            "TIMESTAMPTZ",
            "Time of creation",
            "applications.created",
            revised_with="idp_certificate_expires_at",
        ),
        Column(
            "user_count",
            "BIGINT",
            "Distinct users bound to it, in any state; NULL if application users are not pulled",
            endpoints=_HOLDERS,
        ),
        Column(
            "system_count",
            "BIGINT",
            "Distinct devices of those users; NULL if application users are not pulled",
            endpoints=_HOLDERS,
            optional_endpoints=DIRECT,
        ),
        _RESOLVED,
        Column(
            "idp_certificate_expires_at",
            "TIMESTAMPTZ",
            "End of the certificate with which JumpCloud signs its logins",
            "applications.sso",
            is_added=True,
        ),
    ),
)

IPV4_ADDRESSES = Table(
    "ipv4_addresses",
    "IPv4 addresses of the devices' interfaces",
    key=("address",),
    endpoints=("systems",),
    is_asset=True,
    personal=("address",),
    columns=(
        INTEGRATION,
        Column("address", "TEXT", "The address in dotted form"),
        Column("scope", "TEXT", "private, public, cgnat or other"),
        Column("system_ids", "TEXT[]", "Devices that have the address"),
        Column("system_count", "BIGINT", "Number of those devices"),
        Column("interfaces", "TEXT[]", "Names of the interfaces that have the address"),
    ),
)

SYSTEM_GROUPS = Table(
    "system_groups",
    "System groups of the organization",
    key=("group_id",),
    endpoints=("systemgroups",),
    is_asset=True,
    labels=("name",),
    columns=(
        INTEGRATION,
        Column("group_id", "TEXT", "JumpCloud's id of the group", "systemgroups.id"),
        Column("name", "TEXT", "Name, not necessarily unique", "systemgroups.name"),
        Column("description", "TEXT", "Description", "systemgroups.description"),
        Column("email", "TEXT", "Email address", "systemgroups.email"),
        Column(
            "membership_method",
            "TEXT",
            "STATIC, DYNAMIC_AUTOMATED, ...",
            "systemgroups.membershipMethod",
        ),
        Column("system_count", "BIGINT", "Number of devices in the group"),
        Column("user_count", "BIGINT", "Users bound to it, directly or through user groups"),
        Column(
            "member_query",
            "JSON",
            "Rule of a dynamic group",
            "systemgroups.memberQuery",
            is_added=True,
        ),
        Column(
            "member_exemptions",
            "JSON",
            "Devices exempt from the rule",
            "systemgroups.memberQueryExemptions",
            is_added=True,
        ),
        Column(
            "query_errors",
            "TEXT[]",
            "Errors of the rule: CYCLE, INVALID_GROUP_REFERENCE, ...",
            "systemgroups.memberQueryErrorFlags",
            is_added=True,
        ),
    ),
)


def has_mfa(user: str) -> str:
    """Return SQL that is TRUE for a user with MFA; `user` is the alias of the table of users.

    A user may have another factor than TOTP. An API that does not send the status of enrollment
    counts only TOTP.
    """
    return (
        f"CASE WHEN {user}.mfa_status IS NOT NULL THEN {user}.mfa_status = 'ENROLLED' "
        f"WHEN {user}.totp_enabled THEN TRUE ELSE {user}.mfa_configured END"
    )
