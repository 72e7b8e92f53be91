"""The data contract: every table and view that a published inventory holds.

Names and types here are promises: they never change; columns may be added after the last one.
"""

from pipelines.schema.model import Column, Table

INTEGRATION = Column("integration", "TEXT", "Name of the integration that the row belongs to")
RESOLVED = Column("resolved", "BOOLEAN", "FALSE: the graph names the id, but no list holds it")
HOLDERS = ("applications_users",)
SUDO = (
    Column("sudo", "BOOLEAN", "Whether sudo is granted; NULL where nothing is said of it"),
    Column("sudo_without_password", "BOOLEAN", "Whether sudo is granted without a password"),
)
PATHS = (
    Column("direct", "BOOLEAN", "Whether a binding without a user group between exists"),
    Column("via_user_group_ids", "TEXT[]", "User groups through which the user is bound"),
)

SYSTEMS = Table(
    "systems",
    "Devices of the organization, as of its latest complete pull",
    key=("system_id",),
    endpoints=("systems",),
    is_asset=True,
    label="hostname",
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "JumpCloud's id of the device", "systems._id"),
        Column("hostname", "TEXT", "Host name reported by the agent", "systems.hostname"),
        Column("display_name", "TEXT", "Name shown in JumpCloud", "systems.displayName"),
        Column("os", "TEXT", "Operating system as JumpCloud names it", "systems.os"),
        Column("os_family", "TEXT", "windows, darwin, linux, ...", "systems.osFamily"),
        Column("os_version", "TEXT", "Version of the operating system", "systems.version"),
        Column("arch", "TEXT", "Processor architecture", "systems.arch"),
        Column("serial_number", "TEXT", "Serial number of the hardware", "systems.serialNumber"),
        Column("agent_version", "TEXT", "Version of JumpCloud's agent", "systems.agentVersion"),
        Column("active", "BOOLEAN", "Whether it checked in recently", "systems.active"),
        Column("created_at", "TIMESTAMPTZ", "When it was enrolled", "systems.created"),
        Column("last_contact_at", "TIMESTAMPTZ", "Last check-in", "systems.lastContact"),
        Column("public_ip", "TEXT", "Where JumpCloud saw it, often a NAT", "systems.remoteIP"),
        Column("ipv4_addresses", "TEXT[]", "Addresses of its own interfaces"),
        Column("disk_encrypted", "BOOLEAN", "Whether full disk encryption is on", "systems.fde"),
        Column(
            "mfa_enabled",
            "BOOLEAN",
            "Whether multi-factor login is allowed",
            "systems.allowMultiFactorAuthentication",
        ),
        Column(
            "ssh_root_login",
            "BOOLEAN",
            "Whether root may log in by SSH",
            "systems.allowSshRootLogin",
        ),
        Column(
            "ssh_password_login",
            "BOOLEAN",
            "Whether SSH accepts passwords",
            "systems.allowSshPasswordAuthentication",
        ),
        Column("mdm_vendor", "TEXT", "Who manages it by MDM", "systems.mdm"),
        Column("primary_user_id", "TEXT", "Its primary user", "systems.primarySystemUser"),
        Column("group_ids", "TEXT[]", "System groups it is a member of"),
        Column("group_names", "TEXT[]", "Names of those groups"),
        Column("user_count", "BIGINT", "Distinct users who reach it through its groups"),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications those users hold; NULL when applications are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
        Column(
            "policies_total",
            "BIGINT",
            "Policies bound to it",
            "systems.policyStats",
            is_added=True,
        ),
        Column(
            "policies_failed",
            "BIGINT",
            "Policies that fail on it",
            "systems.policyStats",
            is_added=True,
        ),
    ),
)

