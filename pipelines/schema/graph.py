"""Tables of the access graph outside system groups, and of names of the targets of groups."""

from pipelines.schema.model import INTEGRATION, Column, Table

# The endpoint also covers that of the systems: a pull reads one of the two.
USER_BINDINGS = "users_associations"
SYSTEM_BINDINGS = "systems_associations"
USER_GROUP_BINDINGS = "usergroups_associations"
USER_GROUP_MEMBERSHIPS = "usergroups_members"

SUDO = (
    Column("sudo", "BOOLEAN", "TRUE if sudo is granted; NULL if not set"),
    Column("sudo_without_password", "BOOLEAN", "TRUE if sudo is granted without a password"),
)
USER_GROUP_NAME = Column(
    "user_group_name", "TEXT", "Name of the user group, or its id", has_changes=False
)

USER_GROUPS = Table(
    "user_groups",
    "User groups of the organization",
    key=("user_group_id",),
    endpoints=("usergroups",),
    is_asset=True,
    labels=("name",),
    personal=("member_exemptions",),
    columns=(
        INTEGRATION,
        Column("user_group_id", "TEXT", "JumpCloud's id of the group", "usergroups.id"),
        Column("name", "TEXT", "Name, not necessarily unique", "usergroups.name"),
        Column("description", "TEXT", "Description", "usergroups.description"),
        Column(
            "membership_method",
            "TEXT",
            "STATIC, DYNAMIC_AUTOMATED, ...",
            "usergroups.membershipMethod",
        ),
        Column("member_query", "JSON", "Rule of a dynamic group", "usergroups.memberQuery"),
        Column(
            "member_exemptions",
            "JSON",
            "Users exempt from the rule",
            "usergroups.memberQueryExemptions",
        ),
        Column(
            "query_errors",
            "TEXT[]",
            "Errors of the rule: CYCLE, INVALID_GROUP_REFERENCE, ...",
            "usergroups.memberQueryErrorFlags",
        ),
        Column(
            "user_count",
            "BIGINT",
            "Number of users in the group; NULL if members are not pulled",
            endpoints=(USER_GROUP_MEMBERSHIPS,),
        ),
    ),
)


def _named(
    name: str, key: str, description: str, endpoint: str, id_field: str, *columns: Column
) -> Table:
    """Return a table of things that system groups are bound to."""
    noun = description[0].lower() + description[1:]
    return Table(
        name,
        f"{description} of the organization",
        key=(key,),
        endpoints=(endpoint,),
        is_asset=True,
        labels=("name",),
        columns=(
            INTEGRATION,
            Column(key, "TEXT", f"JumpCloud's id, one of the {noun}", f"{endpoint}.{id_field}"),
            Column("name", "TEXT", "Name, not necessarily unique", f"{endpoint}.name"),
            *columns,
        ),
    )


POLICIES = _named(
    "policies",
    "policy_id",
    "Policies",
    "policies",
    "id",
    Column("template_name", "TEXT", "Name of the template", "policies.template"),
    Column("os_family", "TEXT", "windows, darwin, linux, ...", "policies.template"),
)
POLICY_GROUPS = _named(
    "policy_groups",
    "policy_group_id",
    "Policy groups",
    "policygroups",
    "id",
    Column("description", "TEXT", "Description", "policygroups.description"),
)
COMMANDS = _named(
    "commands",
    "command_id",
    "Commands",
    "commands",
    "_id",
    Column("command_type", "TEXT", "linux, mac or windows", "commands.commandType"),
    Column("launch_type", "TEXT", "manual, trigger, repeated, ...", "commands.launchType"),
    Column("trigger", "TEXT", "Name of the trigger", "commands.trigger"),
    Column("sudo", "BOOLEAN", "TRUE if it runs with sudo", "commands.sudo"),
)
RADIUS_SERVERS = _named(
    "radius_servers",
    "radius_server_id",
    "RADIUS servers",
    "radiusservers",
    "_id",
    Column("network_source_ip", "TEXT", "Address of the server", "radiusservers.networkSourceIp"),
)

USER_GROUP_MEMBERS = Table(
    "user_group_members",
    "Users in each user group",
    key=("user_group_id", "user_id"),
    endpoints=(USER_GROUP_MEMBERSHIPS,),
    references={"user_group_id": "user_groups", "user_id": "users"},
    columns=(
        INTEGRATION,
        Column("user_group_id", "TEXT", "User group", "usergroups_members.user_group_id"),
        Column("user_id", "TEXT", "User", "usergroups_members.to"),
        USER_GROUP_NAME,
    ),
)
USER_SYSTEM_BINDINGS = Table(
    "user_system_bindings",
    "Users bound directly to a device, without any group; read per user or per device "
    "(`systems_associations`), whichever are fewer",
    key=("user_id", "system_id"),
    endpoints=(USER_BINDINGS,),
    references={"user_id": "users", "system_id": "systems"},
    columns=(
        INTEGRATION,
        Column("user_id", "TEXT", "User", "users_associations.user_id"),
        Column("system_id", "TEXT", "Device", "users_associations.to"),
        *SUDO,
    ),
)
USER_GROUP_SYSTEM_BINDINGS = Table(
    "user_group_system_bindings",
    "User groups bound directly to a device, without a system group",
    key=("user_group_id", "system_id"),
    endpoints=(USER_GROUP_BINDINGS,),
    references={"user_group_id": "user_groups", "system_id": "systems"},
    columns=(
        INTEGRATION,
        Column("user_group_id", "TEXT", "User group", "usergroups_associations.user_group_id"),
        Column("system_id", "TEXT", "Device", "usergroups_associations.to"),
        Column("sudo", "BOOLEAN", "TRUE if the binding or the group grants sudo; NULL if not set"),
        Column("sudo_without_password", "BOOLEAN", "TRUE if one of them requires no password"),
        USER_GROUP_NAME,
    ),
)
ACCESS_DIFFERENCES = Table(
    "access_differences",
    "Pairs of device and user that only one of two witnesses has: the pull, or JumpCloud's own "
    "report of users and devices; empty if the pull used no report "
    "(`direct_bindings`, `request_reports`)",
    key=("system_id", "user_id", "witness"),
    has_changes=False,
    personal=("user_id", "system_name", "user_name"),
    columns=(
        INTEGRATION,
        Column("system_id", "TEXT", "Device, which may be in no list"),
        Column("user_id", "TEXT", "User, who may be in no list"),
        Column("witness", "TEXT", "Witness that has the pair: pull or report"),
        Column("report_at", "TIMESTAMPTZ", "Time at which the report was requested"),
        Column("pulled_at", "TIMESTAMPTZ", "Start of the pull"),
        Column("explanation", "TEXT", "Kind of the difference"),
        Column("system_name", "TEXT", "Name of the device, or its id"),
        Column("user_name", "TEXT", "Name of the user, or the id"),
    ),
)
# Tables with the names of the targets of a system group, by the type of the target.
TARGETS = {
    "user_group": USER_GROUPS,
    "policy": POLICIES,
    "policy_group": POLICY_GROUPS,
    "command": COMMANDS,
    "radius_server": RADIUS_SERVERS,
}
