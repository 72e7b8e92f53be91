"""Tables of the data contract. Names and types never change. A new column is added last."""

from pipelines.schema.assets import (
    APPLICATIONS,
    IPV4_ADDRESSES,
    SYSTEM_GROUPS,
    SYSTEMS,
    USERS,
)
from pipelines.schema.columns import LOCAL_ACCOUNT_FLAGS
from pipelines.schema.graph import (
    ACCESS_DIFFERENCES,
    COMMANDS,
    POLICIES,
    POLICY_GROUPS,
    RADIUS_SERVERS,
    SUDO,
    TARGETS,
    USER_GROUP_MEMBERS,
    USER_GROUP_SYSTEM_BINDINGS,
    USER_GROUPS,
    USER_SYSTEM_BINDINGS,
)
from pipelines.schema.model import INTEGRATION, Column, Table
from pipelines.schema.reviews import REVIEW_TABLES

PATHS = (
    Column("direct", "BOOLEAN", "TRUE if a binding without a user group exists"),
    Column("via_user_group_ids", "TEXT[]", "User groups through which the user is bound"),
)
PATH_NAMES = Column(
    "via_user_group_names",
    "TEXT[]",
    "Names of those user groups; an id where the name is not known",
    is_added=True,
    has_changes=False,
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
        PATH_NAMES,
    ),
)

SYSTEM_GROUP_ASSOCIATIONS = Table(
    "system_group_associations",
    "Direct bindings of each system group, one row per target",
    key=("group_id", "target_type", "target_id"),
    endpoints=("systemgroups_associations",),
    references={"group_id": "system_groups"},
    personal=("target_id", "target_name"),
    columns=(
        INTEGRATION,
        Column("group_id", "TEXT", "System group", "systemgroups_associations.group_id"),
        Column("target_type", "TEXT", f"user, {', '.join(TARGETS)}"),
        Column("target_id", "TEXT", "Id of the target"),
        *SUDO,
        Column("attributes", "JSON", "sudo, LDAP and POSIX groups of the binding"),
        Column(
            "target_name",
            "TEXT",
            "Name of the target; its id if the name is not known",
            is_added=True,
            has_changes=False,
        ),
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
        PATH_NAMES,
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

SYSTEM_IP_ADDRESSES = Table(
    "system_ip_addresses",
    "IPv4 and IPv6 addresses of each device, one row per interface; `changes` leaves them out, "
    "because temporary IPv6 addresses change daily",
    key=("system_id", "interface", "address"),
    endpoints=("systems",),
    references={"system_id": "systems"},
    has_changes=False,
    personal=("address",),
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "Device", "systems._id"),
        Column("interface", "TEXT", "Name of the interface; empty if it has no name"),
        Column("address", "TEXT", "The address in its shortest form"),
        Column("family", "INTEGER", "4 or 6"),
        Column("scope", "TEXT", "private, public, cgnat or other"),
    ),
)

SYSTEM_LOCAL_ACCOUNTS = Table(
    "system_local_accounts",
    "Accounts that exist on each device, whether JumpCloud manages them or not",
    key=("system_id", "username"),
    endpoints=("systems",),
    references={"system_id": "systems"},
    personal=("username",),
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "Device", "systems._id"),
        Column("username", "TEXT", "Name of the account on the device"),
        *LOCAL_ACCOUNT_FLAGS,
    ),
)