USERS = Table(
    "users",
    "Users of the organization, as of its latest complete pull",
    key=("user_id",),
    endpoints=("systemusers",),
    is_asset=True,
    label="username",
    columns=(
        INTEGRATION,
        Column("user_id", "TEXT", "JumpCloud's id of the user", "systemusers._id"),
        Column("username", "TEXT", "Login name", "systemusers.username"),
        Column("email", "TEXT", "Company e-mail address", "systemusers.email"),
        Column("display_name", "TEXT", "Name shown in JumpCloud", "systemusers.displayname"),
        Column("first_name", "TEXT", "First name", "systemusers.firstname"),
        Column("last_name", "TEXT", "Last name", "systemusers.lastname"),
        Column("state", "TEXT", "STAGED, ACTIVATED or SUSPENDED", "systemusers.state"),
        Column("activated", "BOOLEAN", "Whether a password was set", "systemusers.activated"),
        Column("suspended", "BOOLEAN", "Whether it is suspended", "systemusers.suspended"),
        Column(
            "account_locked",
            "BOOLEAN",
            "Whether wrong passwords locked it",
            "systemusers.account_locked",
        ),
        Column("mfa_configured", "BOOLEAN", "Whether MFA is set up", "systemusers.mfa"),
        Column("totp_enabled", "BOOLEAN", "Whether TOTP is on", "systemusers.totp_enabled"),
        Column(
            "global_admin",
            "BOOLEAN",
            "sudo on every device it reaches, whatever its groups say",
            "systemusers.sudo",
        ),
        Column(
            "passwordless_sudo",
            "BOOLEAN",
            "Whether that sudo asks for no password",
            "systemusers.passwordless_sudo",
        ),
        Column("department", "TEXT", "Department", "systemusers.department"),
        Column("job_title", "TEXT", "Job title", "systemusers.jobTitle"),
        Column("company", "TEXT", "Company", "systemusers.company"),
        Column("location", "TEXT", "Location", "systemusers.location"),
        Column("employee_id", "TEXT", "Employee number", "systemusers.employeeIdentifier"),
        Column("employee_type", "TEXT", "Kind of employment", "systemusers.employeeType"),
        Column("manager_id", "TEXT", "User id of the manager", "systemusers.manager"),
        Column(
            "password_expired",
            "BOOLEAN",
            "Whether the password has expired",
            "systemusers.password_expired",
        ),
        Column(
            "password_never_expires",
            "BOOLEAN",
            "Whether the password never expires",
            "systemusers.password_never_expires",
        ),
        Column("created_at", "TIMESTAMPTZ", "When it was created", "systemusers.created"),
        Column("system_group_ids", "TEXT[]", "System groups whose devices it may use"),
        Column("system_count", "BIGINT", "Distinct devices it reaches through those groups"),
        Column(
            "application_count",
            "BIGINT",
            "Distinct applications it holds; NULL when applications are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
    ),
)

APPLICATIONS = Table(
    "applications",
    "SSO applications of the organization, as of its latest complete pull",
    key=("application_id",),
    endpoints=("applications",),
    is_asset=True,
    label="display_label",
    columns=(
        INTEGRATION,
        Column("application_id", "TEXT", "JumpCloud's id", "applications._id"),
        Column("name", "TEXT", "Name of the template", "applications.name"),
        Column("display_name", "TEXT", "Name of the product", "applications.displayName"),
        Column("display_label", "TEXT", "Name the admin gave", "applications.displayLabel"),
        Column("sso_type", "TEXT", "saml, oidc, ...", "applications.sso"),
        Column("sso_url", "TEXT", "Where sign-on starts", "applications.ssoUrl"),
        Column("active", "BOOLEAN", "Whether it is switched on", "applications.active"),
        Column("created_at", "TIMESTAMPTZ", "When it was added", "applications.created"),
        Column(
            "user_count",
            "BIGINT",
            "Distinct users who hold it; NULL when its users are not pulled",
            endpoints=HOLDERS,
        ),
        Column(
            "system_count",
            "BIGINT",
            "Distinct devices those users reach; NULL when they are not pulled",
            endpoints=HOLDERS,
        ),
        RESOLVED,
    ),
)

IPV4_ADDRESSES = Table(
    "ipv4_addresses",
    "IPv4 addresses on the devices' own interfaces",
    key=("address",),
    endpoints=("systems",),
    is_asset=True,
    label="address",
    columns=(
        INTEGRATION,
        Column("address", "TEXT", "The address in dotted form"),
        Column("scope", "TEXT", "private, public, cgnat or other"),
        Column("system_ids", "TEXT[]", "Devices that have it"),
        Column("system_count", "BIGINT", "Number of those devices"),
        Column("interfaces", "TEXT[]", "Names of the interfaces that have it"),
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
        Column("name", "TEXT", "Name; need not be unique", "systemgroups.name"),
        Column("description", "TEXT", "Description", "systemgroups.description"),
        Column("email", "TEXT", "E-mail address", "systemgroups.email"),
        Column(
            "membership_method",
            "TEXT",
            "STATIC, DYNAMIC_AUTOMATED, ...",
            "systemgroups.membershipMethod",
        ),
        Column("system_count", "BIGINT", "Number of its members"),
        Column("user_count", "BIGINT", "Number of users bound to it, direct or inherited"),
    ),
)

SYSTEM_GROUP_MEMBERS = Table(
    "system_group_members",
    "Which device is a member of which system group",
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
    "Which user is bound to which system group, direct or through user groups",
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
    "Direct bindings of a system group, one row per target",
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
    "Which user holds which application, direct or through user groups",
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
    "Which device has which IPv4 address on which interface",
    key=("system_id", "interface", "address"),
    endpoints=("systems",),
    references={"system_id": "systems", "address": "ipv4_addresses"},
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "Device", "systems._id"),
        Column("interface", "TEXT", "Name of the interface; empty where it has none"),
        Column("address", "TEXT", "The address in dotted form"),
    ),
)

