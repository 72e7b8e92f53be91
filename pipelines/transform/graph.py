"""Transforms of the access graph outside system groups, and of names of the targets of groups.

The rule of a dynamic group is JSON text; its errors are a list.
"""

from pipelines.schema import graph as contract
from pipelines.schema.assets import SYSTEMS, USERS
from pipelines.transform.transform import Transform

# Columns of the rule of a dynamic group.
RULE = """
    memberQuery AS member_query, memberQueryExemptions AS member_exemptions,
    as_set(CASE WHEN json_type(memberQueryErrorFlags) = 'ARRAY'
        THEN memberQueryErrorFlags ->> '$[*]' END) AS query_errors
"""

USER_GROUPS = Transform(
    contract.USER_GROUPS,
    inputs=("jumpcloud.usergroups", "jumpcloud.usergroups_members", "jumpcloud.completeness"),
    sql=f"""
WITH members AS (
    SELECT user_group_id, count(*) AS user_count FROM jumpcloud.usergroups_members
    WHERE "to".type = 'user' GROUP BY user_group_id
)
SELECT $integration AS integration, id AS user_group_id, text_of(name) AS name,
    text_of(description) AS description, text_of(membershipMethod) AS membership_method, {RULE},
    CASE WHEN EXISTS (
        FROM jumpcloud.completeness WHERE endpoint = '{contract.USER_GROUP_MEMBERSHIPS}'
    ) THEN coalesce(user_count, 0) END AS user_count
FROM jumpcloud.usergroups AS groups LEFT JOIN members ON members.user_group_id = groups.id
""",
)

POLICIES = Transform(
    contract.POLICIES,
    inputs=("jumpcloud.policies",),
    sql="""
SELECT $integration AS integration, id AS policy_id, text_of(name) AS name,
    text_of(template.name) AS template_name, text_of(template.osMetaFamily) AS os_family
FROM jumpcloud.policies
""",
)

POLICY_GROUPS = Transform(
    contract.POLICY_GROUPS,
    inputs=("jumpcloud.policygroups",),
    sql="""
SELECT $integration AS integration, id AS policy_group_id, text_of(name) AS name,
    text_of(description) AS description
FROM jumpcloud.policygroups
""",
)

COMMANDS = Transform(
    contract.COMMANDS,
    inputs=("jumpcloud.commands",),
    sql="""
SELECT $integration AS integration, _id AS command_id, text_of(name) AS name,
    text_of(commandType) AS command_type, text_of(launchType) AS launch_type,
    text_of("trigger") AS "trigger", sudo
FROM jumpcloud.commands
""",
)

RADIUS_SERVERS = Transform(
    contract.RADIUS_SERVERS,
    inputs=("jumpcloud.radiusservers",),
    sql="""
SELECT $integration AS integration, _id AS radius_server_id, text_of(name) AS name,
    text_of(networkSourceIp) AS network_source_ip
FROM jumpcloud.radiusservers
""",
)

USER_GROUP_MEMBERS = Transform(
    contract.USER_GROUP_MEMBERS,
    inputs=("jumpcloud.usergroups_members", "user_groups"),
    sql=f"""
SELECT $integration AS integration, user_group_id, "to".id AS user_id,
    {contract.USER_GROUPS.display_name("user_groups")} AS user_group_name
FROM jumpcloud.usergroups_members JOIN user_groups USING (user_group_id)
WHERE "to".type = 'user'
""",
)

# A pull reads one of the two lists, or some devices in addition to those of a report.
USER_SYSTEM_BINDINGS = Transform(
    contract.USER_SYSTEM_BINDINGS,
    inputs=("jumpcloud.users_associations", "jumpcloud.systems_associations"),
    sql="""
WITH bindings AS (
    SELECT user_id, "to".id AS system_id, attributes.sudo AS sudo
    FROM jumpcloud.users_associations WHERE "to".type = 'system'
    UNION ALL
    SELECT "to".id, system_id, attributes.sudo
    FROM jumpcloud.systems_associations WHERE "to".type = 'user'
)
SELECT $integration AS integration, user_id, system_id, bool_or(sudo.enabled) AS sudo,
    bool_or(sudo.enabled AND sudo.withoutPassword) AS sudo_without_password
FROM bindings GROUP BY ALL
""",
)

ACCESS_DIFFERENCES = Transform(
    contract.ACCESS_DIFFERENCES,
    inputs=("jumpcloud.access_differences", "systems", "users"),
    sql=f"""
SELECT $integration AS integration, differences.system_id, differences.user_id, witness,
    report_at, pulled_at, explanation,
    coalesce({SYSTEMS.display_name("systems")}, differences.system_id) AS system_name,
    coalesce({USERS.display_name("users")}, differences.user_id) AS user_name
FROM jumpcloud.access_differences AS differences
LEFT JOIN systems USING (system_id) LEFT JOIN users USING (user_id)
""",
)

# A user group may have sudo of its own, on every device that it is bound to.
USER_GROUP_SYSTEM_BINDINGS = Transform(
    contract.USER_GROUP_SYSTEM_BINDINGS,
    inputs=("jumpcloud.usergroups", "jumpcloud.usergroups_associations", "user_groups"),
    sql=f"""
WITH bindings AS (
    SELECT user_group_id, "to".id AS system_id,
        [groups.attributes.sudo, bindings.attributes.sudo] AS grants,
        {contract.USER_GROUPS.display_name("user_groups")} AS user_group_name
    FROM jumpcloud.usergroups_associations AS bindings
    JOIN user_groups USING (user_group_id)
    JOIN jumpcloud.usergroups AS groups ON groups.id = user_group_id
    WHERE "to".type = 'system'
)
SELECT $integration AS integration, user_group_id, system_id,
    list_bool_or(list_transform(grants, lambda sudo: sudo.enabled)) AS sudo,
    list_bool_or(list_transform(grants, lambda sudo: sudo.enabled AND sudo.withoutPassword))
        AS sudo_without_password,
    user_group_name
FROM bindings
""",
)
