"""Tables of the data contract. Names and types never change. A new column is added last."""

from pipelines.schema.model import Column, Table

INTEGRATION = Column("integration", "TEXT", "Name of the integration that the row belongs to")
RESOLVED = Column("resolved", "BOOLEAN", "FALSE if only a group or application contains the id")
HOLDERS = ("applications_users",)
SUDO = (
    Column("sudo", "BOOLEAN", "TRUE if sudo is granted; NULL if not set"),
    Column("sudo_without_password", "BOOLEAN", "TRUE if sudo is granted without a password"),
)
PATHS = (
    Column("direct", "BOOLEAN", "TRUE if a binding without a user group exists"),
    Column("via_user_group_ids", "TEXT[]", "User groups through which the user is bound"),
)

SYSTEMS = Table(
    "systems",
    "Devices of the organization, from its latest complete pull",
    key=("system_id",),
    endpoints=("systems",),
    is_asset=True,
    label="hostname",
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "JumpCloud's id of the device", "systems._id"),
        Column("hostname", "TEXT", "Host name reported by the agent", "systems.hostname"),
        Column("display_name", "TEXT", "Name shown in JumpCloud", "systems.displayName"),
        Column("os", "TEXT", "Operating system, as named by JumpCloud", "systems.os"),
        Column("os_family", "TEXT", "windows, darwin, linux, ...", "systems.osFamily"),
        Column("os_version", "TEXT", "Version of the operating system", "systems.version"),
        Column("arch", "TEXT", "Processor architecture", "systems.arch"),
        Column("serial_number", "TEXT", "Serial number of the hardware", "systems.serialNumber"),
        Column("agent_version", "TEXT", "Version of the JumpCloud agent", "systems.agentVersion"),
        Column("active", "BOOLEAN", "TRUE if it checked in recently", "systems.active"),
        Column("created_at", "TIMESTAMPTZ", "Time of enrollment", "systems.created"),
        Column("last_contact_at", "TIMESTAMPTZ", "Last check-in", "systems.lastContact"),
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
            "TRUE if root can log in with SSH",
            "systems.allowSshRootLogin",
        ),
        Column(
            "ssh_password_login",
            "BOOLEAN",
            "TRUE if SSH accepts passwords",
            "systems.allowSshPasswordAuthentication",
        ),
        Column("mdm_vendor", "TEXT", "MDM vendor that manages it", "systems.mdm"),
        Column("primary_user_id", "TEXT", "Primary user", "systems.primarySystemUser"),
        Column("group_ids", "TEXT[]", "System groups that contain the device"),
        Column("group_names", "TEXT[]", "Names of those groups"),
        Column("user_count", "BIGINT", "Distinct users with access through its groups"),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications of those users; NULL if applications are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
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
    ),
)

USERS = Table(
    "users",
    "Users of the organization, from its latest complete pull",
    key=("user_id",),
    endpoints=("systemusers",),
    is_asset=True,
    label="username",
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
        Column("mfa_configured", "BOOLEAN", "TRUE if MFA is set up", "systemusers.mfa"),
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
        Column("created_at", "TIMESTAMPTZ", "Time of creation", "systemusers.created"),
        Column("system_group_ids", "TEXT[]", "System groups that the user is bound to"),
        Column("system_count", "BIGINT", "Distinct devices in those groups"),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications with access; NULL if applications are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
    ),
)