CUSTOM_ATTRIBUTES = Table(
    "custom_attributes",
    "Custom attributes of systems and users; only those that the setting `custom_attributes` names",
    key=("asset_type", "asset_id", "name"),
    endpoints=("systems", "systemusers"),
    personal=("asset_id", "value"),
    columns=(
        INTEGRATION,
        Column("asset_type", "TEXT", "systems or users"),
        Column("asset_id", "TEXT", "System or user"),
        Column("name", "TEXT", "Name of the attribute"),
        Column("value", "TEXT", "Value of the attribute"),
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
        Column(
            "direct_bindings",
            "TEXT",
            "Bindings of users and user groups to single devices: read, or report if JumpCloud's "
            "report named the devices; off or not read if access counts system groups only; "
            "partial if only users or only user groups were read",
            is_added=True,
        ),
        Column(
            "report_at",
            "TIMESTAMPTZ",
            "Time at which the report of users and devices was requested that the latest pull used "
            "(`access_differences`); NULL if it used none",
            is_added=True,
        ),
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
    personal=("parent_id",),
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
    references={"snapshot_id": "snapshots"},
    personal=("asset_id", "old_value", "new_value"),
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

FINDING_HISTORY = Table(
    "finding_history",
    "Rows of the findings with their time: a row is opened by the first pull that finds it, and "
    "closed by the first one after it that asks the same and does not",
    key=("finding", "asset_type", "asset_id", "opened_at", "detail"),
    personal=("asset_id", "evidence", "asset_name", "detail"),
    columns=(
        INTEGRATION,
        Column("finding", "TEXT", "Name of the finding and of its view"),
        Column("asset_type", "TEXT", "Table that contains the asset"),
        Column("asset_id", "TEXT", "Id of the asset in that table"),
        Column("opened_at", "TIMESTAMPTZ", "Start of the pull that first found it"),
        Column("closed_at", "TIMESTAMPTZ", "Start of the pull that closed it; NULL while open"),
        Column("severity", "TEXT", "high, medium or low"),
        Column("evidence", "JSON", "Evidence when it was last found"),
        Column("asset_name", "TEXT", "Name of the asset when it was last found"),
        Column("detail", "TEXT", "Distinguishes several rows of an asset; empty if it has one"),
        Column("last_snapshot_id", "TEXT", "Latest snapshot in which it was found"),
    ),
)

ASSET_TABLES = (
    SYSTEMS,
    USERS,
    APPLICATIONS,
    IPV4_ADDRESSES,
    SYSTEM_GROUPS,
    USER_GROUPS,
    POLICIES,
    POLICY_GROUPS,
    COMMANDS,
    RADIUS_SERVERS,
)
RELATIONSHIP_TABLES = (
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_GROUP_ASSOCIATIONS,
    APPLICATION_USERS,
    SYSTEM_IPV4_ADDRESSES,
    SYSTEM_IP_ADDRESSES,
    SYSTEM_LOCAL_ACCOUNTS,
    USER_GROUP_MEMBERS,
    USER_SYSTEM_BINDINGS,
    USER_GROUP_SYSTEM_BINDINGS,
    ACCESS_DIFFERENCES,
    CUSTOM_ATTRIBUTES,
)
INVENTORY_TABLES = (*ASSET_TABLES, *RELATIONSHIP_TABLES)
RUN_TABLES = (INTEGRATIONS, SNAPSHOTS, CHANGES)
TABLES = {
    table.name: table
    for table in (*INVENTORY_TABLES, *RUN_TABLES, COMPLETENESS, FINDING_HISTORY, *REVIEW_TABLES)
}


def personal_columns(table: Table) -> set[str]:
    """Return the columns of a table that have personal data."""
    keys = {name: TABLES[target] for name, target in table.references.items()}
    references = {name for name, target in keys.items() if target.key[0] in target.personal}
    return {*table.personal, *references}


__all__ = [
    "ACCESS_DIFFERENCES",
    "APPLICATIONS",
    "APPLICATION_USERS",
    "ASSET_TABLES",
    "CHANGES",
    "COMMANDS",
    "COMPLETENESS",
    "CUSTOM_ATTRIBUTES",
    "FINDING_HISTORY",
    "INTEGRATION",
    "INTEGRATIONS",
    "INVENTORY_TABLES",
    "IPV4_ADDRESSES",
    "PATHS",
    "PATH_NAMES",
    "POLICIES",
    "POLICY_GROUPS",
    "RADIUS_SERVERS",
    "RELATIONSHIP_TABLES",
    "RUN_TABLES",
    "SNAPSHOTS",
    "SYSTEMS",
    "SYSTEM_GROUPS",
    "SYSTEM_GROUP_ASSOCIATIONS",
    "SYSTEM_GROUP_MEMBERS",
    "SYSTEM_GROUP_USERS",
    "SYSTEM_IPV4_ADDRESSES",
    "SYSTEM_IP_ADDRESSES",
    "SYSTEM_LOCAL_ACCOUNTS",
    "TABLES",
    "TARGETS",
    "USERS",
    "USER_GROUPS",
    "USER_GROUP_MEMBERS",
    "USER_GROUP_SYSTEM_BINDINGS",
    "USER_SYSTEM_BINDINGS",
    "personal_columns",
]
