"""Transforms of relationships: the edges of JumpCloud's graph as tables.

A path of length 1 is a direct binding; a longer path goes through user groups
(docs/reference/jumpcloud-api.md, section 4).
"""

from pipelines.schema import tables as contract
from pipelines.transform.transform import Transform

_VIA_USER_GROUPS = """
    coalesce(list_bool_or(list_transform(paths, lambda path: len(path) = 1)), FALSE) AS direct,
    as_set(list_transform(
        list_filter(flatten(list_filter(paths, lambda path: len(path) > 1)),
                    lambda edge: edge."to".type = 'user_group'),
        lambda edge: edge."to".id)) AS via_user_group_ids
"""


def _with_names(bindings: str) -> str:
    """Return a query that adds the names of the user groups to the bindings of users.

    There are few different lists of user groups: the names of a list are looked up once.
    """
    return f"""
WITH bindings AS MATERIALIZED ({bindings}),
names AS (
    SELECT via_user_group_ids,
        as_set(list(coalesce({contract.USER_GROUPS.display_name("groups")}, user_group_id)))
            AS via_user_group_names
    FROM (
        SELECT via_user_group_ids, unnest(via_user_group_ids) AS user_group_id
        FROM (SELECT DISTINCT via_user_group_ids FROM bindings)
    ) LEFT JOIN user_groups AS groups USING (user_group_id)
    GROUP BY via_user_group_ids
)
SELECT bindings.*, coalesce(via_user_group_names, []) AS via_user_group_names
FROM bindings LEFT JOIN names USING (via_user_group_ids)
"""


_TARGET_NAMES = """
    SELECT 'user' AS type, _id AS id, coalesce(text_of(username), text_of(email), _id) AS name
    FROM jumpcloud.systemusers
""" + "".join(
    f"    UNION ALL SELECT '{kind}', {table.key[0]}, {table.display_name(table.name)} "
    f"FROM {table.name}\n"
    for kind, table in contract.TARGETS.items()
)

SYSTEM_GROUP_MEMBERS = Transform(
    contract.SYSTEM_GROUP_MEMBERS,
    inputs=("jumpcloud.systemgroups_members",),
    sql="""
SELECT $integration AS integration, group_id, "to".id AS system_id
FROM jumpcloud.systemgroups_members
WHERE "to".type = 'system'
""",
)

# `compiledAttributes` has what all bindings together grant. If it is missing, use the bindings.
SYSTEM_GROUP_USERS = Transform(
    contract.SYSTEM_GROUP_USERS,
    inputs=("jumpcloud.systemgroups_users", "user_groups"),
    sql=_with_names(f"""
WITH granted AS (
    SELECT *, CASE
        WHEN compiledAttributes.sudo.enabled IS NOT NULL THEN [compiledAttributes.sudo]
        ELSE list_transform(flatten(paths), lambda edge: edge.attributes.sudo)
    END AS grants
    FROM jumpcloud.systemgroups_users
    WHERE type = 'user'
)
SELECT $integration AS integration, group_id, id AS user_id, {_VIA_USER_GROUPS},
    list_bool_or(list_transform(grants, lambda sudo: sudo.enabled)) AS sudo,
    list_bool_or(list_transform(grants, lambda sudo: sudo.enabled AND sudo.withoutPassword))
        AS sudo_without_password
FROM granted
"""),
)

SYSTEM_GROUP_ASSOCIATIONS = Transform(
    contract.SYSTEM_GROUP_ASSOCIATIONS,
    inputs=(
        "jumpcloud.systemgroups_associations",
        "jumpcloud.systemusers",
        *(table.name for table in contract.TARGETS.values()),
    ),
    sql=f"""
WITH names AS (
    {_TARGET_NAMES}
)
SELECT $integration AS integration, group_id, "to".type AS target_type, "to".id AS target_id,
    attributes.sudo.enabled AS sudo,
    attributes.sudo.enabled AND attributes.sudo.withoutPassword AS sudo_without_password,
    -- Merging into an empty object drops the NULL keys, which the API did not send.
    CASE WHEN attributes IS NOT NULL THEN json_merge_patch('{{}}', to_json(attributes)) END
        AS attributes,
    coalesce(names.name, "to".id) AS target_name
FROM jumpcloud.systemgroups_associations
LEFT JOIN names ON names.type = "to".type AND names.id = "to".id
""",
)

APPLICATION_USERS = Transform(
    contract.APPLICATION_USERS,
    inputs=("jumpcloud.applications_users", "user_groups"),
    sql=_with_names(f"""
SELECT $integration AS integration, application_id, id AS user_id, {_VIA_USER_GROUPS}
FROM jumpcloud.applications_users
WHERE type = 'user'
"""),
)

SYSTEM_IP_ADDRESSES = Transform(
    contract.SYSTEM_IP_ADDRESSES,
    inputs=("jumpcloud.systems",),
    sql="""
WITH interfaces AS (
    SELECT _id AS system_id, unnest(networkInterfaces) AS interface FROM jumpcloud.systems
),
candidates AS (
    SELECT DISTINCT system_id, coalesce(interface.name, '') AS interface,
        interface.address AS text, coalesce(lower(interface.family), '') AS given_family
    FROM interfaces
    WHERE interface.internal IS NOT TRUE
),
parsed AS (
    SELECT text, unnest(parse_address(text)) FROM (SELECT DISTINCT text FROM candidates)
)
SELECT DISTINCT $integration AS integration, system_id, interface, address, family, scope
FROM candidates JOIN parsed USING (text)
WHERE address IS NOT NULL AND given_family IN ('', 'ipv' || family)
""",
)

# A name that a device reports twice is one account, with what any of the two may do.
SYSTEM_LOCAL_ACCOUNTS = Transform(
    contract.SYSTEM_LOCAL_ACCOUNTS,
    inputs=("jumpcloud.systems",),
    sql="""
WITH accounts AS (
    SELECT _id AS system_id, unnest(userMetrics) AS account FROM jumpcloud.systems
)
SELECT $integration AS integration, system_id, account.userName AS username,
    bool_or(account.admin) AS admin, bool_or(account.managed) AS managed,
    bool_and(account.suspended) AS suspended, bool_or(account.secureTokenEnabled) AS secure_token
FROM accounts
WHERE text_of(account.userName) IS NOT NULL
GROUP BY ALL
""",
)

CUSTOM_ATTRIBUTES = Transform(
    contract.CUSTOM_ATTRIBUTES,
    inputs=("jumpcloud.systems", "jumpcloud.systemusers"),
    sql="""
WITH owned AS (
    SELECT 'systems' AS asset_type, _id AS asset_id, unnest(attributes) AS attribute
    FROM jumpcloud.systems
    UNION ALL
    SELECT 'users', _id, unnest(attributes) FROM jumpcloud.systemusers
)
SELECT $integration AS integration, asset_type, asset_id, attribute.name AS name,
    max(text_of(attribute.value)) AS value
FROM owned GROUP BY ALL
""",
)

SYSTEM_IPV4_ADDRESSES = Transform(
    contract.SYSTEM_IPV4_ADDRESSES,
    inputs=("system_ip_addresses",),
    sql="""
SELECT $integration AS integration, system_id, interface, address
FROM system_ip_addresses
WHERE family = 4
""",
)