APPLICATIONS = Table(
    "applications",
    "SSO applications of the organization, from its latest complete pull",
    key=("application_id",),
    endpoints=("applications",),
    is_asset=True,
    label="display_label",
    columns=(
        INTEGRATION,
        Column("application_id", "TEXT", "JumpCloud's id of the application", "applications._id"),
        Column("name", "TEXT", "Name of the template", "applications.name"),
        Column("display_name", "TEXT", "Name of the product", "applications.displayName"),
        Column("display_label", "TEXT", "Name given by the admin", "applications.displayLabel"),
        Column("sso_type", "TEXT", "saml, oidc, ...", "applications.sso"),
        Column("sso_url", "TEXT", "URL of the login", "applications.ssoUrl"),
        Column("active", "BOOLEAN", "TRUE if it is enabled", "applications.active"),
        Column("created_at", "TIMESTAMPTZ", "Time of creation", "applications.created"),
        Column(
            "user_count",
            "BIGINT",
            "Distinct users with access; NULL if application users are not pulled",
            endpoints=HOLDERS,
        ),
        Column(
            "system_count",
            "BIGINT",
            "Distinct devices of those users; NULL if application users are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
    ),
)

IPV4_ADDRESSES = Table(
    "ipv4_addresses",
    "IPv4 addresses of the devices' interfaces",
    key=("address",),
    endpoints=("systems",),
    is_asset=True,
    label="address",
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
    label="name",
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
    ),
)

SYSTEM_GROUP_MEMBERS = Table(
    "system_group_members",
    "Devices in each system group",
    key=("group_id", "system_id"),
    endpoints=("systemgroups_members",),
    references={"group_id": "system_groups", "system_id": "systems"},
    columns=(
        INTEGRATION,
        Column("group_id", "TEXT", "System group", "systemgroups_members.group_id"),
        Column("system_id", "TEXT", "Device", "systemgroups_members.to"),
    ),
)

SYSTEM_GROUP_USERS = Table(
    "system_group_users",
    "Users bound to each system group, directly or through user groups",
    key=("group_id", "user_id"),
    endpoints=("systemgroups_users",),
    references={"group_id": "system_groups", "user_id": "users"},
    columns=(
        INTEGRATION,
        Column("group_id", "TEXT", "System group", "systemgroups_users.group_id"),
        Column("user_id", "TEXT", "User", "systemgroups_users.id"),
        *PATHS,
        *SUDO,
    ),
)

SYSTEM_GROUP_ASSOCIATIONS = Table(
    "system_group_associations",
    "Direct bindings of each system group, one row per target",
    key=("group_id", "target_type", "target_id"),
    endpoints=("systemgroups_associations",),
    references={"group_id": "system_groups"},
    columns=(
        INTEGRATION,
        Column("group_id", "TEXT", "System group", "systemgroups_associations.group_id"),
        Column("target_type", "TEXT", "user, user_group, policy, policy_group or command"),
        Column("target_id", "TEXT", "Id of the target"),
        *SUDO,
        Column("attributes", "JSON", "sudo, LDAP and POSIX groups of the binding"),
    ),
)

APPLICATION_USERS = Table(
    "application_users",
    "Users of each application, bound directly or through user groups",
    key=("application_id", "user_id"),
    endpoints=("applications_users",),
    references={"application_id": "applications", "user_id": "users"},
    columns=(
        INTEGRATION,
        Column("application_id", "TEXT", "Application", "applications_users.application_id"),
        Column("user_id", "TEXT", "User", "applications_users.id"),
        *PATHS,
    ),
)

SYSTEM_IPV4_ADDRESSES = Table(
    "system_ipv4_addresses",
    "IPv4 addresses of each device, one row per interface",
    key=("system_id", "interface", "address"),
    endpoints=("systems",),
    references={"system_id": "systems", "address": "ipv4_addresses"},
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "Device", "systems._id"),
        Column("interface", "TEXT", "Name of the interface; empty if it has no name"),
        Column("address", "TEXT", "The address in dotted form"),
    ),
)