INTEGRATIONS = Table(
    "integrations",
    "Integrations that have published, and what their latest pull found",
    key=(),
    columns=(
        INTEGRATION,
        Column("type", "TEXT", "The product pulled"),
        Column("scope", "TEXT", "cloud, or on_premise: reached through a proxy"),
        Column("description", "TEXT", "Description from the settings"),
        Column("region", "TEXT", "us, eu or in"),
        Column("enabled", "BOOLEAN", "Whether the schedule ran it at the latest published pull"),
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
    ),
)

SNAPSHOTS = Table(
    "snapshots",
    "Published pulls, one row each",
    key=("snapshot_id",),
    columns=(
        INTEGRATION,
        Column("snapshot_id", "TEXT", "UTC start of the pull, made unique"),
        Column("run_id", "TEXT", "Dagster run that published it"),
        Column("started_at", "TIMESTAMPTZ", "Start of the pull"),
        Column("finished_at", "TIMESTAMPTZ", "End of the pull"),
        Column("api_calls", "BIGINT", "Calls sent to JumpCloud, retries included"),
        Column("api_retries", "BIGINT", "Calls that were sent again"),
        Column("throttled", "BIGINT", "Answers 429"),
        Column("rows", "JSON", "Number of rows per table"),
        Column(
            "completeness", "JSON", "Per endpoint: proof, lists, expected, received, holes, ..."
        ),
    ),
)

COMPLETENESS = Table(
    "completeness",
    "How each list of the latest pull was proven to be read to its end",
    key=("endpoint", "parent_id", "target"),
    columns=(
        INTEGRATION,
        Column("endpoint", "TEXT", "Endpoint that was read"),
        Column("parent_id", "TEXT", "Group or application whose list it is; empty for none"),
        Column("target", "TEXT", "Types of targets asked for; empty for none"),
        Column(
            "proof",
            "TEXT",
            "total, overlap, empty page or not found: see docs/explanation/completeness.md",
        ),
        Column("expected", "BIGINT", "Records that the API announced last"),
        Column("received", "BIGINT", "Distinct records received"),
        Column("holes", "BIGINT", "Announced but not delivered: deleted members"),
        Column("duplicates", "BIGINT", "Dropped because they were there already"),
        Column("pages", "BIGINT", "Pages read"),
        Column("rereads", "BIGINT", "Readings thrown away, or pages read again"),
    ),
)

CHANGES = Table(
    "changes",
    "What changed between consecutive snapshots of an integration",
    key=("snapshot_id", "asset_type", "asset_id", "column_name"),
    columns=(
        INTEGRATION,
        Column("snapshot_id", "TEXT", "Snapshot that first shows the change"),
        Column("asset_type", "TEXT", "Table that the changed row belongs to"),
        Column("asset_id", "TEXT", "Key of the row; parts joined by a slash"),
        Column("column_name", "TEXT", "Changed column; empty for added and removed"),
        Column("observed_at", "TIMESTAMPTZ", "Start of that snapshot's pull"),
        Column("change", "TEXT", "added, removed or changed"),
        Column("old_value", "JSON", "Value before; the whole row for removed"),
        Column("new_value", "JSON", "Value after; the whole row for added"),
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