INTEGRATIONS = Table(
    "integrations",
    "Integrations with a published pull, with totals from the latest one",
    key=(),
    columns=(
        INTEGRATION,
        Column("type", "TEXT", "Product that is pulled"),
        Column("scope", "TEXT", "cloud, or on_premise if reached through a proxy"),
        Column("description", "TEXT", "Description from the settings"),
        Column("region", "TEXT", "us, eu or in"),
        Column("enabled", "BOOLEAN", "TRUE if the settings of the last publication schedule it"),
        Column(
            "organization_id", "TEXT", "JumpCloud's id of the organization", "organizations._id"
        ),
        Column(
            "organization_name", "TEXT", "Name of the organization", "organizations.displayName"
        ),
        Column("last_snapshot_id", "TEXT", "Latest published snapshot"),
        Column("last_success_at", "TIMESTAMPTZ", "End of the latest published pull"),
        Column("systems", "BIGINT", "Number of systems"),
        Column("users", "BIGINT", "Number of users"),
        Column("applications", "BIGINT", "Number of applications"),
        Column("ipv4_addresses", "BIGINT", "Number of IPv4 addresses"),
        Column("head_sha256", "TEXT", "SHA-256 of the latest manifest", is_added=True),
        Column("configured", "BOOLEAN", "FALSE if taken out of the settings", is_added=True),
    ),
)

SNAPSHOTS = Table(
    "snapshots",
    "Published pulls",
    key=("snapshot_id",),
    columns=(
        INTEGRATION,
        Column("snapshot_id", "TEXT", "UTC start of the pull, made unique"),
        Column("run_id", "TEXT", "Dagster run that published it"),
        Column("started_at", "TIMESTAMPTZ", "Start of the pull"),
        Column("finished_at", "TIMESTAMPTZ", "End of the pull"),
        Column("api_calls", "BIGINT", "Calls sent to JumpCloud, including retries"),
        Column("api_retries", "BIGINT", "Calls that were retried"),
        Column("throttled", "BIGINT", "Responses with status 429"),
        Column("rows", "JSON", "Number of rows by table"),
        Column("completeness", "JSON", "By endpoint: proof, lists, expected, received, holes, ..."),
    ),
)

COMPLETENESS = Table(
    "completeness",
    "Proof that each list of the latest pull was read completely",
    key=("endpoint", "parent_id", "target"),
    columns=(
        INTEGRATION,
        Column("endpoint", "TEXT", "Endpoint that was read"),
        Column("parent_id", "TEXT", "Group or application that owns the list; empty if none"),
        Column("target", "TEXT", "Requested target types; empty if none"),
        Column(
            "proof",
            "TEXT",
            "total, overlap, empty page or not found: see docs/explanation/completeness.md",
        ),
        Column("expected", "BIGINT", "Total that the API last reported"),
        Column("received", "BIGINT", "Distinct records received"),
        Column("holes", "BIGINT", "Reported but not returned: deleted members"),
        Column("duplicates", "BIGINT", "Duplicate records that were dropped"),
        Column("pages", "BIGINT", "Pages read"),
        Column("rereads", "BIGINT", "Discarded attempts and pages that were read again"),
    ),
)

CHANGES = Table(
    "changes",
    "Changes between consecutive snapshots of an integration",
    key=("snapshot_id", "asset_type", "asset_id", "column_name"),
    columns=(
        INTEGRATION,
        Column("snapshot_id", "TEXT", "First snapshot that contains the change"),
        Column("asset_type", "TEXT", "Table that contains the changed row"),
        Column("asset_id", "TEXT", "Key of the row, parts joined with a slash"),
        Column("column_name", "TEXT", "Changed column; empty for added and removed rows"),
        Column("observed_at", "TIMESTAMPTZ", "Start of that snapshot's pull"),
        Column("change", "TEXT", "added, removed or changed"),
        Column("old_value", "JSON", "Previous value; the whole row for removed"),
        Column("new_value", "JSON", "New value; the whole row for added"),
    ),
)

ASSET_TABLES = (SYSTEMS, USERS, APPLICATIONS, IPV4_ADDRESSES, SYSTEM_GROUPS)
RELATIONSHIP_TABLES = (
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_GROUP_ASSOCIATIONS,
    APPLICATION_USERS,
    SYSTEM_IPV4_ADDRESSES,
)
INVENTORY_TABLES = (*ASSET_TABLES, *RELATIONSHIP_TABLES)
RUN_TABLES = (INTEGRATIONS, SNAPSHOTS, CHANGES)
TABLES = {table.name: table for table in (*INVENTORY_TABLES, *RUN_TABLES, COMPLETENESS)}
